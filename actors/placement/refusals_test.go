package placement

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// Settings that a good module refuses give way to those of before: the rule stays in force, and nothing is held against its module.
func TestRefusedSettingsGoBack(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 6, 1)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.until("node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
		good := settingsOf(map[string]string{"nodes": "N3"})
		w.activate("spare", 1, map[string]string{"nods": "N3"}) // as if it had not been tried
		w.until("the settings of before are in force", func(s *cluster.State) bool {
			if n := copiesOn(s, "n3"); n > 0 {
				t.Fatalf("%d copies on n3: the rule was out of force", n)
			}
			return s.Policy("spare").Active == cluster.PolicyUse{Version: 1, Settings: good}
		})
		s := citizen{w, ""}.State()
		p := s.Policy("spare")
		if len(s.Quarantine)+len(s.Struck) > 0 || !p.TakenBack() || !strings.HasPrefix(p.Note, "version 1 went back to the settings of before: policy keep_off") || !strings.Contains(p.Note, "no setting nods") {
			t.Errorf("quarantine %v, strikes %v, note %q", s.Quarantine, s.Struck, p.Note)
		}
		w.keyspace("more", 4, 1)
		w.until("it goes on deciding", func(s *cluster.State) bool { return green(s) && copiesOn(s, "n3") == 0 })
	})
}

// Where there is nothing good to go back to, a refusal counts as any fault.
func TestRefusalsThatCount(t *testing.T) {
	const probation = time.Minute
	now := time.Unix(1000, 0)
	bad, good := cluster.PolicyUse{Version: 1, Settings: `{"a":"2"}`}, cluster.PolicyUse{Version: 1, Settings: `{"a":"1"}`}
	refused := hosted.Fault{Policy: "p", Kind: hosted.Refused, Text: "it refuses"}
	for _, x := range []struct {
		what  string
		p     cluster.Policy
		fault hosted.Fault
		back  bool
	}{
		{"just changed", cluster.Policy{Active: bad, Previous: good, Since: 990}, refused, true},
		{"another kind", cluster.Policy{Active: bad, Previous: good, Since: 990}, hosted.Fault{Policy: "p", Kind: "unreachable"}, false},
		{"the first", cluster.Policy{Active: bad, Since: 990}, refused, false},
		{"another version before", cluster.Policy{Active: bad, Previous: cluster.PolicyUse{Version: 2}, Since: 990}, refused, false},
		{"long in force", cluster.Policy{Active: bad, Previous: good, Since: 900}, refused, false},
		{"back already", cluster.Policy{Active: bad, Previous: good, Since: 990, Note: "version 1 went back"}, refused, false},
		{"changed meanwhile", cluster.Policy{Active: good, Previous: bad, Since: 990}, refused, false},
	} {
		x.p.Name = "p"
		s := &cluster.State{Policies: []cluster.Policy{x.p}}
		var r refusals
		others := r.sort(s, map[string]cluster.PolicyUse{"p": bad}, []hosted.Fault{x.fault}, probation, now)
		if due := r.due(s, probation, now); (len(others) == 0) != x.back || (len(due) == 1) != x.back {
			t.Errorf("%s: %v count, %v due", x.what, others, due)
		}
	}
}
