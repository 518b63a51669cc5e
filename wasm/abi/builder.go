package abi

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Builder makes an Image: declare, set in any order, Finish. Setting a column that was not declared does nothing, so that a
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
	if err := counts.check(); err != nil {
		return nil, err
	}
	b := &Builder{counts: counts, epoch: epoch, words: map[string]uint32{"": 0}, starts: []uint32{0, 0}}
	if needs == nil {
		needs = All()
	}
	var err error
	if b.declared, err = complete(needs); err != nil {
		return nil, err
	}
	total := uint64(0)
	for _, c := range b.declared {
		n, _ := counts.rows(c.spec().Table)
		total += n * uint64(c.spec().Type.Size())
	}
	if total > MaxImage {
		return nil, fmt.Errorf("abi: an image of %d bytes, over %d; declare fewer columns", total, MaxImage)
	}
	for _, c := range b.declared {
		s := c.spec()
		n, known := counts.rows(s.Table)
		if !known {
			continue
		}
		b.values[c] = make([]byte, int(n)*s.Type.Size())
		if s.Points == Nodes || s.Points == Copies {
			for i := range b.values[c] {
				b.values[c][i] = 0xff
			}
		}
	}
	return b, nil
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

// Finish lays the columns out. The Builder is not used again.
func (b *Builder) Finish() (*Image, error) {
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
	m.data = make([]byte, size)
	b.head(m)
	for _, c := range b.declared {
		copy(m.data[m.places[c].offset:], b.values[c])
	}
	return m, nil
}

// lay makes the columns whose length only now is known.
func (b *Builder) lay() {
	if b.Has(NodeAttributes) {
		b.values[AttributeName] = []byte{}
		b.values[AttributeValue] = []byte{}
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
		b.values[TextContent] = b.text
	}
}

func (b *Builder) head(m *Image) {
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
}

func aligned(n uint64) uint64 { return (n + Alignment - 1) &^ (Alignment - 1) }
