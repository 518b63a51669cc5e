package guest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSelftestInC runs the C SDK's own tests natively, with the sanitizers of whatever compiler there is.
func TestSelftestInC(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc here")
	}
	out := filepath.Join(t.TempDir(), "selftest")
	run(t, "c", compiler, "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", out, "selftest.c")
	run(t, "c", out)
}

func run(t *testing.T, folder, program string, arguments ...string) {
	t.Helper()
	c := exec.Command(program, arguments...)
	c.Dir = folder
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c, err, text)
	}
	t.Logf("%s", text)
}

// TestSelftestInRust does the same for the Rust SDK.
func TestSelftestInRust(t *testing.T) {
	compiler, err := exec.LookPath("/usr/bin/rustc")
	if err != nil {
		if compiler, err = exec.LookPath("rustc"); err != nil {
			t.Skip("no rustc here")
		}
	}
	out := filepath.Join(t.TempDir(), "selftest")
	run(t, "rust", compiler, "--edition", "2021", "--test", "-o", out, "selftest.rs")
	run(t, "rust", out)
}

// TestSelftestInAssemblyScript does the same for the AssemblyScript SDK, which has no native form: as a guest.
func TestSelftestInAssemblyScript(t *testing.T) {
	compiler, err := exec.LookPath("asc")
	if err != nil {
		t.Skip("no asc here")
	}
	out := filepath.Join(t.TempDir(), "selftest.wasm")
	run(t, "assemblyscript", compiler, "selftest.ts", "--exportStart", "_initialize", "--use", "abort=troupe/abort", "-o", out)
	g := instantiate(t, read(t, out))
	if failed := g.call("selftest"); failed != 0 {
		t.Errorf("%d expectations failed; the first: %s", failed, g.instance.Said())
	}
}
