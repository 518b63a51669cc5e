package wasm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

var (
	seeds = flag.Int("seeds", 300, "random modules of TestRandomModules and TestDamagedModules")
	first = flag.Uint64("first", 1, "seed of the first")
)

// outcome is all that a run of a module lets one see.
type outcome struct {
	results string
	memory  uint64
	pages   int
	globals string
	kind    Kind
	fuel    uint64 // 0 of a module that is not metered
}

// play calls every export of a random module in turn, in one instance, until a trap, and notes what came of each call.
func play(t testing.TB, m *Module, seed uint64) []outcome {
	t.Helper()
	i := instance(t, m, Host{})
	defer i.Close()
	chance := rand.New(rand.NewPCG(seed, 11))
	var out []outcome
	for round := range 3 {
		for name := 'a'; ; name++ {
			f := i.Func(string(name))
			if f == nil {
				break
			}
			params := f.function.Definition().ParamTypes()
			stack := make([]uint64, f.need)
			for n, p := range params {
				stack[n] = argument(chance, p, round)
			}
			err := f.Call(20_000, stack)
			o := outcome{fuel: i.FuelUsed(), pages: len(i.Memory()) >> 16}
			h := fnv.New64a()
			h.Write(i.Memory())
			o.memory = h.Sum64()
			for n := range 5 {
				g := i.guest.ExportedGlobal(fmt.Sprintf("g%d", n))
				o.globals += text(g.Type(), g.Get()) + " "
			}
			var trap *Trap
			if errors.As(err, &trap) {
				o.kind = trap.Kind
				return append(out, o)
			}
			for n, r := range f.function.Definition().ResultTypes() {
				o.results += text(r, stack[n]) + " "
			}
			out = append(out, o)
		}
	}
	return out
}

func argument(chance *rand.Rand, t api.ValueType, round int) uint64 {
	switch v := chance.Uint64() >> chance.IntN(64); t {
	case api.ValueTypeF32:
		return uint64(math.Float32bits(float32(v) / 3))
	case api.ValueTypeF64:
		return math.Float64bits(float64(v) / 3)
	case api.ValueTypeI32:
		return uint64(uint32(v) >> (8 * round))
	default:
		return v
	}
}

// text writes a value so that all NaN look the same.
func text(t api.ValueType, v uint64) string {
	switch t {
	case api.ValueTypeF32:
		return fmt.Sprint(math.Float32frombits(uint32(v)))
	case api.ValueTypeF64:
		return fmt.Sprint(math.Float64frombits(v))
	case api.ValueTypeI32:
		return fmt.Sprint(uint32(v))
	default:
		return fmt.Sprint(v)
	}
}

// checkSeed holds one random module to what metering promises: the same on both engines, fuel included; and, until fuel or
// depth end it, the same as without.
func checkSeed(t testing.TB, seed uint64) (ended Kind) {
	t.Helper()
	binary := randomModule(seed)
	// Smaller limits than usual let a run end soon: Depth has the engines' own limits far behind it.
	limits := Limits{Depth: 50}
	compiler, interpreter := engines()["compiler"], engines()["interpreter"]
	metered := play(t, compile(t, interpreter, binary, limits), seed)
	if compiler != nil {
		same(t, seed, "interpreter", metered, "compiler", play(t, compile(t, compiler, binary, limits), seed), true)
	}
	last := metered[len(metered)-1]
	if last.kind == Fuel || last.kind == Depth {
		// Without the counters it might never end.
		return last.kind
	}
	same(t, seed, "metered", metered, "plain", play(t, unmetered(t, interpreter, binary), seed), false)
	return last.kind
}

func same(t testing.TB, seed uint64, one string, a []outcome, other string, b []outcome, fuel bool) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("seed %d: %d calls %s, %d %s; repeat with -run TestRandomModules -first %d -seeds 1", seed, len(a), one, len(b), other, seed)
	}
	for n := range a {
		if !fuel {
			a[n].fuel, b[n].fuel = 0, 0
		}
		if a[n] != b[n] {
			t.Fatalf("seed %d, call %d:\n%s %+v\n%s %+v\nrepeat with -run TestRandomModules -first %d -seeds 1", seed, n, one, a[n], other, b[n], seed)
		}
	}
}

// Random modules stay valid when they are rewritten, and do the same as before.
func TestRandomModules(t *testing.T) {
	ended := map[Kind]int{}
	for n := range *seeds {
		t.Run("", func(t *testing.T) { ended[checkSeed(t, *first+uint64(n))]++ })
	}
	t.Logf("ended by %v", ended)
	if *seeds >= 300 && (ended[""] == 0 || ended[Fuel] == 0 || ended[Depth] == 0 || ended[Unreachable] == 0 || ended[Memory] == 0 || ended[Arithmetic] == 0 || ended[Table] == 0) {
		t.Error("the modules do not reach every ending; the generator has become too tame")
	}
}

// checkDamaged changes bytes of a module. What is then let through must be valid by itself, and not only thanks to what
// the rewriting added; and it must not bring the process down.
func checkDamaged(t testing.TB, seed uint64, binary []byte) (accepted bool) {
	t.Helper()
	ctx := context.Background()
	m, err := engines()["interpreter"].Compile(ctx, binary, Limits{})
	if err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("seed %d: %v is no refusal", seed, err)
		}
		return false
	}
	defer m.Close()
	plain := &Module{engine: engines()["interpreter"], limits: m.limits}
	defer plain.Close()
	if err := plain.compile(ctx, binary); err != nil {
		t.Fatalf("seed %d: let through, and invalid without the rewriting: %v", seed, err)
	}
	if c := engines()["compiler"]; c != nil { // which must have an answer for all that is valid, too
		m, err := c.Compile(ctx, binary, Limits{})
		if err != nil {
			t.Fatalf("seed %d: the interpreter takes it, the compiler does not: %v", seed, err)
		}
		defer m.Close()
	}
	return true
}

func TestDamagedModules(t *testing.T) {
	accepted := 0
	for n := range *seeds {
		seed := *first + uint64(n)
		chance := rand.New(rand.NewPCG(seed, 13))
		for range 10 {
			binary := randomModule(seed)
			for range 1 + chance.IntN(2) {
				binary[8+chance.IntN(len(binary)-8)] ^= byte(1 << chance.IntN(8))
			}
			if checkDamaged(t, seed, binary) {
				accepted++
			}
		}
	}
	t.Logf("%d of %d damaged modules are still valid", accepted, 10**seeds)
	if accepted == 0 || accepted == 10**seeds {
		t.Error("none or all are valid: the damage tells nothing")
	}
}

func FuzzModules(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkSeed(t, seed) })
}

func FuzzBytes(f *testing.F) {
	for _, name := range []string{"guest.wasm", "row_c.wasm", "row_rust.wasm", "row_as.wasm", "wasi.wasm"} {
		f.Add(fixture(f, name))
	}
	f.Add(randomModule(1))
	f.Fuzz(func(t *testing.T, binary []byte) { checkDamaged(t, 0, binary) })
}
