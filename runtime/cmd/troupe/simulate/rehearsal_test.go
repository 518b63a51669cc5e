package simulate

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/deciders"
)

// played is the world at the end of a scenario.
func played(t *testing.T, text string) *World {
	t.Helper()
	o, err := Play("x.txt", []byte(text), Config{})
	if err != nil {
		t.Fatal(err)
	}
	return o.World
}

// Losing a zone is rehearsed on a copy: the cluster that it begins with stays as it is, and what would come is what comes when the
// zone is really lost.
func TestRehearsalIsWhatHappens(t *testing.T) {
	const text = "nodes 9 zones=3 disk=1tb\nkeyspace orders shards=30 replicas=1 data=5gb\nsetting cluster.routing.allocation.awareness.attributes zone\neval 10m seed=4\n"
	w := played(t, text)
	in := w.Input()
	in.Policies = nil
	before := in.State.Encode()
	r, err := Rehearse(in, &policies.Set{Deciders: deciders.All()}, Part{"zone", "z2"}, false, 3*time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, in.State.Encode()) {
		t.Error("the rehearsal wrote to the state that it began with")
	}
	really := played(t, text+"at 0s lose zone z2\neval 3h\n")
	if !bytes.Equal(really.State.Encode()[80:], r.World.State.Encode()[80:]) {
		t.Errorf("rehearsed\n%s\nand really\n%s", r.World.State.Describe(&r.World.State.Shards[3]), really.State.Describe(&really.State.Shards[3]))
	}
	if !r.Survived() || len(r.Nodes) != 3 || r.Led == 0 || r.Single == 0 || len(r.Gone) != 0 || r.Bytes == 0 || r.TimeToGreen <= 0 || r.Unmeasured != 0 ||
		!slices.Equal(r.Keyspaces, []KeyspaceHealth{{"orders", 30, 0, 0}}) {
		t.Errorf("%+v", r)
	}
}

// What is lost for good and what finds no place is named, with the rules that forbid it.
func TestRehearsalNamesWhatIsLost(t *testing.T) {
	w := played(t, "nodes 3 racks=3 disk=1tb\nkeyspace safe shards=2 replicas=1\nkeyspace bare shards=3 replicas=0\neval 5m seed=1\n")
	in := w.Input()
	total := 0
	for _, p := range Parts(in.State, "rack") {
		r, err := Rehearse(in, &policies.Set{Deciders: deciders.All()}, p, true, time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		total += len(r.Gone)
		for _, name := range r.Gone {
			if !strings.HasPrefix(name, "bare/") {
				t.Errorf("%s has a replica and is gone", name)
			}
		}
		if r.Survived() != (len(r.Gone) == 0) || r.Red != len(r.Gone) {
			t.Errorf("%s: %+v", r.Lost, r)
		}
	}
	if total != 3 {
		t.Errorf("%d of three shards without replicas are lost with their rack", total)
	}
	in = played(t, "nodes 2 disk=1tb\nkeyspace safe shards=2 replicas=1\neval 5m seed=1\n").Input()
	r, err := Rehearse(in, &policies.Set{Deciders: deciders.All()}, Part{"node", "n1"}, false, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Survived() || len(r.Unplaceable) != 2 || len(r.Unplaceable[0].Words) != 1 || !strings.Contains(r.Unplaceable[0].Words[0], "n2 NO: [same_node]") || r.TimeToGreen >= 0 || r.GreenAfter != nil {
		t.Errorf("two copies on one node: %+v", r.Unplaceable)
	}
	if _, err := Rehearse(in, &policies.Set{Deciders: deciders.All()}, Part{"node", "n7"}, false, time.Hour, nil); err == nil {
		t.Error("a node that there is not was lost")
	}
}

// What is refused for evenness alone is not a copy without a place, and lets no loss fail.
func TestRefusedEvennessIsNoLoss(t *testing.T) {
	w := played(t, "nodes 3 disk=1tb\nkeyspace orders shards=5 replicas=1\neval 5m seed=1\n")
	w.plan = &allocator.Plan{}
	for i, lane := range []allocator.Lane{allocator.Emergency, allocator.Create, allocator.Missing, allocator.Evacuate, allocator.Balance, allocator.Surplus} {
		id := w.State.Shards[min(i, 4)].ID
		w.plan.Decisions = append(w.plan.Decisions, allocator.Decision{Lane: lane, Shard: id, Name: lane.String(), Verdict: policies.No, Reason: "refused"})
	}
	r := &Rehearsal{Result: &Result{}}
	if err := w.unplaceable(r); err != nil {
		t.Fatal(err)
	}
	w.waiting(r.Result)
	var names []string
	for _, u := range r.Unplaceable {
		names = append(names, u.Shard)
	}
	if !slices.Equal(names, []string{"create", "missing", "evacuate"}) || r.Result.Unplaceable != 3 || r.Waiting != 6 {
		t.Errorf("no place for %v, %d in all; %d wait", names, r.Result.Unplaceable, r.Waiting)
	}
	w.plan.Decisions = w.plan.Decisions[4:]
	if r = (&Rehearsal{Result: &Result{}}); w.unplaceable(r) != nil || !r.Survived() {
		t.Errorf("the cluster does not get over a move for balance that is refused: %+v", r.Unplaceable)
	}
}

// An effect is what a plan comes to when its recoveries are done.
func TestEffect(t *testing.T) {
	w := played(t, "nodes 2 disk=1tb\nkeyspace orders shards=10 replicas=1 data=1gb\neval 5m seed=1\nadd nodes 2 disk=1tb\neval 100ms\n")
	in := w.Input()
	idle := EffectOf(in, w.plan)
	if idle.Balance["disk"] < 1.2 {
		t.Errorf("already even: %+v", idle)
	}
	before := played(t, "nodes 2 disk=1tb\nkeyspace orders shards=10 replicas=1 data=1gb\neval 5m seed=1\n")
	in = before.Input()
	e := EffectOf(in, before.plan)
	if e.Moves.Total() != 0 || e.Bytes != 0 || e.Balance["copies"] != 1 {
		t.Errorf("of a plan that asks for nothing: %+v", e)
	}
}
