package wasm

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// An Offer is a module of functions that an embedder lets some guests import, those that it compiles with the Offer. Other guests, and policies
// above all, can import it no more than before: it is part of what a Module is compiled with, and of nothing else.
type Offer struct {
	Module    string // the name that guests import from
	Functions map[string]HostFunc
}

// HostFunc is a function of an Offer.
type HostFunc struct {
	Params string // a letter for each: i for i32, I for i64
	Result string // one letter, or none
	// Run gets the parameters, and leaves its result in p[0]; p has a place for it also if there are no parameters. The upper half of an
	// i32 is 0. It runs on the goroutine of Func.Call and must not call the guest. An error stops the guest: the Trap of kind HostFault wraps it.
	Run func(i *Instance, p []uint64) error
}

// together is what all guests may import, and what is offered to this one. An Offer that would take the place of another is a
// mistake in the program.
func together(offers []Offer) imports {
	if len(offers) == 0 {
		return offered
	}
	all := imports{}
	for name, functions := range offered {
		all[name] = functions
	}
	for _, o := range offers {
		if _, taken := all[o.Module]; taken || o.Module == "" {
			panic(fmt.Sprintf("wasm: module %q cannot be offered: there is one already, or it has no name", o.Module))
		}
		functions := map[string]hostFunction{}
		for name, f := range o.Functions {
			functions[name] = f.host()
		}
		all[o.Module] = functions
	}
	return all
}

// host is the function as the engine wants it.
func (f HostFunc) host() hostFunction {
	params, results, run := types(f.Params), types(f.Result), f.Run
	places := max(len(params), len(results))
	return hostFunction{params, results, func(ctx context.Context, guest api.Module, stack []uint64) {
		i := caller(ctx, guest)
		i.charge(hostCost)
		for n, t := range params {
			if t == i32 { // the compiler leaves what it likes in the upper half
				stack[n] = uint64(uint32(stack[n]))
			}
		}
		if err := run(i, stack[:places]); err != nil {
			panic(err)
		}
	}}
}

func types(letters string) []api.ValueType {
	var out []api.ValueType
	for _, l := range letters {
		t, known := map[rune]api.ValueType{'i': i32, 'I': i64}[l]
		if !known {
			panic(fmt.Sprintf("wasm: %q is no type that a function can be offered with; i is i32, I is i64", l))
		}
		out = append(out, t)
	}
	return out
}

// Bind leaves something with the instance for the functions of an Offer: what the call that comes is about. The next Bind takes its place.
func (i *Instance) Bind(v any) { i.bound = v }

// Bound is what Bind left; nil before it.
func (i *Instance) Bound() any { return i.bound }

// Charge takes fuel for what a function of an Offer does, besides the 64 that each call costs: a unit a byte that it copies, say. The guest stops at its
// next check if that was the last of it.
func (i *Instance) Charge(n uint64) { i.charge(n) }
