package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
)

// Mistake is an error in a scenario, with its place.
type Mistake struct {
	File string
	Line int // 0: it is none of one line
	Err  error
}

// Error names file, line and mistake.
func (m *Mistake) Error() string {
	if m.Line == 0 {
		return fmt.Sprintf("%s: %v", m.File, m.Err)
	}
	return fmt.Sprintf("%s:%d: %v", m.File, m.Line, m.Err)
}

// Unwrap is the mistake itself.
func (m *Mistake) Unwrap() error { return m.Err }

// line is one line of a scenario, cut into words and options, name=value.
type line struct {
	number int
	text   string
	words  []string
	set    map[string]string
	asked  []string // options that the line's reader knows
}

// maxLine bounds a line, in bytes.
const maxLine = 4096

// cut reads a line; nil for one that says nothing.
func cut(number int, text string) (*line, error) {
	if len(text) > maxLine {
		return nil, fmt.Errorf("a line of %d bytes; at most %d", len(text), maxLine)
	}
	text, _, _ = strings.Cut(text, "#")
	l := &line{number: number, text: strings.TrimSpace(text), set: map[string]string{}}
	for word := range strings.FieldsSeq(text) {
		name, value, found := strings.Cut(word, "=")
		if !found || name == "" || strings.HasSuffix(name, "<") || strings.HasSuffix(name, ">") || strings.HasSuffix(name, "!") {
			l.words = append(l.words, word)
			continue
		}
		if _, twice := l.set[name]; twice {
			return nil, fmt.Errorf("option %s is there twice", name)
		}
		l.set[name] = value
	}
	if len(l.words) == 0 && len(l.set) == 0 {
		return nil, nil
	}
	return l, nil
}

// next takes the first word.
func (l *line) next() string {
	if len(l.words) == 0 {
		return ""
	}
	word := l.words[0]
	l.words = l.words[1:]
	return word
}

// need takes the first word, which must be there.
func (l *line) need(what string) (string, error) {
	if word := l.next(); word != "" {
		return word, nil
	}
	return "", fmt.Errorf("%s is missing in %q", what, l.text)
}

// option gives an option's text, and notes that it is known.
func (l *line) option(name, otherwise string) string {
	l.asked = append(l.asked, name)
	if value, found := l.set[name]; found {
		return value
	}
	return otherwise
}

func (l *line) count(name string, otherwise, least, most int) (int, error) {
	text := l.option(name, "")
	if text == "" {
		return otherwise, nil
	}
	return number(name, text, least, most)
}

func number(name, text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %q; must be a number from %d to %d", name, text, least, most)
	}
	return n, nil
}

func (l *line) float(name string, otherwise, least, most float64) (float64, error) {
	text := l.option(name, "")
	if text == "" {
		return otherwise, nil
	}
	return fraction(name, text, least, most)
}

// fraction reads a number, or a share such as 50%.
func fraction(name, text string, least, most float64) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(digits, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x >= least && x <= most) {
		return 0, fmt.Errorf("%s is %q; must be a number from %v to %v", name, text, least, most)
	}
	return x, nil
}

func (l *line) size(name, otherwise string) (float64, error) {
	text := l.option(name, otherwise)
	if text == "" {
		return 0, nil
	}
	n, err := settings.ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return float64(n), nil
}

// maxEval bounds a time of a scenario.
const maxEval = 366 * 24 * time.Hour

func duration(what, text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxEval {
		return 0, fmt.Errorf("%s is %q; must be a duration such as 90s or 1h30m, up to %v", what, text, maxEval)
	}
	return d, nil
}

// factor reads x6.
func factor(text string) (float64, error) {
	digits, found := strings.CutPrefix(text, "x")
	x, err := strconv.ParseFloat(digits, 64)
	if !found || err != nil || !(x >= 0 && x <= 1e6) {
		return 0, fmt.Errorf("%q is no factor; write it as x6 or x0.5", text)
	}
	return x, nil
}

// done refuses what nobody has read of the line.
func (l *line) done() error {
	if len(l.words) > 0 {
		return fmt.Errorf("%q says nothing to %q", strings.Join(l.words, " "), l.text)
	}
	for _, name := range slices.Sorted(maps.Keys(l.set)) {
		if !slices.Contains(l.asked, name) {
			slices.Sort(l.asked)
			known := slices.Compact(l.asked)
			if len(known) == 0 {
				return fmt.Errorf("there is no option %s here", name)
			}
			return fmt.Errorf("there is no option %s here; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}
