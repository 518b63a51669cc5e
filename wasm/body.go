package wasm

import "fmt"

// scan is what a first walk over a body finds: where something is to be put in, and what each region costs.
//
// A region is what runs, at most, between one check of the fuel and the next: the body without its loops, or a loop
// without the loops within. It is charged whole where it begins, whichever of its branches are taken.
type scan struct {
	marks []mark
	costs []int64 // by region: 0 is the body, the others are loops in the order of their headers
	calls bool
	bulk  bool
	cells int // locals and instructions: no frame of a compiled function has more values to keep

	nest, loops    int // most blocks, and loops, within one another
	blocks, labels int // places where control splits or meets; targets of tables of branches
}

// mark is a place in a body where something is put in or exchanged.
type mark struct {
	kind  byte // the opcode there
	start int
	end   int
	arg   uint32 // of a loop, its region; of a return, how many blocks are open around it; of a bulk instruction, the shift
}

// body rewrites one function. A refusal gets the function's name, which is looked for only then.
func (w *metering) body(n int, b []byte) ([]byte, error) {
	out, refusal := w.rewrite(w.types[w.funcs[n]], b)
	if refusal != nil {
		refusal.Section, refusal.Name = "code", w.function(len(w.imports)+n)
		return nil, refusal
	}
	return out, nil
}

func (w *metering) rewrite(sig signature, b []byte) ([]byte, *Refusal) {
	if len(b) > w.limits.Body {
		return nil, &Refusal{Reason: "has too long a body", Value: uint64(len(b)), Limit: uint64(w.limits.Body),
			Fix: "split the function, or keep tables in data"}
	}
	r := &reader{b: b}
	groups, locals := w.locals(r)
	total := uint64(len(sig.params)) + locals
	if r.bad == "" && total > uint64(w.limits.Locals) {
		return nil, &Refusal{Reason: "has too many locals", Value: total, Limit: uint64(w.limits.Locals), Fix: "split the function"}
	}
	first := r.at
	s := w.scan(r, int(total))
	if err := s.tangled(int(total)); err != nil && r.bad == "" {
		return nil, err
	}
	if r.bad != "" {
		return nil, &Refusal{Reason: fmt.Sprintf("byte %d of its body: %s", r.where, r.bad),
			Fix: "build for WebAssembly 2.0, without tail calls, exceptions and threads"}
	}
	e := &emitter{metering: w, scan: s, scratch: uint32(total), results: sig.results, weight: int64(1 + s.cells/frameCells)}
	e.declare(b, first, groups)
	e.enter()
	e.copy(b, first)
	return e.out, nil
}

// locals walks over the declarations and counts groups and locals.
func (w *metering) locals(r *reader) (groups int, total uint64) {
	groups = r.count()
	for range groups {
		total += uint64(r.u32())
		r.byte()
		if r.bad != "" {
			break
		}
	}
	return groups, total
}

// scan walks over the instructions, to the end that closes the body. It checks the numbers that the rewriting would give a
// meaning: globals and types beyond the module's own, locals beyond the function's, labels beyond its outermost.
func (w *metering) scan(r *reader, locals int) *scan {
	s := &scan{costs: []int64{0}, cells: locals}
	open := []opened{{}} // the function's own block outermost
	for r.bad == "" && len(open) > 0 {
		start := r.at
		i := r.next()
		here := open[len(open)-1]
		s.cells++
		w.numbers(r, &i, locals, len(open))
		switch i.op {
		case opBlock, opIf:
			open = append(open, here)
		case opLoop:
			here = opened{len(s.costs), here.loops + 1}
			s.costs = append(s.costs, 0)
			open = append(open, here)
			s.marks = append(s.marks, mark{opLoop, start, r.at, uint32(here.region)})
		case opEnd:
			open = open[:len(open)-1]
			if len(open) == 0 {
				s.marks = append(s.marks, mark{opEnd, start, r.at, 0})
			}
		case opReturn:
			s.marks = append(s.marks, mark{opReturn, start, r.at, uint32(len(open) - 1)})
		case opCall, opCallIndirect:
			s.calls = true
		case opMemoryGrow:
			s.marks = append(s.marks, mark{opMemoryGrow, start, r.at, 0})
		case opTableSet:
			w.fixed = "tables may change"
		case opMisc:
			w.misc(s, here.region, &i, start, r.at)
		}
		s.count(&i, here, len(open))
	}
	if r.bad == "" && r.more() {
		r.fail("code after the end of the function")
	}
	for n := range s.costs {
		s.costs[n] = max(s.costs[n], 1)
	}
	return s
}

// opened is a block that has begun and not ended.
type opened struct {
	region int
	loops  int // around what is within
}

// count adds an instruction to its region, and to what makes the function hard to compile.
func (s *scan) count(i *instruction, here opened, nest int) {
	switch i.op {
	case opBlock, opLoop, opElse, opEnd, opNop:
	default:
		s.costs[here.region]++
	}
	switch i.op {
	case opBlock, opLoop, opIf, opElse, opBrIf:
		s.blocks++
	case opBrTable:
		s.labels += len(i.depth)
	}
	s.nest, s.loops = max(s.nest, nest), max(s.loops, here.loops)
}

// Limits on what makes the compiler slow. It needs up to the cube of these, in one go that no context interrupts: 115 KB of
// 8,000 ifs over 4,000 locals took it three minutes. Within them the worst that was found takes a second. The largest of
// 9,000 functions of a Go guest with net/http and crypto/tls has 570 blocks nested, 1 loop, 1,476 blocks, 21 locals.
const (
	maxNest   = 1000
	maxLoops  = 64
	maxBlocks = 4000
	maxLabels = 10_000
	maxTangle = 400_000 // blocks times locals
)

func (s *scan) tangled(locals int) *Refusal {
	for _, c := range []struct {
		what  string
		value int
		limit int
	}{
		{"blocks nested too deeply", s.nest, maxNest}, {"loops nested too deeply", s.loops, maxLoops}, {"too many blocks and branches", s.blocks, maxBlocks},
		{"too many targets in tables of branches", s.labels, maxLabels}, {"too many blocks for its locals, multiplied", s.blocks * locals, maxTangle},
	} {
		if c.value > c.limit {
			return &Refusal{Reason: "has " + c.what, Value: uint64(c.value), Limit: uint64(c.limit), Fix: "split the function; it would take too long to compile"}
		}
	}
	return nil
}

// misc marks the instructions whose cost is a matter of their length.
func (w *metering) misc(s *scan, here int, i *instruction, start, end int) {
	shift := uint32(0)
	switch i.sub {
	case miscMemoryCopy, miscMemoryFill, miscMemoryInit:
		shift = bulkShift
	case miscTableInit, miscTableCopy, miscTableFill:
		w.fixed = "tables may change"
	case miscTableGrow:
		w.fixed = "tables may change"
		s.costs[here] += growCost
		return
	case miscDataDrop, miscElemDrop:
		w.fixed = "segments may be dropped"
		return
	default:
		return
	}
	s.bulk = true
	s.marks = append(s.marks, mark{opMisc, start, end, shift})
}

func (w *metering) numbers(r *reader, i *instruction, locals, open int) {
	what, limit := "", 0
	switch i.shape {
	case immLocal:
		what, limit = "local", locals
	case immGlobal:
		what, limit = "global", len(w.globals)
	case immIndirect:
		if i.op == opCallIndirect {
			what, limit = "type", len(w.types)
		}
	case immLabel:
		what, limit = "label", open
	case immLabels:
		for _, l := range i.depth {
			i.arg = max(i.arg, l)
		}
		what, limit = "label", open
	case immBlock:
		if i.block < 0 {
			return
		}
		what, limit, i.arg = "type", len(w.types), uint32(i.block)
	}
	if what != "" && int(i.arg) >= limit {
		r.fail(fmt.Sprintf("%s %d of %d", what, i.arg, limit))
	}
}

// emitter writes a body.
type emitter struct {
	*metering
	*scan
	out     []byte
	scratch uint32 // number of the local that is added
	results []byte
	weight  int64 // by how much a call of this function is deeper
}

// declare copies the declarations and adds the scratch local, if a bulk instruction needs it.
func (e *emitter) declare(b []byte, first, groups int) {
	r := &reader{b: b[:first]}
	r.u32()
	if !e.bulk {
		e.out = append(e.out, b[:first]...)
		return
	}
	e.out = appendU32(e.out, uint32(groups+1))
	e.out = append(e.out, b[r.at:first]...)
	e.out = append(e.out, 1, 0x7f)
}

// counted says whether the function counts its depth. One that calls nothing is at most one level deeper than its caller.
func (e *emitter) counted() bool { return e.calls }

// enter charges the body's own region and goes one level deeper.
func (e *emitter) enter() {
	e.charge(e.costs[0])
	if !e.counted() {
		return
	}
	e.global(opGlobalGet, e.depth)
	e.out = appendS64(append(e.out, opI32Const), e.weight)
	e.out = append(e.out, opI32Add)
	e.global(opGlobalSet, e.depth)
	e.global(opGlobalGet, e.depth)
	e.out = appendS64(append(e.out, opI32Const), int64(e.limits.Depth))
	e.out = append(e.out, opI32GtU, opIf, 0x40, opUnreachable, opEnd)
	e.out = append(append(e.out, opBlock), e.wrap(e.results)...)
}

// leave goes back up. Every way out of the body but a trap comes here: its end, branches to its outermost label, which
// now is the wrapping block's, and returns, which have become such branches.
func (e *emitter) leave() {
	if !e.counted() {
		return
	}
	e.out = append(e.out, opEnd)
	e.global(opGlobalGet, e.depth)
	e.out = appendS64(append(e.out, opI32Const), e.weight)
	e.out = append(e.out, opI32Sub)
	e.global(opGlobalSet, e.depth)
}

// copy writes the instructions with what is put in between.
func (e *emitter) copy(b []byte, from int) {
	for _, m := range e.marks {
		e.out = append(e.out, b[from:m.start]...)
		original := b[m.start:m.end]
		switch m.kind {
		case opLoop:
			e.out = append(e.out, original...)
			e.charge(e.costs[m.arg])
		case opReturn:
			if e.counted() {
				original = appendU32([]byte{opBr}, m.arg)
			}
			e.out = append(e.out, original...)
		case opMisc:
			e.chargeLength(m.arg)
			e.out = append(e.out, original...)
		case opMemoryGrow: // where it is, and not with its region: most calls of an allocator do not grow
			e.charge(growCost * int64(max(1, e.limits.Pages)))
			e.out = append(e.out, original...)
		case opEnd:
			e.leave()
			e.out = append(e.out, original...)
		}
		from = m.end
	}
}

func (e *emitter) global(op byte, n uint32) { e.out = appendU32(append(e.out, op), n) }

// charge takes a region's cost from the fuel, and stops the guest if that was more than was left.
func (e *emitter) charge(cost int64) {
	e.global(opGlobalGet, e.fuel)
	e.out = appendS64(append(e.out, opI64Const), cost)
	e.take()
}

// chargeLength takes the length on top of the stack, shifted, from the fuel.
func (e *emitter) chargeLength(shift uint32) {
	e.out = appendU32(append(e.out, opLocalTee), e.scratch)
	e.global(opGlobalGet, e.fuel)
	e.out = appendU32(append(e.out, opLocalGet), e.scratch)
	e.out = append(e.out, opI64ExtendU, opI64Const, byte(shift), opI64ShrU)
	e.take()
}

func (e *emitter) take() {
	e.out = append(e.out, opI64Sub)
	e.global(opGlobalSet, e.fuel)
	e.global(opGlobalGet, e.fuel)
	e.out = append(e.out, opI64Const, 0, opI64LtS, opIf, 0x40, opUnreachable, opEnd)
}
