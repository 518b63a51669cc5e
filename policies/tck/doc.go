// Package tck is the conformance kit of policy modules: it asks a module everything that a planner could, in both engines, and
// says in a sentence what is wrong with it.
//
//	worlds of testdata ─┐             ┌─ compiler ────┐   the same bytes, twice over and in both
//	random worlds ──────┼─ questions ─┤               ├─► every byte has a reason, every score is a number
//	moves in between ───┘             └─ interpreter ─┘   answers per class are the class's, sentences are text
//	                                  └─ twin in Go ──────► equal, row by row and word by word
//
// A module of the house is held to its twin by Twins; any module is tried by Try. Worlds are text, see Parse; chance is a
// generator that the caller seeds, and time, where it is measured, a clock that the caller brings.
package tck
