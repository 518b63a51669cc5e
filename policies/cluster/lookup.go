package cluster

import (
	"cmp"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// Member is the member with this id, or nil. What it points to is read only, like all of a State.
func (s *State) Member(id shards.NodeID) *Member {
	if i, found := s.findMember(id); found {
		return &s.Members[i]
	}
	return nil
}

// MemberByRaft is the member with this number in the metadata group, or nil.
func (s *State) MemberByRaft(raft uint64) *Member {
	return first(s.Members, func(m *Member) bool { return m.Raft == raft })
}

// MemberByName is the member whose name, or else whose id, is this, or nil: people and commands use either.
func (s *State) MemberByName(name string) *Member {
	if m := first(s.Members, func(m *Member) bool { return m.Name == name }); m != nil {
		return m
	}
	return s.Member(shards.NodeID(name))
}

func (s *State) findMember(id shards.NodeID) (int, bool) {
	return slices.BinarySearchFunc(s.Members, id, func(m Member, id shards.NodeID) int { return strings.Compare(string(m.ID), string(id)) })
}

// NodeName is the name of a member for people, or the id of a node that is none.
func (s *State) NodeName(id shards.NodeID) string {
	if m := s.Member(id); m != nil {
		return m.Name
	}
	return string(id)
}

// Shard is the row of a shard, or nil.
func (s *State) Shard(id shards.ShardID) *Shard {
	if i, found := s.find(id); found {
		return &s.Shards[i]
	}
	return nil
}

func (s *State) find(id shards.ShardID) (int, bool) {
	return slices.BinarySearchFunc(s.Shards, id, func(r Shard, id shards.ShardID) int { return cmp.Compare(r.ID, id) })
}

// ShardsOf are the rows of one keyspace, by index: a part of Shards.
func (s *State) ShardsOf(id shards.KeyspaceID) []Shard {
	i, _ := s.find(shards.NewShardID(id, 0))
	j := i
	if k := s.Keyspace(id); k != nil {
		j += k.Shards
	}
	return s.Shards[i:j]
}

// ShardName prints a shard as operators see it, as in "orders/17".
func (s *State) ShardName(id shards.ShardID) string {
	if k := s.Keyspace(id.Keyspace()); k != nil {
		return k.ShardName(id.Index())
	}
	return id.String()
}

// AppendShardName appends what ShardName gives.
func (s *State) AppendShardName(to []byte, id shards.ShardID) []byte {
	if k := s.Keyspace(id.Keyspace()); k != nil {
		return k.AppendShardName(to, id.Index())
	}
	return append(to, id.String()...)
}

// Keyspace is the keyspace with this number, or nil.
func (s *State) Keyspace(id shards.KeyspaceID) *Keyspace {
	i, found := s.PlaceOfKeyspace(id)
	if !found {
		return nil
	}
	return &s.Keyspaces[i]
}

// PlaceOfKeyspace is where in Keyspaces the one with this number is, if there is one. As long as nobody deletes keyspaces it is its number.
func (s *State) PlaceOfKeyspace(id shards.KeyspaceID) (at int, found bool) {
	if at := int(id); at < len(s.Keyspaces) && s.Keyspaces[at].ID == id {
		return at, true
	}
	return slices.BinarySearchFunc(s.Keyspaces, id, func(k Keyspace, id shards.KeyspaceID) int { return cmp.Compare(k.ID, id) })
}

// Same says whether two lists are one, and not just alike: a state shares with the one before what a command has not changed, and nobody writes to
// what was given away.
func Same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// KeyspaceByName is the keyspace with this name, or nil.
func (s *State) KeyspaceByName(name string) *Keyspace {
	return first(s.Keyspaces, func(k *Keyspace) bool { return k.Name == name })
}

// Setting is the value of a setting as it was set, or "" if it was not; see Settings for meaning and defaults.
func (s *State) Setting(name string) string {
	i, found := slices.BinarySearchFunc(s.Settings, name, func(x Setting, name string) int { return strings.Compare(x.Name, name) })
	if !found {
		return ""
	}
	return s.Settings[i].Value
}

// Copy is the copy with this id, or nil.
func (r *Shard) Copy(id shards.CopyID) *Copy {
	return first(r.Copies, func(c *Copy) bool { return c.ID == id })
}

// CopyOn is the copy on this node, or nil: a node has one at most.
func (r *Shard) CopyOn(node shards.NodeID) *Copy {
	return first(r.Copies, func(c *Copy) bool { return c.Node == node })
}

// PrimaryCopy is the copy that leads, or nil.
func (r *Shard) PrimaryCopy() *Copy {
	if r.Primary == 0 {
		return nil
	}
	return r.Copy(r.Primary)
}

// InSync is the number of copies that are in sync.
func (r *Shard) InSync() int {
	n := 0
	for i := range r.Copies {
		if r.Copies[i].InSync {
			n++
		}
	}
	return n
}

// Lasting is the number of copies that are in sync and stay: a primary and the copy in sync that takes its place are one, since the primary goes with
// the hand-over.
func (r *Shard) Lasting() int {
	n := 0
	for i := range r.Copies {
		if c := &r.Copies[i]; c.InSync && !r.waits(c) {
			n++
		}
	}
	return n
}

// waits says whether a copy is ready to take the place of one that is still there.
func (r *Shard) waits(c *Copy) bool {
	return c.InSync && c.Source != 0 && first(r.Copies, func(o *Copy) bool { return o.ID == c.Source && o.InSync }) != nil
}

// Attribute is the value of an attribute that the node was started with, or "".
func (m *Member) Attribute(name string) string {
	if a := first(m.Attributes, func(a *Attribute) bool { return a.Name == name }); a != nil {
		return a.Value
	}
	return ""
}

// Has says whether the member has all of these roles.
func (m *Member) Has(roles Roles) bool { return m.Roles&roles == roles }

// first points to the first element that fits, or is nil.
func first[T any](list []T, fits func(*T) bool) *T {
	for i := range list {
		if fits(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

var roleNames = []string{"meta", "data", "gateway"}

// String lists the roles, as in "meta,data".
func (r Roles) String() string {
	var names []string
	for i, name := range roleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseRoles reads what String prints; empty text stands for DefaultRoles.
func ParseRoles(text string) (Roles, error) {
	if text == "" {
		return DefaultRoles, nil
	}
	var r Roles
	for name := range strings.SplitSeq(text, ",") {
		i := slices.Index(roleNames, strings.TrimSpace(name))
		if i < 0 {
			return 0, refuse(WhyInvalid, "role %q; must be one of %s", name, strings.Join(roleNames, ", "))
		}
		r |= 1 << i
	}
	return r, nil
}
