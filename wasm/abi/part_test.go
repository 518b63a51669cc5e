package abi

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// A part is the image that a builder makes which was told no more; after changes as well.
func TestPartIsTheImageOfItsColumns(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	counts := Counts{Nodes: 5, Keyspaces: 2, Shards: 9, Slots: 8}
	fill := func(needs []Column, seed uint64) *Image {
		b, err := NewBuilder(counts, 7, needs)
		if err != nil {
			t.Fatal(err)
		}
		dice := rand.New(rand.NewPCG(seed, 1))
		for _, s := range Specs() {
			n, known := counts.rows(s.Table)
			for row := 0; known && s.Table != NodeOffsets && row < int(n); row++ {
				v := dice.Uint32()
				switch {
				case s.Text:
				case s.Points != 0:
					limit, _ := counts.rows(s.Points)
					b.Row(s.ID, row, int(v)%int(limit))
				case s.Type == U8:
					b.U8(s.ID, row, uint8(v))
				case s.Type == U32:
					b.U32(s.ID, row, v)
				case s.Type == I64:
					b.I64(s.ID, row, int64(v))
				case s.Type == F64:
					b.F64(s.ID, row, float64(v))
				}
			}
		}
		m, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for range 200 {
		seed := dice.Uint64()
		all := All()
		dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		needs := all[:dice.IntN(len(all)+1)]
		whole, alone := fill(nil, seed), fill(slices.Clone(needs), seed)
		p, err := whole.Part(needs)
		if err != nil {
			t.Fatal(err)
		}
		memory := bytes.Repeat([]byte{0xaa}, p.Size())
		p.Write(memory)
		if !bytes.Equal(memory, alone.Bytes()) {
			t.Fatalf("the part of %v differs from the image of it", needs)
		}
		for _, s := range Specs() {
			if s.Text || whole.Rows(s.ID) == 0 || s.Points != 0 {
				continue
			}
			rows := []uint32{uint32(dice.IntN(whole.Rows(s.ID))), uint32(dice.IntN(whole.Rows(s.ID)))}
			has := false
			for _, row := range rows {
				put(whole, s.ID, int(row))
				has = put(alone, s.ID, int(row))
			}
			if p.Copy(memory, s.ID, rows) != has {
				t.Fatalf("%v: it has the column, and it has not", s.ID)
			}
		}
		if !bytes.Equal(memory, alone.Bytes()) {
			t.Fatalf("after changes the part of %v differs from the image of it", needs)
		}
	}
	if _, err := fill(nil, 1).Part([]Column{columns - 1}); err == nil {
		t.Error("a column that nobody knows was taken")
	}
}

// put writes 77, as a column has it.
func put(m *Image, c Column, row int) (has bool) {
	switch c.spec().Type {
	case U8:
		_, has = m.PutU8(c, row, 77)
	case U32:
		_, has = m.PutU32(c, row, 77)
	case I64:
		_, has = m.PutI64(c, row, 77)
	case F64:
		_, has = m.PutF64(c, row, 77)
	}
	return has
}
