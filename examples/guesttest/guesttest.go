// Package guesttest finds compilers for the tests of examples.
package guesttest

import (
	"os/exec"
	"testing"
)

// Rustc is a Rust compiler that runs here: Debian's, which has WebAssembly among its targets, or the one on the path. One that is there and does
// not run, as rustup's without a toolchain, is none: the test is skipped.
func Rustc(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/rustc", "rustc"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "--version").Run() == nil {
			return path
		}
	}
	t.Skip("no rustc here that runs")
	return ""
}
