package wasm

// Limits bound a module before it runs and while it does. A field that is zero means its default; the zero Limits are
// those of a policy.
type Limits struct {
	Bytes     int // size of the module; 4 MiB, twice what a Go guest needs
	Functions int // functions defined; 20,000
	Body      int // bytes of one function's code; 256 KiB
	Locals    int // locals of one function, parameters included; 4,096
	Params    int // parameters of one function; 64. The same number bounds results
	Globals   int // globals; 1,024
	Table     int // elements of all tables together; 10,000
	Exports   int // exports; 1,024

	Pages int // memory of one instance, in pages of 64 KiB; 256 (16 MiB). A guest that asks for more gets -1 from memory.grow
	Depth int // calls within calls; 1,000

	Fuel      uint64 // of a call that is given 0; 10 million, about 5 ms
	StartFuel uint64 // of making an instance (_initialize, the start section); 100 million: a Go runtime takes about a tenth to start

	Start bool // whether a start section is allowed; not for policies, whose loading must not run what no export names
}

// Defaults are the limits that zero fields stand for.
func Defaults() Limits {
	return Limits{
		Bytes: 4 << 20, Functions: 20_000, Body: 256 << 10, Locals: 4096, Params: 64, Globals: 1024, Table: 10_000, Exports: 1024,
		Pages: 256, Depth: 1000, Fuel: 10_000_000, StartFuel: 100_000_000,
	}
}

// fill puts the defaults where nothing is said, and the ceilings where too much is.
func (l Limits) fill() Limits {
	d := Defaults()
	for _, f := range []struct {
		value   *int
		usual   int
		ceiling int
	}{
		{&l.Bytes, d.Bytes, 64 << 20}, {&l.Functions, d.Functions, 200_000}, {&l.Body, d.Body, 8 << 20},
		{&l.Locals, d.Locals, 50_000}, {&l.Params, d.Params, 1000}, {&l.Globals, d.Globals, 100_000},
		{&l.Table, d.Table, 1 << 20}, {&l.Exports, d.Exports, 100_000}, {&l.Pages, d.Pages, 65_536}, {&l.Depth, d.Depth, maxDepth},
	} {
		if *f.value <= 0 {
			*f.value = f.usual
		}
		*f.value = min(*f.value, f.ceiling)
	}
	if l.Fuel == 0 {
		l.Fuel = d.Fuel
	}
	if l.StartFuel == 0 {
		l.StartFuel = d.StartFuel
	}
	l.Fuel, l.StartFuel = min(l.Fuel, maxFuel), min(l.StartFuel, maxFuel)
	return l
}

// maxDepth is below the depth at which wazero's interpreter stops (2,000 frames), so that both engines stop at ours.
const maxDepth = 1900

// maxFuel leaves room for the most that one region can cost, so that the signed counter never wraps around.
const maxFuel = 1 << 62
