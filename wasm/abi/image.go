package abi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Sizes of the image's parts, in bytes.
const (
	Magic      = 0x474d4954 // "TIMG", as it stands in memory
	HeaderSize = 40
	EntrySize  = 12
	Alignment  = 64 // of the image in memory, and of each column in it
)

// MaxImage bounds an image: offsets must fit an i32 guest's positive numbers.
const MaxImage = 1<<31 - 1

// ErrImage is wrapped by every error about the bytes of an image.
var ErrImage = errors.New("abi: not an image of version 1")

// Counts are the lengths of the tables. Rows of Copies are Shards times Slots.
type Counts struct {
	Nodes     int
	Keyspaces int
	Shards    int
	Slots     int // copies that one shard has room for
}

// Image is the cluster's state as columns in one piece of bytes:
//
//	  0  magic u32 │ version u16 │ header size u16 │ epoch u64 │ nodes u32 │ keyspaces u32 │ shards u32 │ slots u32
//	 32  columns u32 │ flags u32 (0)
//	 40  directory, one entry for each column, by number:
//	     number u16 │ type u8 │ flags u8 (1 text, 2 moves) │ offset u32 │ values u32
//	     zeroes up to a multiple of 64
//	…    values of the first column, zeroes up to a multiple of 64, values of the second, …
//
// Offsets count from the image's first byte, which lies at a multiple of 64 in the guest's memory. An Image is made by a
// Builder, or by Read, which has looked at every offset and every reference: typed access panics only where an index into a
// slice would.
type Image struct {
	data   []byte
	epoch  uint64
	counts Counts
	places [columns]placed
}

// placed is where a column's values are; type 0: the image does not have it.
type placed struct {
	offset, values uint32
	kind           Type
}

// Flags of a directory entry.
const (
	entryText  = 1
	entryMoves = 2
)

// Bytes is the image itself, which Put keeps up to date. Only the owner of the Image writes to it.
func (m *Image) Bytes() []byte { return m.data }

// Values are the bytes of a column, one value after the other as little endian; nil if the image does not have it. As with Bytes, only the
// owner of the Image writes to them.
func (m *Image) Values(c Column) []byte {
	if !m.Has(c) {
		return nil
	}
	at := &m.places[c]
	length := at.values * uint32(at.kind.Size())
	return m.data[at.offset : at.offset+length : at.offset+length]
}

// Epoch tells images of one host apart.
func (m *Image) Epoch() uint64 { return m.epoch }

// Renumber gives it another epoch: for its owner, who has written other values.
func (m *Image) Renumber(epoch uint64) {
	m.epoch = epoch
	binary.LittleEndian.PutUint64(m.data[8:], epoch)
}

// Counts are the lengths of its tables.
func (m *Image) Counts() Counts { return m.counts }

// Has says whether the image has a column.
func (m *Image) Has(c Column) bool { return c < columns && m.places[c].kind != 0 }

// Rows is how many values a column has, 0 if the image does not have it.
func (m *Image) Rows(c Column) int {
	if c >= columns {
		return 0
	}
	return int(m.places[c].values)
}

// Offset is where a value is, from the image's first byte; ok is false if the image has no such column. A row beyond the
// column panics.
func (m *Image) Offset(c Column, row int) (offset uint32, ok bool) {
	if !m.Has(c) {
		return 0, false
	}
	p := &m.places[c]
	if uint(row) >= uint(p.values) {
		panic(fmt.Sprintf("abi: row %d of column %v, which has %d", row, c, p.values))
	}
	return p.offset + uint32(row*p.kind.Size()), true
}

// at is the bytes of a value that must be there.
func (m *Image) at(c Column, row int, t Type) []byte {
	offset, ok := m.Offset(c, row)
	if !ok || m.places[c].kind != t {
		panic(fmt.Sprintf("abi: column %v is not in the image as %v", c, t))
	}
	return m.data[offset:]
}

// U8 is a value of a column of that type.
func (m *Image) U8(c Column, row int) uint8 { return m.at(c, row, U8)[0] }

// U32 is a value of a column of that type.
func (m *Image) U32(c Column, row int) uint32 { return binary.LittleEndian.Uint32(m.at(c, row, U32)) }

// I64 is a value of a column of that type.
func (m *Image) I64(c Column, row int) int64 {
	return int64(binary.LittleEndian.Uint64(m.at(c, row, I64)))
}

// F64 is a value of a column of that type.
func (m *Image) F64(c Column, row int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(m.at(c, row, F64)))
}

// Row is the row of another table that a value points to, or -1.
func (m *Image) Row(c Column, row int) int {
	if v := m.U32(c, row); v != None {
		return int(v)
	}
	return -1
}

// Text is the string that a value stands for.
func (m *Image) Text(c Column, row int) string { return m.Word(m.U32(c, row)) }

// Word is a string by its number.
func (m *Image) Word(number uint32) string {
	from, to := m.U32(TextStarts, int(number)), m.U32(TextStarts, int(number)+1)
	start := m.places[TextContent].offset
	return string(m.data[start+from : start+to])
}

// Words is the number of strings.
func (m *Image) Words() int { return max(m.Rows(TextStarts)-1, 0) }

// Attribute is a node's attribute by its name.
func (m *Image) Attribute(node int, name string) (value string, found bool) {
	for i := m.U32(NodeAttributes, node); i < m.U32(NodeAttributes, node+1); i++ {
		if m.Text(AttributeName, int(i)) == name {
			return m.Text(AttributeValue, int(i)), true
		}
	}
	return "", false
}

// PutU8 changes a value, and gives the offset at which the guest's image must change too; ok is false, and nothing is
// changed, if the image has no such column.
func (m *Image) PutU8(c Column, row int, v uint8) (offset uint32, ok bool) {
	if !m.Has(c) {
		return 0, false
	}
	m.at(c, row, U8)[0] = v
	return m.Offset(c, row)
}

// PutU32 does the same for a column of that type; -1 of PutRow is None.
func (m *Image) PutU32(c Column, row int, v uint32) (offset uint32, ok bool) {
	if !m.Has(c) {
		return 0, false
	}
	binary.LittleEndian.PutUint32(m.at(c, row, U32), v)
	return m.Offset(c, row)
}

// PutRow points a value to a row of another table, or, with -1, to none.
func (m *Image) PutRow(c Column, row, target int) (offset uint32, ok bool) {
	return m.PutU32(c, row, uint32(int32(target)))
}

// PutI64 does the same for a column of that type.
func (m *Image) PutI64(c Column, row int, v int64) (offset uint32, ok bool) {
	if !m.Has(c) {
		return 0, false
	}
	binary.LittleEndian.PutUint64(m.at(c, row, I64), uint64(v))
	return m.Offset(c, row)
}

// PutF64 does the same for a column of that type.
func (m *Image) PutF64(c Column, row int, v float64) (offset uint32, ok bool) {
	if !m.Has(c) {
		return 0, false
	}
	binary.LittleEndian.PutUint64(m.at(c, row, F64), math.Float64bits(v))
	return m.Offset(c, row)
}

// rows is how long a column of a table must be; known is false where the image itself says it.
func (c *Counts) rows(t Table) (n uint64, known bool) {
	switch t {
	case Global:
		return 1, true
	case Nodes:
		return uint64(c.Nodes), true
	case Keyspaces:
		return uint64(c.Keyspaces), true
	case Shards:
		return uint64(c.Shards), true
	case Copies:
		return uint64(c.Shards) * uint64(c.Slots), true
	case NodesInKey:
		return uint64(c.Nodes) * uint64(c.Keyspaces), true
	case NodeOffsets:
		return uint64(c.Nodes) + 1, true
	}
	return 0, false
}
