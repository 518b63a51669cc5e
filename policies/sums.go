package policies

import (
	"math"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Count adds a row of the shard table to the sums, or with -1 takes it out. Who changes a row takes it out before, and puts it
// in afterwards.
func (v *View) Count(r *cluster.Shard, by int) {
	k := v.Keyspace(r.ID.Keyspace())
	place := v.firsts[k] + r.ID.Index()
	v.stages[place] = v.count(r, by, k, place)
	if by > 0 {
		v.counted = append(room(v.counted, 1), int32(place))
	}
	v.touched = append(room(v.touched, len(r.Copies)), v.homes[:len(r.Copies)]...) // of the others what a row may ask about has not changed: a leader has a copy
}

// room makes place for so many more, and for as many again as there are: append alone would copy what one plan counts five times over.
func room(list []int32, more int) []int32 {
	if cap(list)-len(list) < more {
		list = slices.Grow(list, len(list)+more)
	}
	return list
}

// Touched lists the nodes, by their places, that a row which Count took had a copy on, in that order, since the view was made: what has changed
// of their sums alone has changed. Read only.
func (v *View) Touched() []int32 { return v.touched }

// stage says how far a row is from what it should be.
type stage uint8

const (
	lacking  stage = iota // a copy on a node that lives
	complete              // none, though some may have to get in sync, and others to leave
	settled               // they are in sync, there are no others, and nothing is about to change
)

// familiar is the places of the nodes of a row's first copies; most have no more.
type familiar [4]int32

// count does it, for the row at a place, of the keyspace at another, and says how far the row is. It leaves the nodes of its copies in homes: most
// are where they were when the row was counted before.
func (v *View) count(r *cluster.Shard, by, keyspace, place int) stage {
	spread, load, known := &v.Spread[keyspace], v.ShardLoad(r.ID), &v.known[place]
	recovering, inSync, primary, lead := 0, 0, -1, -1
	moving := moves(r)
	wanted := v.State.Keyspaces[keyspace].Copies()
	calm, living := !moving && r.Primary != 0 && len(r.Copies) == wanted, 0
	for i := range r.Copies {
		c := &r.Copies[i]
		n := 0
		if i >= len(known) {
			n = v.Node(c.Node)
		} else if n = int(known[i]); v.Nodes[n].ID != c.Node {
			n = v.Node(c.Node)
			known[i] = int32(n)
		}
		node := &v.Nodes[n]
		v.homes[i] = int32(n)
		if c.ID == r.Primary {
			primary, lead = i, n
		}
		if c.InSync {
			inSync++
		} else if !node.Down {
			node.Incoming += by
			recovering++
		}
		if c.Fresh {
			node.Opening += by
		}
		calm = calm && c.InSync && !c.Fresh && !c.Failed && !node.Down
		leaves := false
		if moving {
			if c.Source != 0 {
				v.Relocating += by
			}
			leaves = Replaced(r, c.ID)
		}
		if !leaves {
			node.Copies += by
			spread.Copies[n] += by
			if !node.Down {
				living++
			}
		}
		if load != nil && (leaves || !c.InSync) {
			v.expect(r, c, node, load, leaves, by)
		}
	}
	if inSync < wanted {
		v.Unwhole += by
	}
	if r.Primary == 0 {
		v.Unled += by
	} else {
		if recovering > 0 && !r.Copies[primary].Fresh {
			v.Nodes[lead].Outgoing += by * recovering
		}
		if moving {
			lead = v.Leader(r)
		}
		v.Nodes[lead].Primaries += by
		spread.Primaries[lead] += by
	}
	if load != nil {
		v.hold(r, v.homes[:len(r.Copies)], lead, load, moving, by)
	}
	return reached(calm, living, wanted)
}

// moves says whether a copy of a row may be on its way to take another's place.
func moves(r *cluster.Shard) bool {
	moving := r.HandTo != 0
	for i := range r.Copies {
		moving = moving || r.Copies[i].Source != 0
	}
	return moving
}

func reached(calm bool, living, wanted int) stage {
	switch {
	case calm:
		return settled
	case living >= wanted:
		return complete
	}
	return lacking
}

// hold adds what a shard's copies cost their nodes, but for those that leave.
func (v *View) hold(r *cluster.Shard, homes []int32, lead int, load *ShardLoad, moving bool, by int) {
	primary, replica := load.Primary.exact().Times(by), load.Replica.exact().Times(by)
	for i, n := range homes {
		switch {
		case moving && Replaced(r, r.Copies[i].ID):
		case int(n) == lead:
			v.Nodes[n].Held = v.Nodes[n].Held.Plus(primary)
		default:
			v.Nodes[n].Held = v.Nodes[n].Held.Plus(replica)
		}
	}
}

// expect adds what a copy will add to its node when it has recovered, or will free when it has left.
func (v *View) expect(r *cluster.Shard, c *cluster.Copy, node *Node, load *ShardLoad, leaves bool, by int) {
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

// exact rounds a load to figures that can be added and taken away in any order without a rest: whole bytes, and about a
// millionth of a core.
func (l Load) exact() Load {
	const grain = 1 << 20
	return Load{math.RoundToEven(l.CPU*grain) / grain, math.RoundToEven(l.Memory), math.RoundToEven(l.Disk)}
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
