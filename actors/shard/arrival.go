package shard

import (
	"cmp"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
)

// Arrival is how another copy comes in sync, as its primary sees it.
type Arrival struct {
	Shard      shards.ShardID
	Copy       shards.CopyID
	Node       shards.NodeID // where it is
	Began      int64         // nanoseconds since 1970: the row listed it, or this reign began
	Bytes      int64         // of snapshots, sent
	Of         int64         // about what Bytes will be; 0: no snapshot is on its way
	Operations int64         // transactions that it has got one by one; 0 as well for a copy that had some of its own, until it gets a snapshot
	Done       bool          // it has all, and was proposed for the in-sync set
	Again      bool          // it was proposed before, and that has not come to anything yet
}

// arrival is what is remembered of one. The turn guards it.
type arrival struct {
	began int64
	bytes int64        // of snapshots that are over
	base  shards.SeqNo // what it had before operations came
	known bool         // base is
	told  bool         // it was said to have all
}

// expects notes the copies that a row wants in sync, and forgets the others.
func (s *Shard) expects() {
	p := s.part
	leads := p.core.Role() == replica.RolePrimary
	for id := range p.arriving {
		c := p.row.Copy(id)
		if !leads || c == nil || c.InSync || c.Failed {
			delete(p.arriving, id)
		}
	}
	if !leads {
		return
	}
	for i := range p.row.Copies {
		c := &p.row.Copies[i]
		if c.ID == p.self || c.InSync || c.Failed || p.arriving[c.ID] != nil {
			continue
		}
		if p.arriving == nil {
			p.arriving = map[shards.CopyID]*arrival{}
		}
		p.arriving[c.ID] = &arrival{began: time.Now().UnixNano(), known: !c.Started}
	}
}

// sent notes that a snapshot's stream is over.
func (p *part) sent(o *outgoing, done bool) {
	if a := p.arriving[o.source.To()]; a != nil {
		a.bytes += o.source.Progress()
		if done {
			a.base, a.known = o.base, true
		}
	}
}

// arrivalOf describes one, by what the core knows of that copy.
func (s *Shard) arrivalOf(id shards.CopyID, a *arrival, status *replica.Status) Arrival {
	p := s.part
	out := Arrival{Shard: s.id, Copy: id, Node: p.homes[id], Began: a.began, Bytes: a.bytes}
	if o := p.outgoing[id]; o != nil {
		out.Bytes, out.Of = out.Bytes+o.source.Progress(), a.bytes+s.store.Memory()
	}
	for i := range status.Peers {
		if peer := &status.Peers[i]; peer.ID == id && a.known && out.Of == 0 {
			out.Operations = int64(peer.Match - min(peer.Match, a.base))
		}
	}
	return out
}

// arrivals lists those that are under way, by copy.
func (s *Shard) arrivals(status *replica.Status) (list []Arrival) {
	for id, a := range s.part.arriving {
		list = append(list, s.arrivalOf(id, a, status))
	}
	slices.SortFunc(list, func(a, b Arrival) int { return cmp.Compare(a.Copy, b.Copy) })
	return list
}

// hasAll tells that a copy has all, and is proposed.
func (s *Shard) hasAll(id shards.CopyID) {
	a := s.part.arriving[id]
	if a == nil || s.link.Arrived == nil {
		return
	}
	status := s.part.core.Status()
	told := s.arrivalOf(id, a, &status)
	told.Done, told.Again = true, a.told
	a.told = true
	s.link.Arrived(told)
}
