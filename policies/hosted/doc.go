// Package hosted lets guests decide: a policies.Decider or Scorer whose mind is a WebAssembly module.
//
//	module ─ Load ─► Version ─┐              ┌─ Decider ─ guest ─┐
//	settings ─────────────────┼─ NewSet ─► Set              board │ one image of the view, made once,
//	strikes ──────────────────┘              └─ Scorer ── guest ─┘ poked when a row changes
//
// A module is believed as far as its answers can be checked: every byte of a row has a reason of its manifest, every score is
// a finite number, every call ends when its fuel does. One that fails is dropped and made anew, its row is the fail mode of
// its manifest (hard: NO, soft: nothing), and after Strikes faults it is not asked any more. A module of the house has a twin
// in Go which answers in its place. Faults and logged lines are the owner's of the Set to fetch: nothing here writes, waits,
// locks or begins a goroutine.
//
// DESIGN.md draws the image, the life of a guest and what a promotion waits for.
package hosted
