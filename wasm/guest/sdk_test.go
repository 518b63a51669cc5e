package guest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
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

// rustc is a Rust compiler that runs here: one that is there and does not, as rustup's without a toolchain, is none.
func rustc(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/rustc", "rustc"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "--version").Run() == nil {
			return path
		}
	}
	t.Skip("no rustc here that runs")
	return ""
}

// TestSelftestInRust does the same for the Rust SDK.
func TestSelftestInRust(t *testing.T) {
	if testing.Short() {
		t.Skip("the compiler takes its time")
	}
	compiler := rustc(t)
	out := filepath.Join(t.TempDir(), "selftest")
	run(t, "rust", compiler, "--edition", "2021", "--test", "-o", out, "selftest.rs")
	run(t, "rust", out)
}

// TestSelftestInAssemblyScript does the same for the AssemblyScript SDK, which has no native form: as a guest.
func TestSelftestInAssemblyScript(t *testing.T) {
	if testing.Short() {
		t.Skip("the compiler takes its time")
	}
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

// TestNativeAnswersAsTheModule builds the golden rule in C for this machine, with sanitizers, loads images as files, and holds what it
// says to what the module says.
func TestNativeAnswersAsTheModule(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc here")
	}
	manifest, err := abi.ParseManifest(read(t, golden+"/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	needs, _ := manifest.Columns()
	dir := t.TempDir()
	program, imageFile, settingsFile := filepath.Join(dir, "native"), filepath.Join(dir, "x.image"), filepath.Join(dir, "settings.json")
	run(t, golden, compiler, "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I../../c", "-o", program, "native.c")
	dice := rand.New(rand.NewPCG(4, 21))
	module := languages[0].module(t)
	for range 8 {
		image, settings := cluster(t, dice, needs), settingsOf(t, dice, manifest)
		g := start(t, module, settings, image)
		var asked, want strings.Builder
		for _, q := range questions(dice, image) {
			fmt.Fprintf(&asked, "%d %d %d %d\n", capability(q), q.shard, q.copy, q.flags)
			want.WriteString(g.ask(q))
		}
		for path, data := range map[string][]byte{imageFile: image.Bytes(), settingsFile: settings} {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.Command(program, imageFile, settingsFile)
		c.Stdin, c.Env = strings.NewReader(asked.String()), append(os.Environ(), "ASAN_OPTIONS=detect_leaks=0")
		got, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		if string(got) != want.String() {
			t.Errorf("native and module part at\n%s", parting(string(got), want.String()))
		}
	}
}
