package member

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// period is the default of LoadPeriod, and a little more.
const period = 5200 * time.Millisecond

// fuller is a town's rule: full from nine tenths of the disk, until it is below eight.
func fuller(_ *cluster.State, l *policies.NodeLoad, was Full) Full {
	if share := l.Used.Memory / l.Capacity.Memory; share > 0.9 {
		return Full{Memory: true, Why: fmt.Sprintf("%.0f%% of its memory are used, of which it may use 90%%", 100*share)}
	}
	share := l.Used.Disk / l.Capacity.Disk
	if share > 0.9 || was.Why != "" && share > 0.8 {
		return Full{Why: fmt.Sprintf("%.0f%% of its disk are used, of which it may use 90%%", 100*share)}
	}
	return Full{}
}

// measures sets what a node measures from now on.
func (r *resident) measures(disk float64, copies ...CopyLoad) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sample = Sample{Copies: copies, Node: policies.NodeLoad{
		Capacity: policies.Load{CPU: 2, Memory: 1 << 30, Disk: 1 << 40}, Used: policies.Load{CPU: 0.5, Memory: 1 << 29, Disk: math.Floor(disk * (1 << 40))},
	}}
}

func (r *resident) fillsMemory(part float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sample.Node.Used.Memory = math.Floor(part * (1 << 30))
}

func (r *resident) loads() *policies.Loads { return r.member.Load().Evidence().Loads }

// arrived is how many reports, of how many bytes, have come since it was asked last.
func (r *resident) arrived() (reports, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reports, bytes = r.reports, r.bytes
	r.reports, r.bytes = 0, 0
	return reports, bytes
}

func (r *resident) heardFull() []Flood {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

func costs(shard int, primary bool, memory float64) CopyLoad {
	return CopyLoad{Shard: shards.ShardID(shard), Primary: primary, Cost: policies.Load{CPU: 0.25, Memory: memory, Disk: 3 * memory}, Apply: 0.125}
}

func TestTheLeaderLearnsWhatMembersMeasure(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].measures(0.1, costs(1, true, 1<<20))
		w.nodes["n2"].measures(0.2, costs(1, false, 2<<20), costs(2, true, 4<<20))
		w.nodes["n3"].measures(0.3, costs(1, false, 3<<20))
		w.pass(period)
		l := w.nodes["n1"].loads()
		if len(l.Nodes) != 3 || l.Nodes[1].Node != "n2" || l.Nodes[1].Epoch != 1 || l.Nodes[1].Used.Disk != math.Floor(0.2*(1<<40)) || l.Nodes[2].Capacity.CPU != 2 {
			t.Errorf("%+v", l.Nodes)
		}
		want := []policies.ShardLoad{
			{Shard: 1, Primary: policies.Load{CPU: 0.25, Memory: 1 << 20, Disk: 3 << 20}, Replica: policies.Load{CPU: 0.125, Memory: 3 << 20, Disk: 9 << 20}},
			{Shard: 2, Primary: policies.Load{CPU: 0.25, Memory: 4 << 20, Disk: 12 << 20}, Replica: policies.Load{CPU: 0.125, Memory: 4 << 20, Disk: 12 << 20}},
		}
		if !slices.Equal(l.Shards, want) {
			t.Errorf("%+v", l.Shards)
		}
		if e := w.nodes["n2"].member.Load().Evidence(); e.Loads != nil {
			t.Errorf("n2 does not lead, and says %+v", e.Loads)
		}
	})
}

func TestIdleCopiesAreNotToldOfAgain(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		var all []CopyLoad
		for i := range 1000 {
			all = append(all, costs(i, true, 1<<20))
		}
		w.nodes["n2"].measures(0.5, all...)
		w.pass(period)
		if l := w.nodes["n1"].loads(); len(l.Shards) != 1000 {
			t.Fatalf("%d shards", len(l.Shards))
		}
		w.nodes["n1"].arrived()
		w.pass(5 * time.Minute)
		// Two followers tell of themselves every 30 s.
		if n, bytes := w.nodes["n1"].arrived(); n > 22 || n < 18 || bytes > 50*n {
			t.Errorf("%d reports of %d bytes in 5 minutes without any change", n, bytes)
		}
		changed := slices.Clone(all)
		changed[17].Cost.Memory *= 2
		w.nodes["n2"].measures(0.5, changed...)
		w.pass(period)
		if _, bytes := w.nodes["n1"].arrived(); bytes > 150 {
			t.Errorf("one copy has changed, and %d bytes were sent", bytes)
		}
		if l := w.nodes["n1"].loads(); l.Shards[17].Primary.Memory != 2<<20 || l.Shards[18].Primary.Memory != 1<<20 {
			t.Errorf("%+v", l.Shards[17:19])
		}
		w.nodes["n2"].measures(0.5, changed[:900]...)
		w.pass(period + time.Second)
		if l := w.nodes["n1"].loads(); len(l.Shards) != 900 {
			t.Errorf("%d shards after 100 have moved away", len(l.Shards))
		}
	})
}

func TestANewLeaderLearnsAllWithinAPeriod(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n1"].measures(0.1, costs(1, true, 1<<20))
		w.nodes["n3"].measures(0.3, costs(2, true, 2<<20))
		w.pass(period)
		w.elect("n2", true)
		w.pass(period)
		if l := w.nodes["n2"].loads(); l == nil || len(l.Nodes) != 3 || len(l.Shards) != 2 {
			t.Errorf("%+v", l)
		}
		w.elect("n1", true) // which led before, and knows nothing of that reign any more
		w.pass(period)
		if l := w.nodes["n1"].loads(); len(l.Nodes) != 3 || len(l.Shards) != 2 {
			t.Errorf("%+v", l)
		}
	})
}

func TestLostReportsAreMadeUpFor(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n3"].measures(0.3, costs(2, true, 2<<20))
		w.pass(period)
		for i := range 3 {
			w.cut("n1", "n3")
			w.nodes["n3"].measures(0.3, costs(2, true, float64(4+i)*(1<<20)))
			w.pass(1200 * time.Millisecond) // less than it takes to be declared dead
			w.heal("n1", "n3")
			w.pass(2*period - 1200*time.Millisecond)
			if l := w.nodes["n1"].loads(); len(l.Shards) != 1 || l.Shards[0].Primary.Memory != float64(4+i)*(1<<20) {
				t.Errorf("round %d: %+v", i, l.Shards)
			}
		}
	})
}

func TestWhatALifeMeasuredEndsWithIt(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n3"].measures(0.3, costs(2, true, 2<<20))
		w.pass(period)
		w.nodes["n3"].close()
		w.settle("n3", 2)
		w.commit(func(m []cluster.Member) []cluster.Member { m[2].Epoch = 2; return m })
		w.nodes["n3"].measures(0.4)
		w.pass(2 * period)
		l := w.nodes["n1"].loads()
		at := slices.IndexFunc(l.Nodes, func(n policies.NodeLoad) bool { return n.Node == "n3" })
		if at < 0 || l.Nodes[at].Epoch != 2 || l.Nodes[at].Used.Disk != math.Floor(0.4*(1<<40)) || len(l.Shards) != 0 {
			t.Errorf("%+v", l)
		}
		w.commit(func(m []cluster.Member) []cluster.Member { return m[:2] })
		w.pass(period)
		if l := w.nodes["n1"].loads(); slices.ContainsFunc(l.Nodes, func(n policies.NodeLoad) bool { return n.Node == "n3" }) {
			t.Errorf("who is no member has loads: %+v", l.Nodes)
		}
	})
}

func TestEverybodyHearsWhoIsFull(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		for _, r := range w.nodes {
			r.measures(0.5)
		}
		w.pass(period)
		full := func(want ...shards.NodeID) {
			t.Helper()
			for _, r := range w.nodes {
				var got []shards.NodeID
				for _, f := range r.heardFull() {
					got = append(got, f.Node)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s has heard that %v are full; %v are", r.id, got, want)
				}
			}
		}
		full()
		w.nodes["n2"].measures(0.95)
		w.pass(period + 500*time.Millisecond)
		full("n2")
		if f := w.nodes["n3"].heardFull(); f[0].Why != "95% of its disk are used, of which it may use 90%" {
			t.Errorf("%q", f[0].Why)
		}
		w.nodes["n2"].measures(0.85) // less than makes it full, more than makes it not
		w.nodes["n1"].measures(0.99)
		w.pass(period + 500*time.Millisecond)
		full("n1", "n2")
		w.elect("n3", true)
		w.pass(period + 500*time.Millisecond)
		full("n1", "n2") // n2 is below what makes it full, and not below what makes it not: that holds whoever leads
		for _, r := range w.nodes {
			if told := r.told; told != 3 {
				t.Errorf("%s was told %d times; a new reign that knows what the one before said has nothing to tell", r.id, told)
			}
		}
		w.nodes["n2"].measures(0.75)
		w.pass(period + 500*time.Millisecond)
		full("n1")
		w.nodes["n1"].measures(0.1)
		w.pass(period + 500*time.Millisecond)
		full()
		told := w.nodes["n2"].told
		w.pass(time.Minute)
		if w.nodes["n2"].told != told {
			t.Errorf("told %d times of nothing", w.nodes["n2"].told-told)
		}
	})
}

// A node with a full disk, whose memory fills as well, takes nothing any more of what it took for needing no disk.
func TestEverybodyHearsWhatIsShort(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		for _, memory := range []float64{0.5, 0.95, 0.5} {
			w.nodes["n2"].measures(0.95)
			w.nodes["n2"].fillsMemory(memory)
			w.pass(period + 500*time.Millisecond)
			for _, r := range w.nodes {
				if f := r.heardFull(); len(f) != 1 || f[0].Memory != (memory > 0.9) {
					t.Errorf("with %v of its memory in use %s has heard %+v", memory, r.id, f)
				}
			}
		}
	})
}

// A node that the reign before took for full, and that is never heard of again in the new one, does not keep the others' writes off for long.
func TestWhoIsNotHeardOfFillsNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n2"].measures(0.95)
		w.pass(period + 500*time.Millisecond)
		w.nodes["n3"].mu.Lock()
		w.nodes["n3"].deafTo = []shards.NodeID{"n2"}
		w.nodes["n3"].mu.Unlock()
		w.elect("n3", true)
		w.pass(period + 500*time.Millisecond)
		for _, r := range w.nodes {
			if f := r.heardFull(); len(f) != 1 || f[0].Node != "n2" {
				t.Errorf("a moment later %s has heard %v", r.id, f)
			}
		}
		w.pass(3 * period)
		for _, r := range w.nodes {
			if f := r.heardFull(); len(f) != 0 {
				t.Errorf("%s has heard %v", r.id, f)
			}
		}
	})
}

func TestWhoIsDeadFillsNothing(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		w.nodes["n3"].measures(0.95)
		w.pass(period + 500*time.Millisecond)
		if len(w.nodes["n2"].heardFull()) != 1 {
			t.Fatalf("%v", w.nodes["n2"].heardFull())
		}
		w.nodes["n3"].close()
		w.pass(time.Second)
		if f := w.nodes["n2"].heardFull(); len(f) != 0 {
			t.Errorf("%v", f)
		}
	})
}

// A report is lost now and then, samples change at random, and the ledger ends up with what the last sample says, but for what
// is not noticeable.
func TestTellerAndLedgerAgree(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 11))
		tell, l := teller{term: 1}, newLedger()
		now := map[int]CopyLoad{}
		for round := range 60 {
			for range random.IntN(20) {
				id := random.IntN(700)
				if random.IntN(4) == 0 {
					delete(now, id)
					continue
				}
				now[id] = costs(id, random.IntN(2) == 0, float64(random.IntN(1<<24)))
			}
			s := Sample{Node: policies.NodeLoad{Capacity: policies.Load{CPU: 1, Memory: 1 << 30, Disk: 1 << 40}, Used: policies.Load{Disk: float64(random.Int64N(1 << 40))}}}
			for id := range 700 {
				if c, there := now[id]; there {
					s.Copies = append(s.Copies, c)
				}
			}
			tell.sample = &s
			lossy := round < 50
			for _, r := range tell.next(6) {
				if lossy && random.IntN(5) == 0 {
					continue
				}
				r, err := decodeReport(r.encode())
				if err != nil {
					t.Fatal(err)
				}
				l.take("n1", 1, &r)
			}
			if l.number("n1", 1) != tell.number { // the next reply says so
				tell.begin(1)
			}
		}
		got := l.loads()
		if len(got.Shards) != len(now) || len(got.Nodes) != 1 {
			t.Fatalf("seed %d: %d shards of %d, %d nodes", seed, len(got.Shards), len(now), len(got.Nodes))
		}
		for _, s := range got.Shards {
			c := now[int(s.Shard)]
			if differs(s.Primary.Memory, c.Cost.Memory, memoryNoise) || differs(s.Primary.Disk, c.Cost.Disk, diskNoise) {
				t.Fatalf("seed %d: shard %d is taken for %+v and is %+v", seed, s.Shard, s, c)
			}
		}
	}
}

func TestALeaseWaitsForTheStateThatItsLeaderKnew(t *testing.T) {
	inTown(t, 3, liveness.Config{}, func(t *testing.T, w *town) {
		n3 := w.nodes["n3"]
		n3.mu.Lock()
		n3.behind = w.state // what was agreed before, and nothing that comes
		n3.mu.Unlock()
		w.commit(func(m []cluster.Member) []cluster.Member { return m })
		w.pass(1600 * time.Millisecond)
		if n3.lease().Valid() {
			t.Errorf("n3 has missed a change, and has a lease until %v", n3.lease().Until())
		}
		if !w.nodes["n2"].lease().Valid() {
			t.Error("n2 has missed nothing, and has no lease")
		}
		n3.mu.Lock()
		n3.behind = nil
		n3.mu.Unlock()
		n3.member.Load().Applied(w.state)
		w.pass(time.Millisecond) // the grant that waited counts at once
		if !n3.lease().Valid() {
			t.Error("n3 has caught up, and has no lease")
		}
	})
}

// BenchmarkHeartbeat is one heartbeat and its reply, encoded, decoded and judged, without the wire.
func BenchmarkHeartbeat(b *testing.B) {
	for b.Loop() {
		h, err := decodeHeartbeat(someHeartbeat.encode())
		if err != nil {
			b.Fatal(err)
		}
		r, err := decodeReply((&reply{epoch: 7, standing: liveness.Granted, grant: liveness.Grant{Sent: h.sent, Age: 1, Lease: 2, Term: 3}}).encode())
		if err != nil || r.epoch != 7 {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleReport is the look at a thousand copies of which none has changed.
func BenchmarkIdleReport(b *testing.B) {
	s := Sample{}
	for i := range 1000 {
		s.Copies = append(s.Copies, costs(i, true, 1<<20))
	}
	tell := teller{term: 1, sample: &s}
	tell.next(6)
	for b.Loop() {
		if list := tell.next(1 << 60); len(list) != 0 {
			b.Fatalf("%d reports", len(list))
		}
	}
}
