package guest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const counter = "testdata/actor"

// kinds is the same kind of actors in each language.
var kinds = []language{
	{"c", counter, "clang-19", "version 19.", []string{"--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wall", "-Wextra", "-Werror",
		"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384", "-I../../c", "-o", "OUT", "counter.c"}, withoutWasmOpt, "c.wasm"},
	{"rust", counter, "/usr/bin/rustc", "rustc 1.63.", []string{"--edition", "2021", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-C", "opt-level=3", "-C", "panic=abort",
		"-C", "lto", "-C", "linker=wasm-ld-14", "-C", "strip=symbols", "-C", "link-arg=-zstack-size=16384", "-o", "OUT", "counter.rs"}, nil, "rust.wasm"},
	{"assemblyscript", counter, "asc", "Version 0.28.20", []string{"counter.ts", "-O3", "--runtime", "stub", "--exportStart", "_initialize", "--use", "abort=../../assemblyscript/troupe_actor/abort", "-o", "OUT"},
		nil, "assemblyscript.wasm"},
	{"go", counter, "go", "", []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", "OUT", "./go"}, []string{"GOOS=wasip1", "GOARCH=wasm"}, ""},
}

// TestSDKsShareWhatIsAlike compares what stands between "NAME begin" and "NAME end" in the SDKs of policies and of actors: a file is a whole SDK, so that
// each has it. The policies' counts.
func TestSDKsShareWhatIsAlike(t *testing.T) {
	for _, c := range []struct {
		from, to, open, close string
		parts                 []string
	}{
		{"c/troupe.h", "c/troupe_actor.h", "/* ", " */", []string{"memory", "strings", "json", "writing"}},
		{"rust/troupe.rs", "rust/troupe_actor.rs", "// ", "", []string{"json"}},
		{"assemblyscript/troupe.ts", "assemblyscript/troupe_actor.ts", "// ", "", []string{"json"}},
	} {
		from, to := string(read(t, c.from)), string(read(t, c.to))
		for _, part := range c.parts {
			want, got := between(from, c.open+part, c.close), between(to, c.open+part, c.close)
			if want == "" || got == "" {
				t.Fatalf("%s and %s do not both have a part %q", c.from, c.to, part)
			}
			if got != want && *rewrite {
				to = strings.Replace(to, got, want, 1)
				if err := os.WriteFile(c.to, []byte(to), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("%s has another %s than %s; run: go test ./wasm/guest -rewrite\n%s", c.to, part, c.from, parting(want, got))
			}
		}
	}
}

// between gives the lines after the one that begins with "NAME begin", up to the one that is "NAME end".
func between(text, name, end string) string {
	_, text, found := strings.Cut(text, "\n"+name+" begin")
	_, text, _ = strings.Cut(text, "\n")
	text, _, closed := strings.Cut(text, "\n"+name+" end"+end)
	if !found || !closed {
		return ""
	}
	return text
}

// TestActorSelftestInC runs the C SDK's own tests natively, with sanitizers.
func TestActorSelftestInC(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc here")
	}
	out := filepath.Join(t.TempDir(), "selftest")
	run(t, "c", compiler, "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", out, "actor_selftest.c")
	run(t, "c", out)
}

// TestActorSelftestInRust does the same for the Rust SDK.
func TestActorSelftestInRust(t *testing.T) {
	if testing.Short() {
		t.Skip("the compiler takes its time")
	}
	compiler := rustc(t)
	out := filepath.Join(t.TempDir(), "selftest")
	run(t, "rust", compiler, "--edition", "2021", "--test", "-D", "warnings", "-o", out, "actor_selftest.rs")
	run(t, "rust", out)
}

// TestKindsUnderNode plays the modules in the world that AssemblyScript's tests are written with: it and the native worlds say the same.
func TestKindsUnderNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node here")
	}
	for _, l := range kinds {
		if l.keep == "" {
			continue // it wants a WASI
		}
		path := filepath.Join(t.TempDir(), l.keep)
		if err := os.WriteFile(path, l.module(t), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "assemblyscript", node, "actor_selftest.mjs", path, "../"+counter+"/manifest.json")
	}
}

// TestKindsHaveOneManifest compares the two files: a Go file embeds only what lies below it, and a Go guest needs more.
func TestKindsHaveOneManifest(t *testing.T) {
	more := []byte("\n  \"reuse\": true,\n  \"limits\": {\"fuel\": 100000000, \"memory_pages\": 128},")
	if got := bytes.Replace(read(t, counter+"/go/manifest.json"), more, nil, 1); !bytes.Equal(got, read(t, counter+"/manifest.json")) {
		t.Errorf("beside what Go needs, %s/go/manifest.json has:\n%s", counter, got)
	}
}
