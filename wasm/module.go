package wasm

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// A Module is a compiled guest, ready to be instantiated any number of times. It is safe for use by many goroutines.
type Module struct {
	engine  *Engine
	limits  Limits
	digest  Digest
	size    int
	runtime wazero.Runtime
	code    wazero.CompiledModule
	cache   wazero.CompilationCache // its folder; nil: none
	custom  map[string][]byte
	fixed   string // what a snapshot could not restore; "" if it can restore all
	damage  error  // of the cached code
	mutable []int  // numbers of the mutable globals
	offers  imports
}

// Function is the type of an exported or imported function: i32, i64, f32, f64, v128, funcref, externref.
type Function struct {
	Module  string // of an import; "" for an export
	Name    string
	Params  []string
	Results []string
}

// String is the function as text: "can_allocate(i32, i32) -> i32".
func (f Function) String() string {
	name := f.Name
	if f.Module != "" {
		name = f.Module + "." + f.Name
	}
	text := name + "(" + strings.Join(f.Params, ", ") + ")"
	if len(f.Results) > 0 {
		text += " -> " + strings.Join(f.Results, ", ")
	}
	return text
}

// Digest is the SHA-256 of the binary as it was given.
func (m *Module) Digest() Digest { return m.digest }

// Size is the length of the binary as it was given.
func (m *Module) Size() int { return m.size }

// Limits are the limits that it was compiled with, defaults filled in.
func (m *Module) Limits() Limits { return m.limits }

// Exports lists the exported functions by name; those that the rewriting added are not among them.
func (m *Module) Exports() []Function {
	var out []Function
	for name, d := range m.code.ExportedFunctions() {
		f := function(d)
		f.Module, f.Name = "", name
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Imports lists the imported functions in the module's order.
func (m *Module) Imports() []Function {
	var out []Function
	for _, d := range m.code.ImportedFunctions() {
		f := function(d)
		f.Module, f.Name, _ = d.Import()
		out = append(out, f)
	}
	return out
}

func function(d api.FunctionDefinition) Function {
	return Function{Params: names(d.ParamTypes()), Results: names(d.ResultTypes())}
}

func names(types []api.ValueType) []string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = api.ValueTypeName(t)
	}
	return out
}

// Custom is the content of the first custom section of that name; nil if there is none. It must not be changed.
func (m *Module) Custom(section string) []byte { return m.custom[section] }

// Close frees the module and all instances of it. Calls of them must have returned.
func (m *Module) Close() error {
	ctx := context.Background()
	var err error
	if m.runtime != nil {
		err = m.runtime.Close(ctx)
	}
	if m.code != nil {
		err = errors.Join(err, m.code.Close(ctx))
	}
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(ctx))
	}
	return err
}

// prepare checks the binary and returns what is to be compiled.
func (m *Module) prepare(binary []byte) ([]byte, error) {
	if len(binary) > m.limits.Bytes {
		return nil, &Refusal{Section: "module", Reason: "is too large", Value: uint64(len(binary)), Limit: uint64(m.limits.Bytes),
			Fix: "strip names and debug sections, or optimise for size"}
	}
	parts, err := decode(binary)
	if err != nil {
		return nil, err
	}
	if err := parts.check(m.limits, m.offers); err != nil {
		return nil, err
	}
	metered, w, err := parts.meter(m.limits)
	if err != nil {
		return nil, err
	}
	m.custom, m.fixed, m.mutable = parts.custom, w.fixed, w.mutable
	return metered, nil
}
