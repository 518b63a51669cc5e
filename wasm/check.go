package wasm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// reserved begins the names of what the rewriting exports. A guest that could export such a name could pretend to have
// fuel. Names that only begin with two underscores are the linkers' own (__heap_base, __data_end) and are let through.
const reserved = "__troupe"

// check holds a module against the limits. Bodies are checked where they are rewritten.
func (m *parts) check(l Limits, offers imports) error {
	for _, c := range []struct {
		section string
		reason  string
		value   int
		limit   int
		fix     string
	}{
		{"function", "has too many functions", len(m.funcs), l.Functions, "link less, or optimise for size"},
		{"global", "has too many globals", len(m.globals), l.Globals, "keep state in memory"},
		{"export", "has too many exports", len(m.exports), l.Exports, "export what the interface asks for, not everything"},
		{"memory", "has too many memories", len(m.memories), 1, "build without the multi-memory feature"},
		{"import", "has too many imports", len(m.imports), maxImports, "import what is used"},
		{"element", "has too many segments", len(m.elements), maxElements, "link it into one"},
		{"data", "has too many segments", len(m.segments), maxSegments, "link them into fewer"},
		{"type", "has too many types", len(m.types), l.Functions, "link less, or optimise for size"},
	} {
		if c.value > c.limit {
			return &Refusal{Section: c.section, Reason: c.reason, Value: uint64(c.value), Limit: uint64(c.limit), Fix: c.fix}
		}
	}
	if m.start && !l.Start {
		return &Refusal{Section: "start", Reason: "would run code while the module is loaded", Fix: "export the function instead (_initialize is called if it is exported), or build a library: -Wl,--no-entry, -buildmode=c-shared"}
	}
	for _, check := range []func(Limits) error{m.checkTypes, m.checkTables, m.checkExports} {
		if err := check(l); err != nil {
			return err
		}
	}
	return m.checkImports(offers)
}

const (
	maxImports  = 100     // above the number of functions that there are to be imported
	maxTables   = 4       // each can grow to Limits.Table
	maxElements = 1000    // compilers write one
	maxSegments = 100_000 // what Go's linker allows itself; 30,000 are usual
)

func (m *parts) checkTypes(l Limits) error {
	for n, s := range m.types {
		for _, c := range []struct {
			what  string
			value int
		}{{"parameters", len(s.params)}, {"results", len(s.results)}} {
			if c.value > l.Params {
				return &Refusal{Section: "type", Name: fmt.Sprint(n), Reason: "has too many " + c.what, Value: uint64(c.value), Limit: uint64(l.Params), Fix: "pass a pointer"}
			}
		}
	}
	for n, t := range m.funcs {
		if int(t) >= len(m.types) {
			return malformed("function", fmt.Sprintf("%s is of type %d of %d", m.function(len(m.imports)+n), t, len(m.types)))
		}
	}
	for _, mem := range m.memories {
		switch {
		case mem.shared:
			return &Refusal{Section: "memory", Reason: "is shared between threads", Fix: "build without threads and atomics"}
		case int(mem.min) > l.Pages:
			return &Refusal{Section: "memory", Reason: "needs more pages of 64 KiB to begin with than an instance gets", Value: uint64(mem.min), Limit: uint64(l.Pages),
				Fix: "allocate less statically and give the stack less (-z stack-size), or raise pages in the module's limits"}
		}
	}
	return nil
}

// checkImports allows what the host offers, with the types that it has there.
func (m *parts) checkImports(offers imports) error {
	for _, i := range m.imports {
		name := i.module + "." + i.name
		if i.kind != functionKind {
			return &Refusal{Section: "import", Name: name, Reason: "is no function", Fix: "define memory, table and globals in the module; the host gives none"}
		}
		h, known := offers[i.module][i.name]
		if !known {
			return &Refusal{Section: "import", Name: name, Reason: "is not on the list of what a guest may import", Fix: importFix(i, offers)}
		}
		if int(i.typ) >= len(m.types) {
			return malformed("import", fmt.Sprintf("%s is of type %d of %d", name, i.typ, len(m.types)))
		}
		if s := m.types[i.typ]; string(s.params) != string(h.params) || string(s.results) != string(h.results) {
			return &Refusal{Section: "import", Name: name,
				Reason: fmt.Sprintf("has type %s, the host's is %s", typeText(s.params, s.results), typeText(h.params, h.results)), Fix: "use the SDK's declaration"}
		}
	}
	return nil
}

func importFix(i imported, offers imports) string {
	switch {
	case i.module == "env" && i.name == "abort":
		return "build AssemblyScript with --use abort="
	case i.module == "env":
		return "a function is declared and not linked in: define it, or link its library"
	case strings.HasPrefix(i.module, "wasi"):
		return "of WASI there is preview 1 (" + wasiModule + ")"
	case i.module == "gojs" || i.module == "go":
		return "build Go with GOOS=wasip1, not js"
	case offers[i.module] != nil:
		return fmt.Sprintf("module %s has %s", i.module, strings.Join(slices.Sorted(maps.Keys(offers[i.module])), ", "))
	case i.module == "act":
		return "only actors keep data and send messages: push it with troupe actor push, or leave it out of a policy"
	default:
		return "the host offers log, log_enabled and error in module host"
	}
}

func typeText(params, results []api.ValueType) string {
	return strings.TrimSpace(Function{Params: names(params), Results: names(results)}.String())
}

func (m *parts) checkTables(l Limits) error {
	total := uint64(0)
	for _, t := range m.tables {
		total += uint64(t.min)
		if t.shared {
			return &Refusal{Section: "table", Reason: "is shared between threads", Fix: "build without threads and atomics"}
		}
	}
	entries := uint64(0)
	for _, n := range m.elements {
		entries += uint64(n)
	}
	if total = max(total, entries); total > uint64(l.Table) {
		return &Refusal{Section: "table", Reason: "has too many elements", Value: total, Limit: uint64(l.Table), Fix: "take fewer function pointers"}
	}
	if len(m.tables) > maxTables {
		return &Refusal{Section: "table", Reason: "has too many tables", Value: uint64(len(m.tables)), Limit: maxTables, Fix: "use one table"}
	}
	return nil
}

func (m *parts) checkExports(Limits) error {
	for _, e := range m.exports {
		if strings.HasPrefix(e.name, reserved) {
			return &Refusal{Section: "export", Name: e.name, Reason: "begins with " + reserved + ", which is reserved", Fix: "rename it"}
		}
		if e.kind == globalKind && int(e.index) >= len(m.globals) {
			return malformed("export", fmt.Sprintf("%s is global %d of %d", e.name, e.index, len(m.globals)))
		}
	}
	return nil
}
