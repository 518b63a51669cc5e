package main

import (
	"testing"

	"github.com/troupe-actors/troupe/examples/policytest"
)

func TestModule(t *testing.T) {
	module := policytest.Build{Compiler: "asc", Version: "Version 0.28.20", Keep: true, Pack: true,
		Arguments: []string{"policy.ts", "-O3", "--exportStart", "_initialize", "--use", "abort=../../wasm/guest/assemblyscript/troupe/abort", "-o", "OUT"}}.Module(t)
	policytest.Play(t, module, "fixture.yaml")
}
