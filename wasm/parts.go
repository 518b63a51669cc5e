package wasm

import (
	"bytes"
	"fmt"
)

// Numbers of the sections of a module, in the binary format's numbering.
const (
	customSection = iota
	typeSection
	importSection
	functionSection
	tableSection
	memorySection
	globalSection
	exportSection
	startSection
	elementSection
	codeSection
	dataSection
	dataCountSection
)

var sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count"}

// order is where a section stands among the others; the data count came to the format late and stands before the code.
var order = [...]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10}

// parts is a module taken apart as far as the checks and the rewriting need it.
type parts struct {
	sections []section
	types    []signature
	imports  []imported
	funcs    []uint32 // type of each function defined here
	tables   []extent
	memories []extent
	globals  []global
	exports  []exported
	start    bool
	elements []int // length of each segment of table entries
	segments []int // length of each segment of data
	bodies   [][]byte
	custom   map[string][]byte
}

type section struct {
	id      byte
	payload []byte
}

type signature struct{ params, results []byte }

type imported struct {
	module, name string
	kind         byte
	typ          uint32
}

type extent struct {
	element  byte // of a table
	min, max uint32
	bounded  bool
	shared   bool
}

type global struct {
	typ     byte
	mutable bool
}

type exported struct {
	name  string
	kind  byte
	index uint32
}

// Kinds of imports and exports.
const (
	functionKind = iota
	tableKind
	memoryKind
	globalKind
)

func malformed(section, what string) *Refusal {
	return &Refusal{Section: section, Reason: "is malformed: " + what, Fix: "rebuild the module; it may have been cut off or changed on its way"}
}

// decode takes a module apart. What it accepts, it has understood; the rest is refused.
func decode(b []byte) (*parts, error) {
	if !bytes.HasPrefix(b, []byte("\x00asm")) {
		return nil, &Refusal{Section: "module", Reason: "is no WebAssembly: it does not begin with \\0asm", Fix: "give the built .wasm file, not its source or text form"}
	}
	if !bytes.HasPrefix(b[4:], []byte{1, 0, 0, 0}) {
		return nil, &Refusal{Section: "module", Reason: "is no core module of version 1", Fix: "build a core module, not a component"}
	}
	m := &parts{custom: map[string][]byte{}}
	r := &reader{b: b, at: 8}
	last := 0
	for r.more() {
		id := r.byte()
		payload := r.skip(r.u32())
		if r.bad != "" {
			return nil, malformed("module", "a section's "+r.bad)
		}
		if int(id) >= len(sectionNames) {
			return nil, &Refusal{Section: "module", Reason: fmt.Sprintf("has a section of number %d, which is not known", id), Fix: "build without features beyond WebAssembly 2.0 (exceptions, for one)"}
		}
		if id != customSection {
			if order[id] <= last {
				return nil, malformed(sectionNames[id], "it stands at the wrong place, or twice")
			}
			last = order[id]
		}
		m.sections = append(m.sections, section{id, payload})
		if err := m.section(id, &reader{b: payload}); err != nil {
			return nil, err
		}
	}
	if len(m.bodies) != len(m.funcs) {
		return nil, malformed("code", fmt.Sprintf("%d bodies for %d functions", len(m.bodies), len(m.funcs)))
	}
	return m, nil
}

// section reads one section.
func (m *parts) section(id byte, r *reader) error {
	switch id {
	case customSection:
		name := r.name()
		if _, again := m.custom[name]; !again {
			m.custom[name] = r.b[r.at:]
		}
		r.at = len(r.b)
	case typeSection:
		each(r, &m.types, readSignature)
	case importSection:
		each(r, &m.imports, readImport)
	case functionSection:
		each(r, &m.funcs, (*reader).u32)
	case tableSection:
		each(r, &m.tables, func(r *reader) extent {
			element := r.byte()
			l := readLimits(r)
			l.element = element
			return l
		})
	case memorySection:
		each(r, &m.memories, readLimits)
	case globalSection:
		each(r, &m.globals, func(r *reader) global {
			g := global{r.byte(), r.byte() == 1}
			m.constant(r)
			return g
		})
	case exportSection:
		each(r, &m.exports, func(r *reader) exported { return exported{r.name(), r.byte(), r.u32()} })
	case startSection:
		m.start = true
		r.u32()
	case codeSection:
		each(r, &m.bodies, func(r *reader) []byte { return r.skip(r.u32()) })
	case elementSection:
		each(r, &m.elements, m.element)
	case dataSection:
		each(r, &m.segments, m.data)
	case dataCountSection:
		r.u32()
	}
	if r.bad == "" && r.more() {
		r.fail("it is longer than what it holds")
	}
	if r.bad != "" {
		return malformed(sectionNames[id], r.bad)
	}
	return nil
}

// each reads a list.
func each[T any](r *reader, out *[]T, item func(*reader) T) {
	n := r.count()
	for range n {
		if r.bad != "" {
			return
		}
		*out = append(*out, item(r))
	}
}

func readSignature(r *reader) signature {
	if r.byte() != 0x60 {
		r.fail("a type that is no function's")
	}
	return signature{r.skip(r.u32()), r.skip(r.u32())}
}

func readImport(r *reader) imported {
	i := imported{module: r.name(), name: r.name(), kind: r.byte()}
	switch i.kind {
	case functionKind:
		i.typ = r.u32()
	case tableKind:
		r.byte()
		readLimits(r)
	case memoryKind:
		readLimits(r)
	case globalKind:
		r.skip(2)
	default:
		r.fail("an import of a kind that is not known")
	}
	return i
}

func readLimits(r *reader) extent {
	flags := r.byte()
	l := extent{min: r.u32(), bounded: flags&1 != 0, shared: flags&2 != 0}
	if flags > 3 {
		r.fail("a memory or table of 64 bits, which is not supported")
	}
	if l.bounded {
		l.max = r.u32()
	}
	return l
}

// constant reads an initial value. A global that it names must be there before the rewriting adds its own.
func (m *parts) constant(r *reader) {
	for r.bad == "" {
		switch op := r.byte(); op {
		case 0x0b:
			return
		case 0x41:
			r.signed(32)
		case 0x42:
			r.signed(64)
		case 0x43:
			r.skip(4)
		case 0x44:
			r.skip(8)
		case 0x23:
			if g := r.u32(); int(g) >= len(m.globals) {
				r.fail(fmt.Sprintf("an initial value names global %d, which is not there yet", g))
			}
		case 0xd0:
			r.byte()
		case 0xd2:
			r.u32()
		case 0xfd:
			if r.u32() != 12 {
				r.fail("an initial value that is not constant")
			}
			r.skip(16)
		default:
			r.fail(fmt.Sprintf("an initial value with opcode 0x%02x", op))
		}
	}
}

// element walks over a segment of table entries: the constants in it name globals.
//
//	flags: bit 0 passive or declared, bit 1 table given (or declared), bit 2 expressions in place of function numbers
func (m *parts) element(r *reader) int {
	flags := r.u32()
	if flags > 7 {
		r.fail("an element segment of a kind that is not known")
	}
	if flags&1 == 0 {
		if flags&2 != 0 {
			r.u32()
		}
		m.constant(r)
	}
	if flags&3 != 0 {
		r.byte()
	}
	n := r.count()
	for range n {
		if flags&4 != 0 {
			m.constant(r)
		} else {
			r.u32()
		}
		if r.bad != "" {
			break
		}
	}
	return n
}

func (m *parts) data(r *reader) int {
	switch flags := r.u32(); flags {
	case 0:
		m.constant(r)
	case 1:
	case 2:
		r.u32()
		m.constant(r)
	default:
		r.fail("a data segment of a kind that is not known")
	}
	return len(r.skip(r.u32()))
}

// function is how a person calls the function of that number, imports counted first: by its export, its name, its number.
func (m *parts) function(index int) string {
	for _, e := range m.exports {
		if e.kind == functionKind && int(e.index) == index {
			return e.name
		}
	}
	r := &reader{b: m.custom["name"]}
	for r.more() {
		id := r.byte()
		names := &reader{b: r.skip(r.u32())}
		if id != 1 {
			continue
		}
		for range names.count() {
			if at, name := names.u32(), names.name(); int(at) == index && names.bad == "" {
				return name
			}
		}
	}
	return fmt.Sprintf("function %d", index)
}
