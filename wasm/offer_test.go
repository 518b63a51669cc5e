package wasm

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// asks is a guest whose run(x i32) gives act.double(x, 7).
func asks() []byte {
	return moduleOf(
		listOf(typeSection, typeOf("iI", "I"), typeOf("i", "I")),
		listOf(importSection, importOf("act", "double", functionKind, 0)),
		listOf(functionSection, []byte{1}), listOf(memorySection, []byte{0, 1}),
		listOf(exportSection, exportOf("run", functionKind, 1), exportOf("memory", 2, 0)),
		listOf(codeSection, bodyOf(opLocalGet, 0, opI64Const, 7, opCall, 0)))
}

var errOdd = errors.New("it is odd")

func offer() Offer {
	return Offer{"act", map[string]HostFunc{"double": {"iI", "I", func(i *Instance, p []uint64) error {
		if p[0]%2 == 1 {
			return errOdd
		}
		i.Charge(1000)
		*i.Bound().(*int)++
		p[0] = 2*p[0] + p[1]
		return nil
	}}}}
}

// What is offered to one module is there for that one, with what was bound to its instance.
func TestOffer(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m, err := e.Compile(context.Background(), asks(), Limits{}, offer())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		i := instance(t, m, Host{})
		count := 0
		i.Bind(&count)
		if got := call(t, i, "run", 1<<32+20); got != 47 || count != 1 {
			t.Errorf("double(20, 7) = %d, after %d calls", got, count)
		}
		if used := i.FuelUsed(); used < 1064 || used > 1100 {
			t.Errorf("it used %d", used)
		}
		before, _ := i.Snapshot()
		err = i.Func("run").Call(0, []uint64{3})
		var trap *Trap
		if !errors.As(err, &trap) || trap.Kind != HostFault || !errors.Is(err, errOdd) {
			t.Errorf("an error of the host's stops the guest with %v", err)
		}
		if err := i.Restore(before); err != nil || call(t, i, "run", 2) != 11 {
			t.Errorf("put back after that: %v", err)
		}
	})
}

// No module gets at what was offered to another.
func TestOfferWeakensNobody(t *testing.T) {
	e := fastest()
	if _, err := e.Compile(context.Background(), asks(), Limits{}, offer()); err != nil {
		t.Fatal(err)
	}
	var refusal *Refusal
	if _, err := e.Compile(context.Background(), asks(), Limits{}); !errors.As(err, &refusal) || refusal.Name != "act.double" || !strings.Contains(refusal.Fix, "troupe actor push") {
		t.Errorf("without an offer: %v", err)
	}
	other := Offer{"act", map[string]HostFunc{"halve": offer().Functions["double"]}}
	if _, err := e.Compile(context.Background(), asks(), Limits{}, other); !errors.As(err, &refusal) || !strings.Contains(refusal.Fix, "module act has halve") {
		t.Errorf("with another offer: %v", err)
	}
	wrong := offer()
	wrong.Functions = map[string]HostFunc{"double": {Params: "ii", Result: "I", Run: wrong.Functions["double"].Run}}
	if _, err := e.Compile(context.Background(), asks(), Limits{}, wrong); !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, "the host's is (i32, i32) -> i64") {
		t.Errorf("with another type: %v", err)
	}
	for _, taken := range []string{"host", wasiModule, ""} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("module %q can be offered in place of the host's own", taken)
				}
			}()
			_, _ = e.Compile(context.Background(), asks(), Limits{}, Offer{Module: taken})
		}()
	}
}
