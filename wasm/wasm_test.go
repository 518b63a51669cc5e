package wasm

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// engines are the compiler and the interpreter; what one does, the other must.
var engines = sync.OnceValue(func() map[string]*Engine {
	out := map[string]*Engine{}
	for _, c := range []Config{{}, {Interpreter: true}} {
		e, err := NewEngine(c)
		if err != nil {
			panic(err)
		}
		out[e.Running()] = e
	}
	return out
})

// fastest is the compiler, where there is one.
func fastest() *Engine {
	if e := engines()["compiler"]; e != nil {
		return e
	}
	return engines()["interpreter"]
}

// fixture reads a built guest from testdata.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compile(t testing.TB, e *Engine, binary []byte, limits Limits) *Module {
	t.Helper()
	m, err := e.Compile(context.Background(), binary, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func instance(t testing.TB, m *Module, host Host) *Instance {
	t.Helper()
	i, err := m.Instantiate(context.Background(), host)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// onEach runs a test on both engines.
func onEach(t *testing.T, f func(t *testing.T, e *Engine)) {
	t.Helper()
	for name, e := range engines() {
		t.Run(name, func(t *testing.T) { f(t, e) })
	}
}

func TestCalls(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		i := instance(t, compile(t, e, fixture(t, "guest.wasm"), Limits{}), Host{})
		for _, c := range []struct {
			export string
			params []uint64
			want   uint64
		}{
			{"add", []uint64{20, 22}, 42},
			{"add", []uint64{1, math.MaxUint32}, 0},
			{"sum", []uint64{100}, 5050},
			{"fib", []uint64{20}, 6765},
			{"deep", []uint64{900}, 900},
			{"indirect", []uint64{0}, 42},
			{"counted", []uint64{0}, 1},
			{"counted", []uint64{0}, 2},
			{"grow", []uint64{3}, 1},
			{"swap", []uint64{0, 8}, 8},
			{"swap", []uint64{1, 8}, 5},
		} {
			stack := append([]uint64{}, c.params...)
			if err := i.Func(c.export).Call(0, stack); err != nil {
				t.Fatalf("%s: %v", c.export, err)
			}
			if stack[0] != c.want {
				t.Errorf("%s%v = %d, want %d", c.export, c.params, stack[0], c.want)
			}
		}
		if i.Func("missing") != nil {
			t.Error("found an export that does not exist")
		}
		if got := len(i.Memory()); got != 4<<16 {
			t.Errorf("memory of %d bytes after growing by 3 pages", got)
		}
	})
}

func TestTraps(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, fixture(t, "guest.wasm"), Limits{})
		for _, c := range []struct {
			export string
			params []uint64
			kind   Kind
		}{
			{"stop", nil, Unreachable},
			{"load", []uint64{65533}, Memory},
			{"fill", []uint64{65536 - 3, 4}, Memory},
			{"copy", []uint64{0, 65000, 600}, Memory},
			{"divide", []uint64{1, 0}, Arithmetic},
			{"divide", []uint64{1 << 31, math.MaxUint32}, Arithmetic},
			{"truncate", []uint64{math.Float64bits(math.NaN())}, Arithmetic},
			{"indirect", []uint64{1}, Table},
			{"indirect", []uint64{3}, Table},
			{"indirect", []uint64{99}, Table},
			{"fail_beyond", nil, HostFault},
			{"add", []uint64{1}, Signature},
		} {
			i := instance(t, m, Host{})
			err := i.Func(c.export).Call(0, c.params)
			var trap *Trap
			if !errors.As(err, &trap) || trap.Kind != c.kind || trap.Export != c.export || !strings.Contains(err.Error(), m.Digest().Short()) {
				t.Errorf("%s%v: %v, want kind %s", c.export, c.params, err, c.kind)
				continue
			}
			if c.kind == Signature {
				continue
			}
			if err := i.Func("add").Call(0, []uint64{1, 2}); !errors.As(err, &trap) || trap.Kind != Dead {
				t.Errorf("after %s: %v, want the instance dead", c.export, err)
			}
		}
	})
}

func TestHost(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, fixture(t, "guest.wasm"), Limits{})
		var lines []string
		i := instance(t, m, Host{
			Log:     func(level Level, text string) { lines = append(lines, text) },
			Enabled: func(level Level) bool { return level >= 4 },
		})
		for _, level := range []uint64{0, 4, 8} {
			if err := i.Func("say").Call(0, []uint64{level}); err != nil {
				t.Fatal(err)
			}
		}
		if len(lines) != 2 || lines[0] != "a line of the guest" {
			t.Errorf("heard %q, want the line twice", lines)
		}
		if err := i.Func("fail").Call(0, nil); err != nil || i.Said() != "a line" {
			t.Errorf("said %q, %v", i.Said(), err)
		}
		if err := i.Func("nothing").Call(0, nil); err != nil || i.Said() != "" {
			t.Errorf("said %q after another call, %v", i.Said(), err)
		}
	})
}

// A trap says where the guest was, in the guest's own names, and a refusal names a function as well as it can.
func TestNames(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		i := instance(t, compile(t, e, fixture(t, "guest.wasm"), Limits{Depth: 5}), Host{})
		trap := trapOf(t, i, Depth, "deep", 0, 10)
		if frames := strings.Split(trap.Trace, "\n"); len(frames) != 6 || !strings.Contains(frames[0], "deep(i32) i32") {
			t.Errorf("trace %q, want six frames of deep", trap.Trace)
		}
	})
	bad := func(names []byte) string {
		_, err := engines()["interpreter"].Compile(context.Background(), moduleOf(listOf(typeSection, typeOf("", "")),
			listOf(functionSection, []byte{0}, []byte{0}), listOf(codeSection, bodyOf(), bodyOf(0xff)), sectionOf(customSection, names)), Limits{})
		return err.Error()
	}
	named := append(appendName(nil, "name"), sectionOf(1, append([]byte{2, 0}, append(appendName(nil, "good"), append([]byte{1}, appendName(nil, "evil")...)...)...))...)
	for want, names := range map[string][]byte{"code evil:": named, "code function 1:": append(appendName(nil, "name"), 1, 99)} {
		if got := bad(names); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
