package wasm

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Level is how loud a guest's line is, in slog's numbers: -4 debug, 0 info, 4 warn, 8 error.
type Level int32

// Host is what the runner of a guest does for it, in the middle of a call: it must not call the guest. The zero Host
// hears nothing.
type Host struct {
	// Log takes a line of the guest: what it gave host.log, or wrote to its standard output (level 0) or error (level 4).
	Log func(level Level, text string)
	// Enabled says whether a line of that level would be kept, so that a guest can spare itself the making of it. Without
	// it, all are if Log is set.
	Enabled func(level Level) bool
}

// lineBytes bounds one line of a guest; the rest is cut.
const lineBytes = 4 << 10

// hostCost is the fuel of a call to the host, besides a unit for each byte that is handed over.
const hostCost = 64

// imports is what a guest may import, by module and name.
type imports map[string]map[string]hostFunction

// offered is what every guest may import. For one that is compiled without an Offer, nothing else exists.
var offered = imports{"host": hostFunctions, wasiModule: wasiHost()}

// provide makes the functions that the module imports, and no others.
func (m *Module) provide(ctx context.Context, r wazero.Runtime) error {
	made := map[string]wazero.HostModuleBuilder{}
	for _, f := range m.Imports() {
		if made[f.Module] == nil {
			made[f.Module] = r.NewHostModuleBuilder(f.Module)
		}
		h := m.offers[f.Module][f.Name]
		made[f.Module].NewFunctionBuilder().WithGoModuleFunction(h.run, h.params, h.results).Export(f.Name)
	}
	for _, b := range made {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hostFunction is a function that the host offers.
type hostFunction struct {
	params  []api.ValueType
	results []api.ValueType
	run     api.GoModuleFunc
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

var hostFunctions = map[string]hostFunction{
	"log": {[]api.ValueType{i32, i32, i32}, nil, func(ctx context.Context, guest api.Module, stack []uint64) {
		i := caller(ctx, guest)
		i.log(Level(int32(stack[0])), i.text(stack[1], stack[2]))
	}},
	"log_enabled": {[]api.ValueType{i32}, []api.ValueType{i32}, func(ctx context.Context, guest api.Module, stack []uint64) {
		i := caller(ctx, guest)
		i.charge(hostCost)
		enabled := i.host.Log != nil && (i.host.Enabled == nil || i.host.Enabled(Level(int32(stack[0]))))
		stack[0] = 0
		if enabled {
			stack[0] = 1
		}
	}},
	"error": {[]api.ValueType{i32, i32}, nil, func(ctx context.Context, guest api.Module, stack []uint64) {
		i := caller(ctx, guest)
		i.said = i.text(stack[0], stack[1])
	}},
}

// caller is the instance whose guest called. While a start section runs, it does not know its memory yet.
func caller(ctx context.Context, guest api.Module) *Instance {
	i := ctx.(*calling).instance
	if i.memory == nil {
		i.memory = guest.Memory()
	}
	return i
}

func (i *Instance) log(level Level, text string) {
	if i.host.Log != nil && (i.host.Enabled == nil || i.host.Enabled(level)) {
		i.host.Log(level, text)
	}
}

// text copies a string out of the guest, cut to a line's length, and charges for it.
func (i *Instance) text(ptr, length uint64) string {
	kept := min(uint32(length), lineBytes)
	i.charge(hostCost + uint64(kept))
	view, err := i.View(uint32(ptr), kept)
	if err != nil {
		panic(err)
	}
	return string(view)
}

// charge takes fuel for what the host did. The guest stops at its next check if that was the last of it.
func (i *Instance) charge(n uint64) {
	if i.fuel != nil {
		i.fuel.Set(i.fuel.Get() - n)
	}
}
