package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxStruck is how many modules are remembered to have failed; the oldest give way.
const MaxStruck = 128

// Struck is a module that has failed, and not so often that it is in quarantine. It is in the cluster state so that whoever
// leads next goes on counting: a module that fails once in each reign would otherwise never be found out.
type Struck struct {
	Digest  Digest
	Policy  string // in which it failed the last time
	Strikes uint32 // how often, 1 and up
	Last    string // what it did the last time, 1 to MaxReason bytes
	At      int64  // when that was noted, in Unix seconds by the proposer's clock
}

// StrikeModule notes how often a module has failed by now, those strikes included that the state has already: said twice it
// counts once. What is no more than the state has changes nothing, and so does one about a module in quarantine. That many
// are too many is for the leader to say, with QuarantineModule.
type StrikeModule struct {
	Digest  Digest
	Policy  string
	Strikes uint32
	Last    string
	At      int64
}

// StruckModule is what is remembered against a module, or nil.
func (s *State) StruckModule(digest Digest) *Struck {
	if i, found := s.findStruck(digest); found {
		return &s.Struck[i]
	}
	return nil
}

// Strikes is how often a module has failed, as far as the state has it: 0 for one in quarantine, or of which that was lifted.
func (s *State) Strikes(digest Digest) uint32 {
	if x := s.StruckModule(digest); x != nil {
		return x.Strikes
	}
	return 0
}

// CountsStrikes says whether strikes can be noted: every member reads what is written of them.
func (s *State) CountsStrikes() bool { return s.allRead(FormatStrikes) == nil }

func (s *State) findStruck(digest Digest) (int, bool) {
	return slices.BinarySearchFunc(s.Struck, digest, func(x Struck, digest Digest) int { return strings.Compare(string(x.Digest), string(digest)) })
}

func (d *draft) strike(c *StrikeModule) error {
	if err := cmp.Or(d.allRead(FormatStrikes), c.Digest.validate()); err != nil {
		return err
	}
	x := Struck(*c)
	if err := x.validate(); err != nil {
		return err
	}
	if d.Quarantined(c.Digest) != nil || d.Strikes(c.Digest) >= c.Strikes {
		return nil
	}
	d.acquit(c.Digest)
	i, _ := d.findStruck(c.Digest)
	d.Struck, d.changed = slices.Insert(slices.Clone(d.Struck), i, x), true
	if len(d.Struck) > MaxStruck {
		oldest := slices.MinFunc(d.Struck, func(a, b Struck) int {
			return cmp.Or(d.unused(a.Digest, b.Digest), cmp.Compare(a.At, b.At), cmp.Compare(a.Digest, b.Digest))
		})
		d.acquit(oldest.Digest)
	}
	return nil
}

// acquit forgets what is remembered against a module.
func (d *draft) acquit(digest Digest) {
	if i, found := d.findStruck(digest); found {
		d.Struck, d.changed = slices.Delete(slices.Clone(d.Struck), i, i+1), true
	}
}

// unused orders modules of which no policy is before those that are a policy's.
func (d *draft) unused(a, b Digest) int {
	used := func(x Digest) int {
		if d.Used(x) {
			return 1
		}
		return 0
	}
	return cmp.Compare(used(a), used(b))
}

func (x *Struck) validate() error {
	switch {
	case x.Strikes == 0:
		return refuse(WhyInvalid, "module %s failed no time: there is nothing to note", x.Digest.Short())
	case x.Last == "" || len(x.Last) > MaxReason:
		return refuse(WhyInvalid, "what module %s did has 1 to %d bytes; this has %d", x.Digest.Short(), MaxReason, len(x.Last))
	case len(x.Policy) > MaxText:
		return refuse(WhyInvalid, "the name of a policy has %d bytes; at most %d", len(x.Policy), MaxText)
	}
	return nil
}

// checkStruck is invariant 19.
func (s *State) checkStruck() error {
	if len(s.Struck) > MaxStruck {
		return fmt.Errorf("invariant 19: %d modules that have failed", len(s.Struck))
	}
	for i := range s.Struck {
		x := &s.Struck[i]
		switch {
		case i > 0 && x.Digest <= s.Struck[i-1].Digest || x.Digest.validate() != nil || x.validate() != nil:
			return fmt.Errorf("invariant 19: what is remembered against module %.80q is out of order or says nothing", x.Digest)
		case s.Quarantined(x.Digest) != nil:
			return fmt.Errorf("invariant 19: module %s is in quarantine, and its strikes are still counted", x.Digest.Short())
		}
	}
	return nil
}
