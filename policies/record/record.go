package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Format is the version of the encoding. It is raised when that changes; older ones are still read, as far as they say what is needed.
const (
	Format       = 4
	formatBuild  = 2 // the first that names the build
	formatBudget = 3 // the first whose plans say what they spend
	formatBehind = 4 // the first whose input says who is not ready for the kinds of actors
)

// Key names a plan within its cluster: a leader counts its plans, and no two leaders have one term.
type Key struct {
	Term   uint64
	Number uint64
}

// String is the key as people write it, as in "7.153".
func (k Key) String() string { return fmt.Sprintf("%d.%d", k.Term, k.Number) }

// ParseKey reads what String prints.
func ParseKey(text string) (Key, error) {
	term, number, found := strings.Cut(text, ".")
	t, err := strconv.ParseUint(term, 10, 64)
	n, err2 := strconv.ParseUint(number, 10, 64)
	if !found || err != nil || err2 != nil {
		return Key{}, fmt.Errorf("record: %q is no plan; write TERM.NUMBER, such as 7.153", text)
	}
	return Key{t, n}, nil
}

// Before orders keys as the plans were made.
func (k Key) Before(o Key) bool { return k.Term < o.Term || k.Term == o.Term && k.Number < o.Number }

// Record is a plan and what it was made from.
type Record struct {
	Key      Key
	Software Software        // that planned: another may plan otherwise
	Taken    time.Time       // when, by the leader's clock
	Input    allocator.Input // without Policies
	Policies Policies
	Plan     *allocator.Plan
	Outcome  Outcome
}

// Software says what planned.
type Software struct {
	Release string // as in v0.1.0
	Build   string // which of its builds: the source and the compiler that it was made with; "": it was not noted
}

// String is both, as people read them.
func (s Software) String() string {
	if s.Build == "" {
		return "release " + s.Release
	}
	return fmt.Sprintf("release %s (%s)", s.Release, s.Build)
}

// Policies are the rules that were asked, in the order in which they were.
type Policies struct {
	Deciders []Policy
	Scorers  []Policy
}

// Policy names a decider or scorer so that it can be found again.
type Policy struct {
	Name     string
	Version  string
	Digest   string // of the module, in hexadecimal; empty for one that is built in
	Settings string // in force, as the module was given them
	Out      bool   // quarantined: it was not asked any more, or its twin in its place
}

// Outcome is what became of the plan.
type Outcome struct {
	Proposed bool          // there was something to change
	Version  uint64        // of the state after it
	Refused  string        // why the whole of it was not carried out; empty: it was
	Late     int           // rows that came too late and were left out
	Took     time.Duration // to plan
	Commit   time.Duration // to propose, commit and apply
}

// Hosted is what a decider or scorer says of itself whose mind is a module.
type Hosted interface {
	// Identity is the module's version, its digest in hexadecimal, and the settings that it was given.
	Identity() (version, digest, settings string)
	// Out says that it is quarantined.
	Out() bool
}

// PoliciesOf describes a set.
func PoliciesOf(s *policies.Set) (p Policies) {
	if s == nil {
		return p
	}
	for _, d := range s.Deciders {
		p.Deciders = append(p.Deciders, describe(d.Name(), d))
	}
	for _, d := range s.Scorers {
		p.Scorers = append(p.Scorers, describe(d.Name(), d))
	}
	return p
}

func describe(name string, d any) Policy {
	p := Policy{Name: name}
	if h, ok := d.(Hosted); ok {
		p.Version, p.Digest, p.Settings = h.Identity()
		p.Out = h.Out()
	}
	return p
}

// New records a plan. What in refers to is not copied: whoever planned does not write to it afterwards.
func New(key Key, by Software, taken time.Time, in allocator.Input, plan *allocator.Plan, o Outcome) *Record {
	r := &Record{Key: key, Software: by, Taken: taken.Round(0).UTC(), Input: in, Policies: PoliciesOf(in.Policies), Plan: plan, Outcome: o}
	r.Input.Policies, r.Input.State = nil, planned(in.State)
	return r
}

// planned is a state without what no plan looks at: modules, which would be copied into each record, and histories. Which
// policies were asked is in Policies.
func planned(s *cluster.State) *cluster.State {
	p := *s
	p.Modules, p.Policies, p.Quarantine, p.PoliciesAt, p.Failovers, p.Amendments, p.Drains, p.Kinds, p.KindsAt, p.Struck = nil, nil, nil, 0, nil, nil, nil, nil, 0, nil
	return &p
}

// Moves counts the moves of the plan.
func (r *Record) Moves() int { return r.Plan.Moves() }

// Down lists the names of the members that the plan declares dead.
func (r *Record) Down() (names []string) {
	for _, d := range r.Plan.Down {
		names = append(names, r.Input.State.NodeName(d.Node))
	}
	return names
}
