package wasm

import (
	"math/rand/v2"
)

// generator makes modules that are valid and do anything: every function is exported and may call every other, loops may
// not end, accesses may miss, and arithmetic may trap. What it leaves out is what two engines may answer differently
// without either being wrong: the bits of a NaN.
type generator struct {
	*rand.Rand
	funcs   []string // signatures, "params>results"
	types   []string // the signatures, each once
	globals string
	locals  string   // of the function under way, parameters first
	results string   // of it
	labels  []string // types that a branch to each open block carries, outermost first
	code    []byte
	budget  int
}

// randomModule makes the module of a seed.
func randomModule(seed uint64) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), globals: "iIFif"}
	for range 2 + g.IntN(5) {
		g.funcs = append(g.funcs, g.letters(3)+">"+g.letters(2))
	}
	var types, numbers, exports, bodies, table [][]byte
	at := map[string]int{}
	for _, f := range g.funcs {
		if _, known := at[f]; !known {
			at[f] = len(types)
			params, results, _ := cut(f)
			types, g.types = append(types, typeOf(params, results)), append(g.types, f)
		}
	}
	for n, f := range g.funcs {
		numbers = append(numbers, appendU32(nil, uint32(at[f])))
		exports = append(exports, exportOf(string(rune('a'+n)), functionKind, uint32(n)))
		bodies = append(bodies, g.function(f))
		table = append(table, appendU32(nil, uint32(n)))
	}
	exports = append(exports, exportOf("memory", memoryKind, 0))
	var globals [][]byte
	for n, t := range g.globals {
		exports = append(exports, exportOf("g"+string(rune('0'+n)), globalKind, uint32(n)))
		globals = append(globals, append(append(valueTypes(string(t)), 1), append(g.constant(t), opEnd)...))
	}
	elements := append([]byte{0, opI32Const, 0, opEnd, byte(len(table))}, flat(table)...)
	return moduleOf(listOf(typeSection, types...), listOf(functionSection, numbers...), listOf(tableSection, []byte{0x70, 0, 8}),
		listOf(memorySection, []byte{1, 1, 3}), listOf(globalSection, globals...), listOf(exportSection, exports...),
		listOf(elementSection, elements), sectionOf(dataCountSection, []byte{1}), listOf(codeSection, bodies...),
		listOf(dataSection, append([]byte{1, 9}, "some data"...)))
}

func cut(signature string) (params, results string, ok bool) {
	for n := range signature {
		if signature[n] == '>' {
			return signature[:n], signature[n+1:], true
		}
	}
	return signature, "", false
}

func flat(items [][]byte) (out []byte) {
	for _, i := range items {
		out = append(out, i...)
	}
	return out
}

func (g *generator) letter() rune { return rune("iIfF"[g.IntN(4)]) }

func (g *generator) letters(most int) string {
	out := ""
	for range g.IntN(most + 1) {
		out += string(g.letter())
	}
	return out
}

// function is one body with its size.
func (g *generator) function(signature string) []byte {
	params, results, _ := cut(signature)
	more := g.letters(4) + "iI"
	g.locals, g.results, g.labels, g.code, g.budget = params+more, results, []string{results}, nil, 60
	for range g.IntN(4) {
		g.statement()
	}
	for _, t := range results {
		g.value(t, 0)
	}
	var body []byte
	body = appendU32(body, uint32(len(more)))
	for _, t := range more {
		body = append(append(body, 1), valueTypes(string(t))...)
	}
	body = append(append(body, g.code...), opEnd)
	return append(appendU32(nil, uint32(len(body))), body...)
}

func (g *generator) put(code ...byte) { g.code = append(g.code, code...) }

func (g *generator) numbered(op byte, n int) { g.code = appendU32(append(g.code, op), uint32(n)) }

func (g *generator) constant(t rune) []byte {
	switch t {
	case 'i':
		return appendS64([]byte{opI32Const}, int64(int32(g.Uint32()>>g.IntN(32))))
	case 'I':
		return appendS64([]byte{opI64Const}, int64(g.Uint64()>>g.IntN(64)))
	case 'f':
		return []byte{0x43, byte(g.Uint32()), byte(g.Uint32()), byte(g.Uint32()) & 0x7f, 0x40}
	default:
		return []byte{0x44, 0, 0, byte(g.Uint32()), byte(g.Uint32()), byte(g.Uint32()), byte(g.Uint32()), 0x20, 0x40}
	}
}

// pick is the number of something of that type; -1 if there is none.
func (g *generator) pick(types string, t rune) int {
	var fit []int
	for n, other := range types {
		if other == t {
			fit = append(fit, n)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return fit[g.IntN(len(fit))]
}

// value puts code that leaves one value of that type.
func (g *generator) value(t rune, deep int) {
	g.budget--
	if g.budget < 0 || deep > 6 {
		g.put(g.constant(t)...)
		return
	}
	switch g.IntN(10) {
	case 0:
		g.put(g.constant(t)...)
	case 1, 2:
		if n := g.pick(g.locals, t); n >= 0 {
			g.numbered(opLocalGet, n)
			return
		}
		g.put(g.constant(t)...)
	case 3:
		if n := g.pick(g.globals, t); n >= 0 {
			g.numbered(opGlobalGet, n)
			return
		}
		g.put(g.constant(t)...)
	case 4:
		g.block(string(t), deep)
	case 5:
		g.call(t, deep)
	case 6:
		g.value(t, deep+1)
		g.value(t, deep+1)
		g.value('i', deep+1)
		g.put(0x1b)
	default:
		g.operation(t, deep)
	}
}

// operations, by type of the result: opcode and types of the operands.
var operations = map[rune][]struct {
	op   []byte
	from string
}{
	'i': {{[]byte{0x6a}, "ii"}, {[]byte{0x6b}, "ii"}, {[]byte{0x6c}, "ii"}, {[]byte{0x6d}, "ii"}, {[]byte{0x70}, "ii"}, {[]byte{0x73}, "ii"}, {[]byte{0x75}, "ii"},
		{[]byte{0x67}, "i"}, {[]byte{0x45}, "i"}, {[]byte{0x48}, "ii"}, {[]byte{0x54}, "II"}, {[]byte{0x5d}, "ff"}, {[]byte{0x66}, "FF"}, {[]byte{0xa7}, "I"},
		{[]byte{0xa8}, "f"}, {[]byte{0xfc, 2}, "F"}, {[]byte{0xc0}, "i"}, {[]byte{0x3f, 0}, ""}, {[]byte{0x28, 2, 0}, "a"}, {[]byte{0x2d, 0, 5}, "a"},
		{[]byte{0xfd, 17, 0xfd, 0xae, 1, 0xfd, 27, 2}, "Wi"}},
	'I': {{[]byte{0x7c}, "II"}, {[]byte{0x7e}, "II"}, {[]byte{0x80}, "II"}, {[]byte{0x85}, "II"}, {[]byte{0x89}, "II"}, {[]byte{0xac}, "i"}, {[]byte{0xad}, "i"},
		{[]byte{0xfc, 7}, "F"}, {[]byte{0x29, 3, 0}, "a"}, {[]byte{0x31, 0, 1}, "a"}, {[]byte{0xb0}, "F"}},
	'f': {{[]byte{0x92}, "ff"}, {[]byte{0x94}, "ff"}, {[]byte{0x95}, "ff"}, {[]byte{0x91}, "f"}, {[]byte{0xb3}, "i"}, {[]byte{0xb6}, "F"}, {[]byte{0x96}, "ff"}},
	'F': {{[]byte{0xa0}, "FF"}, {[]byte{0xa2}, "FF"}, {[]byte{0xa3}, "FF"}, {[]byte{0x9c}, "F"}, {[]byte{0xb9}, "I"}, {[]byte{0xbb}, "f"}, {[]byte{0xa5}, "FF"}},
}

func (g *generator) operation(t rune, deep int) {
	all := operations[t]
	o := all[g.IntN(len(all))]
	for _, from := range o.from {
		g.operand(from, deep+1)
	}
	g.put(o.op...)
}

// operand is a value, or an address that mostly lies in memory (a), or a vector (W).
func (g *generator) operand(t rune, deep int) {
	switch t {
	case 'a':
		g.value('i', deep)
		g.put(opI32Const, 0xff, 0xff, byte(3+g.IntN(2)), 0x71) // within one page or two: and a second may not be there
	case 'W':
		g.value('i', deep)
		g.put(opVector, 17)
	default:
		g.value(t, deep)
	}
}

// block puts a block, loop or if that leaves values of those types.
func (g *generator) block(types string, deep int) {
	op := []byte{opBlock, opLoop, opIf}[g.IntN(3)]
	if op == opIf {
		g.value('i', deep+1)
	}
	g.put(op)
	if types == "" {
		g.put(0x40)
	} else {
		g.put(valueTypes(types)...)
	}
	carried := types
	if op == opLoop {
		carried = ""
	}
	g.labels = append(g.labels, carried)
	inside := func() {
		for range g.IntN(3) {
			g.statement()
		}
		if op == opLoop {
			g.value('i', deep+1)
			g.numbered(opBrIf, 0)
		}
		for _, t := range types {
			g.value(t, deep+1)
		}
	}
	inside()
	if op == opIf {
		g.put(opElse)
		inside()
	}
	g.labels = g.labels[:len(g.labels)-1]
	g.put(opEnd)
}

// call calls a function that leaves a value of that type first, directly or through the table, and drops what else it leaves.
func (g *generator) call(t rune, deep int) {
	n := g.IntN(len(g.funcs))
	params, results, _ := cut(g.funcs[n])
	if len(results) == 0 || rune(results[0]) != t {
		g.operation(t, deep)
		return
	}
	g.invoke(n, params, deep)
	for range results[1:] {
		g.put(0x1a)
	}
}

func (g *generator) invoke(n int, params string, deep int) {
	for _, p := range params {
		g.value(p, deep+1)
	}
	if g.IntN(3) > 0 {
		g.numbered(opCall, n)
		return
	}
	g.put(g.constant('i')...)
	g.put(opI32Const, 7, 0x71)
	for at, typ := range g.types {
		if typ == g.funcs[n] {
			g.numbered(opCallIndirect, at)
			g.put(0)
		}
	}
}

// statement puts code that leaves nothing.
func (g *generator) statement() {
	g.budget--
	if g.budget < 0 {
		return
	}
	switch g.IntN(14) {
	case 0, 1:
		n := g.IntN(len(g.locals))
		g.value(rune(g.locals[n]), 2)
		g.numbered(opLocalSet, n)
	case 2:
		n := g.IntN(len(g.globals))
		g.value(rune(g.globals[n]), 2)
		g.numbered(opGlobalSet, n)
	case 3, 4:
		g.block("", 2)
	case 5:
		n := g.IntN(len(g.funcs))
		params, results, _ := cut(g.funcs[n])
		g.invoke(n, params, 2)
		for range results {
			g.put(0x1a)
		}
	case 6, 7:
		g.operand('a', 2)
		g.value('I', 2)
		g.put(0x37, 3, 8)
	case 8:
		g.bulk()
	case 9:
		g.value('i', 2)
		g.put(opI32Const, 1, 0x71, opMemoryGrow, 0, 0x1a)
	case 10, 11, 12:
		g.branch()
	case 13:
		if g.IntN(6) == 0 {
			g.put(opUnreachable)
		}
	}
}

// bulk moves some of the memory.
func (g *generator) bulk() {
	g.operand('a', 3)
	switch g.IntN(3) {
	case 0:
		g.value('i', 3)
		g.operand('a', 3)
		g.put(opMisc, miscMemoryFill, 0)
	case 1:
		g.operand('a', 3)
		g.operand('a', 3)
		g.put(opMisc, miscMemoryCopy, 0, 0)
	case 2:
		g.put(opI32Const, 2, opI32Const, byte(g.IntN(10)), opMisc, miscMemoryInit, 0, 0)
	}
}

// branch leaves some block, sometimes, or the function.
func (g *generator) branch() {
	target := g.IntN(len(g.labels))
	carried := g.labels[len(g.labels)-1-target]
	g.value('i', 3)
	g.put(opIf, 0x40)
	g.labels = append(g.labels, "")
	switch kind := g.IntN(3); {
	case kind == 0:
		for _, t := range g.results {
			g.value(t, 3)
		}
		g.put(opReturn)
	default:
		for _, t := range carried {
			g.value(t, 3)
		}
		if kind == 1 {
			g.numbered(opBr, target+1)
		} else {
			g.value('i', 3)
			g.put(opBrTable, 1)
			g.code = appendU32(appendU32(g.code, uint32(target+1)), uint32(target+1))
		}
	}
	g.labels = g.labels[:len(g.labels)-1]
	g.put(opEnd)
}
