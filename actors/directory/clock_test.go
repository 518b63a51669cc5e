package directory

import (
	"testing"
	"time"
)

// TestWorkIsOrderedByTheClockGiven: on the node that leads the shard, whoever has sent the work there.
func TestWorkIsOrderedByTheClockGiven(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("a", "b")
	right := time.Now().Add(-time.Hour) // the clocks of both nodes are an hour ahead, and they know it
	for _, h := range w.nodes {
		h.config.Clock = func() time.Time { return right }
	}
	for index := range 2 {
		for _, h := range w.nodes {
			key := "session of " + string(h.config.Self)
			o := set(key, "v")
			o.ExpireAt = right.Add(10 * time.Minute).UnixMilli()
			if a := h.do(index, o); a.err != nil {
				t.Fatal(a.err)
			}
			if a := h.do(index, get(key)); a.err != nil || !a.results[0].Found {
				t.Errorf("shard %d, by node %s: a key that lives for ten minutes is gone: %+v, %v", index, h.config.Self, a.results, a.err)
			}
		}
	}
}
