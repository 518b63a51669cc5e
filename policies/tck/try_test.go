package tck_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// engines are a compiler and an interpreter.
func engines(t *testing.T) (list [2]*hosted.Engine) {
	t.Helper()
	for i := range list {
		e, err := hosted.NewEngine(hosted.EngineConfig{Interpreter: i == 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		list[i] = e
	}
	return list
}

// try tries a module on both.
func try(t *testing.T, on [2]*hosted.Engine, binary []byte, questions int, worlds []*tck.World) *tck.Report {
	t.Helper()
	how := tck.Trial{Questions: questions, Worlds: worlds, Dice: rand.New(rand.NewPCG(5, 5)), Clock: func() int64 { return time.Now().UnixNano() }}
	for i, v := range []**hosted.Version{&how.Compiled, &how.Interpreted} {
		var err error
		if *v, err = hosted.Load(t.Context(), on[i], binary); err != nil {
			t.Fatal(err)
		}
	}
	return tck.Try(how)
}

// Every shipped module conforms, on the worlds of testdata and on random ones.
func TestShippedModulesConform(t *testing.T) {
	var worlds []*tck.World
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d worlds: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w, err := tck.Parse(filepath.Base(file), string(text))
		if err != nil {
			t.Fatal(err)
		}
		worlds = append(worlds, w)
	}
	on := engines(t)
	for _, m := range append(modules.All(), modules.Scorers()...) {
		r := try(t, on, m.Binary, 300, worlds)
		answers := r.Scores.Count
		for _, c := range r.Rows {
			answers += c.Count
			if c.Count > 0 && (c.Fuel < c.MaxFuel || c.Nanos <= 0) {
				t.Errorf("%s: figures that cannot be: %+v", r.Name, c)
			}
		}
		if len(r.Problems) > 0 || answers == 0 {
			t.Errorf("%s: %d answers: %v", r.Name, answers, r.Problems)
		}
	}
}

// What does not conform is told, in a sentence that says what to do.
func TestWhatDoesNotConform(t *testing.T) {
	on := engines(t)
	for _, c := range []struct {
		module, per, says string
		reasons           int // beside index 0
	}{
		{"loop", abi.PerShard, "used more than its fuel", 1},
		{"random", abi.PerShard, "its manifest has reasons 1 to 1", 1},
		{"random", abi.PerShard, "its manifest has no reasons: code 1 is the sentence at index 1 of its list", 0},
		{"overrun", abi.PerShard, "beyond its end; a row has a byte for each node and no more", 1},
		{"third", abi.PerShard, "unreachable", 1},
		{"fickle", abi.PerShard, "an answer depends on the question and the state alone", 1},
		{"shardwise", abi.PerClass, "if they depend on the shard, say per shard", 1},
		{"nan", abi.PerShard, "must be a finite number", 1},
	} {
		file := filepath.Join("..", "hosted", "testdata", "hostile", c.module+".wasm")
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := abi.Manifest{Name: c.module, Version: "1", ABI: 1, Kind: abi.Hard, Per: c.per, Reasons: []string{"", "because"}[:1+c.reasons], Needs: []string{"node_flags"}, Scale: 1}
		binary, err := abi.WithManifest(code, m.JSON())
		if err != nil {
			t.Fatal(err)
		}
		r := try(t, on, binary, 400, nil)
		if !slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, c.says) }) {
			t.Errorf("%s: %v; should say %q", c.module, r.Problems, c.says)
		}
	}
}

// A module that fails is said to fail, and not to answer otherwise as well: what is said in its place is no answer of it.
func TestFaultsAreNoAnswers(t *testing.T) {
	on := engines(t)
	for _, name := range []string{"loop", "third", "recursion"} {
		code, err := os.ReadFile(filepath.Join("..", "hosted", "testdata", "hostile", name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		m := abi.Manifest{Name: name, Version: "1", ABI: 1, Kind: abi.Hard, Per: abi.PerClass, Reasons: []string{"", "because"}, Needs: []string{"node_flags"}, Scale: 1}
		binary, err := abi.WithManifest(code, m.JSON())
		if err != nil {
			t.Fatal(err)
		}
		r := try(t, on, binary, 100, nil)
		if len(r.Problems) == 0 || slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, "it says [") }) {
			t.Errorf("%s: %q", name, r.Problems)
		}
	}
}

func TestWorldsThatAreNone(t *testing.T) {
	for text, says := range map[string]string{
		"node":                         "lacks a word",
		"node N1 colour=blue":          `unknown word "colour=blue"`,
		"shard k/0 primary@N1":         "there is no shard k/0",
		"node N1\nkeyspace k shards=x": "invalid syntax",
		"node N1\nnode N1":             "invariant 1",
		"set cluster.nonsense 1":       "known is false",
		"weather fine":                 `unknown word "weather"`,
		"node N1\nkeyspace k shards=1\nshard k/0 sync@N2": "names no copy on a node",
	} {
		if _, err := tck.Parse("none", text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; should say %q", text, err, says)
		}
	}
}
