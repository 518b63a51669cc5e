package cluster

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a gate.
const (
	MaxGatePlans   = 100  // comparisons that it can look at: no leader keeps more
	MaxGateVectors = 1024 // golden vectors that it can ask for: no module carries more
)

// formatVectors is a format that every release reads which plays the golden vectors of modules, and none that was made before.
const formatVectors = FormatStrikes

// PolicyGate is what must hold before a version is activated: of its module, and of the comparisons of it in the shadow with what is in force.
// It asks for vectors, or looks at plans, or both; other limits are of the plans that it looks at.
type PolicyGate struct {
	Vectors int     // golden vectors that its module must carry, at least; every node that is ready for it has played them. 0: none
	Plans   int     // the newest in a row that must have been made with this version and its settings, up to MaxGatePlans; 0: it looks at none
	Flips   int     // verdicts that are others, at most, in each; below 0: any number
	Moves   int     // moves that only one of the two plans has, at most, in each; below 0: any number
	Bytes   float64 // that its plan moves more than the other, at most, in each; below 0: any number
	Balance float64 // the fullest node over the mean after its plan, at most, where that is more than after the other; 0: any
}

// gateLimits are the names in a gate's text, in the order in which it is explained.
var gateLimits = []string{"vectors", "plans", "flips", "moves", "bytes", "balance"}

// ParsePolicyGate reads a gate: limits as NAME=VALUE with commas between, each once. One of vectors and plans must be there, and plans where
// others are than these two.
func ParsePolicyGate(text string) (PolicyGate, error) {
	g := PolicyGate{Flips: -1, Moves: -1, Bytes: -1}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !slices.Contains(gateLimits, name):
			return g, fmt.Errorf("%.40q is no limit of a gate; they are %s", name, strings.Join(gateLimits, ", "))
		case seen[name]:
			return g, fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if err := g.set(name, value); err != nil {
			return g, err
		}
	}
	if g.Plans == 0 && (g.Vectors == 0 || len(seen) > 1) {
		return g, fmt.Errorf("a gate says how many plans it looks at, as in plans=10; vectors alone can do without")
	}
	return g, nil
}

// set takes one limit.
func (g *PolicyGate) set(name, value string) (err error) {
	switch name {
	case "vectors":
		g.Vectors, err = gateCount(name, value, 1, MaxGateVectors)
	case "plans":
		g.Plans, err = gateCount(name, value, 1, MaxGatePlans)
	case "flips":
		g.Flips, err = gateCount(name, value, 0, math.MaxInt32)
	case "moves":
		g.Moves, err = gateCount(name, value, 0, math.MaxInt32)
	case "bytes":
		if g.Bytes, err = ParseSize(value); err != nil {
			err = fmt.Errorf("bytes=%.40s: %w", value, err)
		}
	case "balance":
		g.Balance, err = strconv.ParseFloat(value, 64)
		if err != nil || !(1 <= g.Balance && g.Balance <= 1000) {
			err = fmt.Errorf("balance=%.40s must be from 1 to 1000, as in 1.2: the fullest node over the mean", value)
		}
	}
	return err
}

func gateCount(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s=%.40s must be a number from %d to %d", name, value, least, most)
	}
	return n, nil
}

// PolicyGate is the gate that the cluster requires of every activation; required is false if there is none.
func (s *State) PolicyGate() (g PolicyGate, required bool) {
	text := s.Value(SettingPolicyGate)
	if text == "" {
		return g, false
	}
	g, err := ParsePolicyGate(text)
	return g, err == nil // what is set was read when it was set
}

// VectorsPlayed refuses to rely on golden vectors while a member is of a release that does not play them: it would be ready without, and who
// asks it to activate would meet no gate.
func (s *State) VectorsPlayed() error {
	if m := first(s.Members, func(m *Member) bool { return m.Format < formatVectors }); m != nil {
		return refuse(WhyInvalid, "node %s runs release %s, which does not play golden vectors: upgrade it first, or forget it", m.Name, m.Release)
	}
	return nil
}

// CheckPolicyGate refuses a gate among these settings that a member could not keep; see VectorsPlayed.
func (s *State) CheckPolicyGate(set []Setting) error {
	for _, one := range set {
		if one.Name != SettingPolicyGate || one.Value == "" {
			continue
		}
		g, err := ParsePolicyGate(one.Value)
		if err == nil && g.Vectors > 0 {
			err = s.VectorsPlayed()
		}
		if err != nil {
			return refuse(WhyInvalid, "setting %s is %q: %v", one.Name, one.Value, err)
		}
	}
	return nil
}

// forcedNote begins the note of a policy that was put in force although the gate was closed.
const forcedNote = "the gate was passed over: "

// ForcedNote is the note of an activation that passes over a closed gate: the reason that was given, and what stood against it.
func ForcedNote(reason, closed string) string {
	return ShortReason(forcedNote + reason + "; " + closed)
}

// TakenBack says whether the last change of the policy was the cluster's own, and the note says why: it was rolled back, or quarantined.
// Whatever an operator does ends that.
func (p *Policy) TakenBack() bool {
	return p.Note != "" && !strings.HasPrefix(p.Note, forcedNote) && !p.RolledBack()
}

// handNote begins the note of a policy that an operator has rolled back.
const handNote = "rolled back by hand, from "

// HandNote is the note of a rollback that an operator asks for, with what it leaves.
func HandNote(was PolicyUse) string { return ShortReason(handNote + was.describe()) }

// RolledBack says whether the last change of the policy was an operator's rollback: another one goes forth again.
func (p *Policy) RolledBack() bool { return strings.HasPrefix(p.Note, handNote) }

// quarantineNote begins the note of a policy of which a version was quarantined, with its number.
const quarantineNote = "version %d was quarantined: "

// NoteOf is how the last change of a policy came about, for people; empty where that was a quarantine that has been lifted since.
func (s *State) NoteOf(p *Policy) string {
	for i := range p.Versions {
		v := &p.Versions[i]
		if strings.HasPrefix(p.Note, fmt.Sprintf(quarantineNote, v.Number)) && s.Quarantined(v.Digest) == nil {
			return ""
		}
	}
	return p.Note
}
