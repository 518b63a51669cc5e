package simulate

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// The SVG is panels of one figure each, one below the other, over one time axis:
//
//	title
//	yellow       ┌──────╱╲──────────┐ 120
//	             └─────────┊────────┘ 0        ┊ an event
//	balance      ┌──╲_______________┐
//
// It is plain polylines in one file without scripts or fonts, so that it opens anywhere and a diff of it can be read.
const (
	svgWidth  = 960
	svgPanel  = 110
	svgLeft   = 150
	svgRight  = 90
	svgTop    = 70
	svgPoints = 600 // at most, of one line
)

// panels are what the picture shows, each with its lines.
var panels = []struct {
	title string
	lines []string
}{
	{"shards not green", []string{"red", "yellow"}},
	{"recoveries", []string{"recoveries", "waiting"}},
	{"bytes copied", []string{"bytes"}},
	{"balance, max/mean", []string{"balance.copies", "balance.primaries", "balance.cpu", "balance.memory", "balance.disk"}},
	{"fullest node", []string{"hottest.cpu", "hottest.memory", "hottest.disk"}},
}

var svgColours = []string{"#c0392b", "#e08e0b", "#2471a3", "#1e8449", "#7d3c98"}

// SVG draws the eval.
func (r *Result) SVG() string {
	var out strings.Builder
	height := svgTop + len(panels)*svgPanel + 50
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", svgWidth, height, svgWidth, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="white"/>`+"\n<text x=\"20\" y=\"30\" font-size=\"16\">%s</text>\n", svgWidth, height, html.EscapeString(r.Title))
	for i, p := range panels {
		r.panel(&out, svgTop+i*svgPanel, p.title, p.lines)
	}
	bottom := svgTop + len(panels)*svgPanel
	for _, m := range r.Marks {
		x := r.x(m.At)
		fmt.Fprintf(&out, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#888" stroke-dasharray="3 3"><title>%s</title></line>`+"\n", x, svgTop-10, x, bottom-20, html.EscapeString(DurationText(m.At)+" "+m.Text))
	}
	for i := range 5 {
		at := r.Took * time.Duration(i) / 4
		fmt.Fprintf(&out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", r.x(at), bottom+5, DurationText(at))
	}
	out.WriteString("</svg>\n")
	return out.String()
}

func (r *Result) x(at time.Duration) float64 {
	return svgLeft + float64(svgWidth-svgLeft-svgRight)*float64(at)/float64(r.Took)
}

func (r *Result) panel(out *strings.Builder, top int, title string, names []string) {
	bottom := top + svgPanel - 35
	fmt.Fprintf(out, `<text x="20" y="%d">%s</text>`+"\n", top+10, title)
	fmt.Fprintf(out, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#ccc"/>`+"\n", svgLeft, top, svgWidth-svgLeft-svgRight, bottom-top)
	low, high, all := 0.0, 0.0, []*series{}
	for _, name := range names {
		s := r.series(name)
		if len(s.y) == 0 {
			continue
		}
		from, to := s.bounds()
		if len(all) == 0 {
			low, high = from, to
		}
		low, high = min(low, from), max(high, to)
		all = append(all, s)
	}
	if len(all) == 0 {
		fmt.Fprintf(out, `<text x="%d" y="%d" fill="#888">not measured</text>`+"\n", svgLeft+10, top+20)
		return
	}
	if low == high {
		low, high = low-1, high+1
	}
	for i, s := range all {
		colour := svgColours[i%len(svgColours)]
		fmt.Fprintf(out, `<text x="20" y="%d" fill="%s">%s</text>`+"\n", top+24+13*i, colour, strings.TrimPrefix(s.name, "balance."))
		fmt.Fprintf(out, `<polyline fill="none" stroke="%s" points="%s"/>`+"\n", colour, r.points(s, low, high, top, bottom))
	}
	unit := all[0].unit
	fmt.Fprintf(out, `<text x="%d" y="%d">%s</text><text x="%d" y="%d">%s</text>`+"\n", svgWidth-svgRight+8, top+10, unit.print(high), svgWidth-svgRight+8, bottom, unit.print(low))
}

// points are the corners of a line that goes in steps: a figure holds until the next sample, unless it is something that flows.
func (r *Result) points(s *series, low, high float64, top, bottom int) string {
	var out []string
	every := max(1, len(s.at)/svgPoints)
	y := func(v float64) float64 { return float64(bottom) - (v-low)/(high-low)*float64(bottom-top) }
	last := 0.0
	for i := 0; i < len(s.at); i += every {
		x := r.x(s.at[i])
		if i > 0 && s.unit != sizes {
			out = append(out, fmt.Sprintf("%.1f,%.1f", x, last))
		}
		last = y(s.y[i])
		out = append(out, fmt.Sprintf("%.1f,%.1f", x, last))
	}
	out = append(out, fmt.Sprintf("%.1f,%.1f", r.x(r.Took), y(s.y[len(s.y)-1])))
	return strings.Join(out, " ")
}
