package guest

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi/act"
)

var rewrite = flag.Bool("rewrite", false, "keep the modules that are built")

// compiler and flags build NAME.wasm of NAME.c; NAME.json becomes its manifest.
const compiler = "clang-19"

var flags = []string{"--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wall", "-Wextra", "-Werror",
	"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=8192"}

// TestBuilt builds the guests of these tests anew and compares them with what is committed, byte for byte.
func TestBuilt(t *testing.T) {
	for _, tool := range []string{compiler, "wasm-ld-19"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TROUPE_PEERS") == "required" {
				t.Fatalf("%s: %v; .ci/run peers installs it", tool, err)
			}
			t.Skipf("%s: %v; apt-get install clang-19 lld-19", tool, err)
		}
	}
	sources, err := filepath.Glob("testdata/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("%d sources: %v", len(sources), err)
	}
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".c")
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), name+".wasm")
			c := exec.Command(compiler, append(flags, "-o", out, name+".c")...)
			c.Dir = "testdata"
			c.Env = []string{"PATH=/usr/bin:/bin"} // clang runs whatever wasm-opt it finds, and another one gives other bytes
			if text, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = act.WithManifest(got, fixture(t, name+".json")); err != nil {
				t.Fatal(err)
			}
			kept := filepath.Join("testdata", name+".wasm")
			if *rewrite {
				if err := os.WriteFile(kept, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := fixture(t, name+".wasm"); !bytes.Equal(got, want) {
				t.Errorf("%s is not what %s builds (%d and %d bytes); run: go test ./actors/guest -run Built -rewrite", kept, source, len(want), len(got))
			}
		})
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
