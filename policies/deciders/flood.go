package deciders

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Flood is a node beyond a flood stage watermark: shards with a copy on it take no writes, and deletes alone, until it is
// below the high watermark again.
type Flood struct {
	Node   shards.NodeID
	Reason string
}

// Floods says which nodes are flooded now, sorted, one entry each. before is what it said last: a node among them is flooded
// until it is below the high watermark, so that it does not go to and fro. What a dead node measured is not looked at.
func Floods(v *policies.View, before []Flood) (floods []Flood) {
	for i := range v.Nodes {
		n := &v.Nodes[i]
		was := slices.ContainsFunc(before, func(f Flood) bool { return f.Node == n.ID })
		for _, w := range []*watermarks{diskMarks, memoryMarks} {
			if reason := w.flooded(v, n, was); reason != "" {
				floods = append(floods, Flood{n.ID, reason})
				break
			}
		}
	}
	return floods
}

func (w *watermarks) flooded(v *policies.View, n *policies.Node, was bool) string {
	s, capacity, used := w.state.Of(v), w.dimension(&n.Capacity), w.dimension(&n.Used)
	switch {
	case !s.on || capacity <= 0 || n.Down:
	case used > s.limit(flood, capacity):
		return w.sentence(v, n, capacity, used, flood, "")
	case was && used > s.limit(high, capacity):
		return w.sentence(v, n, capacity, used, high, ", after a flood")
	}
	return ""
}

// Blocked is the flood that keeps a shard from taking writes, or nil: one of its copies is on that node.
func Blocked(r *cluster.Shard, floods []Flood) *Flood {
	for i := range floods {
		if r.CopyOn(floods[i].Node) != nil {
			return &floods[i]
		}
	}
	return nil
}

// BlockedKeyspaces are those with a shard that is blocked, sorted, each with how many are.
func BlockedKeyspaces(s *cluster.State, floods []Flood) (list []BlockedKeyspace) {
	if len(floods) == 0 {
		return nil
	}
	for i := range s.Keyspaces {
		b := BlockedKeyspace{Keyspace: s.Keyspaces[i].ID}
		rows := s.ShardsOf(b.Keyspace)
		for at := range rows {
			if f := Blocked(&rows[at], floods); f != nil {
				b.Shards++
				if b.First.Node == "" {
					b.First = *f
				}
			}
		}
		if b.Shards > 0 {
			list = append(list, b)
		}
	}
	return list
}

// BlockedKeyspace is a keyspace of which some shards take no writes.
type BlockedKeyspace struct {
	Keyspace shards.KeyspaceID
	Shards   int   // that are blocked
	First    Flood // what blocks the first of them
}
