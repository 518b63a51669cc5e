package simulate

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// series is a figure over time.
type series struct {
	name string
	unit unit
	at   []time.Duration
	y    []float64
}

// curves are the figures of a sample that can be drawn.
var curves = []struct {
	name string
	unit unit
	of   func(*Sample) (float64, bool)
}{
	{"red", plain, func(s *Sample) (float64, bool) { return float64(s.Red), true }},
	{"yellow", plain, func(s *Sample) (float64, bool) { return float64(s.Yellow), true }},
	{"recoveries", plain, func(s *Sample) (float64, bool) { return float64(s.Recoveries), true }},
	{"waiting", plain, func(s *Sample) (float64, bool) { return float64(s.Waiting), true }},
	{"bytes", sizes, func(s *Sample) (float64, bool) { return s.Bytes, true }},
	{"balance.copies", ratio, balanceCurve(copiesOf)},
	{"balance.primaries", ratio, balanceCurve(primariesOf)},
	{"balance.cpu", ratio, balanceCurve(cpuOf)},
	{"balance.memory", ratio, balanceCurve(memoryOf)},
	{"balance.disk", ratio, balanceCurve(diskOf)},
	{"hottest.cpu", percent, func(s *Sample) (float64, bool) { return s.Hottest[0], true }},
	{"hottest.memory", percent, func(s *Sample) (float64, bool) { return s.Hottest[1], true }},
	{"hottest.disk", percent, func(s *Sample) (float64, bool) { return s.Hottest[2], true }},
}

func balanceCurve(d int) func(*Sample) (float64, bool) {
	return func(s *Sample) (float64, bool) {
		if s.Balance[d] == nil {
			return 0, false
		}
		return *s.Balance[d], true
	}
}

// drawn checks that a figure can be drawn.
func drawn(name string) error {
	var names []string
	for _, c := range curves {
		if c.name == name {
			return nil
		}
		names = append(names, c.name)
	}
	return fmt.Errorf("%q cannot be drawn; there are %s", name, strings.Join(names, ", "))
}

// series gives a figure that can be drawn over the eval; empty if it was never measured.
func (r *Result) series(name string) *series {
	if err := drawn(name); err != nil {
		panic("simulate: " + err.Error())
	}
	s := &series{name: name}
	for _, c := range curves {
		if c.name != name {
			continue
		}
		s.unit = c.unit
		for i := range r.Samples {
			if y, known := c.of(&r.Samples[i]); known {
				s.at, s.y = append(s.at, r.Samples[i].At), append(s.y, y)
			}
		}
	}
	return s
}

func (s *series) bounds() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, y := range s.y {
		low, high = min(low, y), max(high, y)
	}
	return low, high
}

// value is the figure as it was at a time: what was sampled last before.
func (s *series) value(at time.Duration) float64 {
	y := s.y[0]
	for i := range s.at {
		if s.at[i] > at {
			if s.unit == sizes && i > 0 { // what flows, flows all the time
				y += (s.y[i] - y) * float64(at-s.at[i-1]) / float64(s.at[i]-s.at[i-1])
			}
			break
		}
		y = s.y[i]
	}
	return y
}

// Width and height of a plot in a terminal, in characters.
const (
	plotWidth  = 72
	plotHeight = 8
)

// draw plots a series with lines of text:
//
//	recoveries
//	     16 ┤  ▟▀▀▀▙
//	        ┤  █   ▝▀▙
//	      0 ┼▄▄▛      ▝▄▄▄▄
//	         0s          30m
func (s *series) draw(length time.Duration) string {
	if len(s.y) == 0 {
		return fmt.Sprintf("%s: not measured\n", s.name)
	}
	low, high := s.bounds()
	top, bottom := s.unit.print(high), s.unit.print(low)
	if high == low {
		return fmt.Sprintf("%s: %s all the time\n", s.name, top)
	}
	margin := max(len(top), len(bottom))
	grid := make([][]rune, plotHeight)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(" ", plotWidth))
	}
	last := -1
	for x := range plotWidth {
		y := s.peak(length, x)
		row := plotHeight - 1 - int(math.Ceil((y-low)/(high-low)*(plotHeight-1))) // up: little is more than nothing
		if last >= 0 && last != row {
			for between := min(last, row) + 1; between < max(last, row); between++ {
				grid[between][x] = '│'
			}
		}
		grid[row][x], last = '•', row
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", s.name)
	for i, row := range grid {
		label := map[int]string{0: top, plotHeight - 1: bottom}[i]
		fmt.Fprintf(&out, "%s\n", strings.TrimRight(fmt.Sprintf("  %*s ┤%s", margin, label, string(row)), " "))
	}
	end := DurationText(length)
	fmt.Fprintf(&out, "  %*s  0s%s%s\n", margin, "", strings.Repeat(" ", max(1, plotWidth-2-len(end))), end)
	return out.String()
}

// peak is the figure that stands for one column: the one farthest from where the column begins, so that no peak is lost.
func (s *series) peak(length time.Duration, x int) float64 {
	from, to := length*time.Duration(x)/plotWidth, length*time.Duration(x+1)/plotWidth
	first := s.value(from)
	y := first
	for i := range s.at {
		if s.at[i] > from && s.at[i] < to && math.Abs(s.y[i]-first) > math.Abs(y-first) {
			y = s.y[i]
		}
	}
	return y
}

func (p *player) plot(l *line) (func() error, error) {
	if err := p.follows(); err != nil {
		return nil, err
	}
	names := l.words[1:]
	if l.words = nil; len(names) == 0 {
		return nil, fmt.Errorf("plot what?")
	}
	for _, name := range names {
		if err := drawn(name); err != nil {
			return nil, err
		}
	}
	return func() error {
		r := p.last()
		for _, name := range names {
			p.out.WriteString(r.series(name).draw(r.Took))
		}
		return nil
	}, l.done()
}
