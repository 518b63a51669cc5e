// Package modules holds the shipped policies: the rules of policies/deciders in C, each in a folder with its manifest and the
// module that was built from them.
//
//	NAME/NAME.c ──┐
//	house.h       ├─ clang ─► NAME/NAME.wasm ─ embedded ─► All ─► what runs by default
//	troupe.h      │                                         │
//	NAME/manifest.json                    deciders.All ─────┘ their twins: the reference, and the safe set
//
// The modules are built with Debian's clang-19 and lld-19 by the command in build_test.go, which builds them anew and compares
// every byte where those are installed; -rewrite keeps what it built.
package modules

import (
	"embed"
	"fmt"

	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
)

//go:embed */*.wasm
var built embed.FS

// All lists the shipped policies in the order in which explanations name them. Each decider of the house has its module.
func All() []hosted.BuiltIn {
	var all []hosted.BuiltIn
	for _, d := range deciders.All() {
		all = append(all, hosted.BuiltIn{Binary: of(d.Name()), Twin: d})
	}
	return all
}

// Scorers lists those that rank, which are asked only where somebody adds them: see deciders.Scorers.
func Scorers() []hosted.BuiltIn {
	var all []hosted.BuiltIn
	for _, s := range deciders.Scorers() {
		all = append(all, hosted.BuiltIn{Binary: of(s.Name()), Scorer: s})
	}
	return all
}

func of(name string) []byte {
	binary, err := built.ReadFile(name + "/" + name + ".wasm")
	if err != nil {
		panic(fmt.Sprintf("modules: %s has no module: %v", name, err))
	}
	return binary
}
