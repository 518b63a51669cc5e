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
	for text, want := range map[string]string{
		"":                     "is no limit of a gate; they are plans, flips, moves, bytes, balance",
		"moves=1":              "how many plans",
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
	for note, taken := range map[string]bool{"": false, "version 2 was quarantined: x": true, ForcedNote("haste", "0 of 2"): false} {
		if p := (&Policy{Note: note}); p.TakenBack() != taken {
			t.Errorf("note %q: taken back %v", note, !taken)
		}
	}
}
