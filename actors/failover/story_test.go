package failover

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

var rewrite = flag.Bool("rewrite", false, "write what came out over the golden files")

// stage is a cluster with a clock, on which a death is played: the state and the planner are real, the time is told.
type stage struct {
	*testing.T
	state *cluster.State
	now   int64
	alive map[shards.NodeID]liveness.State
	soft  []policies.Scorer
	ticks int64 // what plans take for now
	stories
	ended []*story
}

func newStage(t *testing.T, nodes, shardCount int) *stage {
	s := &stage{T: t, state: &cluster.State{}, now: int64(time.Hour), alive: map[shards.NodeID]liveness.State{}, stories: stories{self: "id1", name: "n1"}}
	for i := 1; i <= nodes; i++ {
		m := cluster.Member{ID: id(i), Name: fmt.Sprintf("n%d", i), Raft: uint64(i), Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format, Peer: fmt.Sprintf("h%d:1", i)}
		s.alive[m.ID] = liveness.Alive
		if i == 1 {
			s.apply(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("c", 40), Member: m, Keyspaces: []shards.Keyspace{{Name: "orders", Shards: shardCount, Replicas: 2}}}})
		} else {
			s.apply(&cluster.Command{Join: &cluster.Join{Member: m}})
		}
	}
	for range 20 {
		s.plan()
		s.settle()
	}
	s.stories.lead(s.state, "", 3, s.now)
	return s
}

// rules are few and stay what they are: a decider more must not change the golden files.
var rules = []policies.Decider{deciders.SameNode{}, deciders.Role{}, deciders.Alive{}, deciders.Draining{}, deciders.Maintenance{}}

func id(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("id%d", i)) }

func (s *stage) apply(c *cluster.Command) cluster.Outcome {
	s.Helper()
	after, o := s.state.Apply(c)
	if o.Err != nil {
		s.Fatal(o.Err)
	}
	s.state = after
	return o
}

// settle has every copy that recovers come in sync, and every hand-over happen.
func (s *stage) settle() {
	for _, r := range s.state.Shards {
		if p := r.PrimaryCopy(); p != nil && p.Fresh {
			s.apply(&cluster.Command{Opened: &cluster.Opened{Node: p.Node, Epoch: s.state.Member(p.Node).Epoch, Copies: []cluster.ShardCopy{{Shard: r.ID, Copy: p.ID}}}})
		}
		for _, c := range r.Copies {
			if row := s.state.Shard(r.ID); !c.InSync && !s.state.Member(c.Node).Down && row.Primary != 0 && row.Copy(c.ID) != nil {
				s.apply(&cluster.Command{InSync: &cluster.InSync{Shard: r.ID, Term: row.Term, Primary: row.Primary, Add: []shards.CopyID{c.ID}}})
			}
		}
		if row := s.state.Shard(r.ID); row.HandTo != 0 {
			s.apply(&cluster.Command{HandOver: &cluster.HandOver{Shard: r.ID, Term: row.Term, From: row.Primary, To: row.HandTo}})
		}
	}
}

func (s *stage) evidence() (list []liveness.Status) {
	for _, m := range s.state.Members {
		list = append(list, liveness.Status{Node: m.ID, Epoch: m.Epoch, State: s.alive[m.ID], Reason: "no answer"})
	}
	return list
}

// plan has the allocator plan, and the plan carried out.
func (s *stage) plan() *placement.Planned {
	in := &allocator.Input{State: s.state, Evidence: s.evidence(), Policies: &policies.Set{Deciders: rules, Scorers: s.soft}, Ticks: s.ticks, TickLength: 50 * time.Millisecond}
	d := &placement.Planned{Term: s.term, Took: time.Millisecond, Commit: 2 * time.Millisecond, Plan: allocator.Make(*in), Input: in}
	s.pass(3)
	if c := d.Plan.Command(); c != nil {
		d.Outcome = s.apply(&cluster.Command{Reroute: c})
	}
	return d
}

func (s *stage) pass(ms int64) { s.now += ms * int64(time.Millisecond) }

// suspect and dead are what the detector finds out about a node.
func (s *stage) detect(n shards.NodeID, state liveness.State, reason string, proof bool) {
	heard := s.now - 200*int64(time.Millisecond)
	if state != liveness.Suspect {
		s.alive[n] = state
	}
	c := liveness.Change{Status: liveness.Status{Node: n, Name: s.state.NodeName(n), Epoch: s.state.Member(n).Epoch, State: state, Reason: reason, Proof: proof}}
	if state == liveness.Alive {
		c.Outcome = liveness.OutcomeRefuted
		c.Probes = []liveness.Probed{{By: "id3", Name: "n3", Asked: 100 * time.Millisecond, Answered: true, Took: 20 * time.Millisecond, Reached: true},
			{By: "id1", Name: "n1", Asked: 50 * time.Millisecond, Answered: true, Took: 10 * time.Millisecond}, {By: "id4", Name: "n4", Asked: 40 * time.Millisecond}}
	}
	if x := s.changed(s.state, c, heard, s.now); x != nil {
		s.ended = append(s.ended, x)
	}
}

func (s *stage) planned() {
	d := s.plan()
	s.follow(s.state, s.now)
	s.stories.planned(s.state, d, nil, s.now)
}

// serve has the primary of each of these shards tell that it has taken over, and after a while that it has taken a write.
func (s *stage) serve(places ...int) {
	for _, written := range []bool{false, true} {
		for _, i := range places {
			r := &s.state.Shards[i]
			t := Takeover{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: s.now, Served: s.now + 1e6, Entries: i}
			if written {
				t.Served, t.Heard, t.Written = s.now-4e6, s.now-5e6, s.now
				t.Write = tracing.Carrier{Trace: tracing.TraceID{1, byte(i)}, Span: tracing.SpanID{2, byte(i)}}
			}
			s.took(s.state, &t)
		}
		s.pass(5)
	}
}

// look ends what is ripe, now and once clients have had the time to say what they felt.
func (s *stage) look() {
	for range 2 {
		told, _ := s.ripe(s.state, s.now)
		s.ended = append(s.ended, told...)
		if slices.ContainsFunc(s.open, func(x *story) bool { return x.wrote != 0 }) {
			s.pass(feltWait / 1e6)
		}
	}
}

func (s *stage) golden(name string) {
	s.Helper()
	var b strings.Builder
	for _, x := range s.ended {
		again, err := tracing.DecodeFailover(x.Encode())
		if err != nil {
			s.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n", again.Summary(), tracetest.Text(again.Spans()))
	}
	for _, x := range s.open {
		fmt.Fprintf(&b, "open: %s\n%s\n", x.Summary(), tracetest.Text(x.Spans()))
	}
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			s.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	if b.String() != string(want) {
		s.Errorf("%s differs (-rewrite writes it):\n%s", path, b.String())
	}
}

// places lists the shards that a node leads.
func (s *stage) places(n shards.NodeID) (list []int) {
	for i := range s.state.Shards {
		if c := s.state.Shards[i].PrimaryCopy(); c != nil && c.Node == n {
			list = append(list, i)
		}
	}
	return list
}

// DESIGN.md section 7: "One trace per death of one node incarnation … root from the last heartbeat heard to the last first-write".
func TestDeath(t *testing.T) {
	s := newStage(t, 3, 3)
	led := s.places("id2")
	s.broke("id2", 1, s.now, "EOF")
	s.pass(1)
	s.detect("id2", liveness.Suspect, "its connection broke", false)
	s.pass(2)
	s.detect("id2", liveness.Dead, "nobody listens there any more", true)
	s.planned()
	s.planned()
	s.look()
	if len(s.ended) > 0 || len(led) == 0 {
		t.Fatalf("ended before %d shards serve", len(led))
	}
	s.serve(led...)
	s.look()
	if len(s.open) != 0 {
		t.Error("it goes on although every shard has taken a write")
	}
	s.golden("death.txt")
}

// Promised: "refuted suspicions end with that outcome".
func TestRefuted(t *testing.T) {
	s := newStage(t, 3, 3)
	s.detect("id2", liveness.Suspect, "silent for 3 heartbeats", false)
	s.pass(300)
	s.detect("id2", liveness.Alive, "it answered", false)
	s.golden("refuted.txt")
}

// Promised: "survives the death of … the target during promotion".
func TestTargetDiesAsWell(t *testing.T) {
	s := newStage(t, 4, 4)
	led := s.places("id2")
	s.detect("id2", liveness.Suspect, "its connection broke", false)
	s.detect("id2", liveness.Dead, "proof", true)
	s.planned()
	s.planned()
	target := s.state.Shards[led[0]].PrimaryCopy().Node
	s.pass(10)
	s.detect(target, liveness.Dead, "proof", true)
	both := append(slices.Clone(led), s.places(target)...)
	s.planned()
	s.planned()
	s.serve(both...)
	s.look()
	if len(s.ended) != 2 {
		t.Errorf("%d stories ended", len(s.ended))
	}
	s.golden("target.txt")
}

// Promised: "survives the death … of two nodes at once": one plan deposes both, and is part of both stories.
func TestTwoDieAtOnce(t *testing.T) {
	s := newStage(t, 5, 10)
	one, other := s.places("id2"), s.places("id3")
	s.broke("id2", 1, s.now, "EOF")
	s.broke("id3", 1, s.now, "EOF")
	s.pass(2)
	s.detect("id2", liveness.Dead, "the host is gone", true)
	s.detect("id3", liveness.Dead, "the host is gone", true)
	s.planned()
	s.planned()
	var serving []int
	for i, r := range s.state.Shards {
		if r.PrimaryCopy() != nil {
			serving = append(serving, i)
		}
	}
	s.serve(serving...)
	s.look()
	s.pass(redWait/1e6 + 1) // a shard that both had is red
	s.look()
	if len(s.ended) != 2 || s.ended[0].Trace() == s.ended[1].Trace() || s.ended[0].Plans[0] != s.ended[1].Plans[0] {
		t.Fatalf("%d stories ended: %v", len(s.ended), s.ended)
	}
	for _, x := range s.ended {
		want := map[string][]int{"id2": one, "id3": other}[x.Node]
		if len(x.Shards) != len(want) || len(want) == 0 {
			t.Errorf("%s: %d shards, of %d that it led", x.ID(), len(x.Shards), len(want))
		}
		for i := range x.Shards {
			if sh := &x.Shards[i]; !sh.Serving() && sh.Problem == "" {
				t.Errorf("%s: %s is neither served nor lost: %+v", x.ID(), sh.Name, sh)
			}
			if sh := &x.Shards[i]; sh.Serving() && (len(sh.Attempts) != 1 || len(sh.Candidates) == 0) {
				t.Errorf("%s: %s: %+v", x.ID(), sh.Name, sh)
			}
		}
	}
}

// A clock that is minutes off tells impossible times; one that could be right is left alone.
func TestTakeoverByAnotherClock(t *testing.T) {
	for _, off := range []int64{0, 90e9, -90e9} {
		s := newStage(t, 3, 3)
		led := s.places("id2")
		s.detect("id2", liveness.Dead, "proof", true)
		s.planned()
		s.planned()
		for _, i := range led {
			r := &s.state.Shards[i]
			s.pass(10)
			s.took(s.state, &Takeover{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: s.now - 4e6 + off, Served: s.now - 2e6 + off, Written: s.now - 1e6 + off, sent: s.now + off, received: s.now + 1e5})
		}
		s.look()
		if len(s.ended) != 1 {
			t.Fatalf("%d stories ended", len(s.ended))
		}
		x := s.ended[0]
		if d := time.Duration(x.Unavailable()); d <= 0 || d > time.Second {
			t.Errorf("clock off by %v: unavailable for %v", time.Duration(off), d)
		}
		if a := x.Shards[0].Last(); (a.Ahead != 0) != (off != 0) || a.Ahead != 0 && (a.Ahead-off > 2e5 || off-a.Ahead > 2e5) {
			t.Errorf("clock off by %v: taken as %v ahead", time.Duration(off), time.Duration(a.Ahead))
		}
	}
}

// Traces name the module behind each word, and what its row cost.
func TestWordsNameModules(t *testing.T) {
	s := newStage(t, 3, 3)
	s.detect("id2", liveness.Dead, "proof", true)
	d := s.plan()
	s.follow(s.state, s.now)
	d.Input = &allocator.Input{State: s.state, Policies: &policies.Set{Deciders: []policies.Decider{guest{deciders.Alive{}}, deciders.Draining{}}}}
	s.stories.planned(s.state, d, listen(d), s.now)
	d = s.plan()
	d.Input = &allocator.Input{State: s.state, Policies: &policies.Set{Deciders: []policies.Decider{guest{deciders.Alive{}}, deciders.Draining{}}}}
	s.follow(s.state, s.now)
	s.stories.planned(s.state, d, listen(d), s.now)
	words := s.open[0].Words
	for _, want := range []tracing.Word{{Decider: "alive", Verdict: "YES", Module: "ab12cd34", Fuel: 77}, {Decider: "draining", Verdict: "YES"}} {
		if !slices.Contains(words, want) {
			t.Errorf("%+v is not among %+v", want, words)
		}
	}
}

// guest is a rule that says it is a module.
type guest struct{ policies.Decider }

func (guest) Digest() string { return "ab12cd34" }
func (guest) Cost(c policies.Capability) (fuel uint64, spoke bool) {
	return 77, c == policies.Promote
}

// Promised: "survives the death of the leader half-way": another goes on with the same trace.
func TestLeaderDiesHalfWay(t *testing.T) {
	s := newStage(t, 4, 4)
	led := s.places("id2")
	s.detect("id2", liveness.Dead, "proof", true)
	s.planned()
	x, _ := s.unsaved(s.now)
	if again, at := s.unsaved(s.now); x == nil || again != nil || at != s.now+keepPause {
		t.Fatal("the beginning is not saved once, and looked at again a second later")
	}
	trace := x.Trace()
	s.apply(&cluster.Command{Failover: &cluster.FailoverChange{Node: "id2", Epoch: 1, Record: x.Encode()}})
	s.pass(100)
	s.stories = stories{self: "id3", name: "n3"}
	s.broke("id1", 1, s.now-50e6, "EOF")
	s.lead(s.state, "id1", 4, s.now)
	also := s.places("id1")
	s.detect("id1", liveness.Dead, "proof", true)
	s.elected(s.find("id1", 1), s.now)
	s.planned()
	s.planned()
	s.serve(append(led, also...)...)
	s.look()
	if len(s.ended) != 2 || s.ended[0].Trace() != trace {
		t.Errorf("%d stories ended; the first has another trace", len(s.ended))
	}
	s.golden("leader.txt")
}

// A node may know that it leads before the leader knows that its own plan was carried out.
func TestEarlyTakeover(t *testing.T) {
	s := newStage(t, 3, 3)
	led := s.places("id2")
	s.detect("id2", liveness.Dead, "proof", true)
	before := s.state
	d := s.plan()
	s.plan()
	after := s.state
	s.state = before
	for _, i := range led {
		r := &after.Shards[i]
		s.took(s.state, &Takeover{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: s.now, Served: s.now, Written: s.now})
	}
	s.state = after
	s.follow(s.state, s.now)
	s.stories.planned(s.state, d, nil, s.now)
	s.look()
	if len(s.ended) != 1 || !s.ended[0].Back() || len(s.early) != 0 {
		t.Errorf("%d stories ended, %d takeovers are still early", len(s.ended), len(s.early))
	}
}

// Who comes to office later finds the dead still dead: that is no other failover.
func TestDeadOnce(t *testing.T) {
	s := newStage(t, 3, 3)
	led := s.places("id2")
	s.detect("id2", liveness.Dead, "proof", true)
	s.planned()
	s.planned()
	s.serve(led...)
	s.look()
	s.stories = stories{self: "id3", name: "n3"}
	s.lead(s.state, "id1", 4, s.now)
	for i := range s.state.Failovers {
		s.apply(&cluster.Command{Failover: &cluster.FailoverChange{Node: s.state.Failovers[i].Node, Epoch: s.state.Failovers[i].Epoch, Record: []byte{1}, Close: true}})
	}
	s.stories.open = nil
	s.detect("id2", liveness.Dead, "proof", true)
	if len(s.ended) != 1 || len(s.open) != 0 {
		t.Errorf("%d stories ended and %d are open", len(s.ended), len(s.open))
	}
}

// A shard without a copy that may lead makes the outcome red, and a node that comes back ends the waiting.
func TestRedAndReturned(t *testing.T) {
	s := newStage(t, 3, 3)
	for _, n := range []shards.NodeID{"id1", "id2", "id3"} {
		s.detect(n, liveness.Dead, "the whole room went dark", false)
	}
	s.planned()
	s.planned()
	s.look()
	s.pass(redWait/1e6 + 1)
	s.look()
	if len(s.ended) != 3 || s.ended[0].Outcome != tracing.OutcomeRed {
		t.Fatalf("%d stories ended", len(s.ended))
	}
	s.ended = nil
	s = newStage(t, 1, 1)
	led := s.places("id1")
	m := *s.state.Member("id1")
	m.Epoch = 2
	s.apply(&cluster.Command{Join: &cluster.Join{Member: m}})
	s.follow(s.state, s.now)
	s.planned()
	s.planned()
	s.serve(led...)
	s.look()
	if len(s.ended) != 1 || s.ended[0].Outcome != tracing.OutcomeReturned {
		t.Fatalf("%d stories ended", len(s.ended))
	}
	s.golden("returned.txt")
}

// A plan may be told after what came of it: whom it chose, and why, is in the story all the same. What is decided when that one has served and dies is
// of the story of its own death.
func TestPlanIsToldLate(t *testing.T) {
	s := newStage(t, 4, 4)
	led := s.places("id2")
	s.detect("id2", liveness.Dead, "proof", true)
	s.planned()
	s.planned()
	row := func() *cluster.Shard { return &s.state.Shards[led[0]] }
	late := func(served int64) {
		d := s.plan()
		s.follow(s.state, s.now)
		s.took(s.state, &Takeover{Shard: row().ID, Term: row().Term, Node: row().PrimaryCopy().Node, Heard: s.now, Served: served})
		s.stories.planned(s.state, d, nil, s.now)
	}
	s.detect(row().PrimaryCopy().Node, liveness.Dead, "proof", true)
	late(s.now)
	x := s.find("id2", 1)
	if shard := &x.Shards[0]; len(x.Earlier) != 1 || shard.To != s.state.NodeName(row().PrimaryCopy().Node) || shard.Plan != 1 || !shard.Serving() {
		t.Fatalf("of two decisions it has %+v, and then %+v", x.Earlier, shard)
	}
	for range 6 { // another copy takes the place of those that are lost
		s.plan()
		for _, c := range slices.Clone(row().Copies) {
			if !c.InSync && s.alive[c.Node] == liveness.Alive {
				s.apply(&cluster.Command{InSync: &cluster.InSync{Shard: row().ID, Term: row().Term, Primary: row().Primary, Add: []shards.CopyID{c.ID}}})
			}
		}
	}
	before := x.Shards[0]
	s.detect(row().PrimaryCopy().Node, liveness.Dead, "proof", true)
	late(0)
	if after := x.Shards[0]; len(x.Earlier) != 1 || after.Plan != before.Plan || after.Reason != before.Reason || len(after.Attempts) != len(before.Attempts) {
		t.Errorf("what is decided for another death is in the story: %+v", after)
	}
}
