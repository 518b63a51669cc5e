package directory

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

// slowly reads shard 1 of b from a, in steps that take so long each, while a view of shard 0 is open; then it goes on with that. It says
// how many keys of shard 0 there were.
func slowly(t *testing.T, w *town, steps int, each time.Duration) (keys int, err error) {
	t.Helper()
	b := w.nodes["b"]
	r := w.nodes["a"].Reader()
	first, stopFirst := iter.Pull2(r.View(t.Context(), 0, nil, nil, false))
	defer stopFirst()
	second, stopSecond := iter.Pull2(r.View(t.Context(), 1, nil, nil, false))
	defer stopSecond()
	if _, err, more := first(); err != nil || !more {
		t.Fatal(err)
	}
	for range steps {
		if _, err, more := second(); err != nil || !more {
			t.Fatalf("%v, %v", err, more)
		}
		<-time.After(each)
		b.views.Expire(time.Now())
	}
	if _, err, more := second(); err != nil || !more { // from the page that is here
		t.Fatal(err)
	}
	for keys = 1; ; keys++ {
		_, err, more := first()
		if err != nil || !more {
			return keys, err
		}
	}
}

// twoFull is a town in which b leads and holds more than a page in its first shards.
func twoFull(t *testing.T) *town {
	w := newTown(t, "a", "b")
	w.lead("b", "b", "b", "b")
	for i := range pageKeys + 1 {
		for index := range 2 {
			submit(t, w.nodes["b"].shards[shards.NewShardID(0, index)], set(fmt.Sprint(i), ""))
		}
	}
	return w
}

// Views live while their reader goes on, at whatever pace; also those that it needs nothing of meanwhile.
func TestViewsOfASlowReaderLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoFull(t)
		for _, each := range []time.Duration{viewLife / 1000, viewLife / 7, viewLife / 2, viewLife - time.Second} {
			if keys, err := slowly(t, w, int(3*viewLife/each), each); err != nil || keys != pageKeys+1 {
				t.Errorf("a step each %v: %v after %d keys", each, err, keys)
			}
		}
		if open := len(w.nodes["b"].views.open); open != 0 {
			t.Errorf("%d views are still held", open)
		}
	})
}

// Who stands still for a minute is cut off, and may begin again after its last key: what it sees holds memory.
func TestViewsOfAReaderThatStandsStillEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoFull(t)
		if keys, err := slowly(t, w, 1, viewLife+time.Second); kindOf(err) != shards.KindUnavailable || keys != pageKeys {
			t.Errorf("%v after %d keys", err, keys)
		}
	})
}

// A node of a release before refuses to keep views. That is no failure of the reader, whose views live there as long as they did.
func TestViewsAtANodeThatCannotKeepThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoFull(t)
		reads := 0
		w.spoil = func(_ shards.NodeID, _ transport.Kind, serve func() ([]byte, error)) ([]byte, error) {
			if reads++; reads == 3 || reads == 4 { // the first two open the views
				return nil, &shards.Error{Kind: shards.KindInvalid, Err: errors.New("a read outside its limits")}
			}
			return serve()
		}
		if keys, err := slowly(t, w, 2, viewLife/3); err != nil || keys != pageKeys+1 || reads < 5 {
			t.Errorf("%v after %d keys, %d reads", err, keys, reads)
		}
	})
}
