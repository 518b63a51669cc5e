package cluster

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

func (c *codec) state(s *State) {
	format := s.format()
	if c.d == nil {
		c.e.Array(stateFields[format])
	}
	fields := 0
	if c.d != nil {
		fields = c.d.Array()
	}
	format = c.format(format)
	if c.d != nil && (c.d.Err() != nil || stateFields[format] != fields) {
		c.d.Refuse(fmt.Sprintf("%d fields in format %d", fields, format))
		return
	}
	text(c, &s.Cluster)
	number(c, &s.Version)
	list(c, &s.Members, (*codec).member)
	list(c, &s.Keyspaces, (*codec).keyspace)
	list(c, &s.Shards, (*codec).shard)
	list(c, &s.Settings, (*codec).setting)
	list(c, &s.Voters, raftID)
	number(c, &s.NextCopy)
	number(c, &s.NextKeyspace)
	c.bool(&s.ReadOnly)
	if format < FormatPolicies {
		return
	}
	list(c, &s.Modules, (*codec).module)
	list(c, &s.Policies, (*codec).policy)
	list(c, &s.Quarantine, (*codec).quarantined)
	number(c, &s.PoliciesAt)
	list(c, &s.Failovers, (*codec).failover)
	if format >= FormatHistory {
		list(c, &s.Amendments, (*codec).amendment)
		list(c, &s.Drains, (*codec).drain)
	}
	if format >= FormatKinds {
		list(c, &s.Kinds, (*codec).kind)
		number(c, &s.KindsAt)
	}
	if format >= FormatBudget {
		list(c, &s.Rebalances, (*codec).rebalance)
	}
	if format >= FormatStrikes {
		list(c, &s.Struck, (*codec).struck)
	}
	if c.d != nil && s.format() != format {
		c.d.Refuse("a state that holds nothing new in the format for it")
	}
}

// stateFields counts the fields of a state, by format.
var stateFields = [Format + 1]int{1: 11, FormatPolicies: 16, FormatHistory: 18, FormatKinds: 20, FormatBudget: 21, FormatMoves: 21, FormatStrikes: 22, FormatLoose: 22}

// format is the lowest that can hold the state: older releases read it as long as it holds nothing new.
func (s *State) format() uint32 {
	if first(s.Policies, func(p *Policy) bool { return p.Earlier.Version != 0 }) != nil {
		return FormatLoose
	}
	if len(s.Struck) > 0 {
		return FormatStrikes
	}
	if first(s.Drains, func(x *Drain) bool { return x.moves() }) != nil {
		return FormatMoves
	}
	if len(s.Rebalances) > 0 {
		return FormatBudget
	}
	if len(s.Kinds) > 0 || s.KindsAt > 0 {
		return FormatKinds
	}
	if len(s.Amendments)+len(s.Drains) > 0 {
		return FormatHistory
	}
	if len(s.Modules)+len(s.Policies)+len(s.Quarantine)+len(s.Failovers) > 0 || s.PoliciesAt > 0 {
		return FormatPolicies
	}
	return 1
}

func (c *codec) member(m *Member) {
	c.fields(16)
	text(c, &m.ID)
	text(c, &m.Name)
	number(c, &m.Raft)
	number(c, &m.Epoch)
	text(c, &m.Peer)
	text(c, &m.RESP)
	text(c, &m.HTTP)
	text(c, &m.Host)
	number(c, &m.Roles)
	list(c, &m.Attributes, (*codec).attribute)
	text(c, &m.Release)
	number(c, &m.Format)
	c.bool(&m.Down)
	c.bool(&m.Draining)
	c.bool(&m.Maintained)
	c.bool(&m.Excluded)
}

func (c *codec) attribute(a *Attribute) {
	c.fields(2)
	text(c, &a.Name)
	text(c, &a.Value)
}

func (c *codec) keyspace(k *Keyspace) {
	c.fields(2)
	c.description(&k.Keyspace)
	number(c, &k.Version)
}

// description is a keyspace as its settings describe it.
func (c *codec) description(k *shards.Keyspace) {
	c.fields(8)
	number(c, &k.ID)
	text(c, &k.Name)
	c.int(&k.Shards)
	number(c, &k.Durability)
	c.int64(&k.MaxMemory)
	number(c, &k.Eviction)
	c.int(&k.Replicas)
	c.int(&k.MinInSync)
}

func (c *codec) shard(s *Shard) {
	c.fields(7)
	number(c, &s.ID)
	number(c, &s.Term)
	number(c, &s.Primary)
	number(c, &s.HandTo)
	number(c, &s.Version)
	number(c, &s.Failures)
	list(c, &s.Copies, (*codec).copy)
}

func (c *codec) copy(v *Copy) {
	c.fields(7)
	number(c, &v.ID)
	text(c, &v.Node)
	c.bool(&v.InSync)
	c.bool(&v.Started)
	c.bool(&v.Fresh)
	c.bool(&v.Failed)
	number(c, &v.Source)
}

func (c *codec) setting(s *Setting) {
	c.fields(2)
	text(c, &s.Name)
	text(c, &s.Value)
}
