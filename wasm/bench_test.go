package wasm

import (
	"context"
	"slices"
	"testing"
	"time"
)

// BenchmarkFuel is the price of metering and of the fence itself: the same work by the same guest with counters and
// without, and by native Go, in turns within one run. metered/plain and metered/native are medians over the turns.
func BenchmarkFuel(b *testing.B) {
	nodes := new(native)
	nodes.fill(100)
	for _, work := range []struct {
		export string
		param  uint64
		native func(uint32)
	}{
		{"row", 5, nodes.decide},
		{"fib", 15, func(n uint32) { sink = nativeFib(n) }},
		{"spin", 1000, func(n uint32) { sink = nativeSpin(n) }},
	} {
		for language, binary := range rowGuests(b) {
			b.Run(work.export+"/"+language, func(b *testing.B) {
				run := func(m *Module) func() {
					i := instance(b, m, Host{})
					call(b, i, "fill", 100)
					f, stack := i.Func(work.export), make([]uint64, 1)
					return func() {
						stack[0] = work.param
						if err := f.Call(maxFuel, stack); err != nil {
							b.Fatal(err)
						}
					}
				}
				turns(b, run(unmetered(b, fastest(), binary)), run(compile(b, fastest(), binary, Limits{})),
					func() { work.native(uint32(work.param)) })
			})
		}
	}
}

var sink uint32

func nativeFib(n uint32) uint32 {
	if n < 2 {
		return n
	}
	return nativeFib(n-1) + nativeFib(n-2)
}

func nativeSpin(n uint32) uint32 {
	h := n
	for range n {
		h ^= h << 13
		h ^= h >> 17
		h ^= h << 5
	}
	return h
}

// turns times the three in turns of 50 calls.
func turns(b *testing.B, plain, metered, native func()) {
	var took [3][]float64
	for b.Loop() {
		for n, f := range []func(){plain, metered, native} {
			began := time.Now()
			for range 50 {
				f()
			}
			took[n] = append(took[n], float64(time.Since(began))/50)
		}
	}
	median := func(a, b []float64) float64 {
		ratios := make([]float64, len(a))
		for n := range a {
			ratios[n] = a[n] / b[n]
		}
		slices.Sort(ratios)
		return ratios[len(ratios)/2]
	}
	slices.Sort(took[1])
	defer b.ReportMetric(took[1][len(took[1])/2], "ns/call")
	b.ReportMetric(median(took[1], took[0]), "metered/plain")
	b.ReportMetric(median(took[1], took[2]), "metered/native")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCall is what one call costs, by what it does.
func BenchmarkCall(b *testing.B) {
	for name, e := range engines() {
		i := instance(b, compile(b, e, fixture(b, "guest.wasm"), Limits{}), Host{Log: func(Level, string) {}, Enabled: func(Level) bool { return false }})
		for _, export := range []string{"nothing", "add", "say"} {
			b.Run(name+"/"+export, func(b *testing.B) {
				f, stack := i.Func(export), make([]uint64, 2)
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Call(1000, stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(name+"/memory", func(b *testing.B) {
			for b.Loop() {
				i.Memory()[100]++
			}
		})
	}
}

// BenchmarkLoad is what it costs to get a guest ready.
func BenchmarkLoad(b *testing.B) {
	ctx := context.Background()
	for language, binary := range rowGuests(b) {
		b.Run("prepare/"+language, func(b *testing.B) {
			b.SetBytes(int64(len(binary)))
			for b.Loop() {
				m := &Module{limits: Defaults()}
				if _, err := m.prepare(binary); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("compile/"+language, func(b *testing.B) {
			for b.Loop() {
				m, err := fastest().Compile(ctx, binary, Limits{})
				if err != nil {
					b.Fatal(err)
				}
				_ = m.Close()
			}
		})
		m := compile(b, fastest(), binary, Limits{})
		b.Run("instantiate/"+language, func(b *testing.B) {
			for b.Loop() {
				i, err := m.Instantiate(ctx, Host{})
				if err != nil {
					b.Fatal(err)
				}
				_ = i.Close()
			}
		})
		i := instance(b, m, Host{})
		s, err := i.Snapshot()
		if err != nil {
			continue // a Go guest moves table entries
		}
		b.Run("restore/"+language, func(b *testing.B) {
			for b.Loop() {
				if err := i.Restore(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
