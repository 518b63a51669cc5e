package wasm

import (
	"context"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// An Instance is a module with memory and globals of its own. One goroutine at a time uses it.
type Instance struct {
	module *Module
	host   Host
	guest  api.Module
	memory api.Memory // nil if the guest exports none
	fuel   api.MutableGlobal
	depth  api.MutableGlobal
	ctx    *calling
	funcs  map[string]*Func

	globals []api.MutableGlobal // the guest's own, for snapshots; nil until asked for

	given uint64 // fuel of the last call
	said  string // what the guest said through host.error since the last call began
	dead  *Trap
	clock fakeClock
	dice  uint64
	bound any // what the embedder bound, for its functions
}

// calling is the context of every call: it leads the host's functions to the instance without a lookup.
type calling struct {
	context.Context
	instance *Instance
}

// Value has nothing to say, fast: wazero asks at each call.
func (*calling) Value(any) any { return nil }

// A Func is an exported function of one instance, looked up once.
type Func struct {
	instance *Instance
	export   string
	function api.Function
	need     int // length of the stack: the longer of parameters and results
}

// Instantiate makes an instance, and calls its _initialize if it exports one (Go guests do). The guest may use
// Limits.StartFuel for that.
func (m *Module) Instantiate(ctx context.Context, host Host) (*Instance, error) {
	i := &Instance{module: m, host: host, funcs: map[string]*Func{}, given: m.limits.StartFuel}
	i.ctx = &calling{context.Background(), i}
	var err error
	i.guest, err = m.runtime.InstantiateModule(&calling{ctx, i}, m.code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		trap := i.trapped("start", err)
		if trap.Kind == Unreachable {
			trap.Text += fmt.Sprintf(" in the start section, or more than its fuel of %d used", m.limits.StartFuel)
		}
		return nil, trap
	}
	i.memory = i.guest.Memory()
	i.fuel, _ = i.guest.ExportedGlobal(fuelName).(api.MutableGlobal)
	i.depth, _ = i.guest.ExportedGlobal(depthName).(api.MutableGlobal)
	if f := i.Func("_initialize"); f != nil && f.need == 0 {
		if err := f.Call(m.limits.StartFuel, nil); err != nil {
			_ = i.Close()
			return nil, err
		}
	}
	return i, nil
}

// Module is what the instance was made of.
func (i *Instance) Module() *Module { return i.module }

// Func finds an exported function; nil if there is none. The first lookup of a name costs microseconds, later ones a map's.
func (i *Instance) Func(export string) *Func {
	if f, ok := i.funcs[export]; ok {
		return f
	}
	var f *Func
	if function := i.guest.ExportedFunction(export); function != nil {
		d := function.Definition()
		f = &Func{i, export, function, max(len(d.ParamTypes()), len(d.ResultTypes()))}
	}
	i.funcs[export] = f
	return f
}

// Call runs the function until it returns or has used its fuel; fuel 0 stands for Limits.Fuel. The stack holds the
// parameters and then the results, as api.EncodeI32 and its kin write them: it is as long as the longer of the two.
// An error is a *Trap, and the instance is then of no more use.
func (f *Func) Call(fuel uint64, stack []uint64) error {
	i := f.instance
	if i.dead != nil {
		return &Trap{Kind: Dead, Module: i.module.digest.Short(), Export: f.export, Text: "the instance stopped before: " + i.dead.Text}
	}
	if len(stack) < f.need {
		return &Trap{Kind: Signature, Module: i.module.digest.Short(), Export: f.export, Value: uint64(len(stack)), Limit: uint64(f.need),
			Text: fmt.Sprintf("the stack has %d values, the function needs %d", len(stack), f.need)}
	}
	if fuel == 0 {
		fuel = i.module.limits.Fuel
	}
	fuel = min(fuel, maxFuel)
	i.said, i.given = "", fuel
	if i.fuel != nil {
		i.fuel.Set(fuel)
	}
	if err := f.function.CallWithStack(i.ctx, stack); err != nil {
		return i.trapped(f.export, err)
	}
	return nil
}

// FuelUsed is the fuel of the last call, the trapped one included. It is the same on every machine and engine.
func (i *Instance) FuelUsed() uint64 {
	if i.fuel == nil {
		return 0
	}
	left := int64(i.fuel.Get()) // below 0 if the last region cost more than was left
	return i.given - uint64(max(left, 0))
}

// Said is what the guest said through host.error during the last call.
func (i *Instance) Said() string { return i.said }

// Trapped is what stopped the instance; nil while it lives.
func (i *Instance) Trapped() *Trap { return i.dead }

// Memory is the guest's memory itself, for reading and poking. It holds until the next call: a guest that grows moves. It is
// nil if the guest exports no memory.
func (i *Instance) Memory() []byte {
	if i.memory == nil {
		return nil
	}
	all, _ := i.memory.Read(0, i.memory.Size())
	return all
}

// View is a part of the guest's memory, like Memory; an error says that it does not lie within.
func (i *Instance) View(ptr, length uint32) ([]byte, error) {
	all := i.Memory()
	if uint64(ptr)+uint64(length) > uint64(len(all)) {
		return nil, fmt.Errorf("wasm: module %s: bytes %d to %d are not in the guest's memory of %d bytes",
			i.module.digest.Short(), ptr, uint64(ptr)+uint64(length), len(all))
	}
	return all[ptr : ptr+length : ptr+length], nil
}

// Close frees the instance.
func (i *Instance) Close() error {
	if i.dead == nil {
		i.dead = &Trap{Kind: Dead, Text: "closed"}
	}
	return i.guest.Close(context.Background())
}

// trapped buries the instance.
func (i *Instance) trapped(export string, err error) *Trap {
	t := newTrap(err)
	t.Module, t.Export, t.Said = i.module.digest.Short(), export, strings.TrimRight(i.said, "\r\n")
	i.why(t)
	if t.Said != "" {
		t.Text += ": " + t.Said
	}
	i.dead = t
	return t
}

// why tells an unreachable of the guest from ours: the counter that ran out says which.
func (i *Instance) why(t *Trap) {
	switch {
	case t.Kind != Unreachable:
	case i.fuel != nil && int64(i.fuel.Get()) < 0:
		t.Kind, t.Value, t.Limit = Fuel, i.given, i.given
	case i.depth != nil && int64(i.depth.Get()) > int64(i.module.limits.Depth):
		t.Kind, t.Value, t.Limit = Depth, i.depth.Get(), uint64(i.module.limits.Depth)
	}
}
