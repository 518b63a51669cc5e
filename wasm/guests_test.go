package wasm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// goGuest builds testdata/go once; what it needs is the go command that runs the test.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "troupe-wasm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "row.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "main.go")
	build.Dir = filepath.Join("testdata", "go")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: string(text), Err: err}
	}
	return os.ReadFile(out)
})

// rowGuests are the same program out of four compilers.
func rowGuests(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"c": fixture(t, "row_c.wasm"), "rust": fixture(t, "row_rust.wasm"), "assemblyscript": fixture(t, "row_as.wasm")}
	if !testing.Short() && !raceDetector { // which has nothing to find in a guest, and makes compiling it take a minute
		b, err := goGuest()
		if err != nil {
			t.Fatal(err)
		}
		out["go"] = b
	}
	return out
}

// unmetered compiles a module as it is: what the rewriting is compared with.
func unmetered(t testing.TB, e *Engine, binary []byte) *Module {
	t.Helper()
	m := &Module{engine: e, limits: Defaults(), offers: together(nil)}
	if err := m.compile(context.Background(), binary); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// native is the program of testdata/row.c in this process: what the guests must answer, and what they are timed against.
type native struct {
	used, capacity [1024]float64
	zone, copies   [1024]uint32
	flags, row     [1024]uint8
	count          uint32
}

func (s *native) fill(n uint32) {
	x := uint64(88172645463325252)
	s.count = n
	for i := range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		s.capacity[i], s.used[i] = 1000, float64(x%1000)
		s.zone[i], s.copies[i] = uint32(x>>20)%3, uint32(x>>30)%50
		s.flags[i] = 0
		if x>>40%8 == 0 {
			s.flags[i] = 1
		}
	}
}

func (s *native) decide(shard uint32) {
	home := shard % 3
	for i := range s.count {
		v := uint8(0)
		if s.flags[i] != 0 {
			v = max(v, 0xc1)
		}
		if s.used[i] > s.capacity[i]*0.95 {
			v = max(v, 0xc2)
		} else if s.used[i] > s.capacity[i]*0.85 {
			v = max(v, 0x82)
		}
		if s.zone[i] == home {
			v = max(v, 0x43)
		}
		if s.copies[i]+shard%7 > 45 {
			v = max(v, 0xc4)
		}
		s.row[i] = v
	}
}

func (s *native) hash() uint32 {
	h := uint32(2166136261)
	for _, v := range s.row[:s.count] {
		h = (h ^ uint32(v)) * 16777619
	}
	return h
}

// call is a call with at most one parameter.
func call(t testing.TB, i *Instance, export string, param uint64) uint64 {
	t.Helper()
	stack := []uint64{param}
	if err := i.Func(export).Call(maxFuel, stack); err != nil {
		t.Fatalf("%s(%d): %v", export, param, err)
	}
	return stack[0]
}

// The guests of four compilers answer what the native program answers, metered and not, on both engines, and use the
// same fuel on both.
func TestGuestsAgree(t *testing.T) {
	for language, binary := range rowGuests(t) {
		fuel := map[string][]uint64{}
		for name, e := range engines() {
			for what, m := range map[string]*Module{"metered": compile(t, e, binary, Limits{}), "plain": unmetered(t, e, binary)} {
				i := instance(t, m, Host{})
				var want native
				for _, nodes := range []uint32{0, 1, 3, 100, 1000} {
					want.fill(nodes)
					call(t, i, "fill", uint64(nodes))
					for shard := range uint32(20) {
						want.decide(shard)
						call(t, i, "row", uint64(shard))
						if what == "metered" {
							fuel[name] = append(fuel[name], i.FuelUsed())
						}
						if got := call(t, i, "hash", 0); uint32(got) != want.hash() {
							t.Fatalf("%s, %s, %s: row of shard %d, %d nodes has hash %d, want %d", language, name, what, shard, nodes, got, want.hash())
						}
					}
				}
				if call(t, i, "fib", 15) != 610 {
					t.Errorf("%s, %s, %s: fib(15) is not 610", language, name, what)
				}
				view, err := i.View(uint32(call(t, i, "row_at", 0)), 1000)
				if err != nil || string(view) != string(want.row[:1000]) {
					t.Errorf("%s, %s, %s: the row in the guest's memory is another: %v", language, name, what, err)
				}
			}
		}
		if len(fuel) == 2 && !equal(fuel["compiler"], fuel["interpreter"]) {
			t.Errorf("%s: compiler and interpreter differ in fuel: %v, %v", language, fuel["compiler"], fuel["interpreter"])
		}
	}
}

func equal(a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		if a[n] != b[n] {
			return false
		}
	}
	return true
}

// A Go guest collects garbage within its calls, and its panic tells why.
func TestGoGuest(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("builds and compiles a Go guest")
	}
	binary, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, fastest(), binary, Limits{})
	var lines []string
	i := instance(t, m, Host{Log: func(_ Level, text string) { lines = append(lines, text) }})
	t.Logf("module of %d bytes; starting uses %d fuel and %d pages", m.Size(), i.FuelUsed(), len(i.Memory())>>16)
	for range 20 {
		if got := call(t, i, "churn", 2000); got != 97 {
			t.Fatalf("churn kept %d, want 97", got)
		}
	}
	err = i.Func("fail").Call(0, nil)
	if err == nil || !strings.Contains(err.Error(), "as asked") {
		t.Errorf("%v, want the words of the panic", err)
	}
	if len(lines) == 0 || lines[0] != "about to fail" {
		t.Errorf("heard %q, want what it wrote to standard error", lines)
	}
}
