package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// Check reports the first invariant of State that does not hold, or nil.
func Check(s *State) error {
	if err := s.checkMembers(); err != nil {
		return err
	}
	if err := s.checkRows(); err != nil {
		return err
	}
	for i := range s.Shards {
		r := &s.Shards[i]
		if err := s.checkCopies(r); err != nil {
			return fmt.Errorf("shard %v: %w", r.ID, err)
		}
		if err := s.checkPrimary(r); err != nil {
			return fmt.Errorf("shard %v: %w", r.ID, err)
		}
	}
	for i, x := range s.Settings {
		if x.Value == "" || i > 0 && x.Name <= s.Settings[i-1].Name {
			return fmt.Errorf("invariant 10: setting %q is empty or out of order", x.Name)
		}
	}
	if format := s.format(); format >= FormatPolicies {
		for i := range s.Members {
			if m := &s.Members[i]; m.Format < format {
				return fmt.Errorf("invariant 13: node %s reads format %d, and the state is of %d", m.Name, m.Format, format)
			}
		}
	}
	if err := s.checkModules(); err != nil {
		return err
	}
	if err := s.checkPolicies(); err != nil {
		return err
	}
	return cmp.Or(s.checkFailovers(), s.checkDrains(), s.checkAmendments(), s.checkKinds(), s.checkRebalances(), s.checkStruck())
}

func (s *State) checkMembers() error {
	rafts, names := map[uint64]bool{}, map[string]bool{}
	for i := range s.Members {
		m := &s.Members[i]
		if i > 0 && m.ID <= s.Members[i-1].ID || rafts[m.Raft] || names[m.Name] {
			return fmt.Errorf("invariant 1: member %s (%s, %d) is out of order or not the only one", m.ID, m.Name, m.Raft)
		}
		if err := m.validate(); err != nil {
			return fmt.Errorf("invariant 1: %w", err)
		}
		rafts[m.Raft], names[m.Name] = true, true
	}
	for i, v := range s.Voters {
		if i > 0 && v <= s.Voters[i-1] || !rafts[v] {
			return fmt.Errorf("invariant 10: voter %d is out of order or no member", v)
		}
	}
	if s.Cluster != "" && len(s.Voters) == 0 {
		return fmt.Errorf("invariant 10: nobody votes")
	}
	return nil
}

// checkRows holds Shards to Keyspaces: invariant 2.
func (s *State) checkRows() error {
	next := 0
	for i := range s.Keyspaces {
		k := &s.Keyspaces[i]
		if i > 0 && k.ID <= s.Keyspaces[i-1].ID || k.ID >= s.NextKeyspace || k.Version > s.Version {
			return fmt.Errorf("invariant 2: keyspace %d is out of order or from the future", k.ID)
		}
		if filled := k.Keyspace; filled.Validate() != nil || filled != k.Keyspace {
			return fmt.Errorf("invariant 2: keyspace %d (%q) is not valid", k.ID, k.Name)
		}
		for index := range k.Shards {
			id := shards.NewShardID(k.ID, index)
			if next >= len(s.Shards) || s.Shards[next].ID != id {
				return fmt.Errorf("invariant 2: shard %v has no row in its place", id)
			}
			next++
		}
	}
	if next != len(s.Shards) {
		return fmt.Errorf("invariant 2: shard %v belongs to no keyspace", s.Shards[next].ID)
	}
	return nil
}

func (s *State) checkCopies(r *Shard) error {
	inSync, failed := 0, 0
	for i := range r.Copies {
		c := &r.Copies[i]
		if c.ID == 0 || i > 0 && c.ID <= r.Copies[i-1].ID || c.ID >= s.NextCopy {
			return fmt.Errorf("invariant 3: copy c%d is out of order or not below c%d", c.ID, s.NextCopy)
		}
		if r.CopyOn(c.Node) != c || s.Member(c.Node) == nil {
			return fmt.Errorf("invariant 3: copy c%d is not the only one on node %s, or that is no member", c.ID, c.Node)
		}
		if c.InSync && !c.Started || (c.Fresh || c.Failed) && !c.InSync {
			return fmt.Errorf("invariant 5 or 8: copy c%d is %+v", c.ID, *c)
		}
		if c.Source != 0 {
			source := r.Copy(c.Source)
			if source == nil || source == c || !source.Started {
				return fmt.Errorf("invariant 5: copy c%d replaces c%d, which is not a started copy", c.ID, c.Source)
			}
			if slices.ContainsFunc(r.Copies[:i], func(o Copy) bool { return o.Source == c.Source }) {
				return fmt.Errorf("invariant 8: two copies replace c%d", c.Source)
			}
		}
		if c.InSync {
			inSync++
		}
		if c.Failed {
			failed++
		}
	}
	switch {
	case len(r.Copies) > MaxCopies:
		return fmt.Errorf("invariant 3: %d copies", len(r.Copies))
	case len(r.Copies) > 0 && inSync == 0:
		return fmt.Errorf("invariant 7: no copy is in sync")
	case failed > 0 && inSync > 1:
		return fmt.Errorf("invariant 8: a failed copy is kept although %d are in sync", inSync)
	}
	return nil
}

func (s *State) checkPrimary(r *Shard) error {
	if r.Version > s.Version {
		return fmt.Errorf("invariant 6: version %d is from the future", r.Version)
	}
	if p := r.PrimaryCopy(); r.Primary != 0 && (p == nil || !p.InSync || p.Failed || s.Member(p.Node).Down || r.Term == 0) {
		return fmt.Errorf("invariant 4: primary c%d is not an in-sync copy on a living member", r.Primary)
	}
	if r.HandTo == 0 {
		return nil
	}
	if c := r.Copy(r.HandTo); c == nil || !c.InSync || c.ID == r.Primary || r.Primary == 0 || s.Member(c.Node).Down {
		return fmt.Errorf("invariant 9: c%d cannot be handed to", r.HandTo)
	}
	return nil
}

// CheckStep reports what went back from one state to a later one: invariant 6.
func CheckStep(before, after *State) error {
	if after.Version < before.Version || after.NextCopy < before.NextCopy || after.NextKeyspace < before.NextKeyspace {
		return fmt.Errorf("invariant 6: version, copy or keyspace ids went back: %d c%d k%d, then %d c%d k%d",
			before.Version, before.NextCopy, before.NextKeyspace, after.Version, after.NextCopy, after.NextKeyspace)
	}
	if after.PoliciesAt < before.PoliciesAt {
		return fmt.Errorf("invariant 6: policies changed at %d, then at %d", before.PoliciesAt, after.PoliciesAt)
	}
	if after.KindsAt < before.KindsAt {
		return fmt.Errorf("invariant 6: kinds of actors changed at %d, then at %d", before.KindsAt, after.KindsAt)
	}
	for i := range before.Members {
		m := &before.Members[i]
		if now := after.Member(m.ID); now != nil && now.Epoch < m.Epoch {
			return fmt.Errorf("invariant 6: node %s went back from epoch %d to %d", m.ID, m.Epoch, now.Epoch)
		}
	}
	for i := range before.Shards {
		r := &before.Shards[i]
		now := after.Shard(r.ID)
		if now == nil || now.Term < r.Term || now.Version < r.Version {
			return fmt.Errorf("invariant 6: shard %v went back from term %d", r.ID, r.Term)
		}
		if r.Primary != now.Primary && now.Primary != 0 && now.Term == r.Term {
			return fmt.Errorf("invariant 6: shard %v has two primaries in term %d: c%d and c%d", r.ID, r.Term, r.Primary, now.Primary)
		}
	}
	return nil
}
