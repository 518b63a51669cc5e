package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/troupe-actors/troupe/wasm"
)

// guest reads a built guest. Its source is testdata/guest.wat.
func guest() []byte {
	b, err := os.ReadFile("testdata/guest.wasm")
	if err != nil {
		panic(err)
	}
	return b
}

func Example() {
	engine, err := wasm.NewEngine(wasm.Config{Interpreter: true})
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	module, err := engine.Compile(context.Background(), guest(), wasm.Limits{Pages: 16})
	if err != nil {
		panic(err)
	}
	defer module.Close()
	instance, err := module.Instantiate(context.Background(), wasm.Host{
		Log: func(level wasm.Level, text string) { fmt.Println("the guest says:", text) },
	})
	if err != nil {
		panic(err)
	}
	add := instance.Func("add") // looked up once
	stack := []uint64{20, 22}   // parameters in, results out
	if err := add.Call(1000, stack); err != nil {
		panic(err)
	}
	fmt.Println(stack[0], "for", instance.FuelUsed(), "fuel")
	if err := instance.Func("say").Call(1000, []uint64{0}); err != nil {
		panic(err)
	}
	// Output:
	// 42 for 3 fuel
	// the guest says: a line of the guest
}

// A loop without end stops when the fuel does, and the instance with it.
func ExampleTrap() {
	engine, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	module, err := engine.Compile(context.Background(), guest(), wasm.Limits{})
	if err != nil {
		panic(err)
	}
	instance, err := module.Instantiate(context.Background(), wasm.Host{})
	if err != nil {
		panic(err)
	}
	err = instance.Func("forever").Call(50_000, nil)
	var trap *wasm.Trap
	if errors.As(err, &trap) {
		fmt.Println(trap.Kind, trap.Export, trap.Limit)
		fmt.Println(trap.Fix())
	}
	err = instance.Func("add").Call(50_000, []uint64{1, 2})
	fmt.Println(errors.As(err, &trap) && trap.Kind == wasm.Dead)
	// Output:
	// fuel forever 50000
	// look for a loop that does not end, or raise the fuel in the module's limits
	// true
}

// A module that breaks a limit is refused before anything of it is compiled.
func ExampleRefusal() {
	engine, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	_, err = engine.Compile(context.Background(), guest(), wasm.Limits{Functions: 10})
	fmt.Println(err)
	// Output:
	// wasm: module refused: function: has too many functions (23, limit 10); link less, or optimise for size
}
