package failover

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
	"github.com/troupe-actors/troupe/tracing"
)

// twoOffices are two nodes that follow one state, and the stage on which that changes.
type twoOffices struct {
	*stage
	p             *parliament
	first, second *office
}

func newTwoOffices(t *testing.T) *twoOffices {
	s := newStage(t, 4, 4)
	p := &parliament{state: s.state, leader: "id1", term: 3}
	x := &twoOffices{stage: s, p: p}
	x.first = p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
	x.second = p.open(t, "id3", "n3", func(shards.NodeID) *office { return nil })
	return x
}

func (x *twoOffices) close() {
	x.first.close()
	x.second.close()
}

// step has something happen to the state, and waits until both nodes have followed.
func (x *twoOffices) step(happen func()) {
	x.p.mu.Lock()
	x.state = x.p.state
	happen()
	x.p.state = x.state
	x.p.mu.Unlock()
	x.rest()
}

func (x *twoOffices) rest() {
	for range 3 { // what a node commits is news to both
		x.first.watch.Applied()
		x.second.watch.Applied()
		synctest.Wait()
	}
}

func (x *twoOffices) drain(id shards.NodeID, on bool) {
	x.step(func() { x.apply(&cluster.Command{Member: &cluster.MemberChange{Node: id, Draining: &on}}) })
}

// round has the leader plan, and perhaps what was planned happen.
func (x *twoOffices) round(leader *office, settle bool) {
	var d *placement.Planned
	x.step(func() { d = x.plan() })
	leader.watch.Planned(*d)
	synctest.Wait()
	<-time.After(2 * time.Second) // a record is given to the cluster once a second at most
	x.rest()
	if settle {
		x.step(x.settle)
	}
}

// Whatever is drained is followed by every node; who leads tells of it, and the cluster remembers it.
func TestDrainIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.drain("id2", true)
		x.second.teller.Arrived(Arrival{Shard: shards.NewShardID(9, 9), Node: "id1", Bytes: 1}) // of no drain
		if open := x.first.watch.Open(); len(open) != 1 || open[0].Kind != tracing.KindDrain || open[0].Outcome != tracing.OutcomeOpen {
			t.Fatalf("open: %v", open)
		}
		for range 6 {
			x.round(x.first, true)
		}
		a, b := x.first.list(), x.second.list()
		if len(a) != 1 || len(b) != 0 || a[0].Outcome != tracing.OutcomeDone {
			t.Fatalf("the leader told %v, another node %v", a, b)
		}
		entry := x.p.State().Drains
		if len(entry) != 1 || entry[0].Open || a[0].Since != entry[0].At {
			t.Fatalf("the cluster remembers %+v of %+v", entry, a[0])
		}
		kept, err := tracing.DecodeFailover(entry[0].Record)
		if err != nil || kept.Trace() != a[0].Trace() || kept.Outcome != tracing.OutcomeDone || len(kept.Plans) == 0 {
			t.Errorf("it remembers %+v, %v", kept, err)
		}
		x.p.elect("id3", 4)
		x.rest()
		if open := x.second.watch.Open(); len(open) != 0 || len(x.second.list()) != 0 {
			t.Errorf("who leads next has %v, and tells %v", open, x.second.list())
		}
	})
}

// failOne has one of the copies that recover fail, and names its shard.
func (x *twoOffices) failOne() (id shards.ShardID) {
	x.step(func() {
		for _, r := range x.state.Shards {
			i := slices.IndexFunc(r.Copies, func(c cluster.Copy) bool { return c.Source != 0 && !c.InSync })
			if i < 0 {
				continue
			}
			id = r.ID
			x.apply(&cluster.Command{Failed: &cluster.Failed{Node: r.Copies[i].Node, Epoch: 1, Reason: "no space", Copies: []cluster.ShardCopy{{Shard: id, Copy: r.Copies[i].ID}}}})
			return
		}
		x.Fatal("nothing recovers")
	})
	return id
}

// A drain that goes on while the leader changes is one trace, with what the plans of both said.
func TestDrainOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.drain("id2", true)
		began := x.first.watch.Open()[0]
		x.round(x.first, false)
		x.p.elect("id3", 4)
		x.rest()
		if open := x.second.watch.Open(); len(open) != 1 || open[0].Trace() != began.Trace() || open[0].Declared != began.Declared || open[0].Detector != "n1" {
			t.Fatalf("who leads next goes on with %+v", open)
		}
		again := x.failOne() // so that the second plans as well
		for range 6 {
			x.round(x.second, true)
		}
		told := x.second.list()
		if len(told) != 1 || len(x.first.list()) != 0 || told[0].Outcome != tracing.OutcomeDone {
			t.Fatalf("the leader told %v, the one before %v", told, x.first.list())
		}
		if f := told[0]; f.Plans[0].By != "n1" || f.Plans[len(f.Plans)-1].By != "n3" || len(f.Elections) == 0 {
			t.Errorf("of both reigns it says %+v, %+v", f.Plans, f.Elections)
		}
		for _, s := range told[0].Shards {
			tries := 1
			if shards.ShardID(s.ID) == again {
				tries = 2
			}
			if s.Plan < 0 || len(s.Candidates) == 0 || len(s.Attempts) != tries {
				t.Errorf("of %s it says %+v", s.Name, s)
			}
		}
	})
}

// Plans that could not be committed are given to the cluster when that is possible, though no other comes.
func TestPlansOfADrainAreGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.drain("id2", true)
		x.p.deny(errors.New("no quorum"))
		x.round(x.first, false)
		if e := x.p.State().Drains; len(e) != 1 || len(e[0].Record) != 0 {
			t.Fatalf("without a quorum the cluster has %+v", e)
		}
		x.p.deny(nil)
		<-time.After(2 * time.Second)
		x.rest()
		kept, err := tracing.DecodeFailover(x.p.State().Drains[0].Record)
		if err != nil || len(kept.Plans) != 1 {
			t.Errorf("the cluster has %+v, %v", kept, err)
		}
	})
}

// Whoever leads next ends a drain whose leader could not: one that was committed with nobody to hear of it is told by who sent it, and
// no other; one that was not is told by the successor.
func TestDrainWhoseEndIsInDoubt(t *testing.T) {
	for name, lost := range map[string]bool{"committed": false, "lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTwoOffices(t)
				defer x.close()
				x.p.mute, x.p.detain = !lost, lost
				x.drain("id2", true)
				x.drain("id2", false)
				x.p.mute = false
				x.p.elect("id3", 4)
				x.p.late, x.p.detain = nil, false
				<-time.After(time.Minute)
				x.rest()
				by, other := x.first, x.second
				if lost {
					by, other = other, by
				}
				if a, b := by.list(), other.list(); len(a) != 1 || len(b) != 0 || a[0].Outcome != tracing.OutcomeTakenBack {
					t.Errorf("told %v, and by the other %v", a, b)
				}
				if e := x.p.State().Drains; len(e) != 1 || e[0].Open {
					t.Errorf("the cluster remembers %+v", e)
				}
			})
		})
	}
}

// Who leads and did not run when a drain ended ends it as far as the cluster knows of it.
func TestDrainThatNobodyEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		x.drain("id2", true)
		x.round(x.first, false)
		x.close()
		x.state = x.p.state
		yes, no := true, false
		x.apply(&cluster.Command{Member: &cluster.MemberChange{Node: "id2", Draining: &no}})
		x.apply(&cluster.Command{Member: &cluster.MemberChange{Node: "id4", Draining: &yes}})
		x.apply(&cluster.Command{Member: &cluster.MemberChange{Node: "id4", Draining: &no}})
		x.p.state, x.p.leader, x.p.term = x.state, "id3", 5
		late := x.p.open(t, "id3", "n3", func(shards.NodeID) *office { return nil })
		defer late.close()
		late.watch.Applied()
		synctest.Wait()
		told := late.list()
		if len(told) != 2 || told[0].Outcome != tracing.OutcomeTakenBack || told[0].Name != "n2" || len(told[0].Plans) == 0 || told[1].Name != "n4" || told[1].Trace() == told[0].Trace() {
			t.Errorf("it tells %+v\n%+v", told[0].Summary(), told[len(told)-1])
		}
	})
}

// A drain of very many copies is looked at now and then, and told to its end all the same.
func TestLargeDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(version uint64, left int) *cluster.State {
			s := &cluster.State{Cluster: "c", Version: version, Keyspaces: []cluster.Keyspace{{}},
				Members: []cluster.Member{{ID: "id1", Name: "n1", Epoch: 1}, {ID: "id2", Name: "n2", Epoch: 1, Draining: true}}}
			for i := range 2 * largeDrain {
				node := shards.NodeID("id2")
				if i < left {
					node = "id1"
				}
				s.Shards = append(s.Shards, cluster.Shard{ID: shards.NewShardID(0, i), Term: 1, Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: node, InSync: true, Started: true}}})
			}
			return s
		}
		p := &parliament{state: at(1, 0), leader: "id1", term: 3}
		o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer o.close()
		step := func(version uint64, left int) {
			p.mu.Lock()
			p.state = at(version, left)
			p.mu.Unlock()
			o.watch.Applied()
			synctest.Wait()
		}
		step(2, 0)
		for i := range 20 {
			step(uint64(3+i), i)
			<-time.After(time.Millisecond)
		}
		if open := o.watch.Open(); len(open) != 1 || len(open[0].Shards) != 2*largeDrain {
			t.Fatalf("open: %d", len(open))
		}
		step(40, 2*largeDrain)
		<-time.After(time.Second)
		synctest.Wait()
		if told := o.list(); len(told) != 1 || told[0].Outcome != tracing.OutcomeDone || len(o.watch.Open()) != 1 {
			t.Errorf("told %d", len(told))
		}
	})
}

// What requests felt reaches the leader summed up, once for many of them, and belongs to the failover of their shard.
func TestClientsWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3, 3)
		p := &parliament{state: s.state, leader: "id1", term: 3}
		first := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer first.close()
		other := p.open(t, "id3", "n3", func(shards.NodeID) *office { return first })
		defer other.close()
		shard := s.state.Shards[s.places("id2")[0]].ID
		var calls int
		tell := other.teller.c.Call
		other.teller.c.Call = func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
			calls++
			return tell(ctx, to, body)
		}
		long := time.Now()
		other.teller.Waited(shard, long.Add(-time.Minute), long.Add(-time.Minute+time.Second)) // of a trouble before
		p.play(s, first)
		died := time.Now()
		for i := range 1000 {
			other.teller.Waited(shard, died, died.Add(time.Duration(i%200)*time.Millisecond))
		}
		other.teller.Waited(shards.NewShardID(7, 7), died, died.Add(time.Hour)) // of no failover
		first.teller.Waited(shard, died.Add(time.Millisecond), died.Add(11*time.Millisecond))
		<-time.After(3 * time.Second)
		synctest.Wait()
		told := first.list()
		if len(told) != 1 || len(told[0].Clients) != 2 {
			t.Fatalf("told %d stories; clients %+v", len(told), told[0].Clients)
		}
		if a, b := told[0].Clients[0], told[0].Clients[1]; a.Node != "n1" || a.Requests != 1 || a.Longest != 10e6 || b.Node != "n3" || b.Requests != 1000 || b.Longest != 199e6 {
			t.Errorf("clients felt %+v", told[0].Clients)
		}
		if calls > 3 {
			t.Errorf("the leader was called %d times about 1000 requests", calls)
		}
	})
}

// The path of a request that was tried again is not the place to allocate.
func TestWaitedAllocatesNothing(t *testing.T) {
	p := &parliament{state: newStage(t, 1, 1).state}
	o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
	defer o.close()
	began := time.Now()
	o.teller.Waited(1, began, began)
	if n := testing.AllocsPerRun(100, func() { o.teller.Waited(1, began, began) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a leader has heard is not told again; what was said anew while it was told is.
func TestTellerTellsWhatIsNew(t *testing.T) {
	x := &Teller{wake: make(chan struct{}, 1), waits: map[shards.ShardID]*toldWait{}}
	one, two := shards.NewShardID(0, 1), shards.NewShardID(0, 2)
	x.Took(Takeover{Shard: one, Term: 3, Served: 5})
	x.Took(Takeover{Shard: two, Term: 3, Served: 6})
	x.Arrived(Arrival{Shard: one, Copy: 7, Bytes: 1})
	x.Arrived(Arrival{Shard: one, Copy: 8, Bytes: 1})
	m := x.news(4)
	if len(m.Takeovers) != 2 || len(m.Arrivals) != 2 {
		t.Fatalf("it tells %+v", m)
	}
	x.Took(Takeover{Shard: two, Term: 3, Served: 6, Written: 9})
	x.Arrived(Arrival{Shard: one, Copy: 7, Bytes: 2})
	x.heard(&m, 4)
	if m = x.news(4); len(m.Takeovers) != 1 || m.Takeovers[0].Written != 9 || len(m.Arrivals) != 1 || m.Arrivals[0].Bytes != 2 {
		t.Errorf("then it tells %+v", m)
	}
	if m = x.news(5); len(m.Takeovers) != 2 || len(m.Arrivals) != 2 {
		t.Errorf("to the next leader it tells %+v", m)
	}
}

// Nodes of a release before tell nothing of a first write's trace, and read what this one tells.
func TestTakeoversOfOtherReleases(t *testing.T) {
	type before struct {
		Shard                  shards.ShardID
		Term                   shards.Term
		Node                   shards.NodeID
		Heard, Served, Written int64
		Entries, Waited        int
	}
	type messageBefore struct {
		Takeovers []before
		Waits     []Felt
		Sent      int64
		Ask       bool
		Arrivals  []Arrival
	}
	old := messageBefore{Takeovers: []before{{Shard: 1, Term: 3, Written: 9, Waited: 2}, {Shard: 2, Term: 3}}, Sent: 7, Arrivals: []Arrival{{Shard: 4}}}
	m, err := decodeMessage("id9", wire.Marshal(old))
	if err != nil || len(m.Takeovers) != 2 || m.Takeovers[0] != (Takeover{Shard: 1, Term: 3, Node: "id9", Written: 9, Waited: 2}) || len(m.Arrivals) != 1 {
		t.Errorf("of a release before: %+v, %v", m, err)
	}
	c := tracing.Carrier{Trace: tracing.TraceID{1}, Span: tracing.SpanID{2}}
	list := []Takeover{{Shard: 1, Term: 3, Written: 9, Waited: 2, Write: c}, {Shard: 2, Term: 3}}
	for _, release := range []string{"this one", "one before"} {
		var got []Takeover
		x := &Teller{ctx: t.Context(), c: TellerConfig{Call: func(_ context.Context, _ shards.NodeID, body []byte) ([]byte, error) {
			if release == "this one" {
				m, err := decodeMessage("id9", body)
				if err != nil {
					return nil, err
				}
				got = m.Takeovers
				return nil, nil
			}
			var read messageBefore
			if err := wire.Unmarshal(body, takeoverLimits, &read); err != nil {
				return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
			}
			for _, o := range read.Takeovers {
				got = append(got, Takeover{Shard: o.Shard, Term: o.Term, Node: "id9", Written: o.Written, Waited: o.Waited})
			}
			return nil, nil
		}}}
		want := []Takeover{{Shard: 1, Term: 3, Node: "id9", Written: 9, Waited: 2}, {Shard: 2, Term: 3, Node: "id9"}}
		if release == "this one" {
			want[0].Write = c
		}
		if err := x.call("id1", &message{Takeovers: list, Sent: 7}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s reads %+v, %v", release, got, err)
		}
	}
}
