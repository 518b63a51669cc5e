package directory

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// A copy that the table has left says nothing any more, and nobody tells its followers: they see it in the table, also when that has
// just changed.
func TestWatchLeavesANodeThatLostTheShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, "a", "b", "c")
		w.lead("b", "b", "b", "b")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := make(chan string, 1000)
		ended := make(chan error, 1)
		go func() {
			var failed error
			for c, err := range w.nodes["a"].Watch(ctx, WatchOptions{Shards: shardsInTown, From: func(int) shards.SeqNo { return 0 }, Capacity: 100}) {
				if failed = err; err == nil && c.Kind == store.ChangePut {
					seen <- string(c.Key)
				}
			}
			ended <- failed
		}()
		hear := func(key string) {
			t.Helper()
			again := time.NewTicker(20 * time.Millisecond)
			defer again.Stop()
			for deadline := time.After(30 * time.Second); ; {
				select {
				case got := <-seen:
					if got == key {
						return
					}
				case <-again.C:
					w.nodes["a"].do(0, set(key, "v"))
				case <-deadline:
					t.Fatalf("no word of %s", key)
				}
			}
		}
		hear("at b")
		w.lead("c", "b", "b", "b")
		hear("at c")
		<-time.After(time.Second)
		for _, last := range []shards.NodeID{"c", "c", "b"} { // the pause after the second is not over when the third comes
			w.lead(last, "b", "b", "b")
			<-time.After(longestPause / 10)
		}
		hear("at b again")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The pages of a view come from the node that holds it, whoever leads meanwhile.
func TestViewStaysWithItsNode(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.lead("b", "b", "b", "b")
	for i := range pageKeys + 1 {
		submit(t, w.nodes["b"].shards[0], set(fmt.Sprint(i), "b"))
		submit(t, w.nodes["c"].shards[0], set(fmt.Sprint(i), "c"))
	}
	entries := 0
	for e, err := range w.nodes["a"].Reader().View(t.Context(), 0, nil, nil, false) {
		if entries == 0 { // not before the first page is there: a table that changes meanwhile may end the question, which then goes to c
			w.lead("c", "c", "c", "c")
		}
		if err != nil || string(e.Value) != "b" {
			t.Fatalf("%q of %s, %v", e.Value, e.Key, err)
		}
		entries++
	}
	if entries != pageKeys+1 {
		t.Errorf("%d entries", entries)
	}
}

// Numbers of an earlier life mean nothing in the next.
func TestViewsAndWatchesEndWithTheirLife(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	for i := range pageKeys + 1 {
		submit(t, w.nodes["b"].shards[0], set(fmt.Sprint(i), ""))
	}
	a, b := w.nodes["a"], w.nodes["b"]
	open := &watchQuery{op: watchOpen, capacity: 1, shards: []shards.ShardID{0}, from: []shards.SeqNo{0}}
	view, err := a.call(t.Context(), "b", &query{op: opOpen})
	if err != nil {
		t.Fatal(err)
	}
	watch, err := a.callWatch(t.Context(), "b", open)
	if err != nil {
		t.Fatal(err)
	}
	b.views, b.watches = NewViews(b.Directory), NewWatches(b.Directory)
	defer b.views.Close()
	defer b.watches.Close()
	if _, err := a.call(t.Context(), "b", &query{op: opOpen}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.callWatch(t.Context(), "b", open); err != nil {
		t.Fatal(err)
	}
	if _, err := a.call(t.Context(), "b", &query{op: opNext, view: view.view}); kindOf(err) != shards.KindUnavailable {
		t.Errorf("a view of an earlier life: %v", err)
	}
	if _, err := a.callWatch(t.Context(), "b", &watchQuery{op: watchNext, watch: watch.watch}); kindOf(err) != shards.KindInvalid {
		t.Errorf("a watch of an earlier life: %v", err)
	}
}

func TestWatchFollowsItsShardsAcrossNodes(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("b", "a", "", "b")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := make(chan shard.Change)
	done := make(chan error, 1)
	go func() {
		defer close(done)
		o := WatchOptions{Shards: shardsInTown, Prefix: []byte("p"), From: func(int) shards.SeqNo { return 0 }, Capacity: 100}
		for c, err := range w.nodes["a"].Watch(ctx, o) {
			if err != nil {
				done <- err
				return
			}
			changes <- c
		}
	}()
	expect := func(index int, key string) {
		t.Helper()
		// A watch from now on begins at some moment after the call: write until it has.
		write := func() { w.nodes["a"].do(index, set(key, "v")) }
		write()
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case c := <-changes:
				if c.Shard == index && string(c.Key) == key && c.Kind == store.ChangePut {
					return
				}
			case err := <-done:
				t.Fatal(err)
			case <-again.C:
				write()
			}
		}
	}
	expect(0, "p there")
	expect(1, "p here")
	w.lead("b", "b", "a", "b")
	expect(2, "p comes")
	expect(1, "p moved")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCloseEndsPatience(t *testing.T) {
	w := newTown(t, "a")
	w.lead("", "a")
	a := w.nodes["a"]
	a.config.Patience = time.Hour
	refused := make(chan *onlyAsk, 1)
	go func() { refused <- a.do(0, set("k", "v")) }()
	for a.Figures().Retries == 0 { // until it is being tried again
		goruntime.Gosched()
	}
	a.Close()
	began := time.Now()
	if r := <-refused; kindOf(r.err) != shards.KindUnavailable || time.Since(began) > a.config.Patience/2 {
		t.Errorf("after %v: %v", time.Since(began), r.err)
	}
	if r := a.do(1, set("k", "v")); r.err != nil {
		t.Errorf("what one try can do is done: %v", r.err)
	}
}

// Whatever is under way when a node stops, and however it ends: its error says that the node stops.
func TestErrorsSayThatTheNodeCloses(t *testing.T) {
	scan := func(a *house) error {
		_, err := a.Scan(context.Background(), shards.NewShardID(0, 0), nil, nil, 1, func([]byte) {})
		return err
	}
	for name, c := range map[string]struct {
		do   func(a *house) error
		kind shards.ErrorKind
	}{
		"a write": {func(a *house) error { return a.do(0, set("k", "v")).err }, shards.KindOutcomeUnknown},
		"a read":  {func(a *house) error { return a.do(0, get("k")).err }, shards.KindUnavailable},
		"a scan":  {scan, shards.KindUnavailable},
	} {
		for _, hangs := range []bool{false, true} {
			w := newTown(t, "a", "b")
			w.lead("b")
			a, calls := w.nodes["a"], 0
			w.spoil = func(shards.NodeID, transport.Kind, func() ([]byte, error)) ([]byte, error) {
				switch calls++; {
				case calls == 1 && hangs: // the next try is one of patience, which ends with the node
					return nil, transport.ErrNoPeer
				case hangs:
					a.Close()
					<-t.Context().Done()
				}
				a.Close()
				return nil, transport.ErrPeerGone
			}
			if err := c.do(a); kindOf(err) != c.kind || !errors.Is(err, shard.ErrClosed) || errors.Is(err, ErrGivenUp) {
				t.Errorf("%s, under way %v: %v", name, hangs, err)
			}
		}
	}
	of := attempt{unsure: transport.ErrPeerGone, err: &shards.Error{Kind: shards.KindUnavailable, Err: shard.ErrClosed}}
	if err := of.verdict(); kindOf(err) != shards.KindOutcomeUnknown || !errors.Is(err, shard.ErrClosed) {
		t.Errorf("not tried again: %v", err)
	}
}
