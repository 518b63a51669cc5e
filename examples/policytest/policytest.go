// Package policytest is what the tests of the example policies share: the module is built where its compiler is to be had, held to
// the one that is kept beside its source, and asked what its fixture asks.
package policytest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/fixture"
	"github.com/troupe-actors/troupe/wasm/abi"
)

var rewrite = flag.Bool("rewrite", false, "keep the module that was built")

// Build is how a module is made of its source, in the example's folder.
type Build struct {
	Folder    string // of the source, the manifest and the kept module, in the example's; "": itself
	Compiler  string
	Version   string   // what its --version says if it is the one that built what is kept: another one's bytes differ
	Arguments []string // OUT stands for the module's path
	Env       []string
	Keep      bool // policy.wasm lies beside the source
	Pack      bool // the compiler leaves the manifest out
}

// Module gives the policy's module: built, or kept.
func (b Build) Module(t *testing.T) []byte {
	t.Helper()
	kept := filepath.Join(b.Folder, "policy.wasm")
	compiler, err := exec.LookPath(b.Compiler)
	if err != nil || testing.Short() {
		if !b.Keep {
			t.Skipf("no %s here, or no time for it", b.Compiler)
		}
		t.Logf("no %s here, or no time for it; asking the module that is kept", b.Compiler)
		return read(t, kept)
	}
	out := filepath.Join(t.TempDir(), "policy.wasm")
	arguments := make([]string, len(b.Arguments))
	for i, a := range b.Arguments {
		arguments[i] = strings.ReplaceAll(a, "OUT", out)
	}
	c := exec.Command(compiler, arguments...)
	c.Dir, c.Env = b.Folder, append(os.Environ(), b.Env...)
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, text)
	}
	module := read(t, out)
	if b.Pack {
		if module, err = abi.WithManifest(module, read(t, filepath.Join(b.Folder, "manifest.json"))); err != nil {
			t.Fatal(err)
		}
	}
	if b.Keep && b.same(compiler) {
		if *rewrite {
			if err := os.WriteFile(kept, module, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(read(t, kept), module) {
			t.Errorf("%s is not what its source gives; run: go test ./examples/... -rewrite", kept)
		}
	}
	return module
}

// same says whether the compiler is the one that built what is kept.
func (b Build) same(compiler string) bool {
	text, err := exec.Command(compiler, "--version").CombinedOutput()
	return err == nil && strings.Contains(string(text), b.Version)
}

// Play asks a module what a fixture asks, compiled and interpreted, and compares.
func Play(t *testing.T, module []byte, path string) {
	t.Helper()
	for _, interpreted := range []bool{false, true} {
		engine, err := hosted.NewEngine(hosted.EngineConfig{Interpreter: interpreted})
		if err != nil {
			t.Fatal(err)
		}
		version, err := hosted.Load(context.Background(), engine, module)
		if err != nil {
			t.Fatal(err)
		}
		for _, complaint := range play(t, version, path) {
			t.Errorf("on the %s: %s", engine.Running(), complaint)
		}
		_ = version.Close()
		_ = engine.Close()
	}
}

// play lists what is not as the fixture expects.
func play(t *testing.T, version *hosted.Version, path string) (complaints []string) {
	t.Helper()
	file, err := fixture.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	world, err := file.World()
	if err != nil {
		t.Fatal(err)
	}
	set := hosted.NewSet(nil, []hosted.Policy{{Version: version, Settings: world.Own}})
	defer set.Close()
	result, err := file.Run(&set.Set)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range result.Cases {
		for _, failed := range one.Failed {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %s: %s", path, one.Line, one.Ask, failed))
		}
	}
	if len(result.Cases) == 0 {
		t.Errorf("%s asks nothing", path)
	}
	return complaints
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
