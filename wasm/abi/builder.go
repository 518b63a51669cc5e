package abi

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Builder makes an Image: declare, set in any order, Finish; for another one, Reset. Setting a column that was not declared does nothing, so that a
// host writes all that it knows and the guest's needs decide what is kept. What is not set is 0; what points to a row is None.
type Builder struct {
	counts     Counts
	epoch      uint64
	declared   []Column
	values     [columns][]byte // of the columns whose length is known
	words      map[string]uint32
	starts     []uint32
	text       []byte
	attributes []attribute
}

type attribute struct {
	node        int
	name, value uint32
}

// NewBuilder declares the columns of an image, nil for all. What belongs together comes together: strings with the first
// column of text, names and values of attributes with node_attributes.
func NewBuilder(counts Counts, epoch uint64, needs []Column) (*Builder, error) {
	b := &Builder{words: map[string]uint32{}}
	if err := b.Reset(counts, epoch, needs); err != nil {
		return nil, err
	}
	return b, nil
}

// Reset begins anew, as NewBuilder does, in the room that the Builder has. What it has made before stays as it is. After an error it is
// not used again.
func (b *Builder) Reset(counts Counts, epoch uint64, needs []Column) error {
	if err := counts.check(); err != nil {
		return err
	}
	b.counts = counts
	b.begin(epoch)
	if needs == nil {
		needs = All()
	}
	var err error
	if b.declared, err = complete(needs); err != nil {
		return err
	}
	total := uint64(0)
	for _, c := range b.declared {
		n, _ := counts.rows(c.spec().Table)
		total += n * uint64(c.spec().Type.Size())
	}
	if total > MaxImage {
		return fmt.Errorf("abi: an image of %d bytes, over %d; declare fewer columns", total, MaxImage)
	}
	room := b.values
	clear(b.values[:])
	for _, c := range b.declared {
		s := c.spec()
		n, known := counts.rows(s.Table)
		if !known {
			b.values[c] = room[c][:0]
			continue
		}
		b.values[c] = blank(room[c], int(n)*s.Type.Size(), s.Points == Nodes || s.Points == Copies)
	}
	return nil
}

// begin forgets all texts and attributes.
func (b *Builder) begin(epoch uint64) {
	b.epoch = epoch
	clear(b.words)
	b.words[""] = 0
	b.starts, b.text, b.attributes = append(b.starts[:0], 0, 0), b.text[:0], b.attributes[:0]
}

// blank gives so many bytes that are all 0, or all 1 bits, in the room that there is if they fit.
func blank(room []byte, size int, ones bool) []byte {
	if cap(room) < size {
		room = make([]byte, size)
	} else if room = room[:size]; !ones {
		clear(room)
	}
	if ones && size > 0 {
		room[0] = 0xff
		for done := 1; done < size; done *= 2 {
			copy(room[done:], room[:done])
		}
	}
	return room
}

func (c *Counts) check() error {
	for _, n := range []struct {
		what  string
		count int
	}{{"nodes", c.Nodes}, {"keyspaces", c.Keyspaces}, {"shards", c.Shards}, {"slots", c.Slots}} {
		if n.count < 0 || n.count > MaxImage {
			return fmt.Errorf("abi: %d %s; must be from 0 to %d", n.count, n.what, MaxImage)
		}
	}
	return nil
}

// complete adds the columns without which others cannot be read, and sorts them.
func complete(needs []Column) ([]Column, error) {
	out := slices.Clone(needs)
	for _, c := range needs {
		s := c.spec()
		if s == nil {
			return nil, fmt.Errorf("abi: column %d is not known in version %d", c, Version)
		}
		if c == NodeAttributes || c == AttributeName || c == AttributeValue {
			out = append(out, NodeAttributes, AttributeName, AttributeValue, TextStarts, TextContent)
		}
		if s.Text || c == TextStarts || c == TextContent {
			out = append(out, TextStarts, TextContent)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Has says whether a column was declared.
func (b *Builder) Has(c Column) bool { return slices.Contains(b.declared, c) }

// Values are the bytes of a column of as many values as its table has rows, for who sets many; nil if it was not declared.
func (b *Builder) Values(c Column) []byte { return b.values[c] }

// at is the bytes of a value; nil if the column was not declared.
func (b *Builder) at(c Column, row int, t Type) []byte {
	s := c.spec()
	if s == nil || s.Type != t {
		panic(fmt.Sprintf("abi: column %v has no values of type %v", c, t))
	}
	if b.values[c] == nil {
		return nil
	}
	return b.values[c][row*t.Size():][:t.Size()]
}

// U8 sets a value of a column of that type. A row beyond the column panics.
func (b *Builder) U8(c Column, row int, v uint8) {
	if at := b.at(c, row, U8); at != nil {
		at[0] = v
	}
}

// U32 sets a value of a column of that type.
func (b *Builder) U32(c Column, row int, v uint32) {
	if at := b.at(c, row, U32); at != nil {
		binary.LittleEndian.PutUint32(at, v)
	}
}

// U32s sets values of a column of that type, from a row on; each is from 0 to 2^32-1. Rows beyond the column panic.
func (b *Builder) U32s(c Column, row int, list []int) {
	if len(list) == 0 || b.at(c, row+len(list)-1, U32) == nil {
		return
	}
	values := b.values[c][4*row:][:4*len(list)]
	for i, v := range list {
		binary.LittleEndian.PutUint32(values[4*i:], uint32(v))
	}
}

// Row points a value to a row of another table, or, with -1, to none.
func (b *Builder) Row(c Column, row, target int) { b.U32(c, row, uint32(int32(target))) }

// I64 sets a value of a column of that type.
func (b *Builder) I64(c Column, row int, v int64) {
	if at := b.at(c, row, I64); at != nil {
		binary.LittleEndian.PutUint64(at, uint64(v))
	}
}

// F64 sets a value of a column of that type.
func (b *Builder) F64(c Column, row int, v float64) {
	if at := b.at(c, row, F64); at != nil {
		binary.LittleEndian.PutUint64(at, math.Float64bits(v))
	}
}

// Text sets a value of a column of strings.
func (b *Builder) Text(c Column, row int, v string) {
	if at := b.at(c, row, U32); at != nil {
		binary.LittleEndian.PutUint32(at, b.word(v))
	}
}

// Attribute adds an attribute to a node. Those of one node are added in the order of their names, and nodes in theirs.
func (b *Builder) Attribute(node int, name, value string) {
	if !b.Has(NodeAttributes) {
		return
	}
	if last := len(b.attributes) - 1; last >= 0 && b.attributes[last].node > node {
		panic(fmt.Sprintf("abi: an attribute of node %d after one of node %d", node, b.attributes[last].node))
	}
	b.attributes = append(b.attributes, attribute{node, b.word(name), b.word(value)})
}

// word interns a string: the same text has the same number, in the order in which they came.
func (b *Builder) word(text string) uint32 {
	n, known := b.words[text]
	if !known {
		n = uint32(len(b.starts) - 1)
		b.words[text] = n
		b.text = append(b.text, text...)
		b.starts = append(b.starts, uint32(len(b.text)))
	}
	return n
}

// Finish lays the columns out.
func (b *Builder) Finish() (*Image, error) { return b.FinishIn(nil) }

// FinishIn does so in the bytes of an image that is not used any more, if they are enough.
func (b *Builder) FinishIn(room []byte) (*Image, error) {
	b.lay()
	m := &Image{epoch: b.epoch, counts: b.counts}
	size := aligned(uint64(HeaderSize + EntrySize*len(b.declared)))
	for _, c := range b.declared {
		s := c.spec()
		m.places[c] = placed{uint32(size), uint32(len(b.values[c]) / s.Type.Size()), s.Type}
		if size = aligned(size + uint64(len(b.values[c]))); size > MaxImage {
			return nil, fmt.Errorf("abi: an image of more than %d bytes; declare fewer columns", MaxImage)
		}
	}
	if uint64(cap(room)) >= size {
		m.data = room[:size]
	} else {
		m.data = make([]byte, size)
	}
	end := b.head(m)
	for _, c := range b.declared {
		at := int(m.places[c].offset)
		clear(m.data[end:at])
		end = at + copy(m.data[at:], b.values[c])
	}
	clear(m.data[end:])
	return m, nil
}

// lay makes the columns whose length only now is known.
func (b *Builder) lay() {
	if b.Has(NodeAttributes) {
		next := 0
		for node := 0; node <= b.counts.Nodes; node++ {
			b.U32(NodeAttributes, node, uint32(next))
			for ; next < len(b.attributes) && b.attributes[next].node == node; next++ {
				a := &b.attributes[next]
				b.values[AttributeName] = binary.LittleEndian.AppendUint32(b.values[AttributeName], a.name)
				b.values[AttributeValue] = binary.LittleEndian.AppendUint32(b.values[AttributeValue], a.value)
			}
		}
	}
	if b.Has(TextStarts) {
		for _, start := range b.starts {
			b.values[TextStarts] = binary.LittleEndian.AppendUint32(b.values[TextStarts], start)
		}
		b.values[TextContent] = append(b.values[TextContent], b.text...)
	}
}

// head writes what comes before the columns, and gives its length.
func (b *Builder) head(m *Image) int {
	order := binary.LittleEndian
	out := order.AppendUint32(m.data[:0], Magic)
	out = order.AppendUint16(out, Version)
	out = order.AppendUint16(out, HeaderSize)
	out = order.AppendUint64(out, b.epoch)
	for _, n := range []int{b.counts.Nodes, b.counts.Keyspaces, b.counts.Shards, b.counts.Slots, len(b.declared), 0} {
		out = order.AppendUint32(out, uint32(n))
	}
	for _, c := range b.declared {
		s, flags := c.spec(), byte(0)
		if s.Text {
			flags |= entryText
		}
		if s.Moves {
			flags |= entryMoves
		}
		out = append(order.AppendUint16(out, uint16(c)), byte(s.Type), flags)
		out = order.AppendUint32(out, m.places[c].offset)
		out = order.AppendUint32(out, m.places[c].values)
	}
	return len(out)
}

func aligned(n uint64) uint64 { return (n + Alignment - 1) &^ (Alignment - 1) }
