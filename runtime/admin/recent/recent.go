// Package recent keeps what figures were in the last minutes, in memory that is bounded: who opens a page after something has
// happened begins with what has been.
//
//	           1   2   3   4         moments, the oldest first: at most as many as New is told
//	reads      7   9   9  12         a line for each figure: at most as many as New is told
//	leads      1   1   -   -         a figure that was not there at a moment has no value then; a line without any is dropped
//
// It has no clock and no lock: whoever owns a Ring says when a moment was, and does one thing at a time with it.
package recent

import (
	"maps"
	"math"
	"slices"
	"strconv"
)

// Kind says how the values of a figure are to be read.
type Kind string

// The kinds.
const (
	Gauge   Kind = "gauge"   // may rise and fall: each value stands for itself
	Counter Kind = "counter" // only grows while its node runs: what counts is the growth from one moment to the next
)

// Figure is one value at one moment.
type Figure struct {
	Name  string
	Kind  Kind
	Help  string // what it is, with its unit
	Value float64
}

// Value is a number, or none where it is NaN or infinite: JSON says null.
type Value float64

// MarshalJSON writes the number, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(v), 'g', -1, 64), nil
}

// Line is a figure over the moments of a Past.
type Line struct {
	Name   string  `json:"name"`
	Kind   Kind    `json:"kind"`
	Help   string  `json:"help"`
	Values []Value `json:"values"` // one for each moment; null: it was not there
}

// Past is what has been. It is a copy: nothing changes it.
type Past struct {
	Moments []int64 `json:"moments"`            // Unix milliseconds, ascending
	Lines   []Line  `json:"lines"`              // by name
	LeftOut int     `json:"left_out,omitempty"` // figures of the newest moment that there was no line for any more
}

// Ring keeps the newest moments. Its memory is 8 bytes for each moment of each line, and the names and texts of the lines.
//
//  1. Moments ascend, and there are at most as many as New was told.
//  2. Each line has one value for each moment, and at least one that is a number. There are at most as many as New was told.
type Ring struct {
	most, lines int
	moments     []int64
	kept        map[string]*Line
	leftOut     int
}

// New makes an empty ring of at most so many moments, and so many lines. Both are 1 at least.
func New(moments, lines int) *Ring {
	if moments < 1 || lines < 1 {
		panic("recent: a ring that keeps nothing")
	}
	return &Ring{most: moments, lines: lines, kept: map[string]*Line{}}
}

// Take adds a moment, in Unix milliseconds, with the figures that there are. What has no line yet gets one in the order of page as long as there
// is room; of figures of one name the first counts. If the clock was set back, the moments before go back with it: what was before stays before.
func (r *Ring) Take(at int64, page []Figure) {
	if last := len(r.moments) - 1; last >= 0 && at <= r.moments[last] {
		back := r.moments[last] - at + 1
		for i := range r.moments {
			r.moments[i] -= back
		}
	}
	if len(r.moments) == r.most {
		r.forget()
	}
	r.moments = append(r.moments, at)
	now := len(r.moments)
	r.leftOut = 0
	for i := range page {
		f := &page[i]
		line := r.kept[f.Name]
		switch {
		case line == nil && len(r.kept) == r.lines:
			r.leftOut++
			continue
		case line == nil:
			line = &Line{Name: f.Name, Kind: f.Kind, Help: f.Help, Values: make([]Value, 0, r.most)}
			line.reach(now - 1)
			r.kept[f.Name] = line
		case len(line.Values) == now:
			continue
		}
		line.Values = append(line.Values, Value(f.Value))
	}
	for name, line := range r.kept {
		line.reach(now)
		if !slices.ContainsFunc(line.Values, Value.known) {
			delete(r.kept, name)
		}
	}
}

// forget drops the oldest moment.
func (r *Ring) forget() {
	r.moments = slices.Delete(r.moments, 0, 1)
	for _, line := range r.kept {
		line.Values = slices.Delete(line.Values, 0, 1)
	}
}

// Since copies what came after a moment, in Unix milliseconds; all that there is after 0, and after a moment that has not been: then the clock
// was set back since. A line that has had no value since then is in it as well.
func (r *Ring) Since(moment int64) Past {
	from := 0
	if last := len(r.moments) - 1; last >= 0 && moment <= r.moments[last] {
		for from <= last && r.moments[from] <= moment {
			from++
		}
	}
	p := Past{Moments: append([]int64{}, r.moments[from:]...), Lines: []Line{}, LeftOut: r.leftOut}
	for _, name := range slices.Sorted(maps.Keys(r.kept)) {
		line := *r.kept[name]
		line.Values = append([]Value{}, line.Values[from:]...)
		p.Lines = append(p.Lines, line)
	}
	return p
}

// reach fills a line with no value up to so many moments.
func (l *Line) reach(moments int) {
	for len(l.Values) < moments {
		l.Values = append(l.Values, Value(math.NaN()))
	}
}

func (v Value) known() bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }
