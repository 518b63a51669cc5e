package cluster

import (
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// Drain is the entry of a node that is emptied because an operator asked for it. Apply opens it in the very step that asks, so that
// every node knows when it began; the placement leader fills in what it decided, and closes it: once, whoever leads by then.
//
// Without a node it is that of copies that change places although no node is emptied, or of other policies that came into force: the placement
// leader opens it with BeginMoves once they are on their way, or have come. Which of both its record says.
type Drain struct {
	Node   shards.NodeID
	Epoch  shards.Epoch // the life that is emptied
	At     uint64       // State.Version of the step that asked for it: its name, since no other step has it
	Open   bool
	Record []byte // what is known, as its writers agree; never looked at here
}

// moves says that it is the entry of copies that change places or of policies, and of no drain.
func (x *Drain) moves() bool { return x.Node == "" }

// Bounds of the history of drains. The oldest entries go first, so that drains never push a failover out; and no more than half of it are
// moves and switches, which may be many.
const (
	MaxDrains     = 64
	maxDrainBytes = 512 << 10 // of all records; one is bounded like that of a failover
)

// BeginMoves opens the entry of copies that change places, or of a switch of policies; the version of the state after it is the entry's name.
type BeginMoves struct {
	Record []byte // what is told of them so far
}

// DrainChange is what the placement leader has to say about an entry. Of one that is closed nothing is taken any more.
type DrainChange struct {
	At     uint64 // the version of the state that opened the entry, which names it
	Record []byte // what is told of the drain so far, as package tracing writes it: in place of what was there; nil: nothing, and what is told of nothing is not shown
	Close  bool   // the drain is over: the record is the last word
}

// FindDrain is the entry that was opened at a version, or nil.
func (s *State) FindDrain(at uint64) *Drain {
	return first(s.Drains, func(x *Drain) bool { return x.At == at })
}

// OpenDrain is the newest open entry of a life, or nil.
func (s *State) OpenDrain(node shards.NodeID, epoch shards.Epoch) *Drain {
	for i := len(s.Drains) - 1; i >= 0; i-- {
		if x := &s.Drains[i]; x.Open && x.Node == node && x.Epoch == epoch {
			return x
		}
	}
	return nil
}

// beginDrain opens the entry of a member that shall be empty and is not. Releases that cannot read it must not meet it.
func (d *draft) beginDrain(m *Member) {
	if !m.Draining || d.allRead(FormatHistory) != nil || first(d.Shards, func(r *Shard) bool { return r.CopyOn(m.ID) != nil }) == nil {
		return
	}
	d.putDrains(append(d.Drains[:len(d.Drains):len(d.Drains)], Drain{Node: m.ID, Epoch: m.Epoch, At: d.Version, Open: true}))
}

// putDrains takes the history, which it may change, and drops the oldest entries that are too many.
func (d *draft) putDrains(list []Drain) {
	list = newestDrains(list, (*Drain).moves, MaxDrains/2, maxDrainBytes/2)
	d.Drains, d.changed = newestDrains(list, func(*Drain) bool { return true }, MaxDrains, maxDrainBytes), true
}

// newestDrains drops the oldest of those that count until so many are left, with so many bytes.
func newestDrains(list []Drain, counts func(*Drain) bool, most, bytes int) []Drain {
	n, total := drainsOf(list, counts)
	return slices.DeleteFunc(list, func(x Drain) bool {
		drop := counts(&x) && (n > most || total > bytes)
		if drop {
			n, total = n-1, total-len(x.Record)
		}
		return drop
	})
}

// drainsOf counts those that count, and their bytes.
func drainsOf(list []Drain, counts func(*Drain) bool) (n, bytes int) {
	for i := range list {
		if counts(&list[i]) {
			n, bytes = n+1, bytes+len(list[i].Record)
		}
	}
	return n, bytes
}

func (d *draft) beginMoves(c *BeginMoves) error {
	if err := d.allRead(FormatMoves); err != nil {
		return err
	}
	if len(c.Record) > MaxFailoverBytes {
		return refuse(WhyInvalid, "the record of moves has %d bytes; at most %d", len(c.Record), MaxFailoverBytes)
	}
	d.putDrains(append(d.Drains[:len(d.Drains):len(d.Drains)], Drain{At: d.Version, Open: true, Record: c.Record}))
	return nil
}

func (d *draft) changeDrain(c *DrainChange) error {
	if len(c.Record) > MaxFailoverBytes {
		return refuse(WhyInvalid, "the record of a drain has %d bytes; at most %d", len(c.Record), MaxFailoverBytes)
	}
	entry := d.FindDrain(c.At)
	switch {
	case entry == nil:
		return refuse(WhyUnknown, "no drain began at version %d, or it is forgotten", c.At)
	case !entry.Open && entry.moves():
		return refuse(WhyStale, "the moves that began at version %d have been told to their end", c.At)
	case !entry.Open:
		return refuse(WhyStale, "the drain of node %s that began at version %d has been told to its end", d.NodeName(entry.Node), c.At)
	}
	list := make([]Drain, len(d.Drains))
	for i, x := range d.Drains {
		if x.At == c.At {
			x.Record, x.Open = c.Record, !c.Close
		}
		list[i] = x
	}
	d.putDrains(list)
	return nil
}

// checkDrains is invariant 15.
func (s *State) checkDrains() error {
	for i := range s.Drains {
		x := &s.Drains[i]
		if x.At > s.Version || i > 0 && x.At <= s.Drains[i-1].At {
			return refuse(WhyInvalid, "invariant 15: the drain of node %s at %d is out of order or from the future", x.Node, x.At)
		}
	}
	if n, bytes := drainsOf(s.Drains, (*Drain).moves); n > MaxDrains/2 || bytes > maxDrainBytes/2 {
		return refuse(WhyInvalid, "invariant 15: %d stories of moves with %d bytes", n, bytes)
	}
	if n, bytes := drainsOf(s.Drains, func(*Drain) bool { return true }); n > MaxDrains || bytes > maxDrainBytes {
		return refuse(WhyInvalid, "invariant 15: %d drains with %d bytes", n, bytes)
	}
	return nil
}
