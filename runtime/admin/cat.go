package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// column is one column of a table under /_cat/.
type column struct {
	name, about string
	right       bool // numbers
	size        bool // bytes: "1.5mb", or plain with ?bytes
	extra       bool // shown only if ?h asks for it
}

// catTable is one table: columns, and rows of as many cells.
type catTable struct {
	name    string
	columns []column
	figures bool // asks every node for those of its copies
	rows    func(*overview) [][]string
}

func (t catTable) serve(s *Server, x *exchange, q *query) error {
	header, help := q.flag("v"), q.flag("help")
	if q.err != nil {
		return q.err
	}
	if help {
		x.text(http.StatusOK, mimeText, t.help())
		return nil
	}
	shown, err := t.shown(q.values.Get("h"))
	if err != nil {
		return err
	}
	o := s.overview()
	if t.figures {
		o.ask(x.r.Context(), s.backend.Cluster())
	}
	rows := t.rows(o)
	if err := t.sort(rows, q.values.Get("s")); err != nil {
		return err
	}
	if !q.values.Has("bytes") {
		t.humanise(rows)
	}
	switch format := q.values.Get("format"); format {
	case "", "text":
		x.text(http.StatusOK, mimeText, t.align(rows, shown, header))
	case "json":
		x.text(http.StatusOK, mimeJSON, t.json(rows, shown))
	default:
		return invalid("parameter \"format\" is %q; must be text or json", clip(format))
	}
	return nil
}

const mimeText = "text/plain; charset=utf-8"

func (s *Server) catList(x *exchange, _ *query) error {
	var list strings.Builder
	for _, t := range catTables {
		list.WriteString("/_cat/" + t.name + "\n")
	}
	x.text(http.StatusOK, mimeText, []byte(list.String()))
	return nil
}

func (t *catTable) help() []byte {
	rows := make([][]string, len(t.columns))
	for i, c := range t.columns {
		rows[i] = []string{c.name, "| " + c.about}
	}
	return (&catTable{columns: make([]column, 2)}).align(rows, []int{0, 1}, false)
}

// shown are the indexes of the columns that ?h names; patterns like *s are allowed, as in Elasticsearch.
func (t *catTable) shown(names string) (shown []int, err error) {
	if names == "" {
		for i, c := range t.columns {
			if !c.extra {
				shown = append(shown, i)
			}
		}
		return shown, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		before := len(shown)
		for i, c := range t.columns {
			if matched, _ := path.Match(name, c.name); matched {
				shown = append(shown, i)
			}
		}
		if len(shown) == before {
			return nil, t.noColumn(name)
		}
		if len(shown) > 100 {
			return nil, invalid("parameter \"h\" asks for more than 100 columns")
		}
	}
	return shown, nil
}

func (t *catTable) noColumn(name string) error {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return invalid("no column %q in /_cat/%s; there are %s", clip(name), t.name, strings.Join(names, ", "))
}

// sort orders rows by ?s: column or column:desc, several with commas. Numbers are compared as numbers.
func (t *catTable) sort(rows [][]string, by string) error {
	if by == "" {
		return nil
	}
	keys := strings.Split(by, ",")
	for _, key := range slices.Backward(keys) { // a stable sort by the last first
		name, order, _ := strings.Cut(key, ":")
		at := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if at < 0 {
			return t.noColumn(name)
		}
		if order != "" && order != "asc" && order != "desc" {
			return invalid("parameter \"s\" has order %q; must be asc or desc", clip(order))
		}
		slices.SortStableFunc(rows, func(a, b []string) int {
			if order == "desc" {
				a, b = b, a
			}
			return compareCells(a[at], b[at])
		})
	}
	return nil
}

func compareCells(a, b string) int {
	x, err := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	switch {
	case err != nil || err2 != nil:
		return strings.Compare(a, b)
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (t *catTable) humanise(rows [][]string) {
	for _, row := range rows {
		for i, c := range t.columns {
			if n, err := strconv.ParseInt(row[i], 10, 64); c.size && err == nil {
				row[i] = humanBytes(n)
			}
		}
	}
}

// humanBytes prints bytes as Elasticsearch does: 512b, 1.5kb, 20mb.
func humanBytes(n int64) string {
	units := []string{"b", "kb", "mb", "gb", "tb", "pb"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + units[unit]
}

func (t *catTable) align(rows [][]string, shown []int, header bool) []byte {
	if header {
		names := make([]string, len(t.columns))
		for i, c := range t.columns {
			names[i] = c.name
		}
		rows = append([][]string{names}, rows...)
	}
	width := make([]int, len(t.columns))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out bytes.Buffer
	for _, row := range rows {
		var line strings.Builder
		for place, i := range shown {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(row[i]))
			if place > 0 {
				line.WriteByte(' ')
			}
			if t.columns[i].right {
				line.WriteString(pad + row[i])
			} else {
				line.WriteString(row[i] + pad)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.Bytes()
}

// json is a list of objects of texts, their fields in the order of the columns.
func (t *catTable) json(rows [][]string, shown []int) []byte {
	out := []byte{'['}
	for r, row := range rows {
		if r > 0 {
			out = append(out, ',')
		}
		out = append(out, '{')
		for place, i := range shown {
			if place > 0 {
				out = append(out, ',')
			}
			cell, err := json.Marshal(row[i])
			if err != nil {
				panic("admin: a text that JSON cannot hold: " + err.Error())
			}
			out = append(append(appendText(out, []byte(t.columns[i].name)), ':'), cell...)
		}
		out = append(out, '}')
	}
	return append(out, "]\n"...)
}
