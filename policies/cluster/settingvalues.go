package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Watermark says how much of something may be used before something happens: a part of it, or all but what is to be left.
type Watermark struct {
	Part float64 // 0 to 1, if Left is 0
	Left float64 // bytes
}

// Limit is what may be used of a capacity. A headroom above 0 is what a part leaves at most.
func (w Watermark) Limit(capacity, headroom float64) float64 {
	switch {
	case w.Left > 0:
		return max(0, capacity-w.Left)
	case headroom > 0:
		return max(capacity*w.Part, capacity-headroom)
	}
	return capacity * w.Part
}

// ParseWatermark reads "85%" or "20gb".
func ParseWatermark(text string) (w Watermark, err error) {
	if part, found := strings.CutSuffix(text, "%"); found {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || !(v >= 0 && v <= 100) {
			return w, errors.New("a part goes from 0% to 100%")
		}
		return Watermark{Part: v / 100}, nil
	}
	if w.Left, err = ParseSize(text); err == nil && w.Left == 0 {
		err = errors.New("nothing would be left; that is 100%")
	}
	return w, err
}

// ParseHeadroom reads what a watermark leaves at most; 0 stands for no such limit.
func ParseHeadroom(text string) (float64, error) {
	if text == "-1" {
		return 0, nil
	}
	return ParseSize(text)
}

// maxSize bounds sizes: every whole number up to it is a float64.
const maxSize = 1 << 53

var sizeUnits = []struct {
	name  string
	bytes float64
}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"tb", 1 << 40}, {"b", 1}}

// ParseSize reads "20gb": a number of b, kb, mb, gb or tb.
func ParseSize(text string) (float64, error) {
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(v >= 0 && v*unit.bytes <= maxSize) {
			break
		}
		return float64(int64(v * unit.bytes)), nil
	}
	return 0, errors.New("a size is a number of b, kb, mb, gb or tb, and not above 8192tb")
}

// SizeText prints bytes in the unit that leaves one to four digits before the point, as in 1.5gb: for people, since it is rounded.
func SizeText(bytes float64) string {
	units := []string{"b", "kb", "mb", "gb", "tb"}
	i := 0
	for bytes >= 1<<10 && i < len(units)-1 {
		bytes, i = bytes/(1<<10), i+1
	}
	if i == 0 {
		return fmt.Sprintf("%.0f%s", bytes, units[i])
	}
	return fmt.Sprintf("%.1f%s", bytes, units[i])
}

// ParseRate reads bytes in a second; 0 stands for no bound.
func ParseRate(text string) (float64, error) {
	if text == "-1" {
		return 0, nil
	}
	rate, err := ParseSize(text)
	if err == nil && rate == 0 {
		err = errors.New("nothing would ever be sent")
	}
	return rate, err
}

// Window is a time of the week: minutes from Monday 00:00, From included and To not. One that goes past Sunday has a To beyond
// the week.
type Window struct{ From, To int }

const (
	day  = 24 * 60
	week = 7 * day
)

// In says whether a time is in the window.
func (w Window) In(t time.Time) bool {
	at := minuteOfWeek(t)
	return w.From <= at && at < w.To || at+week < w.To
}

// minuteOfWeek counts from Monday 00:00, UTC.
func minuteOfWeek(t time.Time) int {
	t = t.UTC()
	return (int(t.Weekday())+6)%7*day + t.Hour()*60 + t.Minute()
}

// NextChange is when the first of the windows begins or ends after t; zero if there are none.
func NextChange(windows []Window, t time.Time) time.Time {
	best := 0
	for _, w := range windows {
		for _, edge := range []int{w.From, w.To} {
			ahead := (edge - minuteOfWeek(t) + 2*week) % week
			if ahead == 0 {
				ahead = week
			}
			if best == 0 || ahead < best {
				best = ahead
			}
		}
	}
	if best == 0 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Minute).Add(time.Duration(best) * time.Minute)
}

var dayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// ParseWindows reads "Mon-Fri 22:00-06:00, Sun 00:00-24:00". A window whose end is not after its beginning ends on the next day.
func ParseWindows(text string) (windows []Window, err error) {
	for part := range strings.SplitSeq(text, ",") {
		days, times, found := strings.Cut(strings.TrimSpace(part), " ")
		if !found {
			return nil, fmt.Errorf("%q has no time of day", part)
		}
		first, last, several := strings.Cut(strings.ToLower(days), "-")
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if !several {
			to = from
		}
		if from < 0 || to < 0 {
			return nil, fmt.Errorf("%q is not one of the days Mon to Sun", days)
		}
		begin, end, found := strings.Cut(strings.TrimSpace(times), "-")
		b, e := minuteOfDay(begin), minuteOfDay(end)
		if !found || b < 0 || e < 0 || b == day {
			return nil, fmt.Errorf("%q is no time of day from 00:00 to 24:00", times)
		}
		if e <= b {
			e += day
		}
		for d := from; ; d = (d + 1) % 7 {
			windows = append(windows, Window{d*day + b, d*day + e})
			if d == to {
				break
			}
		}
	}
	return windows, nil
}

// minuteOfDay reads "06:30", or is -1.
func minuteOfDay(text string) int {
	h, m, found := strings.Cut(text, ":")
	hours, err := strconv.ParseUint(h, 10, 8)
	minutes, err2 := strconv.ParseUint(m, 10, 8)
	if at := int(hours*60 + minutes); found && err == nil && err2 == nil && len(m) == 2 && minutes < 60 && at <= day {
		return at
	}
	return -1
}

// Names cuts a list at its commas.
func Names(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func checkNames(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(name) == "" {
			return errors.New("a name is empty")
		}
	}
	return nil
}

func checkName(value string) error {
	if strings.TrimSpace(value) != value || strings.ContainsAny(value, ",*") {
		return errors.New("that is no name")
	}
	return nil
}

func checkNumber(least, most int64) func(string) error {
	return func(value string) error {
		if v, err := strconv.ParseInt(value, 10, 64); err != nil || v < least || v > most {
			return errors.New("it is not")
		}
		return nil
	}
}
