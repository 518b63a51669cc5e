package placement

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Promised: "automatic rollback when a policy traps, stalls or thrashes". Under a policy that says NO of every node a new keyspace has no primary,
// and what a dead node had is not replaced. It is taken back, and says why.
func TestPolicyThatRefusesAllIsTakenBack(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		w.push("spare", "one", "two")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.until("node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
		w.activate("spare", 2, map[string]string{"nodes": "N1,N2,N3"})
		w.keyspace("carts", 2, 1)
		w.until("the version before is in force", func(s *cluster.State) bool { return s.Policy("spare").Active.Version == 1 })
		note := citizen{w, ""}.State().Policy("spare").Note
		for _, part := range []string{"version 2 was taken back: under it no copy has found a node for 15s, and of 2 shards that lack one 2 would find one without it; of carts/0 it says: ", "setting nodes"} {
			if !strings.Contains(note, part) {
				t.Errorf("taken back with the note %q, which lacks %q", note, part)
			}
		}
		w.until("all is placed, and node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
	})
}

// The famine is counted from the first plan that places nothing, ends with one that places something, and what was to be said of it with it.
func TestHungerIsCounted(t *testing.T) {
	no := allocator.Decision{Lane: allocator.Missing, Shard: 1, Verdict: policies.No}
	placed := allocator.Decision{Lane: allocator.Create, Shard: 2, Move: cluster.Move{Kind: cluster.MoveCreate}}
	hungry, fed := &allocator.Plan{Decisions: []allocator.Decision{no, no}}, &allocator.Plan{Decisions: []allocator.Decision{no, placed}}
	if list := refused(hungry); len(list) != 1 || list[0] != 1 {
		t.Errorf("refused are %v", list)
	}
	var h hunger
	at := time.Unix(1000, 0)
	for _, step := range []struct {
		about uint64
		plan  *allocator.Plan
		after time.Duration
		want  time.Duration
		note  string
	}{
		{1, hungry, 0, 15 * time.Second, ""},
		{1, hungry, 14 * time.Second, time.Second, ""},
		{1, hungry, 15 * time.Second, 0, "said"}, // and then somebody says why
		{1, hungry, 16 * time.Second, 14 * time.Second, "said"},
		{1, fed, 17 * time.Second, -1, ""},
		{1, hungry, 40 * time.Second, 15 * time.Second, ""},
		{2, hungry, 60 * time.Second, 15 * time.Second, ""},
	} {
		wait := h.waits(&cluster.State{PoliciesAt: step.about}, step.plan, 15*time.Second, at.Add(step.after))
		if wait == 0 {
			h.note = "said"
		}
		if wait != step.want || h.note != step.note {
			t.Errorf("after %v: wait %v with the note %q, want %v with %q", step.after, wait, h.note, step.want, step.note)
		}
	}
}

// What no policy is to blame for is not taken back: there are too few nodes for all copies.
func TestPolicyIsNotBlamedForOthers(t *testing.T) {
	governed(t, 2, nil, func(w *town) {
		w.keyspace("orders", 4, 2)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N7"})
		<-time.After(10 * time.Minute)
		if p := (citizen{w, ""}).State().Policy("spare"); p.Active.Version != 1 || p.Note != "" {
			t.Errorf("it was taken back: %+v", p)
		}
	})
}
