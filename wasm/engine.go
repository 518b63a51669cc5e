package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Config says how an Engine compiles. The zero Config compiles to native code and keeps it in memory.
type Config struct {
	// CacheDir keeps native code between runs, so that a module of 2 MiB takes 24 ms and not 600 to load. "" keeps none.
	// What lies there is run without another look: it must be readable and writable for this program's user only. Each module has
	// a folder in it that is called as its Digest in hexadecimal. Whoever owns the directory may remove folders at any time: a
	// module whose folder is gone is compiled anew when it is compiled next.
	CacheDir string
	// Interpreter runs guests without compiling them: 40 to 60 times slower, and the same answers with the same fuel.
	Interpreter bool
}

// An Engine compiles modules. It is safe for use by many goroutines.
type Engine struct {
	config  wazero.RuntimeConfig    // without a cache
	folder  string                  // "": none
	memory  wazero.CompilationCache // for all modules that have no folder, or a damaged one
	running string
}

// NewEngine opens the cache and finds out which engine this machine can run.
func NewEngine(c Config) (*Engine, error) {
	config := wazero.NewRuntimeConfig()
	if c.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	running, err := probe(config)
	if err != nil {
		return nil, fmt.Errorf("wasm: the engine does not run on %s/%s: %w", goruntime.GOOS, goruntime.GOARCH, err)
	}
	e := &Engine{config: config.WithDebugInfoEnabled(false), memory: wazero.NewCompilationCache(), running: running}
	if c.CacheDir != "" && running == "compiler" { // there is no code to keep of what is interpreted
		if _, err = wazero.NewCompilationCacheWithDir(c.CacheDir); err != nil {
			return nil, fmt.Errorf("wasm: cache directory %s: %w; name one that this user can write, or none", c.CacheDir, err)
		}
		e.folder = c.CacheDir
	}
	return e, nil
}

// Running says which engine really runs guests: "compiler" or "interpreter". Where a machine has no compiler for its
// architecture, or maps no executable memory, wazero interprets without a word; this is the word.
func (e *Engine) Running() string { return e.running }

// Close frees the native code that the engine keeps. The modules have been closed.
func (e *Engine) Close() error { return e.memory.Close(context.Background()) }

// Digest names a module by its content: SHA-256 of the binary as it was given, before the rewriting.
type Digest [sha256.Size]byte

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short is enough of the digest for a person.
func (d Digest) Short() string { return hex.EncodeToString(d[:6]) }

// Compile checks, rewrites and compiles a module. A module that breaks a limit or asks for an import that the host
// lacks gives a *Refusal, before anything of it is compiled. A context that ends stops a large compilation, between
// functions; a small one is over sooner. The guest may import what is offered besides what all guests may.
func (e *Engine) Compile(ctx context.Context, binary []byte, limits Limits, offers ...Offer) (*Module, error) {
	limits = limits.fill()
	m := &Module{engine: e, limits: limits, digest: sha256.Sum256(binary), size: len(binary), offers: together(offers)}
	metered, err := m.prepare(binary)
	if err != nil {
		return nil, err
	}
	if e.folder != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(filepath.Join(e.folder, m.digest.String())); err != nil {
			m.cache, m.damage = nil, fmt.Errorf("wasm: module %s: the cache has no room for it: %w; it was compiled without", m.digest.Short(), err)
		}
	}
	if err := m.compile(ctx, metered); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// probeModule imports probe.here and exports it as run, through a function of its own.
var probeModule = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" +
	"\x02\x0e\x01\x05probe\x04here\x00\x00" +
	"\x03\x02\x01\x00" +
	"\x07\x07\x01\x03run\x00\x01" +
	"\x0a\x06\x01\x04\x00\x10\x00\x0b")

// firstRuntime keeps two engines that begin at once, of two nodes in one process, apart: the first runtime of a process writes down
// wazero's version, and whoever makes one reads it.
var firstRuntime sync.Mutex

// probe runs a guest that calls the host, and looks who is on the stack then.
func probe(config wazero.RuntimeConfig) (running string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	firstRuntime.Lock()
	defer firstRuntime.Unlock()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	here := func(context.Context, api.Module, []uint64) {
		callers := make([]uintptr, 32)
		frames := goruntime.CallersFrames(callers[:goruntime.Callers(0, callers)])
		running = "compiler"
		for more := true; more; {
			var f goruntime.Frame
			f, more = frames.Next()
			if strings.Contains(f.Function, "/interpreter.") {
				running = "interpreter"
			}
		}
	}
	if _, err = r.NewHostModuleBuilder("probe").NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(here), nil, nil).Export("here").Instantiate(ctx); err != nil {
		return "", err
	}
	guest, err := r.Instantiate(ctx, probeModule)
	if err != nil {
		return "", err
	}
	if err = guest.ExportedFunction("run").CallWithStack(ctx, nil); err == nil && running == "" {
		err = fmt.Errorf("a guest's call did not arrive")
	}
	return running, err
}
