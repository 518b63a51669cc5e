package failover

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

var seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what happens to copies at random")

// healing is a stage on which dead nodes' copies are replaced.
type healing struct {
	*stage
	copies
}

func newHealing(t *testing.T, nodes, shardCount int) *healing {
	return &healing{stage: newStage(t, nodes, shardCount), copies: copies{self: "id1", name: "n1"}}
}

// look follows the state, and has the cluster keep entries of the stories.
func (s *healing) look() {
	s.copies.follow(s.state, func(*cluster.Member) death { return death{reason: "no answer"} }, s.now)
	for _, x := range s.copies.open {
		if len(x.Shards) > 0 && !x.listed {
			x.Since, x.listed = s.apply(&cluster.Command{Moves: &cluster.BeginMoves{Record: x.Encode()}}).Version, true
		}
		if x.Done != 0 && x.listed {
			s.apply(&cluster.Command{Drain: &cluster.DrainChange{At: x.Since, Record: x.Encode(), Close: true}})
			s.ended = append(s.ended, &x.story)
		}
	}
	s.copies.open = without(s.copies.open)
}

func without(list []*drain) (open []*drain) {
	for _, x := range list {
		if x.Done == 0 {
			open = append(open, x)
		}
	}
	return open
}

func (s *healing) dies(id shards.NodeID) {
	s.alive[id] = liveness.Dead
	s.round()
}

func (s *healing) returns(id shards.NodeID) {
	m := *s.state.Member(id)
	m.Epoch, m.Down = m.Epoch+1, false
	s.apply(&cluster.Command{Join: &cluster.Join{Member: m}})
	s.alive[id] = liveness.Alive
	s.look()
}

// round has the leader plan, and look.
func (s *healing) round() {
	d := s.plan()
	s.look()
	s.copies.planned(s.state, d, listen(d), s.now)
}

// delay is longer than dead nodes are waited for.
const delay = 1 << 20

// Copies of a dead node are waited for, then replaced, and the story says when all were back, what the rules said of each place, and what was copied.
func TestCopiesAreReplaced(t *testing.T) {
	s := newHealing(t, 5, 3)
	s.dies("id2")
	s.pass(1000)
	s.round()
	x := s.copies.open[0]
	if len(s.copies.open) != 1 || len(x.lacks) == 0 || len(x.Shards) != 0 {
		t.Fatalf("while the node is waited for: %+v", x)
	}
	lacked := len(x.lacks)
	s.ticks = delay
	s.pass(59_000)
	s.round()
	if len(x.Shards) != lacked || len(x.lacks) != 0 || len(x.Plans) != 1 {
		t.Fatalf("of %d copies that are lacked it knows %+v", lacked, x.Shards)
	}
	s.pass(700)
	for i := range x.Shards {
		s.arrived(s.state, &Arrival{Shard: shards.ShardID(x.Shards[i].ID), Node: shards.NodeID(x.Shards[i].Last().ToID), By: "id1", Bytes: 4096, Operations: 7})
	}
	s.settle()
	s.look()
	if len(s.ended) != 1 || len(s.copies.open) != 0 {
		t.Fatalf("%d stories ended", len(s.ended))
	}
	s.golden("copies.txt")
}

// A node that comes back in time brings its copies along; a copy that fails is tried elsewhere.
func TestCopiesComeBackOrFail(t *testing.T) {
	s := newHealing(t, 5, 3)
	s.dies("id2")
	s.pass(400)
	s.returns("id2")
	s.pass(30)
	s.settle()
	s.look()
	if len(s.ended) != 1 || s.ended[0].Outcome != tracing.OutcomeReturned || len(s.ended[0].Shards) == 0 || s.ended[0].Epoch != 1 {
		t.Fatalf("it ends as %+v", s.ended)
	}
	s.ticks = delay
	s.dies("id3")
	s.round()
	x := s.copies.open[0]
	target := shards.NodeID(x.Shards[0].Last().ToID)
	s.dies(target)
	for range 3 {
		s.round()
		s.settle()
		s.look()
	}
	if len(s.ended) != 3 || len(s.copies.open) != 0 {
		t.Fatalf("%d stories ended, %d go on", len(s.ended), len(s.copies.open))
	}
	if a := x.Shards[0].Attempts; len(a) != 2 || a[0].Failed != "node "+s.state.NodeName(target)+" died" || a[1].Served == 0 || x.Outcome != tracing.OutcomeDone {
		t.Errorf("of the copy whose node died as well it says %+v", a)
	}
}

// A lead that moves has two copies for a while, which are in sync both: what a dead node had is lacked all the same, also when it has moved.
func TestCopiesAreLackedWhileALeadMoves(t *testing.T) {
	s := newHealing(t, 5, 1)
	row := func() *cluster.Shard { return &s.state.Shards[0] }
	dead := slices.IndexFunc(row().Copies, func(c cluster.Copy) bool { return c.ID != row().Primary })
	s.dies(row().Copies[dead].Node)
	s.swapOf(0, row().Primary, allocator.Evacuate)
	s.pass(30)
	s.settle()
	s.look()
	to := slices.IndexFunc(row().Copies, func(c cluster.Copy) bool { return c.Source == row().Primary && c.InSync })
	if to < 0 || len(s.copies.open) != 1 {
		t.Fatalf("before the hand-over %d stories go on of a copy that nobody replaces", len(s.copies.open))
	}
	x := s.copies.open[0]
	s.apply(&cluster.Command{HandOver: &cluster.HandOver{Shard: row().ID, Term: row().Term, From: row().Primary, To: row().Copies[to].ID}})
	s.look()
	if len(x.lacks) != 1 || len(x.Shards) != 0 {
		t.Fatalf("after the hand-over it lacks %v, and tells of %+v", x.lacks, x.Shards)
	}
	s.ticks = delay
	s.round()
	s.settle()
	s.look()
	if len(s.ended) != 1 || x.Shards[0].Last().ToID == "" || x.Shards[0].Last().Served == 0 {
		t.Errorf("the copy came back as %+v", x.Shards)
	}
}

// Whatever nodes do, a story of each life that left shards short ends once all is green, and says of each copy how it came back; no copy is in two.
func TestCopiesAtRandom(t *testing.T) {
	t.Logf("-seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 1))
	for range 20 {
		s := newHealing(t, 5+r.IntN(3), 1+r.IntN(6))
		s.ticks = delay * int64(r.IntN(2))
		nodes := len(s.state.Members)
		for range 30 {
			s.pass(100)
			n := id(2 + r.IntN(nodes-1))
			down := s.state.Member(n).Down
			switch r.IntN(6) {
			case 0:
				if !down && living(s.state) > 3 {
					s.dies(n)
				}
			case 1:
				if down {
					s.returns(n)
				}
			case 2:
				s.settle()
				s.look()
			case 3:
				s.fail(r)
			case 4:
				s.ticks = delay
				s.round()
			case 5:
				s.relead()
			}
		}
		for i := range nodes {
			if s.state.Member(id(i + 1)).Down {
				s.returns(id(i + 1))
			}
		}
		s.ticks = delay
		for range 20 {
			s.round()
			s.settle()
			s.look()
		}
		if len(s.copies.open) != 0 {
			t.Fatalf("all is green, and there goes on %+v lacking %v", s.copies.open[0].Failover, s.copies.open[0].lacks)
		}
		s.whole()
	}
}

// An entry does not say of a try that it failed after the entry was written: a copy that two stories count on is that one's which tried it last.
func TestOldEntriesOfCopies(t *testing.T) {
	entry := func(at uint64, node string, told ...int64) cluster.Drain {
		f := &tracing.Failover{Kind: tracing.KindCopies, Node: "id" + node, Name: "n" + node, Epoch: 1, Declared: 1}
		for i, at := range told {
			f.Shards = append(f.Shards, tracing.Shard{ID: uint32(shards.NewShardID(0, i)), Plan: -1, Attempts: []tracing.Attempt{{To: "n4", ToID: "id4", Told: at}}})
		}
		return cluster.Drain{At: at, Open: true, Record: f.Encode()}
	}
	state := &cluster.State{Cluster: "c", Version: 9, Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "orders", Shards: 2, Replicas: 2}}}, Drains: []cluster.Drain{entry(7, "2", 10, 20), entry(8, "3", 20, 10)},
		Members: []cluster.Member{{ID: "id1", Name: "n1", Epoch: 1}, {ID: "id2", Name: "n2", Epoch: 1, Down: true}, {ID: "id3", Name: "n3", Epoch: 1, Down: true}, {ID: "id4", Name: "n4", Epoch: 1}}}
	for i := range 2 {
		state.Shards = append(state.Shards, cluster.Shard{ID: shards.NewShardID(0, i), Term: 1, Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: "id1", InSync: true}, {ID: 2, Node: "id2"}, {ID: 3, Node: "id3"}, {ID: 9, Node: "id4", InSync: true}}})
	}
	s := &copies{self: "id1", name: "n1"}
	s.lead(state, nil, 4, 100)
	s.follow(state, func(*cluster.Member) death { return death{} }, 100)
	if len(s.open) != 2 || len(s.open[0].Shards) != 2 || len(s.open[1].Shards) != 2 {
		t.Fatalf("it goes on with %+v", s.open)
	}
	for i, x := range s.open {
		for j := range x.Shards {
			if a, own := x.Shards[j].Last(), i != j; (a.Served != 0) != own || (a.Failed == "") != own {
				t.Errorf("%s says of shard %d %+v", x.ID(), j, a)
			}
		}
	}
}

// Of a node that is back, and of which some copies are not in sync yet, whoever leads next does not say that others came back which were there all the while.
func TestCopiesThatWereNotLacked(t *testing.T) {
	f := &tracing.Failover{Kind: tracing.KindCopies, Node: "id2", Name: "n2", Epoch: 1, Declared: 1,
		Shards: []tracing.Shard{{ID: uint32(shards.NewShardID(0, 0)), Plan: -1, Attempts: []tracing.Attempt{{To: "n2", ToID: "id2", Told: 10}}}}}
	state := &cluster.State{Cluster: "c", Version: 9, Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "orders", Shards: 2, Replicas: 2}}},
		Drains:  []cluster.Drain{{At: 6, Open: true, Record: f.Encode()}, {At: 7, Open: true, Record: f.Encode()}}, // the first by a leader that did not know what had become of it
		Members: []cluster.Member{{ID: "id1", Name: "n1", Epoch: 1}, {ID: "id2", Name: "n2", Epoch: 2}, {ID: "id3", Name: "n3", Epoch: 1, Down: true}}}
	for i := range 2 {
		state.Shards = append(state.Shards, cluster.Shard{ID: shards.NewShardID(0, i), Term: 1, Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: "id1", InSync: true}, {ID: 2, Node: "id2", InSync: i == 1}, {ID: 3, Node: "id3"}}})
	}
	s := &copies{self: "id1", name: "n1"}
	s.lead(state, nil, 4, 100)
	s.follow(state, func(*cluster.Member) death { return death{} }, 100)
	if len(s.open) != 2 || s.open[0].Since != 7 || len(s.open[0].Shards) != 1 || len(s.open[0].lacks) != 0 || len(s.open[1].lacks) != 2 {
		t.Errorf("it goes on with %+v", s.open)
	}
}

// Of very many copies it is told as well which plan had them put where, however lately it was looked at them.
func TestPlansOfVeryManyCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(version uint64, tried bool) *cluster.State {
			s := &cluster.State{Cluster: "c", Version: version, Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "orders", Shards: largeDrain, Replicas: 1}}},
				Members: []cluster.Member{{ID: "id1", Name: "n1", Epoch: 1}, {ID: "id2", Name: "n2", Epoch: 1, Down: true}, {ID: "id3", Name: "n3", Epoch: 1}}}
			for i := range largeDrain {
				s.Shards = append(s.Shards, cluster.Shard{ID: shards.NewShardID(0, i), Term: 1, Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: "id1", InSync: true}, {ID: 2, Node: "id2"}}})
			}
			if tried {
				s.Shards[0].Copies = append(s.Shards[0].Copies, cluster.Copy{ID: 3, Node: "id3"})
			}
			return s
		}
		p := &parliament{state: at(1, false), leader: "id1", term: 3}
		o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer o.close()
		o.watch.Applied()
		synctest.Wait()
		p.mu.Lock()
		p.state = at(2, true)
		p.mu.Unlock()
		o.watch.Planned(placement.Planned{Term: 3, Commit: 1, Outcome: cluster.Outcome{Version: 2}, Plan: &allocator.Plan{Version: 1, Decisions: []allocator.Decision{
			{Shard: shards.NewShardID(0, 0), Lane: allocator.Missing, Move: cluster.Move{Kind: cluster.MoveAllocate, Node: "id3"}, Reason: "n2 is dead"}}}})
		<-time.After(time.Second)
		synctest.Wait()
		var told *tracing.Failover
		for _, f := range o.watch.Open() {
			if f.Kind == tracing.KindCopies {
				told = f
			}
		}
		if told == nil || len(told.Plans) != 1 || told.Shards[0].Plan != 0 || told.Shards[0].Reason != "n2 is dead" {
			t.Errorf("it tells %+v", told)
		}
	})
}

func living(state *cluster.State) (n int) {
	for i := range state.Members {
		if !state.Members[i].Down {
			n++
		}
	}
	return n
}

// fail has one of the copies that recover be given up.
func (s *healing) fail(r *rand.Rand) {
	row := &s.state.Shards[r.IntN(len(s.state.Shards))]
	for _, c := range row.Copies {
		if m := s.state.Member(c.Node); !c.InSync && !m.Down && row.Primary != 0 {
			s.apply(&cluster.Command{Failed: &cluster.Failed{Node: c.Node, Epoch: m.Epoch, Reason: "no space", Copies: []cluster.ShardCopy{{Shard: row.ID, Copy: c.ID}}}})
			break
		}
	}
	s.look()
}

// relead has another leader take over, with what the cluster has of the stories.
func (s *healing) relead() {
	s.copies.lead(s.state, nil, s.term, s.now)
	s.look()
}

// whole checks what is told.
func (s *healing) whole() {
	s.Helper()
	seen := map[string]bool{}
	type came struct {
		shard  uint32
		to     string
		served int64
	}
	counted := map[came]string{}
	for _, x := range s.ended {
		if seen[x.ID()] {
			s.Errorf("%s is told twice", x.ID())
		}
		seen[x.ID()] = true
		for i := range x.Shards {
			sh := &x.Shards[i]
			for j := range sh.Attempts {
				a := &sh.Attempts[j]
				if at := (came{sh.ID, a.ToID, a.Served}); a.Served != 0 && a.ToID != "" {
					if counted[at] != "" {
						s.Errorf("the copy of %s on %s is in %s and in %s", sh.Name, a.To, counted[at], x.ID())
					}
					counted[at] = x.ID()
				}
				if last := j == len(sh.Attempts)-1; x.Outcome != tracing.OutcomeDied && ((a.Failed == "") != last || (a.Served == 0) != (a.Failed != "")) {
					s.Errorf("%s: try %d of %s is %+v", x.ID(), j, sh.Name, a)
				}
			}
		}
	}
}

// Copies that are replaced while the leader changes are one trace, told once and remembered by the cluster; and the failover before is another, to which it leads.
func TestCopiesOutliveTheirLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.alive["id2"] = liveness.Dead
		x.round(x.first, false)
		x.round(x.first, false)
		x.ticks = delay
		if len(x.p.State().Drains) != 0 {
			t.Fatal("the cluster has an entry of copies that are waited for: a release before counts on a try of each")
		}
		x.round(x.first, false)
		entry, f := x.kept()
		if !entry.Open || f.Kind != tracing.KindCopies || len(f.Plans) != 1 || len(f.Shards) == 0 {
			t.Fatalf("in the middle the cluster remembers %+v", f)
		}
		x.p.elect("id3", 4)
		x.rest()
		x.step(x.settle)
		<-time.After(2 * time.Second)
		x.rest()
		var told []*tracing.Failover
		for _, y := range append(x.first.list(), x.second.list()...) {
			if y.Kind == tracing.KindCopies {
				told = append(told, y)
			}
		}
		if len(told) != 1 || told[0].Outcome != tracing.OutcomeDone || told[0].ID() != "copies-n2@1" || len(told[0].Elections) != 1 || len(told[0].Shards) != len(f.Shards) {
			t.Fatalf("both told %+v", told)
		}
		if entry, last := x.kept(); entry.Open || last.Trace() != told[0].Trace() || last.Trace() != f.Trace() && f.Since != 0 || last.Outcome != tracing.OutcomeDone {
			t.Errorf("in the end the cluster remembers %+v", last)
		}
		leads := false
		for _, s := range told[0].Spans() {
			for _, l := range s.Links {
				leads = leads || l.Trace == tracing.KindFailover.Trace(told[0].Cluster, "id2", 1) && s.Parent != tracing.SpanID{}
			}
		}
		if !leads {
			t.Error("no step leads to the failover")
		}
		x.p.elect("id1", 5)
		x.rest()
		for _, open := range x.first.watch.Open() {
			if open.Kind == tracing.KindCopies {
				t.Errorf("who leads afterwards has %+v", open)
			}
		}
	})
}
