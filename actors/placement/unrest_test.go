package placement

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// What is blamed is the policy that came last, and only while it is on probation.
func TestUnrest(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &cluster.State{Version: 9, PoliciesAt: 9, Policies: []cluster.Policy{
		{Name: "a", Active: cluster.PolicyUse{Version: 3}, Since: 900},
		{Name: "b", Active: cluster.PolicyUse{Version: 1}, Previous: cluster.PolicyUse{Version: 2}, Since: 990},
		{Name: "c", Since: 995}}}
	u := unrest{probation: time.Minute, mostMoves: 2, stall: time.Second}
	plan := &allocator.Plan{Rows: []cluster.RowChange{{Shard: 7}}, Decisions: []allocator.Decision{
		{Lane: allocator.Balance, Shard: 7, Move: cluster.Move{Kind: cluster.MoveAllocate, Source: 1}},
		{Lane: allocator.Balance, Shard: 8, Move: cluster.Move{Kind: cluster.MoveAllocate, Source: 1}}, // not committed
		{Lane: allocator.Missing, Shard: 7, Move: cluster.Move{Kind: cluster.MoveAllocate}}}}
	for i := range 2 {
		if u.note(s, plan, 0, nil, now); u.verdict(s, now) != nil {
			t.Fatalf("taken back after %d moves", i+1)
		}
	}
	u.note(s, plan, 0, nil, now)
	if r := u.verdict(s, now); r == nil || r.Name != "b" || r.How != cluster.RetreatRollback || r.If != 1 {
		t.Errorf("after three moves: %+v", r)
	}
	if r := u.verdict(s, now.Add(time.Minute)); r != nil {
		t.Errorf("when the probation is over: %+v", r)
	}
	s.Policies[1].Note = "version 2 was taken back"
	if r := u.verdict(s, now); r == nil || r.How != cluster.RetreatDeactivate {
		t.Errorf("what was before was taken back itself, and comes again: %+v", r)
	}
	s.Policies[1].Note, s.Policies[1].Previous = "", s.Policies[1].Active
	if r := u.verdict(s, now); r == nil || r.How != cluster.RetreatDeactivate {
		t.Errorf("what was before is the same, since it was taken out of force and put there again: %+v", r)
	}
	s.PoliciesAt++
	for range 2 {
		u.note(s, &allocator.Plan{}, 2*time.Second, nil, now)
	}
	u.note(s, &allocator.Plan{}, 0, nil, now)
	for range 2 {
		u.note(s, &allocator.Plan{}, 2*time.Second, nil, now)
	}
	if r := u.verdict(s, now); r != nil {
		t.Errorf("two slow plans in a row: %+v", r)
	}
	u.note(s, &allocator.Plan{}, 2*time.Second, nil, now)
	if r := u.verdict(s, now); r == nil || !strings.Contains(r.Note, "3 plans in a row took longer than 1s") {
		t.Errorf("three slow plans in a row: %+v", r)
	}
}

// What is taken back is what was judged, with its settings: the same version that somebody has given others meanwhile stays.
func TestOtherSettingsAreNotTakenBack(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &cluster.State{Cluster: strings.Repeat("c", 40), Version: 9, PoliciesAt: 9, Policies: []cluster.Policy{
		{Name: "a", Active: cluster.PolicyUse{Version: 2, Settings: "x"}, Previous: cluster.PolicyUse{Version: 1}, Since: 990}}}
	u := unrest{probation: time.Minute, mostMoves: 2, stall: time.Second}
	for range stallTries {
		u.note(s, &allocator.Plan{}, 2*time.Second, nil, now)
	}
	commands := []*cluster.RetirePolicy{u.verdict(s, now)}
	for _, r := range u.remedies(s, now) {
		commands = append(commands, r...)
	}
	if len(commands) != 3 {
		t.Fatalf("%d commands", len(commands))
	}
	changed := *s
	changed.Policies = slices.Clone(s.Policies)
	changed.Policies[0].Active.Settings = "y"
	for _, r := range commands {
		if _, o := s.Apply(&cluster.Command{Retire: r}); o.Err != nil {
			t.Errorf("%+v: %v", r, o.Err)
		}
		if _, o := changed.Apply(&cluster.Command{Retire: r}); !errors.Is(o.Error(), &cluster.Refusal{Why: cluster.WhyStale}) {
			t.Errorf("%+v takes other settings back: %v", r, o.Error())
		}
	}
}

// What follows an operator's command is no unrest of a policy's, be it of another shard; what goes on and on is, and so is what comes when all has been at rest.
func TestUnrestAfterAnOperator(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &cluster.State{Version: 9, PoliciesAt: 9, Policies: []cluster.Policy{{Name: "spare", Active: cluster.PolicyUse{Version: 1}, Since: 990}},
		Shards: []cluster.Shard{{ID: 7, Copies: []cluster.Copy{{ID: 1, Node: "n1"}}}}}
	move := &allocator.Plan{Rows: []cluster.RowChange{{Shard: 7}}, Decisions: []allocator.Decision{{Lane: allocator.Evacuate, Shard: 7, Move: cluster.Move{Kind: cluster.MoveAllocate, Source: 1, Node: "n2"}}}}
	u := unrest{probation: time.Minute, mostMoves: 2, stall: time.Second}
	note := func(plan *allocator.Plan, times int) *cluster.RetirePolicy {
		for range times {
			u.note(s, plan, 0, nil, now)
		}
		return u.verdict(s, now)
	}
	for i := range 3 { // each command has its answers
		u.commanded()
		if r := note(move, mostAnswers); r != nil || u.moves[7] != 0 {
			t.Fatalf("after %d commands: %+v, with moves %v", i+1, r, u.moves)
		}
	}
	if r := note(move, 3); r == nil || r.Name != "spare" {
		t.Errorf("of what goes on after a command: %+v", r)
	}
	s.PoliciesAt++
	u.commanded()
	s.Shards[0].HandTo = 2
	if note(&allocator.Plan{}, 1); u.asked == nil {
		t.Error("a hand-over is under way, and it is over")
	}
	s.Shards[0].HandTo = 0
	note(&allocator.Plan{}, 1)
	if r := note(move, 3); r == nil {
		t.Error("all was at rest, and what is moved then is laid to the operator")
	}
}

// A copy that takes four minutes for each move goes to and fro three times within thirteen, which is longer than a probation. One that is moved as
// often, but never comes back, and one that began to swing when the probation was over, are nobody's fault.
func TestLargeShardsThatSwing(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes []shards.NodeID // where the copy goes, one after the other, from n1
		first time.Duration   // when the first move begins
		rest  time.Duration   // between the end of a move and the beginning of the next
		back  bool
	}{
		{"to and fro", []shards.NodeID{"n2", "n1", "n2", "n1"}, time.Minute, 20 * time.Second, true},
		{"always further", []shards.NodeID{"n2", "n3", "n4", "n5", "n6"}, time.Minute, 20 * time.Second, false},
		{"twice", []shards.NodeID{"n2", "n1", "n2"}, time.Minute, 20 * time.Second, false},
		{"begun too late", []shards.NodeID{"n2", "n1", "n2", "n1", "n2"}, 6 * time.Minute, 20 * time.Second, false},
		{"with long rests", []shards.NodeID{"n2", "n1", "n2", "n1", "n2"}, time.Minute, 2 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const step, took = 10 * time.Second, 4 * time.Minute
			since := time.Unix(1000, 0)
			now, at, next := since, shards.NodeID("n1"), since.Add(c.first)
			var arrives time.Time
			u := unrest{probation: 5 * time.Minute, mostMoves: 12, stall: time.Second}
			var verdict *cluster.RetirePolicy
			for left := c.nodes; now.Before(since.Add(40*time.Minute)) && verdict == nil; now = now.Add(step) {
				s := &cluster.State{Version: 9, PoliciesAt: 9, Policies: []cluster.Policy{{Name: "spare", Active: cluster.PolicyUse{Version: 1}, Since: since.Unix()}},
					Shards: []cluster.Shard{{ID: 7, Copies: []cluster.Copy{{ID: 1, Node: at}}}}}
				plan := &allocator.Plan{}
				switch {
				case now.Before(arrives):
					s.Shards[0].Copies = append(s.Shards[0].Copies, cluster.Copy{ID: 2, Node: left[0], Source: 1})
				case !arrives.IsZero():
					at, left, next, arrives = left[0], left[1:], now.Add(c.rest), time.Time{}
					s.Shards[0].Copies[0].Node = at
				case len(left) > 0 && !now.Before(next):
					arrives = now.Add(took)
					plan.Rows = []cluster.RowChange{{Shard: 7}}
					plan.Decisions = []allocator.Decision{{Lane: allocator.Balance, Shard: 7, Move: cluster.Move{Kind: cluster.MoveAllocate, Source: 1, Node: left[0]}}}
				}
				u.note(s, plan, 0, nil, now)
				verdict = u.verdict(s, now)
			}
			if (verdict != nil) != c.back || verdict != nil && !strings.Contains(verdict.Note, "was moved 4 times since it was put in force, and came back 3 times to nodes that its copies had left") {
				t.Errorf("taken back is %+v", verdict)
			}
		})
	}
}

// Slow plans are held against the policy whose module did the work, and not against the one that came last; against nobody if that one is trusted.
func TestSlowPlansAreTheirs(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		work map[string]uint64
		want string
	}{
		{map[string]uint64{"same_node": 80, "old": 5, "slow": 900, "newest": 15}, "slow: of what modules did in them 90% was its work"},
		{map[string]uint64{"same_node": 900, "old": 5, "slow": 80, "newest": 15}, "newest: took longer than 1s, the last one 2s"}, // no module of theirs did much
		{map[string]uint64{"same_node": 900, "old": 1}, "newest: took longer than 1s, the last one 2s"},
		{map[string]uint64{"same_node": 900}, "newest: took longer than 1s, the last one 2s"}, // no module of theirs did anything: perhaps there are too many moves
		{nil, "newest: took longer than 1s, the last one 2s"},
		{map[string]uint64{"old": 90, "slow": 20, "newest": 1}, ""},
	} {
		s := &cluster.State{Version: 9, PoliciesAt: 9, Policies: []cluster.Policy{
			{Name: "newest", Active: cluster.PolicyUse{Version: 3}, Since: 995},
			{Name: "old", Active: cluster.PolicyUse{Version: 1}, Since: 100},
			{Name: "slow", Active: cluster.PolicyUse{Version: 2}, Since: 990}}}
		u := unrest{probation: time.Minute, mostMoves: 2, stall: time.Second}
		u.note(s, &allocator.Plan{}, 2*time.Second, map[string]uint64{"newest": 1 << 40}, now)
		u.note(s, &allocator.Plan{}, time.Millisecond, map[string]uint64{"newest": 1 << 40}, now) // it was no row of slow plans
		for range stallTries {
			u.note(s, &allocator.Plan{}, 2*time.Second, c.work, now)
		}
		r, lingers := u.verdict(s, now), u.lingering(s, now)
		switch {
		case c.want == "" && (r != nil || lingers == nil || lingers.Name != "old"):
			t.Errorf("%v: taken back is %+v, and slow is %+v; want nobody, and old", c.work, r, lingers)
		case c.want != "" && (lingers != nil || r == nil || !strings.HasPrefix(c.want, r.Name+": ") || r.If != s.Policy(r.Name).Active.Version || !strings.HasSuffix(r.Note, strings.TrimPrefix(c.want, r.Name+": "))):
			t.Errorf("%v: taken back is %+v, lingering %+v; want %s", c.work, r, lingers, c.want)
		}
	}
}

// The work of a module is counted under the name that its policy has in the state, also if it fails half way.
func TestWorkIsAPolicys(t *testing.T) {
	for _, mood := range []string{"well", "trap"} {
		governed(t, 3, nil, func(w *town) {
			w.keyspace("orders", 4, 1)
			w.green(2 * time.Second)
			w.push("spare", "one")
			p := w.places["n1"]
			s, o := citizen{w, ""}.State().Apply(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "spare", Version: 1, Settings: settingsOf(map[string]string{"mood": mood})}})
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			own := &chair{p: p}
			defer own.leave()
			m := own.sit(s)
			before := m.set.Fuel()
			allocator.Make(allocator.Input{State: s, Evidence: make([]liveness.Status, len(s.Members)), Policies: &m.set.Set})
			if work := m.worked(before); work["spare"] == 0 || work["spare"] >= 1<<40 {
				t.Errorf("%s: the work was %v", mood, work)
			}
			if again := m.worked(m.set.Fuel()); again["spare"] != 0 {
				t.Errorf("%s: nobody was asked, and the work was %v", mood, again)
			}
		})
	}
}

// What has failed too often answers no more: a comparison without it says so, and opens no gate.
func TestMutedIsNotCompared(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		w.push("spare", "one")
		p := w.places["n1"]
		s, o := citizen{w, ""}.State().Apply(&cluster.Command{Shadow: &cluster.ShadowPolicy{Name: "spare", Version: 1, Settings: settingsOf(map[string]string{"mood": "trap"})}})
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		active, shadow := &chair{p: p}, &chair{p: p, shadow: true}
		defer active.leave()
		defer shadow.leave()
		x := exposure{in: allocator.Input{State: s, Evidence: make([]liveness.Status, len(s.Members)), Policies: &active.sit(s).set.Set}}
		x.plan = allocator.Make(x.in)
		first, second := p.contrast(&x, active, shadow), p.contrast(&x, active, shadow)
		if len(first.Faults) == 0 || first.Policies[0].Absent != "" {
			t.Errorf("the first says not that it failed: %+v", first)
		}
		if len(second.Faults) != 0 || second.Policies[0].Absent != "it has failed 3 times before, and answers no more" {
			t.Errorf("the second says nothing of it: %+v", second)
		}
	})
}
