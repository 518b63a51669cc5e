package recent

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// page makes figures of "name=value name=value".
func page(t *testing.T, text string) (list []Figure) {
	t.Helper()
	for _, pair := range strings.Fields(text) {
		name, value, _ := strings.Cut(pair, "=")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Figure{Name: name, Kind: Gauge, Help: "of " + name, Value: v})
	}
	return list
}

// drawn is a Past as text: a line for its moments, and one for each figure.
func drawn(p Past) string {
	b := fmt.Sprintln("at", p.Moments)
	for _, l := range p.Lines {
		text, err := json.Marshal(l.Values)
		if err != nil {
			return err.Error()
		}
		b += fmt.Sprintf("%s %s\n", l.Name, text)
	}
	if p.LeftOut > 0 {
		b += fmt.Sprintf("and %d more\n", p.LeftOut)
	}
	return b
}

func TestRing(t *testing.T) {
	for _, c := range []struct {
		name   string
		take   []string // "MOMENT: figures"
		since  int64
		answer string
	}{
		{"nothing", nil, 0, "at []\n"},
		{"what came later has no value before", []string{"10: a=1", "20: a=2 b=7"}, 0, "at [10 20]\na [1,2]\nb [null,7]\n"},
		{"what went has none since", []string{"10: a=1 b=7", "20: a=2"}, 0, "at [10 20]\na [1,2]\nb [7,null]\n"},
		{"the oldest go", []string{"10: a=1", "20: a=2", "30: a=3", "40: a=4"}, 0, "at [20 30 40]\na [2,3,4]\n"},
		{"a line without any value goes", []string{"10: a=1 b=7", "20: a=2", "30: a=3", "40: a=4"}, 0, "at [20 30 40]\na [2,3,4]\n"},
		{"one more than there is room for", []string{"10: a=1 b=1 c=1", "20: a=2 b=2 c=2"}, 0, "at [10 20]\na [1,2]\nb [1,2]\nand 1 more\n"},
		{"room that was left is taken again", []string{"10: a=1 b=1 c=1", "20: a=2 c=2", "30: a=3 c=3", "40: a=4 c=4", "50: a=5 c=5"}, 0, "at [30 40 50]\na [3,4,5]\nc [null,null,5]\n"},
		{"the first of one name counts", []string{"10: a=1 a=2"}, 0, "at [10]\na [1]\n"},
		{"no numbers", []string{"10: a=1 b=NaN", "20: a=+Inf"}, 0, "at [10 20]\na [1,null]\n"},
		{"since a moment", []string{"10: a=1", "20: a=2", "30: a=3"}, 20, "at [30]\na [3]\n"},
		{"since between two", []string{"10: a=1", "20: a=2", "30: a=3"}, 15, "at [20 30]\na [2,3]\n"},
		{"nothing new", []string{"10: a=1"}, 10, "at []\na []\n"},
		{"since a moment that has not been", []string{"10: a=1", "20: a=2"}, 21, "at [10 20]\na [1,2]\n"},
		{"a clock that was set back", []string{"100: a=1", "110: a=2", "50: a=3", "60: a=4"}, 0, "at [49 50 60]\na [2,3,4]\n"},
		{"a clock that stands", []string{"100: a=1", "100: a=2"}, 0, "at [99 100]\na [1,2]\n"},
	} {
		r := New(3, 2)
		for _, moment := range c.take {
			at, figures, _ := strings.Cut(moment, ": ")
			ms, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.Take(ms, page(t, figures))
			r.check(t)
		}
		if got := drawn(r.Since(c.since)); got != c.answer {
			t.Errorf("%s:\n%swant:\n%s", c.name, got, c.answer)
		}
	}
}

// Whatever comes, what the type's comment says holds, and what was given out stays as it was.
func TestRingOfAnything(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := New(5, 4)
	clock := int64(1000)
	for range 2000 {
		clock += random.Int64N(30) - 5
		var figures []Figure
		for i := range random.IntN(8) {
			f := Figure{Name: string(rune('a' + (i+random.IntN(3))%8)), Value: random.Float64()}
			if random.IntN(5) == 0 {
				f.Value = math.NaN()
			}
			figures = append(figures, f)
		}
		given := r.Since(0)
		before := drawn(given)
		r.Take(clock, figures)
		r.check(t)
		if drawn(given) != before {
			t.Fatal("what was given out has changed")
		}
	}
}

// check fails the test if what the type's comment says does not hold.
func (r *Ring) check(t *testing.T) {
	t.Helper()
	for i := 1; i < len(r.moments); i++ {
		if r.moments[i] <= r.moments[i-1] {
			t.Fatalf("moments do not ascend: %d", r.moments)
		}
	}
	if len(r.moments) > r.most || len(r.kept) > r.lines {
		t.Fatalf("%d moments and %d lines; %d and %d are the most", len(r.moments), len(r.kept), r.most, r.lines)
	}
	for name, line := range r.kept {
		known := 0
		for _, v := range line.Values {
			if v.known() {
				known++
			}
		}
		if len(line.Values) != len(r.moments) || known == 0 || cap(line.Values) > r.most {
			t.Fatalf("%s has %d values, of which %d are known, and room for %d; there are %d moments", name, len(line.Values), known, cap(line.Values), len(r.moments))
		}
	}
}
