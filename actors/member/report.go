package member

import (
	"fmt"
	"math"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A report is what a member tells the placement leader of its loads, on the stream of its heartbeats: so the reply to a heartbeat
// says what has become of every report before it.
//
//	report   [number, first, node, gone, copies]
//	node     six values: what the node may use, what is used of it; or none: as reported before
//	gone     shards of which it has no copy any more
//	copies   five values each: shard·2 + (1 if it leads), cpu, cpu of a copy that does not lead, memory, disk
//
// Numbers go up by one in a member's life. One with first set says that all that was reported before is to be forgotten; what comes
// after a gap is dropped, and the member notices by the reply that it has to begin anew. CPU is in millionths of a core, all else
// in bytes. Of many copies several reports are made.
const (
	reportCopies = 512  // in one report
	maxCopies    = 4096 // that are taken in one
	maxReport    = 256 << 10
	nodeFigures  = 6
	copyFigures  = 5
)

// Sample is what a node measured of itself. Node and Epoch of its Node are filled in by the Member.
type Sample struct {
	Node   policies.NodeLoad
	Copies []CopyLoad // sorted by shard
}

// CopyLoad is what one copy costs the node that holds it.
type CopyLoad struct {
	Shard   shards.ShardID
	Primary bool
	Cost    policies.Load
	Apply   float64 // cores: the part of Cost.CPU that a copy which does not lead needs too
}

type report struct {
	number uint64
	first  bool
	node   *policies.NodeLoad // nil: as before
	gone   []shards.ShardID
	copies []CopyLoad
}

func (r *report) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(5)
	e.Uint(r.number)
	e.Bool(r.first)
	if r.node == nil {
		e.Array(0)
	} else {
		e.Array(nodeFigures)
		appendLoad(&e, r.node.Capacity)
		appendLoad(&e, r.node.Used)
	}
	e.Array(len(r.gone))
	for _, id := range r.gone {
		e.Uint(uint64(id))
	}
	e.Array(copyFigures * len(r.copies))
	for i := range r.copies {
		c := &r.copies[i]
		key := uint64(c.Shard) << 1
		if c.Primary {
			key |= 1
		}
		e.Uint(key)
		e.Uint(figure(c.Cost.CPU * micro))
		e.Uint(figure(c.Apply * micro))
		e.Uint(figure(c.Cost.Memory))
		e.Uint(figure(c.Cost.Disk))
	}
	return e.Buffer()
}

const (
	micro     = 1e6
	maxFigure = 1 << 60
)

func appendLoad(e *wire.Encoder, l policies.Load) {
	e.Uint(figure(l.CPU * micro))
	e.Uint(figure(l.Memory))
	e.Uint(figure(l.Disk))
}

// figure is a measured value as it is sent; what cannot be is 0.
func figure(v float64) uint64 {
	if !(v > 0) { // NaN too
		return 0
	}
	return uint64(min(v, maxFigure))
}

func decodeReport(body []byte) (r report, err error) {
	d, err := open(body, 5, maxReport)
	r.number, r.first = d.Uint(), d.Bool()
	switch n := d.Array(); {
	case d.Err() != nil || n == 0:
	case n != nodeFigures:
		d.Refuse(fmt.Sprintf("%d figures of a node; %d belong there", n, nodeFigures))
	default:
		r.node = &policies.NodeLoad{Capacity: readLoad(&d), Used: readLoad(&d)}
	}
	for range length(&d, 1) {
		r.gone = append(r.gone, shardID(d.Uint(), &d))
	}
	for range length(&d, copyFigures) {
		key := d.Uint()
		c := CopyLoad{Shard: shardID(key>>1, &d), Primary: key&1 == 1}
		c.Cost.CPU, c.Apply = readFigure(&d)/micro, readFigure(&d)/micro
		c.Cost.Memory, c.Cost.Disk = readFigure(&d), readFigure(&d)
		r.copies = append(r.copies, c)
	}
	return r, done(&d, err)
}

func shardID(v uint64, d *wire.Decoder) shards.ShardID {
	if v > math.MaxUint32 {
		d.Refuse("a shard's id of more than 32 bits")
	}
	return shards.ShardID(v)
}

// length begins a list of entries of so many values each.
func length(d *wire.Decoder, each int) int {
	n := d.Array()
	if d.Err() == nil && (n%each != 0 || n/each > maxCopies) {
		d.Refuse(fmt.Sprintf("a list of %d values; up to %d entries of %d are taken", n, maxCopies, each))
	}
	if d.Err() != nil {
		return 0
	}
	return n / each
}

func readLoad(d *wire.Decoder) policies.Load {
	return policies.Load{CPU: readFigure(d) / micro, Memory: readFigure(d), Disk: readFigure(d)}
}

func readFigure(d *wire.Decoder) float64 {
	v := d.Uint()
	if v > maxFigure {
		d.Refuse("a figure outside its bounds")
		return 0
	}
	return float64(v)
}

// reported takes a member's report, if this node leads.
func (m *Member) reported(peer transport.Hello, r report, err error) {
	switch {
	case err != nil:
		m.complain(peer, err)
	case m.reign != nil:
		m.take(peer.Node, peer.Epoch, &r)
	}
}
