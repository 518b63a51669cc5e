package recipes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// guarded is what a lock protects: it refuses tokens below the greatest that it has seen, as a store outside would.
type guarded struct {
	mu      sync.Mutex
	token   uint64
	owners  map[uint64]string // of each token
	refused int
}

// write is refused if a later holder has been here; the error is a token with two holders.
func (g *guarded) write(token uint64, session string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if owner := g.owners[token]; owner != "" && owner != session {
		return fmt.Errorf("token %d was given to %s and to %s", token, owner, session)
	}
	g.owners[token] = session
	if token < g.token {
		g.refused++
		return nil
	}
	g.token = token
	return nil
}

// worlds is how many seeds are played.
func worlds() uint64 {
	if testing.Short() {
		return 4
	}
	return 15
}

// TestLockModel has workers take a lock, work, crash and stall, while the shard fails over and commits go wrong. No token has two
// holders, and nobody waits for ever.
func TestLockModel(t *testing.T) {
	for seed := range worlds() {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playLocks(t, rand.New(rand.NewPCG(seed, 5))) })
		})
	}
}

func playLocks(t *testing.T, chance *rand.Rand) {
	w := virtualtest.New(t, 2, kinds)
	faults := rand.New(rand.NewPCG(chance.Uint64(), 1))
	w.Faults(func(int) virtualtest.Fault {
		return []virtualtest.Fault{virtualtest.Refused, virtualtest.Unknown, virtualtest.Fine}[min(2, faults.IntN(30))]
	})
	store := &guarded{owners: map[uint64]string{}}
	var workers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for i := range 5 {
		own := rand.New(rand.NewPCG(chance.Uint64(), uint64(i)))
		workers.Go(func() {
			for ctx.Err() == nil {
				work(t, w, ctx, own, store)
			}
		})
	}
	for range 60 {
		w.Pass(time.Duration(1+chance.IntN(10)) * time.Second)
		switch chance.IntN(6) {
		case 0:
			w.Lead(-1)
			w.Pass(time.Duration(chance.IntN(20)) * time.Second)
			fallthrough
		case 1:
			w.Lead(chance.IntN(2))
		}
	}
	w.Lead(0)
	w.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
	stop()
	workers.Wait()
	w.Pass(time.Minute)
	s := must[*Session](t)(Open(t.Context(), w.Host(0), time.Minute))
	defer s.crash()
	last := must[uint64](t)(NewLock(w.Host(0), "l").TryAcquire(t.Context(), s))
	if last <= store.token {
		t.Errorf("all are gone: token %d after %d", last, store.token)
	}
	t.Logf("%d grants that worked, %d writes refused", len(store.owners), store.refused)
	if len(store.owners) < 20 {
		t.Errorf("only %d grants", len(store.owners))
	}
}

// work is one life of a process.
func work(t *testing.T, w *virtualtest.World, ctx context.Context, chance *rand.Rand, store *guarded) {
	h := w.Host(chance.IntN(2))
	s, err := Open(ctx, h, time.Duration(2+chance.IntN(10))*time.Second)
	if err != nil {
		return
	}
	defer s.crash()
	l := NewLock(h, "l")
	for range 1 + chance.IntN(5) {
		token, err := l.Acquire(ctx, s)
		if err != nil {
			return
		}
		work := time.Duration(chance.IntN(2000)) * time.Millisecond
		if chance.IntN(8) == 0 {
			s.crash() // it stalls: nothing is renewed, and then it goes on as if nothing had been
			work += 20 * time.Second
		}
		<-time.After(work)
		if err := store.write(token, s.Name()); err != nil {
			t.Error(err)
		}
		if chance.IntN(10) == 0 {
			return // it crashes, and holds the lock
		}
		if l.Release(ctx, s) != nil {
			return
		}
	}
	_ = s.Close(ctx) // if nobody hears it, it ends later
}

// TestQueueModel has workers that fail take items. Each item is done, or set aside, and none is lost.
func TestQueueModel(t *testing.T) {
	for seed := range worlds() {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playQueue(t, rand.New(rand.NewPCG(seed, 9))) })
		})
	}
}

func playQueue(t *testing.T, chance *rand.Rand) {
	w := virtualtest.New(t, 2, kinds)
	ctx := t.Context()
	q := []Queue{NewQueue(w.Host(0), "q"), NewQueue(w.Host(1), "q")}
	if err := q[0].Configure(ctx, QueueConfig{Visibility: 5 * time.Second, Deliveries: 4}); err != nil {
		t.Fatal(err)
	}
	faults := rand.New(rand.NewPCG(chance.Uint64(), 1))
	w.Faults(func(int) virtualtest.Fault {
		return []virtualtest.Fault{virtualtest.Refused, virtualtest.Unknown, virtualtest.Fine}[min(2, faults.IntN(30))]
	})
	pushed, done, receipts := 0, map[string]int{}, map[uint64]bool{}
	for range 500 {
		switch chance.IntN(8) {
		case 0:
			w.Lead(chance.IntN(2))
		case 1:
			w.Pass(time.Duration(chance.IntN(7)) * time.Second)
		case 2, 3:
			if _, err := q[chance.IntN(2)].Push(ctx, fmt.Append(nil, pushed)); err != nil {
				t.Fatal(err)
			}
			pushed++
		default:
			takeOne(t, w, q[chance.IntN(2)], chance, done, receipts)
		}
	}
	w.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
	for n := 1; n > 0; w.Pass(time.Second) {
		takeOne(t, w, q[0], chance, done, receipts)
		stats := must[QueueStats](t)(q[0].Stats(ctx))
		n = stats.Waiting + stats.InFlight
	}
	aside := must[[]Delivery](t)(q[0].Aside(ctx, 0))
	for _, d := range aside {
		if d.Deliveries != 4 {
			t.Errorf("set aside after %d deliveries", d.Deliveries)
		}
		done[string(d.Body)]++
	}
	for i := range pushed {
		if done[fmt.Sprint(i)] != 1 {
			t.Errorf("item %d was done or set aside %d times", i, done[fmt.Sprint(i)])
		}
	}
	t.Logf("%d items, %d set aside", pushed, len(aside))
}

// takeOne takes an item, and acknowledges it or not.
func takeOne(t *testing.T, w *virtualtest.World, q Queue, chance *rand.Rand, done map[string]int, receipts map[uint64]bool) {
	d, found, err := q.Pop(t.Context(), 0)
	if err != nil || !found {
		return
	}
	if receipts[d.Receipt] {
		t.Errorf("receipt %d was given twice", d.Receipt)
	}
	receipts[d.Receipt] = true
	if chance.IntN(4) == 0 {
		w.Pass(time.Duration(chance.IntN(10)) * time.Second)
	}
	switch chance.IntN(4) {
	case 0: // it dies
	case 1:
		_ = q.Nack(t.Context(), d)
	default:
		if q.Ack(t.Context(), d) == nil {
			done[string(d.Body)]++
		}
	}
}
