package wasm

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// tripwire is a context that panics when it is asked for a value: the engine asks for several while it compiles.
type tripwire struct{ context.Context }

func (tripwire) Value(any) any { panic("tripped") }

// A panic of the engine is a refusal, and the engine goes on.
func TestPanicOfTheEngine(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		_, err := e.Compile(tripwire{context.Background()}, fixture(t, "guest.wasm"), Limits{})
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "the engine panicked: tripped") {
			t.Fatalf("%v, want a refusal that says what the engine said", err)
		}
		if got := call(t, instance(t, compile(t, e, fixture(t, "guest.wasm"), Limits{}), Host{}), "fib", 10); got != 55 {
			t.Errorf("fib(10) = %d afterwards", got)
		}
	})
}

// manyFunctions is a module of n functions of some length; the one exported calls the last.
func manyFunctions(n, length int) []byte {
	var numbers, bodies [][]byte
	for i := range n {
		numbers = append(numbers, []byte{0})
		code := bytes.Repeat([]byte{opLocalGet, 0, opI32Const, 1, opI32Add, opLocalSet, 0}, length)
		if i == 0 {
			code = appendU32(append(code, opLocalGet, 0, opCall), uint32(n-1))
		} else {
			code = append(code, opLocalGet, 0)
		}
		b := append(append([]byte{0}, code...), opEnd)
		bodies = append(bodies, append(appendU32(nil, uint32(len(b))), b...))
	}
	return moduleOf(listOf(typeSection, typeOf("i", "i")), listOf(functionSection, numbers...),
		listOf(exportSection, exportOf("run", functionKind, 0)), listOf(codeSection, bodies...))
}

// A large module is rehearsed in chunks, each valid by itself, and then works as a whole.
func TestRehearsal(t *testing.T) {
	binary := manyFunctions(500, 300)
	p, err := decode(binary)
	if err != nil {
		t.Fatal(err)
	}
	ends := p.chunks()
	if len(ends) != 5 || ends[4] != 500 {
		t.Fatalf("%d bytes of code in chunks that end at %v", 500*300*7, ends)
	}
	from := 0
	for _, end := range ends {
		size := 0
		for _, b := range p.bodies[from:end] {
			size += len(b)
		}
		if size > chunkBytes {
			t.Errorf("functions %d to %d have %d bytes, over %d", from, end, size, chunkBytes)
		}
		chunk, err := decode(p.only(from, end))
		if err != nil || len(chunk.bodies) != 500 || !bytes.Equal(chunk.bodies[from], p.bodies[from]) || len(chunk.bodies[(end+1)%500]) > 3 && end < 499 {
			t.Errorf("functions %d to %d: %v", from, end, err)
		}
		from = end
	}
	onEach(t, func(t *testing.T, e *Engine) {
		if got := call(t, instance(t, compile(t, e, binary, Limits{}), Host{}), "run", 5); got != 605 {
			t.Errorf("run(5) = %d, want 605", got)
		}
	})
}

// later is a context that ends when it has been asked so often whether it has.
type later struct {
	context.Context
	left int
}

func (l *later) Err() error {
	if l.left--; l.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// The context is heard between chunks.
func TestRehearsalStops(t *testing.T) {
	e := engines()["compiler"]
	if e == nil {
		t.Skip("no compiler on this machine")
	}
	ctx := &later{context.Background(), 2}
	_, err := e.Compile(ctx, manyFunctions(500, 301), Limits{})
	if err == nil || !strings.Contains(err.Error(), "compiling stopped") || ctx.left > -2 {
		t.Errorf("%v after %d questions, want it stopped at the third", err, 2-ctx.left)
	}
}
