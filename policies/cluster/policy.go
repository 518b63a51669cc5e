package cluster

import (
	"slices"
	"strings"
)

// The life of a policy, whose versions are modules:
//
//	push ─► version 1, 2, … ──shadow──► computed beside every plan, and compared
//	                        ──activate─► in force, with its settings, from one index of the log on
//	                                        │  ▲
//	                                        ▼  │ rollback (also back again)
//	                                     previous
//
//	quarantine of a module: it is nowhere in force from then on; its policies go back to what was before, or are inactive
//
// A policy may bear the name of a built-in one: as long as it is active it stands in its place.

// Bounds on policies.
const (
	MaxPolicies       = 64
	MaxPolicyVersions = 32 // of one policy
	MaxPolicySettings = 16 << 10
	MaxQuarantined    = 128 // the oldest give way
)

// Policy is a named rule with its versions.
type Policy struct {
	Name     string
	Order    int // where it is asked and listed among others: ascending, equal ones by name
	Next     uint32
	Versions []PolicyVersion // by Number, ascending
	Active   PolicyUse       // what is in force; Version 0: nothing
	Previous PolicyUse       // what a rollback brings back; Version 0: nothing was in force
	Shadow   PolicyUse       // what is computed beside
	Earlier  PolicyUse       // of FormatLoose: while Active and Previous are one version, with other settings, the one in force before; a quarantine goes back to it
	Since    int64           // when Active became what it is, in Unix seconds by the proposer's clock
	Version  uint64          // State.Version at its last change
	Note     string          // how its last change came about, for people
}

// PolicyVersion is one module of a policy.
type PolicyVersion struct {
	Number uint32 // 1 and up
	Digest Digest
	Label  string // the version that its manifest says
	Pushed int64  // Unix seconds
}

// PolicyUse is a version with the settings that it runs under: they change together.
type PolicyUse struct {
	Version  uint32
	Settings string // a JSON object, or empty
}

// Quarantined is a module that must not be in force.
type Quarantined struct {
	Digest Digest
	Policy string // in which it was found out
	Reason string
	At     int64 // Unix seconds, by the proposer's clock
}

// RegisterPolicy makes a whole module the newest version of a policy, which begins with its first.
type RegisterPolicy struct {
	Name   string
	Digest Digest
	Label  string
	Order  int
	At     int64
}

// ActivatePolicy puts a version in force with its settings, from the entry on in which it is logged. It is refused unless every
// member that may lead is ready for it.
type ActivatePolicy struct {
	Name     string
	Version  uint32 // 0: the newest
	Settings string
	Note     string
	At       int64 // Unix seconds, by the proposer's clock

	// If is what its settings were derived from: the activation is refused where something else is in force by now. Of FormatIf, and nil, whichever,
	// while a member reads less.
	If *PolicyUse
}

// ShadowPolicy begins to have a version computed beside the active ones, or ends it.
type ShadowPolicy struct {
	Name     string
	Version  uint32 // 0: none
	Settings string
}

// Retreat says how a policy leaves what is in force. The numbers are written to the log: never reorder, only append.
type Retreat uint8

// The ways.
const (
	RetreatRollback   Retreat = iota + 1 // to what was in force before, with the settings of then, or to nothing; what is in force now becomes the previous
	RetreatDeactivate                    // it is not in force any more
	RetreatReset                         // as if it had never been in force: neither active, previous nor shadow; a built-in of its name is itself again
)

// RetirePolicy takes a policy back.
type RetirePolicy struct {
	Name string
	How  Retreat
	If   uint32 // only if this version is active; 0: whichever
	Note string
	At   int64

	// Leave is what was in force for whoever asks, with its settings: refused where something else is by now. Of FormatLoose, and nil,
	// whichever, while a member reads less.
	Leave *PolicyUse
}

// RetireCommand makes a command that leaves what is in force in this state, and nothing that has come into force since; where nothing is, whatever
// comes: what was before is asked for.
func (s *State) RetireCommand(r RetirePolicy) *Command {
	c := &Command{Retire: &r}
	if p := s.Policy(r.Name); p != nil && p.Active.Version != 0 {
		leave := p.Active
		r.If, r.Leave = leave.Version, &leave
		if s.Readable(c) != nil {
			r.Leave = nil
		}
	}
	return c
}

// QuarantineModule takes a module out of force wherever it is, or with Lift ends its quarantine and forgets its strikes. It may be one
// that is built in.
type QuarantineModule struct {
	Digest Digest
	Policy string
	Reason string
	At     int64
	Lift   bool
}

// ForgetPolicies drops versions of a policy with their modules, and uploads that have not become a version.
type ForgetPolicies struct {
	Name     string   // empty: uploads only
	Versions []uint32 // none: all that are not in use, and with the last of them the policy
	Modules  []Digest // ascending; those that belong to a policy stay
}

// Policy is the policy with this name, or nil.
func (s *State) Policy(name string) *Policy {
	if i, found := s.findPolicy(name); found {
		return &s.Policies[i]
	}
	return nil
}

func (s *State) findPolicy(name string) (int, bool) {
	return slices.BinarySearchFunc(s.Policies, name, func(p Policy, name string) int { return strings.Compare(p.Name, name) })
}

// At is the version with this number, or nil.
func (p *Policy) At(number uint32) *PolicyVersion {
	return first(p.Versions, func(v *PolicyVersion) bool { return v.Number == number })
}

// Of is the version that is this module, or nil.
func (p *Policy) Of(digest Digest) *PolicyVersion {
	return first(p.Versions, func(v *PolicyVersion) bool { return v.Digest == digest })
}

// Uses says whether a version is active, previous, earlier or shadow.
func (p *Policy) Uses(number uint32) bool {
	return number == p.Active.Version || number == p.Previous.Version || number == p.Earlier.Version || number == p.Shadow.Version
}

// Quarantined is the quarantine of a module, or nil.
func (s *State) Quarantined(digest Digest) *Quarantined {
	if i, found := s.findQuarantined(digest); found {
		return &s.Quarantine[i]
	}
	return nil
}

func (s *State) findQuarantined(digest Digest) (int, bool) {
	return slices.BinarySearchFunc(s.Quarantine, digest, func(q Quarantined, digest Digest) int { return strings.Compare(string(q.Digest), string(digest)) })
}

// ValidPolicyName says whether a policy may be called so.
func ValidPolicyName(name string) bool {
	ok := name != "" && len(name) <= 64 && name[0] >= 'a' && name[0] <= 'z'
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.')
	}
	return ok
}
