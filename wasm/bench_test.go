package wasm

import (
	"testing"
)

// BenchmarkFuel is the price of metering: the same guest with and without, in one run.
func BenchmarkFuel(b *testing.B) {
	e := engines()["compiler"]
	for _, work := range []struct {
		export string
		param  uint64
	}{{"row", 5}, {"fib", 15}, {"spin", 1000}} {
		for language, binary := range rowGuests(b) {
			for _, v := range []struct {
				name string
				m    *Module
			}{{"plain", unmetered(b, e, binary)}, {"metered", compile(b, e, binary, Limits{})}} {
				b.Run(work.export+"/"+language+"/"+v.name, func(b *testing.B) {
					i := instance(b, v.m, Host{})
					call(b, i, "fill", 100)
					f := i.Func(work.export)
					var stack [1]uint64
					for b.Loop() {
						stack[0] = work.param
						if err := f.Call(maxFuel, stack[:]); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
