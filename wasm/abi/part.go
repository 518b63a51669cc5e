package abi

import (
	"encoding/binary"
	"slices"
)

// A Part is some columns of an Image, laid out as an image of their own:
//
//	whole   head │ a │ b │ c │ d │ e         made once for all guests
//	part    head │ b │ e                     what one of them needs, copied straight into its memory
//
// The values stay the Image's: Write copies those of the moment.
type Part struct {
	whole  *Image
	head   []byte
	size   int
	places [columns]uint32 // offsets in the part; 0: it does not have the column
	pieces []piece
}

// piece is a column: where it is in the whole, where in the part, and how long.
type piece struct{ from, to, length uint32 }

// Part makes one of the columns that needs names, with what belongs to them, as far as the image has them.
func (m *Image) Part(needs []Column) (*Part, error) {
	declared, err := complete(needs)
	if err != nil {
		return nil, err
	}
	declared = slices.DeleteFunc(declared, func(c Column) bool { return !m.Has(c) })
	p := &Part{whole: m, size: int(aligned(uint64(HeaderSize + EntrySize*len(declared))))}
	p.head = append([]byte(nil), m.data[:HeaderSize]...)
	binary.LittleEndian.PutUint32(p.head[32:], uint32(len(declared)))
	entry := HeaderSize
	for _, c := range declared {
		at := &m.places[c]
		for Column(binary.LittleEndian.Uint16(m.data[entry:])) != c { // both are sorted
			entry += EntrySize
		}
		p.head = append(p.head, m.data[entry:entry+EntrySize]...)
		binary.LittleEndian.PutUint32(p.head[len(p.head)-EntrySize+4:], uint32(p.size))
		length := at.values * uint32(at.kind.Size())
		p.places[c] = uint32(p.size)
		p.pieces = append(p.pieces, piece{at.offset, uint32(p.size), length})
		p.size = int(aligned(uint64(p.size) + uint64(length)))
	}
	return p, nil
}

// Size is the length of the part in bytes.
func (p *Part) Size() int { return p.size }

// Write puts the part into memory of that length.
func (p *Part) Write(memory []byte) {
	clear(memory[copy(memory, p.head):aligned(uint64(len(p.head)))])
	p.Stamp(memory)
	for _, x := range p.pieces {
		n := copy(memory[x.to:p.size], p.whole.data[x.from:x.from+x.length])
		clear(memory[int(x.to)+n : aligned(uint64(x.to)+uint64(n))])
	}
}

// Stamp puts the epoch that the whole now has into memory that Write has filled.
func (p *Part) Stamp(memory []byte) { copy(memory[8:16], p.whole.data[8:16]) }

// Has says whether the part has a column.
func (p *Part) Has(c Column) bool { return c < columns && p.places[c] != 0 }

// Copy puts some values of a column, as they now are in the whole, into memory that Write has filled, and says whether the part has the column.
func (p *Part) Copy(memory []byte, c Column, rows []uint32) bool {
	if !p.Has(c) {
		return false
	}
	at := &p.whole.places[c]
	size := uint32(at.kind.Size())
	from, to := p.whole.data[at.offset:][:at.values*size], memory[p.places[c]:][:at.values*size]
	switch size {
	case 4:
		for _, row := range rows {
			*(*[4]byte)(to[4*row:]) = [4]byte(from[4*row:])
		}
	case 8:
		for _, row := range rows {
			*(*[8]byte)(to[8*row:]) = [8]byte(from[8*row:])
		}
	default:
		for _, row := range rows {
			to[row] = from[row]
		}
	}
	return true
}
