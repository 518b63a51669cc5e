package placement

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Whoever is asked, the leader tries a module with settings before they are in force, and nothing comes of what it finds.
func TestAudition(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.push("spare", "one")
		digest := (citizen{w, ""}).State().Policy("spare").At(1).Digest
		before := w.count()
		for _, x := range []struct {
			settings map[string]string
			problem  string
			refused  bool
		}{
			{map[string]string{"nodes": "N3"}, "", false},
			{map[string]string{"mood": "trap"}, "unreachable", false},
			{map[string]string{"mood": "spin"}, "fuel", false},
			{map[string]string{"nods": "N3"}, "has no setting nods", true},
		} {
			for _, id := range []shards.NodeID{"n1", "n2"} {
				f, err := w.places[id].Audition(t.Context(), Candidate{Digest: digest, Settings: settingsOf(x.settings)})
				if err != nil || f.Refused != x.refused || (f.Problem == "") != (x.problem == "") || !strings.Contains(f.Problem, x.problem) {
					t.Errorf("%v, asked of %s: %+v %v; want %q", x.settings, id, f, err, x.problem)
				}
			}
		}
		if f, err := w.places["n1"].Audition(t.Context(), Candidate{Digest: accused}); err != nil || f.Problem != "" {
			t.Errorf("a module that the leader does not have: %+v %v", f, err)
		}
		if n := w.count(); n != before || len((citizen{w, ""}).State().Struck) > 0 {
			t.Errorf("%d commands came of it", n-before)
		}
	})
}

// Settings of the cluster that a module in force is given are tried on it before they are set, asked of whichever node; and nothing is held against
// what fails without them, or is not given them.
func TestAuditionOfTheClustersSettings(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.push("spare", "one")
		try := func(what, name, value, problem string) {
			for _, id := range []shards.NodeID{"n1", "n2", "n3"} {
				f, err := w.places[id].AuditionChange(t.Context(), Change{Set: []cluster.Setting{{Name: name, Value: value}}})
				if err != nil || f.Refused != (problem != "") || (f.Problem == "") != (problem == "") || !strings.Contains(f.Problem, problem) {
					t.Errorf("%s, asked of %s: %+v %v; want %q", what, id, f, err, problem)
				}
			}
		}
		try("nothing in force", cluster.SettingAwareness, "shelf", "")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		before := w.count()
		try("what it takes", cluster.SettingAwareness, "zone", "")
		try("what it refuses", cluster.SettingAwareness, "zone,shelf", "it refuses the state with 1: nobody has shelves")
		try("what it is not given", cluster.SettingAllocationEnable, "none", "")
		if n := w.count(); n != before || len((citizen{w, ""}).State().Struck) > 0 {
			t.Errorf("%d commands came of it", n-before)
		}
		w.activate("spare", 1, map[string]string{"mood": "trap"})
		try("it traps anyway", cluster.SettingAwareness, "zone", "")
	})
}

// A leader of a release without auditions refuses to read one as a question; that is no word against the module.
func TestAuditionByAnOlderLeader(t *testing.T) {
	if err := wire.Unmarshal(wire.Marshal(Candidate{Digest: accused, Settings: "{}"}), limits, &question{}); err == nil {
		t.Error("a candidate is read as a question")
	}
	if err := wire.Unmarshal(wire.Marshal(question{Losses: true}), limits, &Candidate{}); err == nil {
		t.Error("a question is read as a candidate")
	}
	change := wire.Marshal(Change{Set: []cluster.Setting{{Name: "a", Value: "b"}}})
	for _, other := range []any{&question{}, &Candidate{}} {
		if err := wire.Unmarshal(change, limits, other); err == nil {
			t.Errorf("a change of settings is read as %T", other)
		}
	}
	for _, other := range [][]byte{wire.Marshal(question{Losses: true}), wire.Marshal(Candidate{Digest: accused})} {
		if err := wire.Unmarshal(other, limits, &Change{}); err == nil {
			t.Error("something else is read as a change of settings")
		}
	}
	governed(t, 3, nil, func(w *town) {
		for _, id := range []shards.NodeID{"n1", "n3"} { // one of them at least does not lead
			w.again(id, func(c *Config) {
				c.Call = func(context.Context, shards.NodeID, []byte) ([]byte, error) {
					return nil, &shards.Error{Kind: shards.KindInvalid, Err: errors.New("wire: malformed")}
				}
			})
			if f, err := w.places[id].Audition(t.Context(), Candidate{Digest: accused}); err != nil || f.Problem != "" {
				t.Errorf("asked of %s: %+v %v", id, f, err)
			}
		}
	})
}
