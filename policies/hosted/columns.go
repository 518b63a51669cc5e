package hosted

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// painter fills the columns of an image from a view. The canvas keeps those that somebody needs.
type painter struct {
	*board
	to canvas
	v  *policies.View
}

func (p *painter) globals() {
	if !p.v.Now.IsZero() {
		p.to.I64(abi.Now, 0, p.v.Now.Unix())
	}
	p.to.I64(abi.Ticks, 0, p.v.Ticks)
	p.to.U32(abi.TickLength, 0, uint32(p.v.TickLength.Milliseconds()))
	p.to.U32(abi.Relocating, 0, uint32(p.v.Relocating))
	p.to.U32(abi.Unled, 0, uint32(p.v.Unled))
	p.to.U32(abi.Unwhole, 0, uint32(p.v.Unwhole))
	r := p.v.Rebalanced(-1)
	p.to.U32(abi.Rebalanced, 0, uint32(r.Copies))
	p.to.F64(abi.RebalancedBytes, 0, r.Bytes)
	p.to.I64(abi.RebalancedUntil, 0, seconds(r.Until))
}

// seconds since 1970, rounded up; 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return (t.UnixMilli() + 999) / 1000
}

func (p *painter) nodes() {
	if !p.needsAny(abi.Nodes, abi.NodeOffsets, abi.Attributes) {
		return
	}
	for i := range p.v.Nodes {
		n := &p.v.Nodes[i]
		p.to.Text(abi.NodeID, i, string(n.ID))
		p.to.Text(abi.NodeName, i, n.Name)
		p.to.Text(abi.NodeHost, i, n.Host)
		p.to.Text(abi.NodeAddress, i, n.Peer)
		p.to.Text(abi.NodeRelease, i, n.Release)
		p.to.U32(abi.NodeFormat, i, n.Format)
		p.to.I64(abi.NodeEpoch, i, int64(n.Epoch))
		p.to.U8(abi.NodeRoles, i, uint8(n.Roles))
		p.to.U8(abi.NodeFlags, i, nodeFlags(n.Member))
		p.to.U8(abi.NodeEvidence, i, evidence(n.Evidence.State))
		p.to.I64(abi.NodeSince, i, n.Evidence.Since)
		p.to.I64(abi.NodeHeld, i, n.Evidence.Held)
		p.to.Text(abi.NodeReason, i, n.Evidence.Reason)
		p.to.U32(abi.NodeCopies, i, uint32(n.Copies))
		p.to.U32(abi.NodePrimaries, i, uint32(n.Primaries))
		p.to.U32(abi.NodeIncoming, i, uint32(n.Incoming))
		p.to.U32(abi.NodeOutgoing, i, uint32(n.Outgoing))
		p.to.U32(abi.NodeOpening, i, uint32(n.Opening))
		p.load(abi.NodeCapacityCPU, i, n.Capacity)
		p.load(abi.NodeUsedCPU, i, n.Used)
		p.load(abi.NodeComingCPU, i, n.Coming)
		p.load(abi.NodeLeavingCPU, i, n.Leaving)
		for _, a := range n.Attributes {
			p.to.Attribute(i, a.Name, a.Value)
		}
	}
}

// load fills three columns, of which the first is named: the figures of a load have columns beside each other.
func (p *painter) load(first abi.Column, row int, l policies.Load) {
	for d, x := range l.Vector() {
		p.to.F64(first+abi.Column(d), row, x)
	}
}

func (p *painter) keyspaces() {
	if !p.needsAny(abi.Keyspaces, abi.NodesInKey) {
		return
	}
	for i := range p.v.State.Keyspaces {
		k := &p.v.State.Keyspaces[i]
		p.to.Text(abi.KeyspaceName, i, k.Name)
		p.to.U32(abi.KeyspaceShards, i, uint32(k.Shards))
		p.to.U32(abi.KeyspaceReplicas, i, uint32(k.Copies()-1))
		p.to.U32(abi.KeyspaceMinInSync, i, uint32(k.MinInSync))
		p.to.U8(abi.KeyspaceDurability, i, durability(k.Durability))
		r := p.v.Rebalanced(i)
		p.to.U32(abi.KeyspaceRebalanced, i, uint32(r.Copies))
		p.to.F64(abi.KeyspaceRebalancedBytes, i, r.Bytes)
		p.to.I64(abi.KeyspaceRebalancedUntil, i, seconds(r.Until))
		p.to.U32s(abi.KeyspaceNodeCopies, i*len(p.v.Nodes), p.v.Spread[i].Copies)
		p.to.U32s(abi.KeyspaceNodePrimaries, i*len(p.v.Nodes), p.v.Spread[i].Primaries)
	}
}

func (p *painter) shards(x *abi.Builder) {
	s, k := p.v.State, 0
	measured, setbacks, seats, moved := loads(x), x.Has(abi.ShardSetback), p.chairs(x), x.Has(abi.ShardRebalanced) && len(s.Rebalances) > 0
	for i := range s.Shards {
		r := &s.Shards[i]
		for s.Keyspaces[k].ID != r.ID.Keyspace() {
			k++
		}
		x.U32(abi.ShardKeyspace, i, uint32(k))
		x.U32(abi.ShardNumber, i, uint32(r.ID.Index()))
		x.U32(abi.ShardFailures, i, r.Failures)
		x.U32(abi.ShardCopies, i, uint32(len(r.Copies)))
		x.Row(abi.ShardPrimary, i, p.slot(i, r.Primary))
		x.Row(abi.ShardHandTo, i, p.slot(i, r.HandTo))
		if setbacks {
			tick, known := p.v.Setback(r.ID)
			if !known {
				tick = math.MinInt64
			}
			x.I64(abi.ShardSetback, i, tick)
		}
		if moved {
			x.I64(abi.ShardRebalanced, i, seconds(p.v.Moved(r.ID)))
		}
		if measured {
			if l := p.v.ShardLoad(r.ID); l != nil {
				p.load(abi.ShardPrimaryCPU, i, l.Primary)
				p.load(abi.ShardReplicaCPU, i, l.Replica)
			}
		}
		if seats.any {
			seats.fill(p.board, i, r)
		}
	}
}

// seats are the columns of the table Copies, which has by far the most rows; nil where nobody needs one.
type seats struct {
	any                     bool
	node, flags, id, source []byte
}

func (b *board) chairs(x *abi.Builder) seats {
	return seats{b.needsAny(abi.Copies), x.Values(abi.CopyNode), x.Values(abi.CopyFlags), x.Values(abi.CopyID), x.Values(abi.CopySource)}
}

// fill fills the slots of a shard.
func (s *seats) fill(b *board, i int, r *cluster.Shard) {
	for at := range r.Copies {
		c, row := &r.Copies[at], i*b.slots+at
		if s.node != nil {
			binary.LittleEndian.PutUint32(s.node[4*row:], uint32(b.homes[row]))
		}
		if s.flags != nil {
			s.flags[row] = copyFlags(c)
		}
		if s.id != nil {
			binary.LittleEndian.PutUint64(s.id[8*row:], uint64(c.ID))
		}
		if s.source != nil && c.Source != 0 {
			binary.LittleEndian.PutUint32(s.source[4*row:], uint32(int32(b.slot(i, c.Source))))
		}
	}
}

// loads says whether a column of what shards cost is looked at.
func loads(x *abi.Builder) bool {
	for c := abi.ShardPrimaryCPU; c <= abi.ShardReplicaDisk; c++ {
		if x.Has(c) {
			return true
		}
	}
	return false
}

func nodeFlags(m *cluster.Member) (bits uint8) {
	for i, set := range [...]bool{m.Down, m.Draining, m.Maintained, m.Excluded} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

func copyFlags(c *cluster.Copy) (bits uint8) {
	if c.InSync {
		bits |= 1 << 0
	}
	if c.Started {
		bits |= 1 << 1
	}
	if c.Fresh {
		bits |= 1 << 2
	}
	if c.Failed {
		bits |= 1 << 3
	}
	return bits
}

func evidence(s liveness.State) uint8 {
	switch s {
	case liveness.Alive:
		return abi.EvidenceAlive
	case liveness.Grey:
		return abi.EvidenceGrey
	case liveness.Suspect:
		return abi.EvidenceSuspect
	case liveness.Dead:
		return abi.EvidenceDead
	}
	return abi.EvidenceNone
}

func durability(d shards.Durability) uint8 {
	switch d {
	case shards.DurabilityInterval:
		return abi.DurabilityInterval
	case shards.DurabilityMemory:
		return abi.DurabilityMemory
	}
	return abi.DurabilityFsync
}
