package virtual

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Whatever a turn has changed so far, its ranges are those of a sorted list, forwards and backwards, of what it would leave behind.
func TestRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		dice := rand.New(rand.NewPCG(3, 3))
		word := func(most int) string {
			b := make([]byte, dice.IntN(most+1))
			for i := range b {
				b[i] = "0a}\xff"[dice.IntN(4)]
			}
			return string(b)
		}
		model := map[string]string{}
		w.register(drawers(func(c *Context[struct{}]) (string, error) {
			for range 12 {
				key, value := word(4), word(9)
				if model[key] = value; dice.IntN(3) == 0 {
					delete(model, key)
					c.Delete(key)
				} else {
					c.Set(key, []byte(value))
				}
			}
			for range 20 {
				s := Span{Prefix: word(2), From: word(3), To: word(3), Last: dice.IntN(2) == 0}
				from, to := s.Bounds()
				var want, got []string
				for _, key := range slices.Sorted(maps.Keys(model)) {
					in := strings.HasPrefix(key, s.Prefix) && key >= s.From && (s.To == "" || key < s.To)
					if in != s.Holds(key) || in != (key >= from && (to == "" || key < to)) {
						t.Errorf("%+v holds %q: %v; it is from %q to %q", s, key, s.Holds(key), from, to)
					}
					if in {
						want = append(want, key+"="+model[key])
					}
				}
				if s.Last {
					slices.Reverse(want)
				}
				for e, err := range c.Range(s) {
					if err != nil {
						return "", err
					}
					got = append(got, e.Key+"="+string(e.Value))
				}
				if !slices.Equal(got, want) {
					t.Errorf("%+v: %q; want %q", s, got, want)
				}
			}
			return "", nil
		}))
		for range 40 {
			w.must("n1", "drawer/a", "run", 0)
		}
	})
}

// What a handler changes while it ranges is visited as it is by then: no key is passed over, and none that is gone comes.
func TestChangedWhileRanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(drawers(func(c *Context[struct{}]) (string, error) {
			got := ""
			for e, err := range c.Scan("") {
				if err != nil {
					return "", err
				}
				if got += e.Key + "=" + string(e.Value) + " "; e.Key == "a" {
					c.Set("a", []byte("x"))
					c.Set("b", []byte("x"))
					c.Delete("c")
					c.Set("d", []byte("x"))
					c.Delete("d")
					c.Set("d", []byte("y"))
				}
			}
			for _, key := range []string{"a", "b", "c", "d", "e"} {
				c.Set(key, []byte(key))
			}
			return got, nil
		}))
		w.must("n1", "drawer/a", "run", 0)
		if got := w.must("n1", "drawer/a", "run", 0); got != "a=a b=x d=y e=e " {
			t.Errorf("it came to %q", got)
		}
	})
}
