package cluster

import (
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// Failover is the entry of a life that ended while it led shards. Apply opens it in the very step that deposes them, so that it
// is there whoever leads next; the placement leader fills in the record, and closes it.
type Failover struct {
	Node    shards.NodeID
	Epoch   shards.Epoch // the life that ended
	At      uint64       // State.Version of the step that deposed what it led
	Open    bool
	Deposed []shards.ShardID // sorted; what it led. Gone once the entry is closed: the record has it
	Record  []byte           // what is known, as its writers agree; never looked at here
}

// Bounds of the history. The oldest entries go first.
const (
	MaxFailovers     = 256
	MaxFailoverBytes = 16 << 10 // of one record
	maxHistoryBytes  = 1 << 20  // of all records
)

// FailoverChange is what the placement leader has to say about an entry. Of one that is closed nothing is taken any more.
type FailoverChange struct {
	Node   shards.NodeID
	Epoch  shards.Epoch
	Record []byte
	Close  bool
}

// FindFailover is the entry of a life, or nil.
func (s *State) FindFailover(node shards.NodeID, epoch shards.Epoch) *Failover {
	return first(s.Failovers, func(f *Failover) bool { return f.Node == node && f.Epoch == epoch })
}

// depose opens the entry of a life whose shards have lost their primary. Releases that cannot read it must not meet it.
func (d *draft) depose(node shards.NodeID, epoch shards.Epoch, led []shards.ShardID) {
	if len(led) == 0 || d.FindFailover(node, epoch) != nil {
		return
	}
	if slices.ContainsFunc(d.Members, func(m Member) bool { return m.Format < FormatPolicies }) {
		return
	}
	d.Failovers = append(slices.Clone(d.Failovers), Failover{Node: node, Epoch: epoch, At: d.Version, Open: true, Deposed: led})
	d.shorten()
	d.changed = true
}

// led lists the shards that a node leads.
func (d *draft) led(node shards.NodeID) (list []shards.ShardID) {
	for i := range d.Shards {
		if c := d.Shards[i].PrimaryCopy(); c != nil && c.Node == node {
			list = append(list, d.Shards[i].ID)
		}
	}
	return list
}

// shorten drops the oldest entries that are too many.
func (d *draft) shorten() {
	total := 0
	for i := range d.Failovers {
		total += len(d.Failovers[i].Record)
	}
	for len(d.Failovers) > MaxFailovers || total > maxHistoryBytes {
		total -= len(d.Failovers[0].Record)
		d.Failovers = d.Failovers[1:]
	}
}

func (d *draft) changeFailover(c *FailoverChange) error {
	if len(c.Record) > MaxFailoverBytes {
		return refuse(WhyInvalid, "the record of a failover has %d bytes; at most %d", len(c.Record), MaxFailoverBytes)
	}
	i := slices.IndexFunc(d.Failovers, func(f Failover) bool { return f.Node == c.Node && f.Epoch == c.Epoch })
	switch {
	case i < 0:
		return refuse(WhyUnknown, "there is no failover of node %s in epoch %d", d.NodeName(c.Node), c.Epoch)
	case !d.Failovers[i].Open:
		return refuse(WhyStale, "the failover of node %s in epoch %d has been told to its end", d.NodeName(c.Node), c.Epoch)
	}
	d.Failovers = slices.Clone(d.Failovers)
	f := &d.Failovers[i]
	f.Record, d.changed = c.Record, true
	if c.Close {
		f.Open, f.Deposed = false, nil
	}
	d.shorten()
	return nil
}

// checkFailovers holds the history to its bounds: invariant 14.
func (s *State) checkFailovers() error {
	total := 0
	for i := range s.Failovers {
		f := &s.Failovers[i]
		total += len(f.Record)
		switch {
		case s.FindFailover(f.Node, f.Epoch) != f:
			return refuse(WhyInvalid, "invariant 14: the failover of node %s in epoch %d is there twice", f.Node, f.Epoch)
		case f.At > s.Version || i > 0 && f.At < s.Failovers[i-1].At:
			return refuse(WhyInvalid, "invariant 14: the failover of node %s is out of order or from the future", f.Node)
		case f.Open != (len(f.Deposed) > 0) || !slices.IsSorted(f.Deposed):
			return refuse(WhyInvalid, "invariant 14: the failover of node %s deposed %d shards, open: %v", f.Node, len(f.Deposed), f.Open)
		}
	}
	if len(s.Failovers) > MaxFailovers || total > maxHistoryBytes {
		return refuse(WhyInvalid, "invariant 14: %d failovers with %d bytes", len(s.Failovers), total)
	}
	return nil
}
