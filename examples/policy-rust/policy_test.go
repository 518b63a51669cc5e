package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/troupe-actors/troupe/examples/guesttest"
	"github.com/troupe-actors/troupe/examples/policytest"
)

func TestModule(t *testing.T) {
	module := policytest.Build{Compiler: "/usr/bin/rustc", Version: "rustc 1.63.", Keep: true,
		Arguments: []string{"--edition", "2021", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-C", "opt-level=3", "-C", "panic=abort", "-C", "lto",
			"-C", "linker=wasm-ld-14", "-C", "strip=symbols", "-C", "link-arg=-zstack-size=16384", "-o", "OUT", "policy.rs"}}.Module(t)
	policytest.Play(t, module, "fixture.yaml")
}

// TestRuleNatively builds the rule with its unit tests for this machine, and runs them.
func TestRuleNatively(t *testing.T) {
	compiler := guesttest.Rustc(t)
	out := filepath.Join(t.TempDir(), "policy_test")
	for _, c := range []*exec.Cmd{exec.Command(compiler, "--edition", "2021", "--test", "-o", out, "policy.rs"), exec.Command(out)} {
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c, err, text)
		}
	}
}
