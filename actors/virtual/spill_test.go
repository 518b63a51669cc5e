package virtual

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// count is an actor that counts what it is told, and what comes out of order.
type count struct{ Last, Count, Wrong int }

func counts() *Kind {
	k := NewKind[count]("count")
	Handle(k, "take", func(c *Context[count], n int) (int, error) {
		if n != c.State.Last+1 {
			c.State.Wrong++
		}
		c.State.Last, c.State.Count = n, c.State.Count+1
		return 0, nil
	})
	Handle(k, "look", func(c *Context[count], _ int) (count, error) { return *c.State, nil })
	Handle(k, "way", func(c *Context[count], to string) (int, error) {
		way, err := c.OnTheirWay()
		return way[ID{"count", to}], err
	})
	Handle(k, "flood", func(c *Context[count], r struct {
		To      string
		From, N int
	}) (int, error) {
		for i := range r.N {
			if err := c.Tell(ID{"count", r.To}, "take", r.From+i); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
	return k.Kind
}

// However many messages wait for a receiver whose shard nobody leads, those to others come: also those behind them in the shard, and those that are
// found there by a scan. When somebody leads it all of them come, in order.
func TestFloodForOneThatIsAwayHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, "n1")
		w.register(counts)
		w.hosts["n1"].chores.most = 100
		named := func(prefix string, shard int) string {
			for i := 0; ; i++ {
				if name := fmt.Sprint(prefix, i); w.home(ID{"count", name}) == shard {
					return name
				}
			}
		}
		flooder, other, near, far := named("a", 0), named("b", 0), named("near", 0), named("far", 1)
		told := map[string]int{}
		tell := func(from, to string, n int) {
			t.Helper()
			w.must("n1", "count/"+from, "flood", map[string]any{"To": to, "From": told[to] + 1, "N": n})
			told[to] += n
		}
		arrived := func(when, to string, want int) {
			t.Helper()
			if got := w.must("n1", "count/"+to, "look", 0); got != fmt.Sprintf(`{"Last":%d,"Count":%[1]d,"Wrong":0}`, want) {
				t.Errorf("%s: %d were told to %s, which has %s", when, want, to, got)
			}
		}
		tell(other, far, 1)
		pass(time.Second)
		arrived("at first", far, 1)
		w.lead(1, "")
		for range 5 {
			tell(flooder, far, 50)
		}
		tell(other, near, 3)
		pass(time.Minute)
		arrived("while one is away", near, 3)
		if n := w.must("n1", "count/"+flooder, "way", far); n != "250" {
			t.Errorf("%s of 250 messages are on their way", n)
		}
		w.hosts["n1"].Led(0)
		tell(other, near, 3)
		pass(time.Minute)
		arrived("after a scan", near, 6)
		tell(flooder, near, 3)
		pass(time.Minute)
		arrived("from who waits for the other", near, 9)
		w.lead(1, "n1")
		tell(flooder, far, 3)
		pass(5 * time.Minute)
		arrived("in the end", far, told[far])
		if n, told := len(w.keys("o")), w.must("n1", "count/"+flooder, "way", far); n != 0 || told != "0" {
			t.Errorf("%d messages are on their way, %s of one actor", n, told)
		}
		c := &w.hosts["n1"].chores
		c.mu.Lock()
		defer c.mu.Unlock()
		if l := c.ledgers[0]; l.held != 0 || len(l.links) != 0 || !l.live {
			t.Errorf("%d are held in %d links, live %v", l.held, len(l.links), l.live)
		}
	})
}
