package shard

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Full says why a node takes no writes that grow.
type Full struct {
	Memory bool   // it is memory that is short; else the disk, of which shards in memory alone need nothing
	Why    string // a sentence that names setting, value and limit
}

// ErrNodeFull is wrapped by the error of a write that a shard refuses since a node with a copy of it is full. Reads go on, and so
// do writes that cannot grow the store.
var ErrNodeFull = errors.New("a node that holds a copy of the shard is full: delete keys, or make room there")

// SetFull tells which nodes take no writes that grow: no shard with a copy there does, if what is short is something that it needs. It may be called at any time; an empty
// list lets all writes in again.
func (l *Link) SetFull(nodes map[shards.NodeID]Full) {
	if len(nodes) == 0 {
		l.full.Store(nil)
		return
	}
	l.full.Store(&nodes)
}

// full is nil, or why a copy's node takes no writes that grow.
func (s *Shard) full() error {
	if s.part == nil {
		return nil
	}
	nodes := s.link.full.Load()
	if nodes == nil {
		return nil
	}
	for _, c := range s.part.row.Copies { // in the order of the row: the same words each time
		why, is := (*nodes)[c.Node]
		if !is || !why.Memory && s.space.Durability == shards.DurabilityMemory {
			continue
		}
		kind := shards.KindDiskFull
		if why.Memory {
			kind = shards.KindFull
		}
		return &shards.Error{Kind: kind, Shard: s.name, Err: fmt.Errorf("%w: %s", ErrNodeFull, why.Why)}
	}
	return nil
}
