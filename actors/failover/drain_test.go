package failover

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// emptying is a stage on which nodes are drained.
type emptying struct {
	*stage
	drains
	over []*drain
}

func newEmptying(t *testing.T, nodes, shardCount int) *emptying {
	e := &emptying{stage: newStage(t, nodes, shardCount), drains: drains{self: "id1", name: "n1"}}
	e.see()
	return e
}

func (e *emptying) see() {
	e.over = append(append(e.over, e.drains.follow(e.state, e.now)...), e.drains.ended...)
	for _, x := range e.drains.ended {
		e.apply(&cluster.Command{Drain: &cluster.DrainChange{At: x.Since, Close: true}})
	}
	e.drains.ended = nil
}

func (e *emptying) drain(n shards.NodeID, on bool) {
	e.apply(&cluster.Command{Member: &cluster.MemberChange{Node: n, Draining: &on}})
	e.see()
}

// round has a plan made and told, and then as many recoveries end as the plan began.
func (e *emptying) round(settle bool) {
	d := e.plan()
	if d.Plan.Command() == nil {
		d.Commit = 0
	}
	e.see()
	e.drains.planned(e.state, d, listen(d), e.now)
	e.pass(20)
	if settle {
		e.settle()
	}
	e.see()
}

func (e *emptying) text() string {
	var b strings.Builder
	for _, x := range e.over {
		again, err := tracing.DecodeFailover(x.Encode())
		if err != nil {
			e.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n", again.Summary(), tracetest.Text(again.Spans()))
	}
	return b.String()
}

// Promised: "drains … have traces of the same shape": every copy, where it went, and what each decider said of each place.
func TestDrain(t *testing.T) {
	e := newEmptying(t, 4, 4)
	held := 0
	for i := range e.state.Shards {
		if copyOn(&e.state.Shards[i], "id2") != nil {
			held++
		}
	}
	e.drain("id2", true)
	if len(e.drains.open) != 1 || len(e.drains.open[0].Shards) != held || held == 0 {
		t.Fatalf("n2 held %d copies, and the story has %d drains", held, len(e.drains.open))
	}
	for range 10 {
		e.round(true)
	}
	if len(e.over) != 1 || e.over[0].Outcome != tracing.OutcomeDone || e.over[0].left != held {
		t.Fatalf("%d drains are over; %s", len(e.over), e.text())
	}
	for _, s := range e.over[0].Shards {
		if a := s.Last(); s.Plan < 0 || len(s.Candidates) != 4 || a == nil || a.ToID == "id2" || a.Served == 0 {
			t.Errorf("of %s it says %+v", s.Name, s)
		}
	}
	path := filepath.Join("testdata", "drain.txt")
	if *rewrite {
		if err := os.WriteFile(path, []byte(e.text()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if e.text() != string(want) {
		t.Errorf("%s differs (-rewrite writes it):\n%s", path, e.text())
	}
	e.round(true)
	if e.drain("id2", true); len(e.drains.open) > 0 || len(e.over) != 1 {
		t.Error("an empty node that is still to be empty is told of again")
	}
}

// A drain ends when it is taken back, or with the node; whoever leads next goes on with it; and a second one of a life is another.
func TestDrainsEndOtherwise(t *testing.T) {
	e := newEmptying(t, 4, 4)
	e.drain("id2", true)
	e.drain("id2", false)
	if len(e.over) != 1 || e.over[0].Outcome != tracing.OutcomeTakenBack {
		t.Fatalf("taken back: %s", e.text())
	}
	e.drain("id2", true)
	e.pass(5)
	e.drains.lead(e.state, 4, e.now)
	e.round(false)
	if x := e.drains.open[0]; x.Trace() == e.over[0].Trace() || len(x.Elections) != 1 || !x.Elections[0].Resume || len(x.Plans) == 0 {
		t.Errorf("the second drain: %+v", x.Failover)
	}
	e.alive["id2"] = liveness.Dead
	e.round(false)
	if len(e.over) != 2 || e.over[1].Outcome != tracing.OutcomeDied || len(e.drains.open) != 0 {
		t.Fatalf("the node died: %s", e.text())
	}
	if !slices.ContainsFunc(e.over[1].Spans(), func(s tracing.Span) bool { return strings.HasPrefix(s.Name, "recover orders/") }) {
		t.Errorf("nothing began to leave: %s", e.text())
	}
}

// What primaries tell of copies that have come belongs to the try that is under way, and to no other.
func TestDrainTellsWhatWasCopied(t *testing.T) {
	e := newEmptying(t, 4, 4)
	e.drain("id2", true)
	e.round(false)
	x := e.drains.open[0]
	i := slices.IndexFunc(x.Shards, func(s tracing.Shard) bool { return s.Last() != nil })
	s := &x.Shards[i]
	told := Arrival{Shard: shards.ShardID(s.ID), Node: shards.NodeID(s.Last().ToID), By: "id3", Bytes: 3 << 19, Operations: 7}
	for _, a := range []Arrival{told, {Shard: told.Shard, Node: "id2", By: "id3", Bytes: 1}, {Shard: shards.NewShardID(9, 9), Node: told.Node, Bytes: 1}} {
		e.drains.arrived(e.state, &a)
	}
	for range 10 {
		e.round(true)
	}
	again, err := tracing.DecodeFailover(e.over[0].Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(again.Summary(), "copies, 1.5 MiB, 7 operations in ") {
		t.Errorf("it is summed up as %s", again.Summary())
	}
	if text := tracetest.Text(again.Spans()); strings.Count(text, "recovery.source") != 1 || !strings.Contains(text, "recovery.source=n3 recovery.bytes=1572864 recovery.ops=7") {
		t.Errorf("its trace:\n%s", text)
	}
}

// A recovery that fails is an attempt, and the next is another.
func TestDrainTriesAgain(t *testing.T) {
	e := newEmptying(t, 4, 4)
	e.drain("id2", true)
	e.round(false)
	x := e.drains.open[0]
	i := slices.IndexFunc(x.Shards, func(s tracing.Shard) bool { return s.Last() != nil })
	if i < 0 {
		t.Fatal("nothing leaves")
	}
	r := e.state.Shard(shards.ShardID(x.Shards[i].ID))
	var next cluster.Copy
	for _, c := range r.Copies {
		if c.Source != 0 {
			next = c
		}
	}
	e.apply(&cluster.Command{Failed: &cluster.Failed{Node: next.Node, Epoch: 1, Reason: "no space", Copies: []cluster.ShardCopy{{Shard: r.ID, Copy: next.ID}}}})
	e.see()
	if a := x.Shards[i].Last(); a.Failed == "" {
		t.Errorf("a recovery that failed: %+v", a)
	}
	for range 10 {
		e.round(true)
	}
	if s := x.Shards[i]; len(s.Attempts) != 2 || !s.Serving() || x.Outcome != tracing.OutcomeDone {
		t.Errorf("after the second try: %+v, %v", s, x.Outcome)
	}
}

// A node may be asked of its drain by a plan that has no place for a copy: the reason is in the story.
func TestDrainWithNowhereToGo(t *testing.T) {
	e := newEmptying(t, 2, 2)
	e.drain("id2", true)
	e.round(true)
	x := e.drains.open[0]
	if i := slices.IndexFunc(x.Shards, func(s tracing.Shard) bool { return s.Problem != "" }); i < 0 {
		t.Errorf("no copy has a problem: %+v", x.Shards)
	}
}

// Promised: "policy switches have traces of the same shape".
func TestSwitch(t *testing.T) {
	s := &switches{self: "id1", name: "n1"}
	digest := cluster.DigestOf([]byte("a module"))
	one := &cluster.State{Cluster: "c", Version: 10, PoliciesAt: 10}
	two := &cluster.State{Cluster: "c", Version: 12, PoliciesAt: 12, Policies: []cluster.Policy{{Name: "licence", Versions: []cluster.PolicyVersion{{Number: 2, Digest: digest}}, Active: cluster.PolicyUse{Version: 2}}}}
	if s.follow(one, 1000); s.open != nil {
		t.Fatal("what was in force before is told")
	}
	s.follow(two, 2e6)
	if s.open == nil || s.open.Reason != "licence 2 in force, module "+digest.Short() || s.open.ID() != "licence@12" {
		t.Fatalf("open: %+v", s.open)
	}
	late := &placement.Planned{Term: 3, Plan: &allocator.Plan{Version: 11}}
	if s.planned(two, late, nil, 3e6) != nil {
		t.Error("a plan made before belongs to it")
	}
	failed := &placement.Planned{Term: 3, Plan: &allocator.Plan{Version: 12}, Err: fmt.Errorf("no quorum")}
	if s.planned(two, failed, nil, 4e6) != nil {
		t.Error("it ends with a plan that was not committed")
	}
	rows := *two
	rows.Members = []cluster.Member{{ID: "id1", Name: "n1"}, {ID: "id4", Name: "n4"}}
	copies := []cluster.Copy{{ID: 1, Node: "id1", InSync: true}, {ID: 2, Node: "id4", InSync: true}}
	for i := range 2 {
		rows.Shards = append(rows.Shards, cluster.Shard{ID: shards.NewShardID(0, i), Primary: 1, Copies: copies})
	}
	moves := []allocator.Decision{{Shard: shards.NewShardID(0, 0), Name: "other/0", Move: cluster.Move{Kind: cluster.MoveHandTo, Copy: 2}},
		{Shard: shards.NewShardID(0, 1), Name: "other/1", Move: cluster.Move{Kind: cluster.MoveDrop, Copy: 2}}}
	x := s.planned(&rows, &placement.Planned{Term: 3, Plan: &allocator.Plan{Version: 13, Decisions: moves}, Took: 1e6}, nil, 6e6)
	if x == nil || x.Outcome != tracing.OutcomeDone || len(x.Plans) != 2 || s.open != nil {
		t.Fatalf("it ended as %+v", x)
	}
	if text := tracetest.Text(x.Spans()); !strings.Contains(text, "licence 2 in force, module "+digest.Short()+" @n1") || !strings.Contains(text, "✗ no quorum") ||
		!strings.Contains(text, "lead of other/0 n1→n4") || !strings.Contains(text, "copy other/1 n4→nobody") {
		t.Errorf("its trace:\n%s", text)
	}
	three := *two
	three.PoliciesAt, three.Policies = 14, []cluster.Policy{{Name: "licence", Active: cluster.PolicyUse{Version: 2}, Shadow: cluster.PolicyUse{Version: 3}}}
	if s.follow(&three, 7e6); s.open != nil {
		t.Error("a shadow is told as if it were in force")
	}
	four := three
	four.PoliciesAt, four.Policies = 16, []cluster.Policy{{Name: "licence"}}
	four.Quarantine = []cluster.Quarantined{{Digest: digest, Policy: "licence", Reason: "three faults"}}
	if s.follow(&four, 8e6); s.open == nil || !strings.Contains(s.open.Reason, "licence 2 in force no more") || !strings.Contains(s.open.Reason, "in quarantine: three faults") {
		t.Errorf("quarantined: %+v", s.open)
	}
	five := four
	five.PoliciesAt, five.Quarantine = 18, nil
	if ended := s.follow(&five, 9e6); ended == nil || ended.Outcome != tracing.OutcomeGivenUp || !strings.Contains(s.open.Reason, "in quarantine no more") {
		t.Errorf("of two at once the first ended as %+v, the second is %+v", ended, s.open)
	}
}
