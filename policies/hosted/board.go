package hosted

import (
	"math"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// board is what the guests of one set look at: the view as columns, made once when the view changes, of which each guest is
// given its part. A row that changes afterwards is put into the columns once, and listed for the guests:
//
//	view ──► image  node_flags │ node_copies │ … │ copy_node │ copy_flags
//	            │                    │                  │
//	            │   Changed(shard) ──┴── node_copies 3 …, copy_node 17 … ──► each guest, before its next question
//	            └──► parts
//
// A copy keeps its slot for as long as it exists; the slots of those that are gone are taken again. Of a view that was made from the last one,
// or from one shortly after it, only values that differ are written, and listed as well (mend); the image is what it would be otherwise, byte for
// byte.
type board struct {
	needs   []abi.Column // of all guests
	view    *policies.View
	image   *abi.Image
	builder *abi.Builder    // that made it, and makes the next one
	epoch   uint64          // of the image
	layout  uint64          // the epoch in which it was drawn: where its columns lie
	pokes                   // what has been written into it since it was drawn
	heard   int             // changes that were told, since the image was made
	slots   int             // of each shard
	copies  []shards.CopyID // by slot; nil if no column needs them
	seats   []shards.CopyID // its room, which is used again
	homes   []int32         // the nodes of copies, by slot
	sums    []sums          // by node, as they are in the image
	counted int             // rows of State.Rebalances that are in the image
	touched int             // how many of View.Touched are
	first   []int           // by keyspace's number: the place of its first shard
	err     error           // why there is no image
	values  [][]byte        // of the image's columns, by number
	shy     late            // rows of shards that are not in the image yet as they are
	drawn   int             // needs when it was drawn
	timed   bool            // shards had times then that change by themselves
	words   words           // that were drawn
}

// words are what has texts in an image.
type words struct {
	members   []cluster.Member
	keyspaces []cluster.Keyspace
	reasons   []string // of members; nil: nobody reads them
}

// usualSlots is the room for the copies of a shard. Where keyspaces want more than half of that, it is doubled until they have
// it: when all copies of a shard move at once there are two of each.
const usualSlots = 8

// maxLog bounds the lists of changes. One more, and they begin anew: all guests get their parts whole.
const maxLog = 1 << 18

// need adds a column to those that are drawn.
func (b *board) need(c abi.Column) {
	if at, found := slices.BinarySearch(b.needs, c); !found {
		b.needs = slices.Insert(b.needs, at, c)
	}
}

// look makes the image of a view, if it is another than before.
func (b *board) look(v *policies.View) error {
	if b.view == v {
		return b.err
	}
	rows, some := b.differ(v)
	b.view, b.heard = v, 0
	if some {
		b.mend(rows)
		return nil
	}
	b.slots = slotsOf(v.State)
	b.err = b.draw()
	return b.err
}

// slotsOf is the room for the copies of a shard, unless one has more.
func slotsOf(s *cluster.State) int {
	slots := usualSlots
	for i := range s.Keyspaces {
		for slots < 2*s.Keyspaces[i].Copies() {
			slots *= 2
		}
	}
	return slots
}

// differ lists the rows, ascending, that are others in a view than when the image was made; some is false if there is more to it than that, or
// it is not known.
func (b *board) differ(v *policies.View) (rows []int32, some bool) {
	if b.view == nil || b.image == nil || b.err != nil || len(b.needs) != b.drawn || b.slots != slotsOf(v.State) || !b.words.same(v) {
		return nil, false
	}
	times := len(v.Setbacks()) + len(v.State.Rebalances)
	if b.timed || times > 0 && (b.image.Has(abi.ShardSetback) || b.image.Has(abi.ShardRebalanced)) {
		return nil, false
	}
	if rows, some = v.Since(b.view); !some {
		return nil, false
	}
	rows = ascending(rows, len(v.State.Shards))
	return rows, !slices.ContainsFunc(rows, func(i int32) bool { return len(v.State.Shards[i].Copies) > b.slots })
}

// ascending sorts places below a number, each once, in time that grows with the number alone: plans of tens of thousands of moves lead here.
func ascending(places []int32, below int) []int32 {
	named, count := make([]bool, below), 0
	for _, i := range places {
		if !named[i] {
			named[i] = true
			count++
		}
	}
	sorted := make([]int32, 0, count)
	for i, is := range named {
		if is {
			sorted = append(sorted, int32(i))
		}
	}
	return sorted
}

// wordsOf are those of a view.
func wordsOf(v *policies.View, reasons bool) words {
	w := words{members: v.State.Members, keyspaces: v.State.Keyspaces}
	for i := 0; i < len(v.Nodes) && reasons; i++ {
		w.reasons = append(w.reasons, v.Nodes[i].Evidence.Reason)
	}
	return w
}

// same says whether a view says the same in words.
func (w *words) same(v *policies.View) bool {
	for i := range w.reasons {
		if i >= len(v.Nodes) || v.Nodes[i].Evidence.Reason != w.reasons[i] {
			return false
		}
	}
	return (cluster.Same(w.members, v.State.Members) || slices.EqualFunc(w.members, v.State.Members, func(a, b cluster.Member) bool {
		return a.ID == b.ID && a.Name == b.Name && a.Host == b.Host && a.Peer == b.Peer && a.Release == b.Release &&
			(cluster.Same(a.Attributes, b.Attributes) || slices.Equal(a.Attributes, b.Attributes))
	})) && slices.EqualFunc(w.keyspaces, v.State.Keyspaces, func(a, b cluster.Keyspace) bool { return a.Name == b.Name })
}

// mend makes the image as draw would, by the values that differ.
func (b *board) mend(rows []int32) {
	b.turn()
	if b.long(maxLog / 2) {
		b.relog(b.epoch)
	}
	p := painter{b, b, b.view}
	p.globals()
	p.nodes()
	p.keyspaces()
	b.add()
	if b.copies == nil {
		return
	}
	if b.shy.on {
		b.shy.put(rows...)
		return
	}
	for _, i := range rows {
		r := &b.view.State.Shards[i]
		b.put(r, int(i), b.sit(int(i), r))
	}
}

// turn begins an epoch of the image as it is.
func (b *board) turn() {
	b.epoch++
	b.image.Renumber(b.epoch)
}

// draw makes the image.
func (b *board) draw() error {
	b.epoch++
	b.relog(b.epoch)
	b.layout, b.copies = b.epoch, nil
	s, shard := b.view.State, 0
	b.first = b.first[:0]
	for i := range s.Keyspaces {
		for len(b.first) <= int(s.Keyspaces[i].ID) {
			b.first = append(b.first, shard)
		}
		shard += s.Keyspaces[i].Shards
	}
	for i := range s.Shards {
		for b.slots < len(s.Shards[i].Copies) {
			b.slots *= 2
		}
	}
	counts := abi.Counts{Nodes: len(s.Members), Keyspaces: len(s.Keyspaces), Shards: len(s.Shards), Slots: b.slots}
	x, err := b.builder, error(nil)
	if b.builder = nil; x != nil {
		err = x.Reset(counts, b.epoch, b.needs)
	} else {
		x, err = abi.NewBuilder(counts, b.epoch, b.needs)
	}
	if err != nil {
		return err
	}
	p := painter{b, x, b.view}
	p.globals()
	p.nodes()
	p.keyspaces()
	b.add()
	if b.needsAny(abi.Copies, abi.Shards) || b.moves() {
		b.seat()
		b.shy.clear(len(s.Shards))
		p.shards(x)
	}
	b.words = wordsOf(b.view, x.Has(abi.NodeReason))
	b.drawn, b.timed = len(b.needs), (x.Has(abi.ShardSetback) || x.Has(abi.ShardRebalanced)) && len(b.view.Setbacks())+len(s.Rebalances) > 0
	return b.finish(x)
}

// finish lays the image out.
func (b *board) finish(x *abi.Builder) (err error) {
	var room []byte
	if b.image != nil {
		room = b.image.Bytes() // guests have parts of the last image, and get others
	}
	if b.image, err = x.FinishIn(room); err != nil {
		return err
	}
	b.builder = x
	b.values = make([][]byte, specs[len(specs)-1].ID+1)
	b.begin(len(b.values))
	for c := range b.values {
		b.values[c] = b.image.Values(abi.Column(c))
	}
	return nil
}

// needsAny says whether a column of these tables is looked at.
func (b *board) needsAny(tables ...abi.Table) bool {
	return slices.ContainsFunc(b.needs, func(c abi.Column) bool { return slices.Contains(tables, spec(c).Table) })
}

// moves says whether a column is looked at that can change while a plan is made.
func (b *board) moves() bool {
	return slices.ContainsFunc(b.needs, func(c abi.Column) bool { return spec(c).Moves })
}

var specs = abi.Specs()

func spec(c abi.Column) *abi.Spec {
	at, _ := slices.BinarySearchFunc(specs, c, func(s abi.Spec, c abi.Column) int { return int(s.ID) - int(c) })
	return &specs[at]
}

// seat gives every copy a slot.
func (b *board) seat() {
	s := b.view.State
	if size := len(s.Shards) * b.slots; cap(b.seats) < size {
		b.seats, b.homes = make([]shards.CopyID, size), make([]int32, size)
	} else {
		b.seats, b.homes = b.seats[:size], b.homes[:size]
	}
	b.copies = b.seats
	for i := range s.Shards {
		b.sit(i, &s.Shards[i])
	}
}

// sit gives the copies of a shard the first of its slots, and says how many of these are, or were, taken.
func (b *board) sit(i int, r *cluster.Shard) (used int) {
	row, homes := b.copies[i*b.slots:][:b.slots], b.homes[i*b.slots:][:b.slots]
	for at := range r.Copies {
		c := &r.Copies[at]
		row[at] = c.ID
		if n := int(homes[at]); n < 0 || n >= len(b.view.Nodes) || b.view.Nodes[n].ID != c.Node { // most are where they were
			homes[at] = int32(b.view.Node(c.Node))
		}
	}
	used = len(r.Copies)
	for at := used; at < len(row); at++ {
		if row[at] != 0 {
			row[at], used = 0, at+1
		}
	}
	return used
}

// place is where the shard of a question is in the table.
func (b *board) place(q *policies.Question) int {
	return b.first[q.Keyspace.ID] + q.Shard.ID.Index()
}

// slot is the row of a copy in the table Copies, or abi.NoCopy.
func (b *board) slot(shard int, id shards.CopyID) int {
	if id != 0 && b.copies != nil {
		row := b.copies[shard*b.slots:][:b.slots]
		for at := range row {
			if row[at] == id {
				return shard*b.slots + at
			}
		}
	}
	return abi.NoCopy
}

// changed takes a row that is another now, and the sums of the nodes that have to do with it. Each guest tells of each change:
// who is the first to tell of it has it taken.
func (b *board) changed(v *policies.View, shard int, told int) {
	if v != b.view || b.image == nil || told <= b.heard {
		return
	}
	b.heard = told
	if b.copies == nil {
		return
	}
	if b.long(maxLog) {
		b.turn()
		b.relog(b.epoch)
	}
	r := &v.State.Shards[shard]
	if b.shy.on {
		b.shy.put(int32(shard))
		b.total(r.ID.Keyspace(), v.Touched()[b.touched:])
		return
	}
	var nodes [2 * usualSlots]int32
	touched := nodes[:0]
	row, used := b.copies[shard*b.slots:][:b.slots], 0
	for at, id := range row {
		if id != 0 {
			used = at + 1
			touched = append(touched, b.homes[shard*b.slots+at])
			if r.Copy(id) == nil {
				row[at] = 0
			}
		}
	}
	for at := range r.Copies {
		c := &r.Copies[at]
		if slices.Contains(row, c.ID) {
			continue
		}
		free := slices.Index(row, 0)
		if free < 0 {
			b.err = b.draw()
			return
		}
		n := int32(v.Node(c.Node))
		row[free], b.homes[shard*b.slots+free] = c.ID, n
		used, touched = max(used, free+1), append(touched, n)
	}
	b.put(r, shard, used)
	b.total(r.ID.Keyspace(), touched)
}

// total takes what is added up for the nodes that have to do with a row of a keyspace, and for all.
func (b *board) total(keyspace shards.KeyspaceID, touched []int32) {
	v := b.view
	k := v.Keyspace(keyspace)
	cells := b.values[abi.KeyspaceNodeCopies] != nil || b.values[abi.KeyspaceNodePrimaries] != nil
	for _, n := range touched {
		switch cell := k*len(v.Nodes) + int(n); {
		case n < 0:
		case b.shy.on:
			if b.shy.touch(n); cells {
				b.shy.cell(cell)
			}
		default:
			b.sum(int(n))
			b.spread(cell)
		}
	}
	b.touched = len(v.Touched())
	b.U32(abi.Relocating, 0, uint32(v.Relocating))
	b.U32(abi.Unled, 0, uint32(v.Unled))
	b.U32(abi.Unwhole, 0, uint32(v.Unwhole))
	if n := len(v.State.Rebalances); n != b.counted {
		b.counted = n
		b.rebalanced(-1, abi.Rebalanced, 0)
		b.rebalanced(k, abi.KeyspaceRebalanced, k)
	}
}

// put writes a row of the shard table, and its copies. No slot from used on is taken, or was.
func (b *board) put(r *cluster.Shard, shard, used int) {
	b.U32(abi.ShardPrimary, shard, uint32(b.slot(shard, r.Primary)))
	b.U32(abi.ShardHandTo, shard, uint32(b.slot(shard, r.HandTo)))
	b.U32(abi.ShardFailures, shard, r.Failures)
	b.U32(abi.ShardCopies, shard, uint32(len(r.Copies)))
	if b.values[abi.ShardRebalanced] != nil {
		b.u64(abi.ShardRebalanced, shard, uint64(seconds(b.view.Moved(r.ID))))
	}
	for row := shard * b.slots; row < shard*b.slots+used; row++ {
		home, flags, source := -1, uint8(0), abi.NoCopy
		if id := b.copies[row]; id != 0 {
			c := r.Copy(id)
			home, flags, source = int(b.homes[row]), copyFlags(c), b.slot(shard, c.Source)
		}
		b.U32(abi.CopyNode, row, uint32(home))
		b.U32(abi.CopySource, row, uint32(source))
		b.U8(abi.CopyFlags, row, flags)
		b.u64(abi.CopyID, row, uint64(b.copies[row]))
	}
}

// summed are the columns of what is added up for a node and changes with rows: counts, and then loads.
var summed = [...]abi.Column{abi.NodeCopies, abi.NodePrimaries, abi.NodeIncoming, abi.NodeOutgoing, abi.NodeOpening,
	abi.NodeComingCPU, abi.NodeComingMemory, abi.NodeComingDisk, abi.NodeLeavingCPU, abi.NodeLeavingMemory, abi.NodeLeavingDisk}

// sums are the values of a node in these columns, as bits. They lie beside each other, and the columns do not: of most nodes that a changed row
// has to do with, nothing is another.
type sums [len(summed)]uint64

func sumsOf(n *policies.Node) sums {
	c, l, bits := &n.Coming, &n.Leaving, math.Float64bits
	return sums{uint64(n.Copies), uint64(n.Primaries), uint64(n.Incoming), uint64(n.Outgoing), uint64(n.Opening),
		bits(c.CPU), bits(c.Memory), bits(c.Disk), bits(l.CPU), bits(l.Memory), bits(l.Disk)}
}

// add takes the sums that the image has been given.
func (b *board) add() {
	b.sums, b.counted, b.touched = b.sums[:0], len(b.view.State.Rebalances), len(b.view.Touched())
	for n := range b.view.Nodes {
		b.sums = append(b.sums, sumsOf(&b.view.Nodes[n]))
	}
	b.shy.begin(len(b.sums), len(b.sums)*len(b.view.Spread))
}

// sum writes what is added up for a node.
func (b *board) sum(n int) {
	now, was := sumsOf(&b.view.Nodes[n]), &b.sums[n]
	if now == *was {
		return
	}
	for i, c := range summed {
		if now[i] == was[i] {
			continue
		}
		if c >= abi.NodeComingCPU && c <= abi.NodeLeavingDisk {
			b.u64(c, n, now[i])
		} else {
			b.U32(c, n, uint32(now[i]))
		}
	}
	*was = now
}

// spread writes what is added up for a node of one keyspace.
func (b *board) spread(cell int) {
	k, n := cell/len(b.view.Nodes), cell%len(b.view.Nodes)
	b.U32(abi.KeyspaceNodeCopies, cell, uint32(b.view.Spread[k].Copies[n]))
	b.U32(abi.KeyspaceNodePrimaries, cell, uint32(b.view.Spread[k].Primaries[n]))
}

// rebalanced writes what has begun to move for balance, into the first column and the two that follow it.
func (b *board) rebalanced(place int, first abi.Column, row int) {
	if b.values[first] == nil && b.values[first+1] == nil && b.values[first+2] == nil {
		return
	}
	r := b.view.Rebalanced(place)
	b.U32(first, row, uint32(r.Copies))
	b.F64(first+1, row, r.Bytes)
	b.u64(first+2, row, uint64(seconds(r.Until)))
}
