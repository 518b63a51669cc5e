package virtualtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// release makes a kind as it comes with a release: the second has one method more, and a field.
func release(number int) *virtual.Kind {
	type counter struct{ Count, Peak int }
	k := virtual.NewKind[counter]("counter")
	virtual.Handle(k, "add", func(c *virtual.Context[counter], n int) (int, error) {
		c.State.Count += n
		if number > 1 {
			c.State.Peak = max(c.State.Peak, c.State.Count)
		}
		return c.State.Count, nil
	})
	if number > 1 {
		virtual.Handle(k, "peak", func(c *virtual.Context[counter], _ int) (int, error) { return c.State.Peak, nil })
	}
	return k.Kind
}

// A release is rolled out: an actor moves to a node that has the next one, and back to one that has not.
func TestNodesOfTwoReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		number := 0
		w := virtualtest.New(t, 2, func() []*virtual.Kind { number++; return []*virtual.Kind{release(number)} })
		page := virtual.ID{Kind: "counter", Name: "page-7"}
		call := func(method string, n int) (int, virtual.Code) {
			got, err := virtual.Call[int, int](t.Context(), w.Host(0), page, method, n)
			return got, virtual.CodeOf(err)
		}
		if got, code := call("add", 1); got != 1 || code != 0 {
			t.Fatal(got, code)
		}
		w.Lead(1)
		w.Pass(time.Hour)
		if got, code := call("add", 1); got != 2 || code != 0 {
			t.Error(got, code)
		}
		if got, code := call("peak", 0); got != 2 || code != 0 {
			t.Error(got, code)
		}
		w.Lead(0)
		if got, code := call("peak", 0); code != virtual.CodeUnknown {
			t.Error(got, code)
		}
	})
}
