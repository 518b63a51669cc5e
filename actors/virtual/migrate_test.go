package virtual

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/shards"
)

// release is a kind of accounts as one release of a program has them; load gives what it makes of a state that another has written.
func release[S any](change func(s *S), prepare func(c *Context[S]) error) *Kind {
	k := NewKind[S]("account")
	Handle(k, "load", func(c *Context[S], _ int) (string, error) { return fmt.Sprint(*c.State), nil })
	Handle(k, "write", func(c *Context[S], _ int) (string, error) {
		change(c.State)
		return fmt.Sprint(*c.State), nil
	})
	Handle(k, "keep", func(c *Context[S], _ int) (int, error) { c.Set("new", []byte("kept")); return 0, nil })
	Handle(k, "clear", func(c *Context[S], _ int) (string, error) { return "", c.Clear() })
	Handle(k, "kept", func(c *Context[S], _ int) (string, error) {
		value, _, err := c.Get("new")
		return string(value), err
	})
	if prepare != nil {
		OnActivate(k, prepare)
	}
	return k.Kind
}

type (
	accountSum struct {
		Sum  int32
		Name string
	}
	accountMore struct {
		Sum   int64
		Name  string
		Since int
	}
	accountTotal struct {
		Total int `json:"sum"`
		Name  string
	}
	accountUntagged struct {
		Total int
		Name  string
	}
	accountText  struct{ Sum string }
	accountEuros struct{ Euros float64 }
	accountCents struct {
		Cents int64
		Euros float64 `json:",omitempty"`
	}
)

// cents reads itself whatever it was before.
type cents int64

// UnmarshalJSON reads a number, or what an earlier release wrote: {"Euros": number}.
func (c *cents) UnmarshalJSON(text []byte) error {
	var old accountEuros
	if err := json.Unmarshal(text, &old); err == nil {
		*c = cents(math.Round(old.Euros * 100))
		return nil
	}
	return json.Unmarshal(text, (*int64)(c))
}

// What the package's doc says of each change of a state's type.
func TestChangedTypesOfStates(t *testing.T) {
	sum := func() *Kind { return release(func(s *accountSum) { s.Sum, s.Name = s.Sum+7, "x" }, nil) }
	named := func() *Kind { return release(func(s *accountUntagged) { s.Name = "y" }, nil) }
	euros := func() *Kind { return release(func(s *accountEuros) { s.Euros = 1.15 }, nil) }
	converting := func() *Kind {
		return release(func(*accountCents) {}, func(c *Context[accountCents]) error {
			if c.State.Euros != 0 {
				c.State.Cents, c.State.Euros = int64(math.Round(c.State.Euros*100)), 0
			}
			return nil
		})
	}
	type step struct {
		node         shards.NodeID
		method, want string
	}
	for _, c := range []struct {
		what       string
		older, now func() *Kind
		steps      []step // after a write on the older node, n1
	}{
		{"a new field", sum, func() *Kind { return release(func(s *accountMore) { s.Since = 3 }, nil) }, []step{
			{"n2", "load", "{7 x 0}"}, {"n2", "write", "{7 x 3}"}, {"n1", "load", "{7 x}"}, {"n2", "load", "{7 x 3}"}, {"n1", "write", "{14 x}"}, {"n2", "load", "{14 x 0}"}}},
		{"a wider type", sum, func() *Kind { return release(func(s *accountMore) { s.Sum = 1 << 40 }, nil) }, []step{
			{"n2", "write", "{1099511627776 x 0}"}, {"n1", "load", "failed"}, {"n2", "load", "{1099511627776 x 0}"}}},
		{"a name with its tag", sum, func() *Kind { return release(func(s *accountTotal) { s.Total++ }, nil) }, []step{
			{"n2", "load", "{7 x}"}, {"n2", "write", "{8 x}"}, {"n1", "load", "{8 x}"}}},
		{"a name without", sum, named, []step{{"n2", "load", "{0 x}"}, {"n1", "load", "{7 x}"}, {"n2", "write", "{0 y}"}, {"n1", "load", "{0 y}"}}},
		{"a type that cannot read", sum, func() *Kind { return release(func(*accountText) {}, nil) }, []step{
			{"n2", "load", "failed"}, {"n2", "write", "failed"}, {"n1", "load", "{7 x}"}}},
		{"brought over", euros, converting, []step{{"n2", "load", "{115 0}"}, {"n2", "load", "{115 0}"}, {"n1", "load", "{0}"}}},
		{"reads itself", euros, func() *Kind { return release(func(s *cents) { *s++ }, nil) }, []step{{"n2", "load", "115"}, {"n2", "write", "116"}, {"n2", "load", "116"}, {"n1", "load", "failed"}}},
		{"cleared", sum, func() *Kind { return release(func(s *accountCents) { s.Cents = 1 }, nil) }, []step{
			{"n2", "clear", ""}, {"n1", "load", "{0 }"}}},
		{"data", sum, named, []step{{"n2", "keep", "0"}, {"n2", "keep", "0"}, {"n2", "load", "{0 x}"}, {"n1", "write", "{14 x}"}, {"n2", "kept", "kept"}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1", "n2")
			for node, kind := range map[shards.NodeID]func() *Kind{"n1": c.older, "n2": c.now} {
				if err := w.hosts[node].Register(kind()); err != nil {
					t.Fatal(err)
				}
			}
			w.must("n1", "account/a", "write", 0)
			for i, s := range c.steps {
				w.lead(0, s.node)
				synctest.Wait()
				got, err := w.call(s.node, "account/a", s.method, 0)
				if err != nil {
					got = CodeOf(err).String()
				}
				if got != s.want {
					t.Errorf("%s, step %d: %s, not %s (%v)", c.what, i, got, s.want, err)
				}
			}
		})
	}
}
