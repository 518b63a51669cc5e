package cluster

import (
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// Status is a colour of health, ordered from good to bad.
type Status uint8

// The colours.
const (
	Green  Status = iota // every shard has all copies in sync
	Yellow               // every shard has a primary, some lack copies: one more failure may cost availability
	Red                  // a shard has no primary: it serves nothing
)

// String is the colour's name.
func (s Status) String() string { return [...]string{"green", "yellow", "red"}[s] }

// Health sums up how well the cluster stands.
type Health struct {
	Status       Status
	Members      int // all of them
	Down         int // of these, declared dead
	Shards       int
	Primaries    int // shards that have one
	Copies       int // in sync; see Shard.Lasting
	Initializing int // copies that recover to fill a gap
	Relocating   int // copies that recover to take another's place, or wait for it to hand over
	Missing      int // copies that should be there and are not
	ReadOnly     bool
	Reasons      []ShardHealth // of each shard that is not green, by shard
}

// ShardHealth says why a shard is not green.
type ShardHealth struct {
	Shard  shards.ShardID
	Name   string // as in "orders/17"
	Status Status
	Reason string // a sentence
}

// HealthOf judges a state. Evidence that is not agreed yet is not part of it: a dead node counts once it is declared so.
func HealthOf(s *State) Health {
	h := Health{Members: len(s.Members), Shards: len(s.Shards), ReadOnly: s.ReadOnly}
	for i := range s.Members {
		if s.Members[i].Down {
			h.Down++
		}
	}
	for i := range s.Shards {
		r := &s.Shards[i]
		wanted := s.Keyspace(r.ID.Keyspace()).Copies()
		started := 0
		for at := range r.Copies {
			switch c := &r.Copies[at]; {
			case c.InSync && !r.waits(c):
				h.Copies++
				started++
			case c.Source != 0:
				h.Relocating++
			case !s.Member(c.Node).Down:
				h.Initializing++
			}
		}
		if r.Primary != 0 {
			h.Primaries++
		}
		h.Missing += max(0, wanted-started)
		status, reason := s.judge(r, wanted, started)
		if status != Green {
			h.Reasons = append(h.Reasons, ShardHealth{Shard: r.ID, Name: s.ShardName(r.ID), Status: status, Reason: reason})
		}
		h.Status = max(h.Status, status)
	}
	if s.Cluster == "" {
		h.Status = Red
	}
	return h
}

// judge gives one shard's colour, with the reason if that is not green. inSync are those that stay.
func (s *State) judge(r *Shard, wanted, inSync int) (Status, string) {
	switch {
	case r.Primary == 0 && len(r.Copies) == 0:
		return Red, "it has never been allocated"
	case r.Primary == 0:
		return Red, s.whyRed(r)
	case inSync >= wanted:
		return Green, ""
	}
	reason := fmt.Sprintf("%d of %d copies in sync", inSync, wanted)
	if k := s.Keyspace(r.ID.Keyspace()); r.InSync() < k.MinInSync {
		reason += fmt.Sprintf(", writes need %d and are refused", k.MinInSync)
	}
	var others []string
	for _, c := range r.Copies {
		switch m := s.Member(c.Node); {
		case c.InSync:
		case m.Down && m.Maintained:
			others = append(others, fmt.Sprintf("c%d waits for node %s, which is down for maintenance", c.ID, m.Name))
		case m.Down:
			others = append(others, fmt.Sprintf("c%d is on node %s, which is down", c.ID, m.Name))
		default:
			others = append(others, fmt.Sprintf("c%d recovers on node %s", c.ID, m.Name))
		}
	}
	if others == nil {
		others = []string{"no node has been given another"}
	}
	if r.Failures > 0 {
		others = append(others, fmt.Sprintf("%d failed before", r.Failures))
	}
	return Yellow, reason + ": " + strings.Join(others, "; ")
}

// whyRed says what would give the shard a primary again.
func (s *State) whyRed(r *Shard) string {
	var down []string
	for _, c := range r.Copies {
		switch m := s.Member(c.Node); {
		case !c.InSync:
		case c.Failed:
			return fmt.Sprintf("its last in-sync copy c%d cannot be opened on node %s; restart that node, or accept the loss with allocate_stale or allocate_empty", c.ID, m.Name)
		case !m.Down:
			return fmt.Sprintf("it has no primary; copy c%d on node %s is in sync and will be promoted", c.ID, m.Name)
		default:
			down = append(down, fmt.Sprintf("c%d on node %s", c.ID, m.Name))
		}
	}
	return fmt.Sprintf("no in-sync copy is on a living node (%s); start it, or accept the loss with allocate_stale or allocate_empty", strings.Join(down, ", "))
}
