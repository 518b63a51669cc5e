// Package wasm fences guests: it runs WebAssembly modules that nobody has reviewed, so that none of them can hurt the
// program that runs them.
//
//	binary ──► check ──► meter ──► compile ──► Module ──► Instance ──► Func.Call(fuel, stack)
//	           size,     fuel and  wazero,     one per    memory and    ends, at the latest, when
//	           bounds,   depth     file cache  version    globals of    the fuel does: the same
//	           imports   counters                         its own       instruction on every node
//	              │
//	              └──► *Refusal: section, name, value, limit, fix             │
//	                                                                          └──► *Trap: kind, export, value, limit, fix
//
// A guest gets its memory, three imports (host.log, host.log_enabled, host.error) and a WASI that grants nothing: no clock
// but a fake one, no chance but a fixed seed, no file, no environment, no network. An Instance has one caller at a time and is dead
// after a Trap, because a guest that stopped half way has a stack pointer and a heap that nobody vouches for. A Pool keeps
// instances of one module for many callers, and can be closed while they call.
//
// DESIGN.md draws what the rewriting puts into a module, and what it costs. The package says nothing about what a guest
// is for: the names and layouts of policies are in wasm/abi.
package wasm
