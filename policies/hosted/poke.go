package hosted

import (
	"encoding/binary"
	"math"

	"github.com/troupe-actors/troupe/wasm/abi"
)

// canvas is what a painter writes to: a Builder, for an image that is drawn, or the board, for one that is mended.
type canvas interface {
	U8(c abi.Column, row int, v uint8)
	U32(c abi.Column, row int, v uint32)
	U32s(c abi.Column, row int, list []int)
	I64(c abi.Column, row int, v int64)
	F64(c abi.Column, row int, v float64)
	Text(c abi.Column, row int, v string)
	Attribute(node int, name, value string)
}

// pokes list the values that have been written into the image as it lay, for guests to copy: by column, so that each reads what it needs, and
// nothing else.
//
//	copy_node      17 18 42 │ 43            │ how far a guest has read
//	node_incoming  3 │ 3 7
type pokes struct {
	rows    [][]uint32   // by column: the rows whose values were written, in that order
	all     []abi.Change // the same of all columns, in order: only where a guest is told of each
	told    bool         // there is one that is: it exports pol_delta
	noted   int          // how many there have ever been
	before  int          // of these, before the lists began
	logged  uint64       // the epoch of the image in which they began
	stirred []uint64     // by column: the newest epoch in which a value was written
}

// begin makes room for columns up to a number.
func (p *pokes) begin(columns int) {
	if len(p.rows) < columns {
		p.rows = make([][]uint32, columns)
	}
	p.stirred = make([]uint64, columns)
}

// note lists a value that has been written.
func (p *pokes) note(epoch uint64, c abi.Column, row int) {
	p.stirred[c] = epoch
	p.rows[c] = append(p.rows[c], uint32(row))
	p.noted++
	if p.told {
		p.all = append(p.all, abi.Change{Column: c, Row: uint32(row)})
	}
}

// long says whether the lists have more than so many values.
func (p *pokes) long(most int) bool { return p.noted-p.before > most }

// relog begins the lists anew.
func (p *pokes) relog(epoch uint64) {
	for c := range p.rows {
		p.rows[c] = p.rows[c][:0]
	}
	p.all, p.before, p.logged = p.all[:0], p.noted, epoch
}

// U8 writes a value of the image, and lists it, if it is another than it was. So do the others.
func (b *board) U8(c abi.Column, row int, v uint8) {
	if values := b.values[c]; values != nil && values[row] != v {
		values[row] = v
		b.note(b.epoch, c, row)
	}
}

// U32 is a canvas's.
func (b *board) U32(c abi.Column, row int, v uint32) {
	if values := b.values[c]; values != nil {
		if at := values[4*row:]; binary.LittleEndian.Uint32(at) != v {
			binary.LittleEndian.PutUint32(at, v)
			b.note(b.epoch, c, row)
		}
	}
}

// U32s is a canvas's.
func (b *board) U32s(c abi.Column, row int, list []int) {
	values := b.values[c]
	if values == nil {
		return
	}
	values = values[4*row:][:4*len(list)]
	for i, v := range list {
		if at := values[4*i:]; binary.LittleEndian.Uint32(at) != uint32(v) {
			binary.LittleEndian.PutUint32(at, uint32(v))
			b.note(b.epoch, c, row+i)
		}
	}
}

func (b *board) u64(c abi.Column, row int, v uint64) {
	if values := b.values[c]; values != nil {
		if at := values[8*row:]; binary.LittleEndian.Uint64(at) != v {
			binary.LittleEndian.PutUint64(at, v)
			b.note(b.epoch, c, row)
		}
	}
}

// I64 is a canvas's.
func (b *board) I64(c abi.Column, row int, v int64) { b.u64(c, row, uint64(v)) }

// F64 is a canvas's.
func (b *board) F64(c abi.Column, row int, v float64) { b.u64(c, row, math.Float64bits(v)) }

// Text is a canvas's: words are others in an image that is drawn alone.
func (b *board) Text(abi.Column, int, string) {}

// Attribute is a canvas's, as Text.
func (b *board) Attribute(int, string, string) {}
