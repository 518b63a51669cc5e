package cluster

import (
	"strings"
	"testing"
)

func TestParsePolicyGate(t *testing.T) {
	g, err := ParsePolicyGate(" plans=10,flips=0, moves=20 , bytes=1.5gb,balance=1.2")
	if want := (PolicyGate{Plans: 10, Moves: 20, Bytes: 1.5 * (1 << 30), Balance: 1.2}); err != nil || g != want {
		t.Errorf("%+v, %v; want %+v", g, err, want)
	}
	if g, err = ParsePolicyGate("plans=1"); err != nil || g != (PolicyGate{Plans: 1, Flips: -1, Moves: -1, Bytes: -1}) {
		t.Errorf("one limit: %+v, %v", g, err)
	}
	if g, err = ParsePolicyGate("vectors=3"); err != nil || g != (PolicyGate{Vectors: 3, Flips: -1, Moves: -1, Bytes: -1}) {
		t.Errorf("vectors alone: %+v, %v", g, err)
	}
	if g, err = ParsePolicyGate("vectors=1024, plans=2, moves=0"); err != nil || g != (PolicyGate{Vectors: 1024, Plans: 2, Flips: -1, Bytes: -1}) {
		t.Errorf("both: %+v, %v", g, err)
	}
	for text, want := range map[string]string{
		"":                     "is no limit of a gate; they are vectors, plans, flips, moves, bytes, balance",
		"moves=1":              "how many plans",
		"vectors=3, balance=2": "how many plans it looks at, as in plans=10; vectors alone can do without",
		"vectors=0":            "from 1 to 1024",
		"vectors=1025":         "from 1 to 1024",
		"vectors=3, vectors=3": "vectors is there twice",
		"plans=0":              "from 1 to 100",
		"plans=101":            "from 1 to 100",
		"plans=2, plans=3":     "plans is there twice",
		"plans=2, moves=-1":    "from 0",
		"plans=2, moves":       "moves= must be a number",
		"plans=2, bytes=5":     "bytes=5",
		"plans=2, balance=0.9": "from 1 to 1000",
		"plans=2, balance=NaN": "from 1 to 1000",
		"plans=2, burst=1":     `"burst" is no limit`,
	} {
		if _, err := ParsePolicyGate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	s := &State{}
	if _, required := s.PolicyGate(); required {
		t.Error("a gate is required, and nothing was set")
	}
	for note, taken := range map[string]bool{"": false, "version 2 was quarantined: x": true, ForcedNote("haste", "0 of 2"): false, HandNote(PolicyUse{Version: 2}): false} {
		if p := (&Policy{Note: note}); p.TakenBack() != taken || p.RolledBack() != strings.HasPrefix(note, "rolled back by hand, from version 2") {
			t.Errorf("note %q: taken back %v, rolled back %v", note, p.TakenBack(), p.RolledBack())
		}
	}
}

// A member of a release that plays no vectors would be ready without, and could be asked to activate: no gate asks for them until it is gone.
func TestGateOfVectorsAndOlderReleases(t *testing.T) {
	s := &State{Members: []Member{{Name: "n1", Format: Format}, {Name: "n2", Format: FormatBudget, Release: "0.0.9"}}}
	set := func(value string) error { return s.CheckPolicyGate([]Setting{{SettingPolicyGate, value}}) }
	if err := set("vectors=1"); err == nil || !strings.Contains(err.Error(), `setting cluster.policies.gate is "vectors=1": node n2 runs release 0.0.9, which does not play golden vectors: upgrade it first`) {
		t.Errorf("refused with %v", err)
	}
	if err := s.VectorsPlayed(); err == nil {
		t.Error("a node that plays none is not told of")
	}
	for _, value := range []string{"", "plans=3"} {
		if err := set(value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	s.Members[1].Format = Format
	if err := set("vectors=1"); err != nil || s.VectorsPlayed() != nil {
		t.Errorf("all of them play vectors: %v", err)
	}
}
