package wasm

import (
	"fmt"
	"slices"
)

// Names of what the rewriting exports.
const (
	fuelName   = reserved + ".fuel"
	depthName  = reserved + ".depth"
	globalName = reserved + ".global." // and its number: a mutable global of the guest
)

// Costs that are not one unit for one instruction.
const (
	growCost   = 1024 // of table.grow, and for each page of Limits.Pages of memory.grow: they may move all that there may be
	bulkShift  = 6    // memory.copy, fill, init cost their length divided by 64, above the instruction itself
	frameCells = 2048 // locals and instructions that make a call count as one more level of depth
)

// metering rewrites a module.
type metering struct {
	*parts
	limits Limits
	fuel   uint32 // number of the fuel global
	depth  uint32 // number of the depth global
	wraps  map[string]uint32
	extra  []signature // types added for bodies with several results

	fixed   string // what a snapshot could not restore; "" if it can restore all
	mutable []int  // numbers of the guest's mutable globals
}

// meter returns the module with counters in it, as DESIGN.md draws it. Functions, globals, types and tables keep their
// numbers. What the module held beyond that and the names of its functions (custom sections) stays behind.
func (m *parts) meter(l Limits) ([]byte, *metering, error) {
	w := &metering{parts: m, limits: l, fuel: uint32(len(m.globals)), wraps: map[string]uint32{}}
	w.depth = w.fuel + 1
	code, err := w.code()
	if err != nil {
		return nil, nil, err
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	put := func(id byte, payload []byte) {
		out = appendU32(append(out, id), uint32(len(payload)))
		out = append(out, payload...)
	}
	done := map[byte]bool{}
	replace := map[byte]func() []byte{
		typeSection: w.typeSection, tableSection: w.tableSection, globalSection: w.globalSection, exportSection: w.exportSection,
		codeSection: func() []byte { return code },
	}
	// before writes the sections that are always there and whose place has come.
	before := func(place int) {
		for _, id := range []byte{globalSection, exportSection} {
			if !done[id] && order[id] < place {
				put(id, replace[id]())
				done[id] = true
			}
		}
	}
	for _, s := range m.sections {
		if s.id == customSection {
			continue
		}
		before(order[s.id])
		payload := s.payload
		if changed := replace[s.id]; changed != nil {
			payload = changed()
		}
		put(s.id, payload)
		done[s.id] = true
	}
	before(len(order))
	if names, ok := m.custom["name"]; ok {
		put(customSection, append(appendName(nil, "name"), names...))
	}
	return out, w, nil
}

// payload is the content of the first section of that number.
func (m *parts) payload(id byte) []byte {
	for _, s := range m.sections {
		if s.id == id {
			return s.payload
		}
	}
	return nil
}

// items is a section's list without its length.
func (m *parts) items(id byte) []byte {
	r := &reader{b: m.payload(id)}
	if len(r.b) > 0 {
		r.u32()
	}
	return r.b[r.at:]
}

func (w *metering) typeSection() []byte {
	out := appendU32(nil, uint32(len(w.types)+len(w.extra)))
	out = append(out, w.items(typeSection)...)
	for _, s := range w.extra {
		out = append(out, 0x60)
		out = append(appendU32(out, uint32(len(s.params))), s.params...)
		out = append(appendU32(out, uint32(len(s.results))), s.results...)
	}
	return out
}

// tableSection gives every table an upper bound: without one, table.grow could ask for 32 GiB.
func (w *metering) tableSection() []byte {
	out := appendU32(nil, uint32(len(w.tables)))
	for _, t := range w.tables {
		most := max(t.min, uint32(w.limits.Table))
		if t.bounded {
			most = min(most, t.max)
		}
		out = appendU32(appendU32(append(out, t.element, 1), t.min), most)
	}
	return out
}

// globalSection appends the two counters. The fuel begins at what making an instance may use.
func (w *metering) globalSection() []byte {
	out := appendU32(nil, uint32(len(w.globals)+2))
	out = append(out, w.items(globalSection)...)
	out = appendS64(append(out, 0x7e, 1, opI64Const), int64(w.limits.StartFuel))
	return append(out, opEnd, 0x7f, 1, opI32Const, 0, opEnd)
}

// exportSection appends the counters, and the guest's mutable globals so that the host can put them back.
func (w *metering) exportSection() []byte {
	count := uint32(len(w.exports)) + 2
	out := append([]byte{}, w.items(exportSection)...)
	add := func(name string, n uint32) { out = appendU32(append(appendName(out, name), globalKind), n) }
	add(fuelName, w.fuel)
	add(depthName, w.depth)
	for n, g := range w.globals {
		if g.mutable && !slices.Contains([]byte{0x7f, 0x7e, 0x7d, 0x7c}, g.typ) {
			w.fixed = fmt.Sprintf("global %d is a vector or a reference", n)
		} else if g.mutable {
			add(globalName+fmt.Sprint(n), uint32(n))
			w.mutable = append(w.mutable, n)
			count++
		}
	}
	return append(appendU32(nil, count), out...)
}

func (w *metering) code() ([]byte, error) {
	out := appendU32(nil, uint32(len(w.bodies)))
	for n, b := range w.bodies {
		body, err := w.body(n, b)
		if err != nil {
			return nil, err
		}
		out = append(appendU32(out, uint32(len(body))), body...)
	}
	return out, nil
}

// wrap is the type of the block around a body that has to count its depth: no parameters, the function's results.
func (w *metering) wrap(results []byte) []byte {
	switch len(results) {
	case 0:
		return []byte{0x40}
	case 1:
		return results
	}
	n, known := w.wraps[string(results)]
	if !known {
		n = uint32(len(w.types) + len(w.extra))
		w.wraps[string(results)] = n
		w.extra = append(w.extra, signature{nil, results})
	}
	return appendS64(nil, int64(n))
}
