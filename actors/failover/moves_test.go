package failover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// swap plans that the last replica of a shard takes its place on another node that has none, and applies that.
func (s *stage) swap(index int, lane allocator.Lane) *placement.Planned {
	r, last := &s.state.Shards[index], shards.CopyID(0)
	for _, c := range r.Copies {
		if c.ID != r.Primary {
			last = c.ID
		}
	}
	return s.swapOf(index, last, lane)
}

func (s *stage) swapOf(index int, source shards.CopyID, lane allocator.Lane) *placement.Planned {
	r := &s.state.Shards[index]
	move := cluster.Move{Kind: cluster.MoveAllocate, Source: source, Reason: "even spread"}
	for _, m := range s.state.Members {
		if copyOn(r, m.ID) == nil {
			move.Node = m.ID
		}
	}
	d := &placement.Planned{Term: s.term, Took: time.Millisecond, Commit: 2 * time.Millisecond, Plan: &allocator.Plan{Version: s.state.Version,
		Rows:      []cluster.RowChange{{Shard: r.ID, Base: r.Version, Moves: []cluster.Move{move}}},
		Decisions: []allocator.Decision{{Lane: lane, Shard: r.ID, Name: s.state.ShardName(r.ID), Move: move, Reason: "even spread"}}}}
	s.pass(3)
	d.Outcome = s.apply(&cluster.Command{Reroute: d.Plan.Command()})
	return d
}

// clear drops the copies whose successors are in sync.
func (s *stage) clear() {
	for _, r := range s.state.Shards {
		for _, c := range r.Copies {
			if c.Source == 0 || !c.InSync {
				continue
			}
			if row := s.state.Shard(r.ID); row.Copy(c.Source) != nil {
				s.apply(&cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: r.ID, Base: row.Version, Moves: []cluster.Move{{Kind: cluster.MoveDrop, Copy: c.Source}}}}}})
			}
		}
	}
}

// Promised: "drains, relocations, rebalances … have traces of the same shape": what is planned while copies move is one story.
func TestRebalanceIsOneStory(t *testing.T) {
	s := newStage(t, 4, 4)
	m := &moves{self: "id1", name: "n1"}
	before := s.state
	first := s.swap(0, allocator.Balance)
	m.planned(before, first, nil, s.now)
	if m.open == nil || m.follow(before, s.now) != nil {
		t.Fatal("a state that does not have the plan ends its story")
	}
	if m.follow(s.state, s.now) != nil {
		t.Fatal("it ends while a copy is under way")
	}
	m.planned(s.state, s.swap(1, allocator.Balance), nil, s.now)
	m.arrived(s.state, &Arrival{Shard: s.state.Shards[0].ID, Node: first.Plan.Decisions[0].Move.Node, By: "id1", Bytes: 2048, Operations: 3})
	s.pass(40)
	s.settle()
	s.clear()
	over := s.now
	if m.follow(s.state, s.now) != nil {
		t.Fatal("it ends before a primary has told of the second copy, which it may do in a moment")
	}
	s.pass(int64(arrivalWait / time.Millisecond))
	x := m.follow(s.state, s.now)
	if x == nil || m.open != nil || x.Outcome != tracing.OutcomeDone || len(x.Shards) != 2 || len(x.Plans) != 2 || x.Done != over {
		t.Fatalf("two moves ended as %+v", x)
	}
	if !strings.Contains(x.Summary(), "done: 2 copies moved, 2.0 KiB, 3 operations in ") || !strings.HasPrefix(x.ID(), "rebalance@") {
		t.Errorf("it is summed up as %s", x.Summary())
	}
	text := tracetest.Text(x.Spans())
	for _, want := range []string{"moves rebalance", "rebalance begun @n1", "copy " + x.Shards[0].Name + " ", "recover " + x.Shards[1].Name + " @", "decide " + x.Shards[1].Name + " @n1", "recovery.bytes=2048"} {
		if !strings.Contains(text, want) {
			t.Errorf("its trace lacks %q:\n%s", want, text)
		}
	}
}

// A move that comes to nothing ends the story, and says so; what leaves a node that is drained is no part of one.
func TestMovesThatFail(t *testing.T) {
	s := newStage(t, 4, 4)
	m := &moves{self: "id1", name: "n1"}
	d := s.swap(0, allocator.Evacuate)
	m.planned(s.state, d, nil, s.now)
	r := &s.state.Shards[0]
	to := copyOn(r, d.Plan.Decisions[0].Move.Node)
	s.apply(&cluster.Command{Failed: &cluster.Failed{Node: to.Node, Epoch: 1, Reason: "no space", Copies: []cluster.ShardCopy{{Shard: r.ID, Copy: to.ID}}}})
	x := m.follow(s.state, s.now)
	if x == nil || x.Outcome != tracing.OutcomeGivenUp || x.Name != "relocation" || !strings.Contains(x.Summary(), ": 0 copies moved") {
		t.Fatalf("it ended as %+v", x)
	}
	yes := true
	var held shards.NodeID
	for _, c := range s.state.Shards[1].Copies {
		if c.ID != s.state.Shards[1].Primary {
			held = c.Node
		}
	}
	s.apply(&cluster.Command{Member: &cluster.MemberChange{Node: held, Draining: &yes}})
	if m.planned(s.state, s.swap(1, allocator.Evacuate), nil, s.now); m.open != nil {
		t.Errorf("what a drain moves is told twice: %+v", m.open)
	}
	refused := s.swap(2, allocator.Balance)
	refused.Commit = 0
	if m.planned(s.state, refused, nil, s.now); m.open != nil {
		t.Errorf("a plan that was not committed is told: %+v", m.open)
	}
}

// A story whose record a newer release wrote, and that tells this one of no copy, ends all the same.
func TestMovesThatNobodyCanRead(t *testing.T) {
	s := newStage(t, 3, 1)
	s.apply(&cluster.Command{Moves: &cluster.BeginMoves{Record: []byte("of a later release")}})
	m := &moves{self: "id1", name: "n1"}
	m.lead(s.state, []*drain{{story: story{Failover: tracing.Failover{Since: s.state.Drains[0].At}}}}, 4, s.now)
	if m.open != nil {
		t.Fatal("a story whose end this node has seen begins again")
	}
	m.lead(s.state, nil, 4, s.now)
	if m.open == nil {
		t.Fatal("what the cluster state has open is not gone on with")
	}
	s.pass(10)
	if x := m.follow(s.state, s.now); x == nil || x.Done != s.now || x.Outcome != tracing.OutcomeDone {
		t.Fatalf("it ended as %+v", x)
	}
}

// A move that failed may be tried again while others of its story go on, also with another copy: whoever leads next looks after that one.
func TestMovesAreTriedAgain(t *testing.T) {
	for _, known := range []bool{true, false} { // the record of which whoever leads next goes on has the second try
		moveAgain(t, known)
	}
}

func moveAgain(t *testing.T, known bool) {
	s := newStage(t, 4, 4)
	m := &moves{self: "id1", name: "n1"}
	first := s.swap(0, allocator.Balance)
	m.planned(s.state, first, nil, s.now)
	m.planned(s.state, s.swap(1, allocator.Balance), nil, s.now)
	if !known {
		s.apply(&cluster.Command{Moves: &cluster.BeginMoves{Record: m.open.Encode()}})
	}
	r := &s.state.Shards[0]
	to := copyOn(r, first.Plan.Decisions[0].Move.Node)
	s.apply(&cluster.Command{Failed: &cluster.Failed{Node: to.Node, Epoch: 1, Reason: "no space", Copies: []cluster.ShardCopy{{Shard: r.ID, Copy: to.ID}}}})
	if m.follow(s.state, s.now) != nil || m.open.Shards[0].Problem == "" {
		t.Fatal("it ends while another copy is under way, or does not say what is wrong with the first")
	}
	s.apply(&cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: r.ID, Base: s.state.Shards[0].Version, Moves: []cluster.Move{{Kind: cluster.MoveDrop, Copy: to.ID}}}}}})
	r = &s.state.Shards[0]
	other := slices.IndexFunc(r.Copies, func(c cluster.Copy) bool { return c.ID != r.Primary && c.ID != first.Plan.Decisions[0].Move.Source })
	from, decided := r.Copies[other].Node, m.open.Shards[0].Decided
	m.planned(s.state, s.swapOf(0, r.Copies[other].ID, allocator.Balance), nil, s.now)
	if again := m.open.Shards[0]; again.From != s.state.NodeName(from) || again.Led || again.Decided != decided || again.Plan != 2 ||
		len(m.open.Earlier) != 1 || m.open.Earlier[0].Shard != again.ID || m.open.Earlier[0].Plan != 0 {
		t.Fatalf("the second try, from %s, is told as %+v, the first as %+v", from, again, m.open.Earlier)
	}
	if known {
		s.apply(&cluster.Command{Moves: &cluster.BeginMoves{Record: m.open.Encode()}})
	}
	next := &moves{self: "id2", name: "n2"}
	next.lead(s.state, nil, 4, s.now)
	plans := map[*moves]int{m: 3, next: len(next.open.Plans)}
	if want := map[bool]int{true: 3, false: 2}[known]; plans[next] != want {
		t.Fatalf("of %d plans whoever leads next knows %d", want, plans[next])
	}
	s.settle()
	s.clear()
	s.pass(int64(arrivalWait / time.Millisecond))
	for _, m := range []*moves{m, next} {
		m.follow(s.state, s.now)
	}
	s.pass(int64(arrivalWait / time.Millisecond))
	for _, m := range []*moves{m, next} {
		x := m.follow(s.state, s.now)
		if x == nil || x.Outcome != tracing.OutcomeDone || len(x.Shards) != 2 || len(x.Plans) != plans[m] || len(x.Shards[0].Attempts) != 2 || x.Shards[0].Problem != "" || x.Shards[0].From != s.state.NodeName(from) {
			t.Fatalf("with node %s it ended as %+v, and is open as %+v (the record knows of the second try: %v)", m.name, x, m.open, known)
		}
	}
}

// Who leads in another term, too, goes on with what he knows, though the cluster has nothing of it yet; copies that are only counted are
// counted once.
func TestMovesOfTwoTerms(t *testing.T) {
	s := newStage(t, 4, 4)
	m := &moves{self: "id1", name: "n1"}
	m.planned(s.state, s.swap(0, allocator.Balance), nil, s.now)
	m.lead(s.state, nil, 4, s.now)
	if x := m.open; x == nil || len(x.Plans) != 1 || len(x.Shards) != 1 || x.Reason != "even spread" {
		t.Fatalf("in the next term it is %+v", x)
	}
	s.swap(1, allocator.Balance)
	counted := *m.open
	counted.Omitted = 1
	s.apply(&cluster.Command{Moves: &cluster.BeginMoves{Record: counted.Encode()}})
	other := &moves{self: "id2", name: "n2"}
	other.lead(s.state, nil, 5, s.now)
	if x := other.open; x == nil || len(x.Shards) != 2 || x.Omitted != 0 {
		t.Fatalf("another goes on with %+v", x)
	}
}
