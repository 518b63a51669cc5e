package modules

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "keep the modules that are built")

// compiler and flags build NAME.wasm of NAME.c, in the folder of both.
const compiler = "clang-19"

var flags = []string{"--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wall", "-Wextra", "-Werror",
	"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384"}

// TestBuilt builds every module anew and compares it with the one that is shipped, byte for byte.
func TestBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles every module")
	}
	for _, tool := range []string{compiler, "wasm-ld-19"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TROUPE_PEERS") == "required" {
				t.Fatalf("%s: %v; .ci/run peers installs it", tool, err)
			}
			t.Skipf("%s: %v; apt-get install clang-19 lld-19", tool, err)
		}
	}
	sources, err := filepath.Glob("*/*.c")
	if err != nil || len(sources) != len(All())+len(Scorers()) {
		t.Fatalf("%d sources, %d modules: %v", len(sources), len(All())+len(Scorers()), err)
	}
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".c")
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), name+".wasm")
			c := exec.Command(compiler, append(flags, "-o", out, name+".c")...)
			c.Dir = name
			c.Env = []string{"PATH=/usr/bin:/bin"} // clang runs whatever wasm-opt it finds, and another one gives other bytes
			if text, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			shipped := filepath.Join(name, name+".wasm")
			if *rewrite {
				if err := os.WriteFile(shipped, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(shipped)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what %s builds (%d and %d bytes, %v); run: go test ./policies/modules -run Built -rewrite", shipped, source, len(want), len(got), err)
			}
		})
	}
}
