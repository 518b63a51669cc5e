package placement

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/shards"
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

// A version that refuses all comes after one that does: going back to that would help nobody, and the policy goes out of force. It is found,
// too, if another was put in force since.
func TestRefusalOfAllIsFound(t *testing.T) {
	all := map[string]string{"nodes": "N*"}
	for what, play := range map[string]func(w *town){
		"after a version that refuses all as well": func(w *town) {
			w.push("spare", "one", "two")
			w.activate("spare", 1, all)
			w.activate("spare", 2, all)
		},
		"before another policy": func(w *town) {
			w.push("spare", "one")
			w.push("other", "two")
			w.activate("spare", 1, all)
			<-time.After(3 * time.Second)
			w.activate("other", 1, map[string]string{"nodes": "N3"})
		},
	} {
		t.Run(what, func(t *testing.T) {
			governed(t, 3, nil, func(w *town) {
				w.keyspace("orders", 4, 1)
				w.green(2 * time.Second)
				play(w)
				w.keyspace("carts", 2, 1)
				w.until("it is out of force", func(s *cluster.State) bool { return s.Policy("spare").Active.Version == 0 })
				w.until("all is placed", green)
				s := citizen{w, ""}.State()
				if p := s.Policy("spare"); !strings.Contains(p.Note, "was taken back: under it no copy has found a node for 15s") {
					t.Errorf("taken back with the note %q", p.Note)
				}
				if p := s.Policy("other"); p != nil && p.Active.Version != 1 {
					t.Errorf("so was the other: %+v", p)
				}
			})
		})
	}
}

// Two policies each of which refuses all: neither is to blame alone.
func TestTwoRefuseAll(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.push("spare", "one")
		w.push("other", "two")
		for _, name := range []string{"spare", "other"} {
			w.activate(name, 1, map[string]string{"nodes": "N*"})
		}
		w.keyspace("carts", 2, 1)
		gone := func(n int) func(s *cluster.State) bool {
			return func(s *cluster.State) bool {
				return n == len(slices.DeleteFunc(slices.Clone(s.Policies), func(p cluster.Policy) bool { return p.Active.Version != 0 }))
			}
		}
		w.until("one is out of force", gone(1))
		w.until("both are", gone(2))
		w.until("all is placed", green)
		s := citizen{w, ""}.State()
		if notes := s.Policy("spare").Note + s.Policy("other").Note; strings.Count(notes, "would find one without it and the 1 other policies on probation") != 1 {
			t.Errorf("taken back with the notes %q", notes)
		}
	})
}

// starts lets no copy begin anywhere.
type starts struct{}

func (starts) Name() string   { return "starts" }
func (starts) PerShard() bool { return false }
func (starts) Start(_ *policies.View, _ *policies.Question, r policies.Row) {
	r.RaiseAll(policies.Say(policies.No, 1))
}
func (starts) Reason(*policies.View, *policies.Question, int, policies.Answer) string {
	return "nothing begins here"
}

// The note quotes a policy that lets copies be anywhere and begin nowhere.
func TestSentenceAgainstABeginning(t *testing.T) {
	s, o := (&cluster.State{}).Apply(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("c", 40), Member: cluster.Member{ID: "n1", Name: "n1", Raft: 1, Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format},
		Keyspaces: []shards.Keyspace{{Name: "carts", Shards: 1}}}})
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	m := &mind{set: hosted.NewSet([]policies.Decider{starts{}}, nil)}
	if got := against(m, &allocator.Input{State: s}, "starts", s.Shards[0].ID); got != "nothing begins here" {
		t.Errorf("it says: %s", got)
	}
}

// The famine is counted from the first plan that places nothing, ends with one that places something, and what was to be done with it.
func TestHungerIsCounted(t *testing.T) {
	no := allocator.Decision{Lane: allocator.Missing, Shard: 1, Verdict: policies.No}
	placed := allocator.Decision{Lane: allocator.Create, Shard: 2, Move: cluster.Move{Kind: cluster.MoveCreate}}
	hungry, fed := &allocator.Plan{Decisions: []allocator.Decision{no, no}}, &allocator.Plan{Decisions: []allocator.Decision{no, placed}}
	if list := refused(hungry); len(list) != 1 || list[0] != 1 {
		t.Errorf("refused are %v", list)
	}
	const famine = 15 * time.Second
	var h hunger
	at := time.Unix(1000, 0)
	for _, step := range []struct {
		about uint64
		plan  *allocator.Plan
		after time.Duration
		want  time.Duration
		tried int // of two remedies, when it was their time
	}{
		{1, hungry, 0, famine, 0},
		{1, hungry, 14 * time.Second, time.Second, 0},
		{1, hungry, 15 * time.Second, 0, 1},
		{1, hungry, 15500 * time.Millisecond, time.Second / 2, 1},
		{1, hungry, 16 * time.Second, 0, 0}, // both
		{1, hungry, 17 * time.Second, 14 * time.Second, 0},
		{1, hungry, 31 * time.Second, 0, 1},
		{1, fed, 32 * time.Second, -1, 0},
		{1, hungry, 40 * time.Second, famine, 0},
		{2, hungry, 60 * time.Second, famine, 0},
	} {
		now := at.Add(step.after)
		wait := h.waits(&cluster.State{PoliciesAt: step.about}, step.plan, famine, now)
		if wait == 0 {
			if next := h.failed(2, famine, now); next != []time.Duration{famine, remedyPause}[step.tried] {
				t.Errorf("after %v: %v until the next remedy", step.after, next)
			}
		}
		if wait != step.want || h.tried != step.tried {
			t.Errorf("after %v: wait %v with %d remedies tried, want %v with %d", step.after, wait, h.tried, step.want, step.tried)
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
