package abi

import (
	"encoding/binary"
	"fmt"
)

// ChangeSize is the length of one Change in bytes.
const ChangeSize = 8

// Change names a value that the host has just changed in the guest's image. A list of them is what pol_delta is given:
//
//	number of the column u16 │ 0 u16 │ row u32
//
// for guests that keep figures of their own, derived from the image. The others read the image anew at each question.
type Change struct {
	Column Column
	Row    uint32
}

// AppendChanges adds the bytes of a list to out.
func AppendChanges(out []byte, changes []Change) []byte {
	for _, c := range changes {
		out = binary.LittleEndian.AppendUint16(out, uint16(c.Column))
		out = append(out, 0, 0)
		out = binary.LittleEndian.AppendUint32(out, c.Row)
	}
	return out
}

// ReadChanges is its counterpart.
func ReadChanges(data []byte) ([]Change, error) {
	if len(data)%ChangeSize != 0 {
		return nil, fmt.Errorf("abi: a list of changes of %d bytes; must be a multiple of %d", len(data), ChangeSize)
	}
	var out []Change
	for at := 0; at < len(data); at += ChangeSize {
		if pad := binary.LittleEndian.Uint16(data[at+2:]); pad != 0 {
			return nil, fmt.Errorf("abi: change %d has %#x where 0 must be", at/ChangeSize, pad)
		}
		out = append(out, Change{Column(binary.LittleEndian.Uint16(data[at:])), binary.LittleEndian.Uint32(data[at+4:])})
	}
	return out, nil
}
