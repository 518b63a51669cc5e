package liveness

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

var (
	seeds = flag.Int("seeds", 100, "how many random worlds TestNoLeaseOutlivesADeath plays")
	first = flag.Uint64("seed", 0, "play only the world of this seed, and print it")
)

// TestNoLeaseOutlivesADeath: "A new leader waits out one lease before it revokes any" (DESIGN.md section 3), and whoever is
// declared dead without proof holds no lease any more, whatever messages are delayed, lost and reordered, whoever stops and
// goes on, whose connections are filtered, whoever leads and does not know that he does not, with clocks up to 500 ppm off to either side. The world checks
// that after each step.
func TestNoLeaseOutlivesADeath(t *testing.T) {
	if *first != 0 {
		playRandom(t, *first, func(s string) { fmt.Println(s) })
		return
	}
	deaths, reigns := 0, 0
	for seed := uint64(1); seed <= uint64(*seeds); seed++ {
		w := playRandom(t, seed, func(string) {})
		if t.Failed() {
			t.Fatalf("again: go test ./policies/liveness -run TestNoLeaseOutlivesADeath -seed %d", seed)
		}
		for _, s := range w.dead {
			if !s.Proof {
				deaths++
			}
		}
		reigns += int(w.term)
	}
	if deaths < *seeds/2 || reigns < 2**seeds {
		t.Errorf("%d deaths without proof and %d reigns in %d worlds: that proves little", deaths, reigns, *seeds)
	}
}

func TestSameSeedSameWorld(t *testing.T) {
	digest := func(seed uint64) uint64 {
		h := fnv.New64a()
		playRandom(t, seed, func(s string) { h.Write([]byte(s)) })
		return h.Sum64()
	}
	if a, b := digest(7), digest(7); a != b {
		t.Errorf("one seed, two worlds: %x, %x", a, b)
	}
	if digest(7) == digest(8) {
		t.Error("two seeds, one world")
	}
}

func playRandom(t *testing.T, seed uint64, tell func(string)) *world {
	r := rand.New(rand.NewPCG(seed, 2))
	c := Config{NoProof: r.IntN(4) == 0}
	if r.IntN(3) == 0 {
		c.Lease = 6 + r.IntN(60)
	}
	w := newWorld(t, 3+r.IntN(3), c, seed, func(string, ...any) {})
	w.beats = true
	w.print = func(format string, args ...any) {
		tell(fmt.Sprintf("%v  ", time.Duration(w.now)) + fmt.Sprintf(format, args...))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	for _, m := range w.nodes {
		m.ppm = r.Int64N(1001) - 500
	}
	for range 40 {
		disturb(w, r, w.nodes[r.IntN(len(w.nodes))])
		w.run(time.Duration(r.IntN(1500)) * time.Millisecond)
		if !w.leader.runs() || r.IntN(8) == 0 {
			w.elect(w.nodes[r.IntN(len(w.nodes))])
		}
	}
	return w
}

// disturb does one thing to a world.
func disturb(w *world, r *rand.Rand, m *machine) {
	switch r.IntN(13) {
	case 0:
		if m.up {
			w.crash(m)
		}
	case 1:
		m.vanished = m.up
	case 2, 3:
		if !m.up || m.vanished {
			w.begin(m)
		}
	case 4, 5:
		m.stopped = m.up
	case 6, 7:
		m.stopped = false
	case 8:
		w.cuts[[2]shards.NodeID{m.id, w.nodes[r.IntN(len(w.nodes))].id}] = true
	case 9:
		clear(w.cuts)
		clear(w.filters)
	case 10:
		w.latency = time.Duration(r.IntN(1000)) * time.Millisecond
		w.jitter, w.loss = time.Duration(r.Int64N(int64(w.latency)*3+1)), r.Float64()/4
	case 11:
		w.latency, w.jitter, w.loss = time.Millisecond, 0, 0
	case 12:
		w.filters[[2]shards.NodeID{m.id, w.nodes[r.IntN(len(w.nodes))].id}] = true
	}
}
