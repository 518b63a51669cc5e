package cluster

import "github.com/troupe-actors/troupe/shards"

// Drain is the entry of a node that is emptied because an operator asked for it. Apply opens it in the very step that asks, so that
// every node knows when it began; the placement leader fills in what it decided, and closes it: once, whoever leads by then.
type Drain struct {
	Node   shards.NodeID
	Epoch  shards.Epoch // the life that is emptied
	At     uint64       // State.Version of the step that asked for it: its name, since no other step has it
	Open   bool
	Record []byte // what is known, as its writers agree; never looked at here
}

// Bounds of the history of drains. The oldest entries go first, so that drains never push a failover out.
const (
	MaxDrains     = 64
	maxDrainBytes = 512 << 10 // of all records; one is bounded like that of a failover
)

// DrainChange is what the placement leader has to say about an entry. Of one that is closed nothing is taken any more.
type DrainChange struct {
	At     uint64 // the version of the state that opened the entry, which names it
	Record []byte // what is told of the drain so far, as package tracing writes it; nil: as it was
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

// putDrains takes the history, and drops the oldest entries that are too many.
func (d *draft) putDrains(list []Drain) {
	total := 0
	for i := range list {
		total += len(list[i].Record)
	}
	for len(list) > MaxDrains || total > maxDrainBytes {
		total -= len(list[0].Record)
		list = list[1:]
	}
	d.Drains, d.changed = list, true
}

func (d *draft) changeDrain(c *DrainChange) error {
	if len(c.Record) > MaxFailoverBytes {
		return refuse(WhyInvalid, "the record of a drain has %d bytes; at most %d", len(c.Record), MaxFailoverBytes)
	}
	entry := d.FindDrain(c.At)
	switch {
	case entry == nil:
		return refuse(WhyUnknown, "no drain began at version %d, or it is forgotten", c.At)
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
	total := 0
	for i := range s.Drains {
		x := &s.Drains[i]
		total += len(x.Record)
		if x.At > s.Version || i > 0 && x.At <= s.Drains[i-1].At {
			return refuse(WhyInvalid, "invariant 15: the drain of node %s at %d is out of order or from the future", x.Node, x.At)
		}
	}
	if len(s.Drains) > MaxDrains || total > maxDrainBytes {
		return refuse(WhyInvalid, "invariant 15: %d drains with %d bytes", len(s.Drains), total)
	}
	return nil
}
