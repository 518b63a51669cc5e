package virtual

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What an actor keeps is shown where it lives, and nowhere else.
func TestInspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "a", "b")
		w.register(func() *Kind {
			k := NewKind[int]("box")
			Handle(k, "fill", func(c *Context[int], n int) (int, error) {
				*c.State = n
				c.Set("x/1", []byte("one"))
				c.Set("x/2", []byte("two"))
				if err := c.SetMarker("seal", []byte("whole")); err != nil {
					return 0, err
				}
				if err := c.Remind("empty", time.Hour, time.Minute, "fill", 0); err != nil {
					return 0, err
				}
				return n, c.Tell(ID{"nobody", "x"}, "hear", "me")
			})
			return k.Kind
		})
		id := ID{"box", "a"}
		if i, err := w.hosts["a"].Inspect(t.Context(), id); err != nil || i.Active || i.State != nil || i.Data != nil || i.Outbox != nil {
			t.Errorf("of an actor that nobody has called: %+v, %v", i, err)
		}
		begun := time.Now()
		if _, err := Call[int, int](t.Context(), w.hosts["b"], id, "fill", 7); err != nil {
			t.Fatal(err)
		}
		i, err := w.hosts["a"].Inspect(t.Context(), id, "seal", "none")
		if err != nil || !i.Active || string(i.State) != "7" || len(i.Data) != 2 || i.Data[1].Key != "x/2" || string(i.Data[1].Value) != "two" || len(i.Markers) != 1 || string(i.Markers["seal"]) != "whole" {
			t.Fatalf("%+v, %v", i, err)
		}
		if r := i.Reminders; len(r) != 1 || r[0].Name != "empty" || r[0].Every != time.Minute || r[0].Due.Sub(begun) != time.Hour || r[0].Method != "fill" {
			t.Errorf("reminders: %+v", r)
		}
		if o := i.Outbox; len(o) != 1 || o[0].To != (ID{"nobody", "x"}) || string(o[0].Payload) != `"me"` || o[0].Asked {
			t.Errorf("on their way: %+v", o)
		}
		if _, node, err := w.hosts["b"].Where(id); node != "a" || err != nil {
			t.Errorf("it lives on %s: %v", node, err)
		}
		if _, err := w.hosts["b"].Inspect(t.Context(), id); !passing(err) {
			t.Errorf("where it does not live: %v", err)
		}
	})
}

// Who keeps something is found in the shards, awake or asleep, whatever is in its name.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "a", "b")
		w.register(func() *Kind {
			k := NewKind[int]("box")
			Handle(k, "fill", func(c *Context[int], n int) (int, error) {
				*c.State = n
				c.Set("s/{box/none}", []byte("a value of its own"))
				return n, nil
			})
			Handle(k, "look", func(c *Context[int], _ struct{}) (int, error) { return *c.State, nil })
			return k.Kind
		}, func() *Kind {
			k := NewKind[int]("boxes")
			Handle(k, "fill", func(c *Context[int], n int) (int, error) { *c.State = n; return n, nil })
			return k.Kind
		})
		for _, name := range []string{"b", "a/{%}x", "a"} {
			for _, n := range []int{7, len(name) - 1} { // those with one letter are blank in the end
				if _, err := Call[int, int](t.Context(), w.hosts["b"], ID{"box", name}, "fill", n); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := Call[int, int](t.Context(), w.hosts["b"], ID{"boxes", "x"}, "fill", 7); err != nil {
			t.Fatal(err)
		}
		if _, err := Call[struct{}, int](t.Context(), w.hosts["b"], ID{"box", "asked"}, "look", struct{}{}); err != nil {
			t.Fatal(err)
		}
		got, more, err := w.hosts["a"].Kept(t.Context(), 0, "box", "", 10, true)
		want := []KeptActor{{ID{"box", "a"}, true}, {ID{"box", "a/{%}x"}, false}, {ID{"box", "b"}, true}}
		if err != nil || more || !slices.Equal(got, want) {
			t.Errorf("%+v, more %v, %v; want %+v", got, more, err, want)
		}
		if got, more, err = w.hosts["a"].Kept(t.Context(), 0, "box", "", 1, false); err != nil || more || !slices.Equal(got, want[1:2]) {
			t.Errorf("without those that are blank: %+v, more %v, %v", got, more, err)
		}
		if got, more, err = w.hosts["a"].Kept(t.Context(), 0, "box", "", -1, true); err != nil || !more || len(got) != 0 {
			t.Errorf("less than none: %+v, more %v, %v", got, more, err)
		}
		if _, _, err := w.hosts["b"].Kept(t.Context(), 0, "box", "", 10, true); !passing(err) {
			t.Errorf("where the shard is not led: %v", err)
		}
	})
}

// Pages of names go through all of them once, in order, whatever is in them, and look at few more keys than they show.
func TestKeptPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "a")
		w.register(func() *Kind {
			k := NewKind[int]("box")
			Handle(k, "fill", func(c *Context[int], n int) (int, error) { *c.State = n; return n, nil })
			return k.Kind
		})
		dice, want := rand.New(rand.NewPCG(7, 7)), map[string]bool{}
		for len(want) < 300 {
			name := make([]byte, 1+dice.IntN(6))
			for i := range name {
				name[i] = "01a%{|}~\xff"[dice.IntN(9)]
			}
			want[string(name)] = true
		}
		for name := range want {
			if _, err := Call[int, int](t.Context(), w.hosts["a"], ID{"box", name}, "fill", 7); err != nil {
				t.Fatal(err)
			}
		}
		names := slices.SortedFunc(maps.Keys(want), CompareNames)
		for limit := 1; limit <= 64; limit *= 4 {
			var got []string
			for after, more := "", true; more; {
				var page []KeptActor
				var err error
				if page, more, err = w.hosts["a"].Kept(t.Context(), 0, "box", after, limit, true); err != nil || len(page) == 0 || more && len(page) != limit {
					t.Fatalf("after %q: %v, %v, %v", after, page, more, err)
				}
				for _, k := range page {
					got = append(got, k.ID.Name)
				}
				after = got[len(got)-1]
			}
			if !slices.Equal(got, names) {
				t.Fatalf("pages of %d: %q\nwant %q", limit, got, names)
			}
		}
	})
}
