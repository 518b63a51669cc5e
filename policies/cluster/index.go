package cluster

import "github.com/troupe-actors/troupe/shards"

// Index finds members by their ids in a few nanoseconds, for whoever looks up every copy of the table: a hash table of places with
// open addressing, at most half full. Read only, and safe to share.
type Index struct{ slots []indexed }

// indexed is a member's id beside its place, so that who looks it up need not go to the member.
type indexed struct {
	id    shards.NodeID
	place int32 // from 1; 0: the slot is free
}

// NewIndex indexes a list of members, which stays as it is.
func NewIndex(members []Member) *Index {
	size := 8
	for size < 2*len(members)+1 {
		size *= 2
	}
	x := &Index{slots: make([]indexed, size)}
	for i := range members {
		at := x.home(members[i].ID)
		for x.slots[at].place != 0 {
			at = (at + 1) & (size - 1)
		}
		x.slots[at] = indexed{members[i].ID, int32(i + 1)}
	}
	return x
}

// Place is where a member is in the list, or -1.
func (x *Index) Place(id shards.NodeID) int {
	for at := x.home(id); ; at = (at + 1) & (len(x.slots) - 1) {
		switch s := &x.slots[at]; {
		case s.place == 0:
			return -1
		case s.id == id:
			return int(s.place - 1)
		}
	}
}

// home hashes the first and the last eight bytes: ids are random, or numbers that end differently.
func (x *Index) home(id shards.NodeID) int {
	h := uint64(len(id))
	if len(id) >= 8 {
		h ^= word(id) ^ word(id[len(id)-8:])<<1
	} else {
		for i := range len(id) {
			h = h<<8 | uint64(id[i])
		}
	}
	h *= 0x9e3779b97f4a7c15
	return int(h>>32) & (len(x.slots) - 1)
}

func word(s shards.NodeID) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
