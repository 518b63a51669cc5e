package hosted

import (
	"context"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// Engine compiles modules: wasm.Engine, named here for those of the house who may not call a guest themselves.
type Engine = wasm.Engine

// EngineConfig says how an Engine compiles.
type EngineConfig = wasm.Config

// NewEngine opens the engine that modules are loaded with.
func NewEngine(c EngineConfig) (*Engine, error) { return wasm.NewEngine(c) }

// faultCode is the reason code of a NO that is no rule's, but says that the rule could not be asked.
const faultCode = abi.MaxReason

// Version is a module that has been checked and compiled, with its manifest: what a policy is at one time. It does not change,
// and any number of sets share it.
type Version struct {
	Manifest *abi.Manifest
	module   *wasm.Module
	digest   string
	needs    []abi.Column
	sums     bool            // it needs what is added up
	answers  [abi.Score]bool // by capability
	scores   bool
	meters   bool
	explains bool
	known    [256]bool // bytes that a row may hold
	twin     policies.Decider
	scorer   policies.Scorer
}

// signatures are the types of the exports that a host of this version calls.
var signatures = map[string]string{
	abi.ExportMarker:     "pol_abi_1()",
	abi.ExportAlloc:      "pol_alloc(i32) -> i32",
	abi.ExportState:      "pol_state(i32, i32) -> i32",
	abi.ExportConfigure:  "pol_configure(i32, i32) -> i32",
	abi.ExportDelta:      "pol_delta(i32, i32)",
	abi.ExportAllocate:   "can_allocate(i32, i32, i32, i32)",
	abi.ExportRemain:     "can_remain(i32, i32, i32, i32)",
	abi.ExportRebalance:  "can_rebalance(i32, i32, i32, i32)",
	abi.ExportPromote:    "can_promote(i32, i32, i32, i32)",
	abi.ExportStart:      "can_start(i32, i32, i32, i32)",
	abi.ExportScore:      "score(i32, i32, i32, i32)",
	abi.ExportMeter:      "meter(i32, i32, i32, i32, i32) -> i32",
	abi.ExportExplain:    "explain(i32, i32, i32, i32, i32, i32, i32, i32) -> i32",
	abi.ExportInitialize: "_initialize()",
}

// Load checks and compiles a module that anybody may have written, makes one instance of it to see that it starts and takes
// its default settings, and refuses with a sentence what cannot be hosted. The context bounds the compilation.
func Load(ctx context.Context, e *Engine, binary []byte) (*Version, error) {
	return load(ctx, e, BuiltIn{Binary: binary})
}

// BuiltIn is a module of the house with its twin in Go, which answers in its place if it ever fails: a decider or a scorer.
type BuiltIn struct {
	Binary []byte
	Twin   policies.Decider
	Scorer policies.Scorer
}

// LoadBuiltIns loads modules of the house. One that differs from its twin on the face of it is refused.
func LoadBuiltIns(ctx context.Context, e *Engine, all []BuiltIn) ([]*Version, error) {
	var versions []*Version
	for _, b := range all {
		v, err := load(ctx, e, b)
		if err == nil {
			versions = append(versions, v)
			err = v.matches()
		}
		if err != nil {
			for _, v := range versions {
				_ = v.Close()
			}
			return nil, err
		}
	}
	return versions, nil
}

func (v *Version) matches() error {
	if s := v.scorer; s != nil {
		if v.Name() != s.Name() || v.Manifest.Scale != s.Scale() || !v.scores || v.decides() {
			return fmt.Errorf("hosted: policy %s with scale %v (scores: %v) is not the twin of %s with scale %v", v.Name(), v.Manifest.Scale, v.scores, s.Name(), s.Scale())
		}
		return nil
	}
	twin := v.twin
	for c := range policies.Capability(len(v.answers)) {
		if policies.Has(twin, c) != v.answers[c] {
			return fmt.Errorf("hosted: policy %s and its twin differ: %v is answered by one of them alone", v.Name(), c)
		}
	}
	_, metered := twin.(policies.Metered)
	if v.Name() != twin.Name() || (v.Manifest.Per == abi.PerShard) != twin.PerShard() || v.meters != metered {
		return fmt.Errorf("hosted: policy %s per %s (meters: %v) is not the twin of %s", v.Name(), v.Manifest.Per, v.meters, twin.Name())
	}
	return nil
}

func load(ctx context.Context, e *Engine, b BuiltIn) (*Version, error) {
	binary := b.Binary
	m, err := abi.StoredManifest(binary)
	if err != nil {
		return nil, err
	}
	if len(m.Reasons) > faultCode {
		return nil, fmt.Errorf("hosted: policy %s has %d reasons; at most %d, since code %d is how the host says that a policy failed", m.Name, len(m.Reasons)-1, faultCode-1, faultCode)
	}
	module, err := e.Compile(ctx, binary, wasm.Limits{Pages: m.Limits.Pages})
	if err != nil {
		return nil, fmt.Errorf("hosted: policy %s: %w", m.Name, err)
	}
	v := &Version{Manifest: m, module: module, digest: module.Digest().String(), twin: b.Twin, scorer: b.Scorer}
	if err = v.inspect(); err == nil {
		err = v.start()
	}
	if err != nil {
		_ = module.Close()
		return nil, err
	}
	return v, nil
}

// inspect looks at the exports and at what the manifest makes of them.
func (v *Version) inspect() error {
	exports := map[string]bool{}
	for _, f := range v.module.Exports() {
		exports[f.Name] = true
		if want := signatures[f.Name]; want != "" && f.String() != want {
			return fmt.Errorf("hosted: policy %s exports %v; a host of version %d calls %s", v.Name(), f, abi.Version, want)
		}
	}
	for _, name := range abi.Required() {
		if name != abi.ExportMemory && !exports[name] {
			return fmt.Errorf("hosted: policy %s does not export %s, which ABI version %d requires", v.Name(), signatures[name], abi.Version)
		}
	}
	words := 0
	for _, c := range abi.Capabilities() {
		if !exports[c.Export()] {
			continue
		}
		words++
		if c == abi.Score {
			v.scores = true
		} else {
			v.answers[c] = true
		}
	}
	v.meters, v.explains = exports[abi.ExportMeter], exports[abi.ExportExplain]
	switch {
	case words == 0:
		return fmt.Errorf("hosted: policy %s has no word on anything: it exports none of can_allocate, can_remain, can_rebalance, can_promote, can_start and score", v.Name())
	case v.scores && v.Manifest.Scale == 0:
		return fmt.Errorf("hosted: policy %s scores and has no scale; say in its manifest what a difference of one copy on a node is worth", v.Name())
	}
	var err error
	v.needs, err = v.Manifest.Columns()
	v.adds()
	for b := range v.known {
		code := abi.Reason(byte(b))
		v.known[b] = b == 0 || code > 0 && int(code) < len(v.Manifest.Reasons)
	}
	return err
}

// start tries whether it starts.
func (v *Version) start() error {
	settings, err := v.Manifest.Configuration(nil, nil)
	if err != nil {
		return fmt.Errorf("hosted: policy %s: %w", v.Name(), err)
	}
	g, fault := v.instantiate(wasm.Host{}, &purse{})
	if fault == nil {
		fault = g.configure(settings)
		g.close()
	}
	if fault != nil {
		return fmt.Errorf("hosted: policy %s does not start: %s", v.Name(), fault.Text)
	}
	return nil
}

// Name is the policy's.
func (v *Version) Name() string { return v.Manifest.Name }

// Digest is the module's SHA-256 in hexadecimal, as it was given.
func (v *Version) Digest() string { return v.digest }

// Size is the module's length in bytes.
func (v *Version) Size() int { return v.module.Size() }

// BuiltIn says that it has a twin in Go.
func (v *Version) BuiltIn() bool { return v.twin != nil || v.scorer != nil }

// Twin is the same rule in Go; nil if it is none of the house, or scores.
func (v *Version) Twin() policies.Decider { return v.twin }

// TwinScorer is the same scorer in Go; nil if it is none of the house, or decides.
func (v *Version) TwinScorer() policies.Scorer { return v.scorer }

// Decides says whether it has a word on a kind of question; Scores, whether it ranks.
func (v *Version) Decides(c policies.Capability) bool { return v.answers[c] }

// Scores says whether it ranks nodes.
func (v *Version) Scores() bool { return v.scores }

func (v *Version) decides() bool { return slices.Contains(v.answers[:], true) }

// Close frees the compiled code. No set may hold it any more.
func (v *Version) Close() error { return v.module.Close() }
