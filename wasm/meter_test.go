package wasm

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// trapOf calls and wants a trap of that kind.
func trapOf(t *testing.T, i *Instance, kind Kind, export string, fuel uint64, params ...uint64) *Trap {
	t.Helper()
	f := i.Func(export)
	stack := make([]uint64, f.need)
	copy(stack, params)
	err := f.Call(fuel, stack)
	var trap *Trap
	if !errors.As(err, &trap) || trap.Kind != kind {
		t.Fatalf("%s: %v, want a trap of kind %s", export, err, kind)
	}
	return trap
}

// Loops, recursion, fills and calls to the host all end when the fuel does, with the same count on both engines.
func TestFuelEnds(t *testing.T) {
	for export, param := range map[string]uint64{"forever": 0, "fill_for_ever": 0, "say_for_ever": 0, "fib": 40, "sum": 1 << 30} {
		onEach(t, func(t *testing.T, e *Engine) {
			i := instance(t, compile(t, e, fixture(t, "guest.wasm"), Limits{}), Host{Log: func(Level, string) {}})
			trap := trapOf(t, i, Fuel, export, 100_000, param)
			if trap.Limit != 100_000 || i.FuelUsed() != 100_000 || i.Trapped() != trap {
				t.Errorf("%s: limit %d, used %d, buried under %v", export, trap.Limit, i.FuelUsed(), i.Trapped())
			}
		})
	}
}

// What a guest said before it ran into a limit is told: one that panics can run out of fuel while it prints where.
func TestLastWordsBeforeALimit(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, fixture(t, "guest.wasm"), Limits{Depth: 5})
		for export, kind := range map[string]Kind{"fail_for_ever": Fuel, "fail_deep": Depth} {
			trap := trapOf(t, instance(t, m, Host{}), kind, export, 100_000)
			if trap.Said != "a line" || !strings.Contains(trap.Error(), " after it said: a line (") {
				t.Errorf("%s: said %q, %v", export, trap.Said, trap)
			}
			if kind == Fuel && !strings.HasPrefix(trap.Fix(), "mend what it says") {
				t.Errorf("%s: %s", export, trap.Fix())
			}
		}
		i := instance(t, compile(t, e, fixture(t, "wasi.wasm"), Limits{}), Host{})
		copy(i.Memory()[256:], "\x08\x01\x00\x00\x05\x00\x00\x00oh no\n")
		if trap := trapOf(t, i, Exit, "write_and_exit", 0); !strings.Contains(trap.Error(), "proc_exit(2) after it said: oh no (exit)") {
			t.Error(trap)
		}
	})
}

// Fuel is a number that can be worked out, and one unit less than what a call needs is too little.
func TestFuelIsExact(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, fixture(t, "guest.wasm"), Limits{})
		i := instance(t, m, Host{})
		used := func(export string, params ...uint64) uint64 {
			t.Helper()
			if err := i.Func(export).Call(0, params); err != nil {
				t.Fatal(err)
			}
			return i.FuelUsed()
		}
		if got := used("add", 1, 2); got != 3 {
			t.Errorf("add of three instructions used %d", got)
		}
		if got := used("sum", 300) - used("sum", 200); got != 100*10 {
			t.Errorf("100 rounds of ten instructions used %d", got)
		}
		// 64 bytes are a unit.
		if got := used("fill", 0, 6400) - used("fill", 0, 0); got != 100 {
			t.Errorf("6,400 bytes filled used %d", got)
		}
		// Growing by one page may move all that there may be; asking for none does not come cheaper.
		if got := used("grow", 0) - 2; got != uint64(growCost*m.Limits().Pages) {
			t.Errorf("memory.grow used %d with %d pages allowed", got, m.Limits().Pages)
		}
		need := used("fib", 10)
		if err := i.Func("fib").Call(need, []uint64{10}); err != nil {
			t.Errorf("with exactly its fuel of %d: %v", need, err)
		}
		trapOf(t, i, Fuel, "fib", need-1, 10)
	})
}

func TestDepth(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, fixture(t, "guest.wasm"), Limits{Depth: 100})
		i := instance(t, m, Host{})
		for range 3 { // the counter is back at 0 each time, whichever way the calls returned
			if got := call(t, i, "deep", 99); got != 99 {
				t.Fatalf("deep(99) = %d", got)
			}
		}
		if trap := trapOf(t, i, Depth, "deep", 0, 100); trap.Limit != 100 || trap.Value != 101 {
			t.Errorf("%+v, want the 101st level over 100", trap)
		}
	})
}

// A guest that grows gets -1 at its limit, and goes on.
func TestMemoryEnds(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		i := instance(t, compile(t, e, fixture(t, "guest.wasm"), Limits{Pages: 10}), Host{})
		for n, want := range []uint64{1, 5, 0xffff_ffff, 9} {
			if got := uint32(call(t, i, "grow", []uint64{4, 4, 4, 1}[n])); got != uint32(want) {
				t.Errorf("growth %d: %d pages, want %d", n, int32(got), int32(want))
			}
		}
		if len(i.Memory()) != 10<<16 {
			t.Errorf("%d bytes, limit %d", len(i.Memory()), 10<<16)
		}
	})
}

// What runs while an instance is made has its own fuel.
func TestStartEnds(t *testing.T) {
	loop := []byte{opLoop, 0x40, opBr, 0, opEnd}
	initialize := moduleOf(listOf(typeSection, typeOf("", "")), listOf(functionSection, []byte{0}),
		listOf(exportSection, exportOf("_initialize", functionKind, 0)), listOf(codeSection, bodyOf(loop...)))
	start := moduleOf(listOf(typeSection, typeOf("", "")), listOf(functionSection, []byte{0}),
		sectionOf(startSection, []byte{0}), listOf(codeSection, bodyOf(loop...)))
	onEach(t, func(t *testing.T, e *Engine) {
		for name, c := range map[string]struct {
			binary []byte
			limits Limits
			kind   Kind // in a start section, the counters are not there yet to tell one unreachable from the other
		}{"_initialize": {initialize, Limits{StartFuel: 1000}, Fuel}, "start": {start, Limits{StartFuel: 1000, Start: true}, Unreachable}} {
			_, err := compile(t, e, c.binary, c.limits).Instantiate(context.Background(), Host{})
			var trap *Trap
			if !errors.As(err, &trap) || trap.Export != name || trap.Kind != c.kind {
				t.Errorf("%s: %v, want a trap for lack of fuel", name, err)
			}
		}
	})
}

// Functions with large frames count as several levels, so that the depth limit ends a recursion before the engine's stack does.
func TestLargeFramesAreDeep(t *testing.T) {
	code := []byte{opLocalGet, 0, 0x45, opIf, 0x40, opReturn, opEnd}
	const values = 5000
	for n := range values { // loads that differ, so that each must be kept over the call
		code = appendU32(append(code, opLocalGet, 0, 0x28, 2), uint32(4*n))
	}
	code = append(code, opLocalGet, 0, opI32Const, 1, opI32Sub, opCall, 0)
	for range values {
		code = append(code, opGlobalSet, 0)
	}
	body := append(append([]byte{0}, code...), opEnd)
	binary := moduleOf(listOf(typeSection, typeOf("i", "")), listOf(functionSection, []byte{0}), listOf(memorySection, []byte{0, 1}),
		listOf(globalSection, []byte{0x7f, 1, opI32Const, 0, opEnd}),
		listOf(exportSection, exportOf("run", functionKind, 0)), listOf(codeSection, append(appendU32(nil, uint32(len(body))), body...)))
	levels := uint64(1 + (3*values+20)/frameCells)
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, binary, Limits{})
		within := 1000/levels - 1
		call(t, instance(t, m, Host{}), "run", within)
		trapOf(t, instance(t, m, Host{}), Depth, "run", 0, within+1)
	})
}
