package policies

import (
	"math"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Count adds a row of the shard table to the sums, or with -1 takes it out. Who changes a row takes it out before, and puts it
// in afterwards.
func (v *View) Count(r *cluster.Shard, by int) {
	place := v.Keyspace(r.ID.Keyspace())
	spread, lead, load := &v.Spread[place], v.Leader(r), v.ShardLoad(r.ID)
	recovering, inSync := 0, 0
	for i := range r.Copies {
		c := &r.Copies[i]
		n := v.Node(c.Node)
		node, leaves := &v.Nodes[n], Replaced(r, c.ID)
		v.touched = append(v.touched, int32(n))
		if c.Source != 0 {
			v.Relocating += by
		}
		if c.Fresh {
			node.Opening += by
		}
		if c.InSync {
			inSync++
		} else if !node.Down {
			node.Incoming += by
			recovering++
		}
		if !leaves {
			node.Copies += by
			spread.Copies[n] += by
		}
		if load == nil || c.InSync && !leaves {
			continue
		}
		share := load.Replica
		if c.ID == r.Primary || c.Source != 0 && c.Source == r.Primary {
			share = load.Primary
		}
		share = share.exact()
		if leaves {
			node.Leaving = node.Leaving.Plus(share.Times(by))
		} else {
			node.Coming = node.Coming.Plus(share.Times(by))
		}
	}
	if inSync < v.State.Keyspaces[place].Copies() {
		v.Unwhole += by
	}
	if r.Primary == 0 {
		v.Unled += by
	}
	if lead < 0 {
		return
	}
	v.Nodes[lead].Primaries += by
	spread.Primaries[lead] += by
	if c := r.PrimaryCopy(); !c.Fresh {
		n := v.Node(c.Node)
		v.Nodes[n].Outgoing += by * recovering
		v.touched = append(v.touched, int32(n))
	}
}

// exact rounds a load to figures that can be added and taken away in any order without a rest: whole bytes, and about a
// millionth of a core.
func (l Load) exact() Load {
	const grain = 1 << 20
	return Load{math.Round(l.CPU*grain) / grain, math.Round(l.Memory), math.Round(l.Disk)}
}

// Leader is the place of the node that leads the shard, or will when the hand-over that is under way has ended; -1 if none does.
func (v *View) Leader(r *cluster.Shard) int {
	if r.Primary == 0 {
		return -1
	}
	c := r.PrimaryCopy()
	if r.HandTo != 0 {
		c = r.Copy(r.HandTo)
	} else if s := Successor(r); s != nil {
		c = s
	}
	return v.Node(c.Node)
}

// Successor is the copy that is to take the primary's place, or nil.
func Successor(r *cluster.Shard) *cluster.Copy {
	for i := range r.Copies {
		if c := &r.Copies[i]; c.Source != 0 && c.Source == r.Primary {
			return c
		}
	}
	return nil
}

// Replaced says whether another copy is to take this one's place.
func Replaced(r *cluster.Shard, id shards.CopyID) bool {
	for i := range r.Copies {
		if r.Copies[i].Source == id {
			return true
		}
	}
	return false
}

// Derived is what a decider makes once per view of what does not change in it: members, settings, loads and time, but not
// sums and not the shard table. It is made when first asked for.
type Derived[T any] struct{ make func(*View) T }

// Derive says how it is made. What it returns is one key: keep it, do not make it anew for each question.
func Derive[T any](f func(*View) T) *Derived[T] { return &Derived[T]{f} }

// Of is the value for a view.
func (d *Derived[T]) Of(v *View) T {
	for i := range v.derived {
		if v.derived[i].by == d {
			return v.derived[i].value.(T)
		}
	}
	value := d.make(v)
	v.derived = append(v.derived, derivative{d, value})
	return value
}

// derivative is one such value, with who makes it.
type derivative struct{ by, value any }
