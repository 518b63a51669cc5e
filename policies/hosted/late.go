package hosted

import (
	"bytes"

	"github.com/troupe-actors/troupe/policies"
)

// late is what has changed, and is not in the image yet as it is: rows of shards, and sums of nodes. A guest of the house looks at no shard but
// the one that it is asked about, so that it is enough to write that one before; and asked about one node, by meter, at the sums of no node but
// that one and those with a copy of the shard.
//
//	rows that differ ──► late ──► of the shard in question: written, and listed for the guests
//	nodes touched    ──► late ──► asked about one node: of that, and of those that have the shard; about all: of all
//
// What changes twice before somebody asks about it is written once, and what nobody asks about never. Others' guests may look at any
// shard and node, and find each copy in the slot where it was: where there is one, all is written at once.
type late struct {
	on    bool
	is    []bool  // by place of the shard
	nodes []byte  // by place: 1 if its sums may be others
	some  bool    // some node's may
	cells []bool  // by keyspace, then node: the same of its copies there
	list  []int32 // those cells
}

// put adds rows.
func (l *late) put(rows ...int32) {
	for _, i := range rows {
		l.is[i] = true
	}
}

// touch adds a node.
func (l *late) touch(n int32) { l.nodes[n], l.some = 1, true }

// cell adds a node of one keyspace.
func (l *late) cell(at int) {
	if !l.cells[at] {
		l.cells[at] = true
		l.list = append(l.list, int32(at))
	}
}

// clear is for an image that has been drawn, of so many shards: nothing is late.
func (l *late) clear(shards int) {
	if l.on {
		l.is = make([]bool, shards)
	}
}

// begin is for sums that have all been written, of so many nodes, and cells.
func (l *late) begin(nodes, cells int) {
	if !l.on {
		return
	}
	l.written()
	if l.some = false; len(l.nodes) != nodes || len(l.cells) != cells {
		l.nodes, l.cells = make([]byte, nodes), make([]bool, cells)
	}
	clear(l.nodes)
}

// written says that all cells have been.
func (l *late) written() {
	for _, at := range l.list {
		l.cells[at] = false
	}
	l.list = l.list[:0]
}

// catchUp writes the row of a shard, if it is late.
func (b *board) catchUp(shard int) {
	if !b.shy.on || b.copies == nil || !b.shy.is[shard] {
		return
	}
	r := &b.view.State.Shards[shard]
	if len(r.Copies) > b.slots {
		b.err = b.draw()
		return
	}
	b.shy.is[shard] = false
	b.put(r, shard, b.sit(shard, r))
}

// sumUp writes all sums that are late.
func (b *board) sumUp() {
	if !b.shy.some {
		return
	}
	b.shy.some = false
	for at := 0; ; at++ {
		next := bytes.IndexByte(b.shy.nodes[at:], 1)
		if next < 0 {
			break
		}
		at += next
		b.shy.nodes[at] = 0
		b.sum(at)
	}
	for _, at := range b.shy.list {
		b.spread(int(at))
	}
	b.shy.written()
}

// sumOf writes the sums of a node, if they are late.
func (b *board) sumOf(n int) {
	if b.shy.some && b.shy.nodes[n] != 0 {
		b.shy.nodes[n] = 0
		b.sum(n)
	}
}

// sumAbout writes the sums that have to do with a question about one node.
func (b *board) sumAbout(q *policies.Question, node int) {
	if !b.shy.some {
		return
	}
	first := b.view.Keyspace(q.Keyspace.ID) * len(b.view.Nodes)
	write := func(n int) {
		if b.sumOf(n); len(b.shy.list) > 0 {
			b.spread(first + n)
		}
	}
	write(node)
	for i := range q.Shard.Copies {
		if n := b.view.Node(q.Shard.Copies[i].Node); n >= 0 {
			write(n)
		}
	}
}
