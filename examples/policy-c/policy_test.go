package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/troupe-actors/troupe/examples/policytest"
)

func TestModule(t *testing.T) {
	module := policytest.Build{Folder: "licence", Compiler: "clang-19", Version: "version 19.", Keep: true,
		Env: []string{"PATH=/usr/bin:/bin"}, // clang runs whatever wasm-opt it finds, and another one gives other bytes
		Arguments: []string{"--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wall", "-Wextra", "-Werror", "-Wl,--no-entry",
			"-Wl,--strip-all", "-Wl,-z,stack-size=16384", "-I../../../wasm/guest/c", "-o", "OUT", "policy.c"}}.Module(t)
	policytest.Play(t, module, "licence/fixture.yaml")
}

// TestRuleNatively builds the rule with its unit tests for this machine, and runs them.
func TestRuleNatively(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc here")
	}
	out := filepath.Join(t.TempDir(), "policy_test")
	for _, c := range []*exec.Cmd{exec.Command(compiler, "-Wall", "-Wextra", "-Werror", "-I../../wasm/guest/c", "-o", out, "licence/policy_test.c"), exec.Command(out)} {
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c, err, text)
		}
	}
}
