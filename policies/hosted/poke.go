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

// U8 writes a value of the image, and lists it, if it is another than it was. So do the others.
func (b *board) U8(c abi.Column, row int, v uint8) {
	if values := b.values[c]; values != nil && values[row] != v {
		values[row] = v
		b.log = append(b.log, abi.Change{Column: c, Row: uint32(row)})
	}
}

// U32 is a canvas's.
func (b *board) U32(c abi.Column, row int, v uint32) {
	if values := b.values[c]; values != nil {
		if at := values[4*row:]; binary.LittleEndian.Uint32(at) != v {
			binary.LittleEndian.PutUint32(at, v)
			b.log = append(b.log, abi.Change{Column: c, Row: uint32(row)})
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
			b.log = append(b.log, abi.Change{Column: c, Row: uint32(row + i)})
		}
	}
}

func (b *board) u64(c abi.Column, row int, v uint64) {
	if values := b.values[c]; values != nil {
		if at := values[8*row:]; binary.LittleEndian.Uint64(at) != v {
			binary.LittleEndian.PutUint64(at, v)
			b.log = append(b.log, abi.Change{Column: c, Row: uint32(row)})
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
