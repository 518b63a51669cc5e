package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// Two things may go wrong while native code is made, besides the module's being invalid: it takes too long, or the
// compiler itself panics. With one worker, the engine does not look at the context; with two, a panic is on a goroutine
// of the engine's, where nobody can catch it, and would end every node that the module is staged on. So:
//
//	up to chunkBytes of code   one worker: a panic is caught, and it is soon over
//	more                       first a rehearsal in chunks: the module with all bodies but the chunk's cut out, one worker, the
//	                           context looked at in between; then the whole with two workers, which do nothing but what was rehearsed
//
// It doubles what a large module costs the first time. The module's folder in the cache has the chunks, too.
const chunkBytes = 256 << 10

// compile compiles what prepare returned, and makes the host's modules that it imports.
func (m *Module) compile(ctx context.Context, metered []byte) error {
	workers := 1
	if m.engine.running == "compiler" {
		p, err := decode(metered)
		if err != nil {
			return err
		}
		if chunks := p.chunks(); len(chunks) > 1 {
			workers = 2
			if err := m.rehearse(ctx, p, chunks); err != nil {
				return err
			}
		}
	}
	var err error
	if m.runtime, m.code, err = m.build(ctx, metered, workers); err != nil {
		return err
	}
	return m.provide(ctx, m.runtime)
}

// chunks divides the bodies: each ends before the index given.
func (m *parts) chunks() (ends []int) {
	size := 0
	for n, b := range m.bodies {
		if size += len(b); size > chunkBytes && n > 0 {
			ends, size = append(ends, n), len(b)
		}
	}
	return append(ends, len(m.bodies))
}

// rehearse compiles the bodies chunk by chunk, and throws them away.
func (m *Module) rehearse(ctx context.Context, p *parts, ends []int) error {
	from := 0
	for _, end := range ends {
		r, code, err := m.build(ctx, p.only(from, end), 1)
		if err != nil {
			return err
		}
		if err := errors.Join(r.Close(ctx), code.Close(ctx)); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// only is the module with bodies from one index to before another; in place of the others stands an unreachable, which is of any type.
func (m *parts) only(from, end int) []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range m.sections {
		payload := s.payload
		if s.id == codeSection {
			payload = appendU32(nil, uint32(len(m.bodies)))
			for n, b := range m.bodies {
				if n < from || n >= end {
					b = []byte{0, opUnreachable, opEnd}
				}
				payload = append(appendU32(payload, uint32(len(b))), b...)
			}
		}
		out = appendU32(append(out, s.id), uint32(len(payload)))
		out = append(out, payload...)
	}
	return out
}

// build compiles with the cache, or without it if what lies there is damaged.
func (m *Module) build(ctx context.Context, binary []byte, workers int) (wazero.Runtime, wazero.CompiledModule, error) {
	if ctx.Err() != nil {
		return nil, nil, m.failed(ctx, context.Cause(ctx))
	}
	cache := m.cache
	if cache == nil {
		cache = m.engine.memory
	}
	r, code, err := m.try(ctx, cache, binary, workers)
	if err != nil && m.cache != nil && ctx.Err() == nil && m.ofCache(err) {
		m.damage = fmt.Errorf("wasm: module %s: its folder in the cache is damaged, gone or without room: %w; it was compiled without, empty the cache directory", m.digest.Short(), err)
		r, code, err = m.try(ctx, m.engine.memory, binary, workers)
	}
	if err != nil {
		return nil, nil, m.failed(ctx, err)
	}
	return r, code, nil
}

// ofCache says whether an error may be about the module's folder, and not about the module.
func (m *Module) ofCache(err error) bool {
	var crash *crashed
	var file *fs.PathError
	return strings.Contains(err.Error(), cacheWords) || errors.As(err, &crash) || errors.As(err, &file) || errors.Is(err, fs.ErrNotExist)
}

// cacheWords is in what the engine says of a cache file that it cannot use.
const cacheWords = "compilationcache"

// crashed is a panic of the engine: on a damaged file, or on a module that it has a fault for.
type crashed struct{ with any }

func (c *crashed) Error() string { return fmt.Sprintf("the engine panicked: %v", c.with) }

func (m *Module) try(ctx context.Context, cache wazero.CompilationCache, binary []byte, workers int) (r wazero.Runtime, code wazero.CompiledModule, err error) {
	r = wazero.NewRuntimeWithConfig(ctx, m.engine.config.WithCompilationCache(cache).WithMemoryLimitPages(uint32(m.limits.Pages)))
	defer func() {
		if with := recover(); with != nil {
			err = &crashed{with}
		}
		if err != nil {
			_ = r.Close(context.WithoutCancel(ctx))
		}
	}()
	code, err = r.CompileModule(experimental.WithCompilationWorkers(ctx, workers), binary)
	return r, code, err
}

// CacheDamage says why the module was compiled without its folder in the cache; nil if all is well, or there is no cache.
func (m *Module) CacheDamage() error { return m.damage }

func (m *Module) failed(ctx context.Context, err error) error {
	var crash *crashed
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wasm: module %s: compiling stopped: %w; give it more time, or make the module smaller", m.digest.Short(), context.Cause(ctx))
	case errors.As(err, &crash):
		return &Refusal{Section: "module", Reason: "cannot be compiled: " + err.Error(), Fix: "report the module to wazero; until then, build it with another compiler or fewer features"}
	}
	return &Refusal{Section: "module", Reason: "is no valid WebAssembly: " + err.Error(), Fix: "rebuild it for wasm32 with WebAssembly 2.0 features at most"}
}
