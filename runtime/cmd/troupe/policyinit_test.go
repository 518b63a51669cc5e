package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/guest"
)

// compilers are what a project in each language is built by, with what make must be told where they are not what most have.
var compilers = map[string]struct {
	program string
	make    []string
}{
	"c":              {"clang-19", nil},
	"rust":           {"/usr/bin/rustc", []string{"RUSTC=/usr/bin/rustc", "LINKER=wasm-ld-14"}},
	"assemblyscript": {"asc", []string{"ASC=asc"}},
	"go":             {"go", nil},
}

// asTroupe makes this test binary the command itself, for makefiles that call it.
func asTroupe(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "troupe")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nTROUPE_AS_COMMAND=1 exec "+self+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return script
}

func TestMain(m *testing.M) {
	if os.Getenv("TROUPE_AS_COMMAND") != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestProjectBuildsAndPassesItsTests begins a project in each language and runs its own make test, as its author would.
func TestProjectBuildsAndPassesItsTests(t *testing.T) {
	eachProject(t, "policy", func(t *testing.T, text []byte) {
		if ok := regexp.MustCompile(`(?m)^\d+ +(allocate|remain) \S+ +ok `).FindAll(text, -1); len(ok) != 4 {
			t.Errorf("of its fixture's four cases %d are said to be as expected:\n%s", len(ok), text)
		}
	})
}

// eachProject begins a policy, or a kind of actors, in each language, has it made and tested, and lets check look at what was printed.
func eachProject(t *testing.T, noun string, check func(t *testing.T, text []byte)) {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil || testing.Short() {
		t.Skip("no make here, or no time for four compilers")
	}
	for _, language := range guest.Languages() {
		t.Run(language, func(t *testing.T) {
			tool := compilers[language]
			if _, err := exec.LookPath(tool.program); err != nil {
				t.Skipf("no %s here", tool.program)
			}
			dir := filepath.Join(t.TempDir(), "spot-keeper")
			var out, complaints bytes.Buffer
			if code := run(context.Background(), &console{out: &out, err: &complaints, env: os.LookupEnv}, []string{noun, "init", "--lang", language, "--dir", dir, "spot-keeper"}); code != 0 {
				t.Fatalf("init ends with %d: %s", code, complaints.String())
			}
			if err := os.WriteFile(filepath.Join(dir, "../go.work"), []byte("go 1.24\n"), 0o644); err != nil { // as in a clone of Troupe
				t.Fatal(err)
			}
			made := func(troupe string) ([]byte, error) {
				make := exec.Command("make", append([]string{"-C", dir, "test", "TROUPE=" + troupe}, tool.make...)...)
				make.Env = append(os.Environ(), "GOWORK=")
				return make.CombinedOutput()
			}
			if text, err := made("troupe-that-is-not-there"); err == nil || !strings.Contains(string(text), "go install ./runtime/cmd/troupe") {
				t.Errorf("without troupe: %v\n%s", err, text)
			}
			text, err := made(asTroupe(t))
			if err != nil {
				t.Fatalf("make test: %v\n%s", err, text)
			}
			check(t, text)
			if language == "go" && strings.Contains(os.Getenv("GOFLAGS"), "-vet=off") { // elsewhere go test has vetted it
				vet := exec.Command("go", "vet", "./...")
				vet.Dir, vet.Env = dir, append(os.Environ(), "GOWORK=off")
				if text, err := vet.CombinedOutput(); err != nil {
					t.Errorf("go vet: %v\n%s", err, text)
				}
			}
		})
	}
}

func TestPolicyPack(t *testing.T) {
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const empty = "\x00asm\x01\x00\x00\x00"
	module, text := at("module.wasm", empty), at("no.wasm", "text")
	good := at("good.json", `{"name":"x","version":"1","abi":1,"kind":"soft","per":"class","needs":[],"limits":{}}`)
	bad := at("bad.json", `{"name":"x","version":"1","abi":1,"kind":"soft","per":"class","needs":["node_nme"],"limits":{}}`)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{module, bad}, exitFailed, `x needs column "node_nme", which this host does not have`},
		{[]string{text, good}, exitFailed, "not a WebAssembly module"},
		{[]string{module, filepath.Join(dir, "none.json")}, exitFailed, "none.json"},
		{[]string{module, good, "-o", filepath.Join(dir, "out.wasm")}, 0, "out.wasm: policy x 1, "},
	} {
		var out bytes.Buffer
		code := run(context.Background(), &console{out: &out, err: &out, env: os.LookupEnv}, append([]string{"policy", "pack"}, c.args...))
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: %d, %s; wanted %d, %q", c.args, code, out.String(), c.code, c.says)
		}
	}
	if kept, err := os.ReadFile(module); err != nil || string(kept) != empty {
		t.Errorf("MODULE has changed: %q, %v", kept, err)
	}
}

func TestPolicyInitRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--lang", "cobol", "x"}, exitUsage, `--lang is "cobol"; must be one of go, rust, c, assemblyscript`},
		{[]string{"Spot Keeper"}, exitUsage, "beginning with a letter"},
		{[]string{"--dir", full, "x"}, exitFailed, "is not empty"},
	} {
		var complaints bytes.Buffer
		code := run(context.Background(), &console{out: &bytes.Buffer{}, err: &complaints, env: os.LookupEnv}, append([]string{"policy", "init"}, c.args...))
		if code != c.code || !strings.Contains(complaints.String(), c.says) {
			t.Errorf("%v: %d, %s; wanted %d, %q", c.args, code, complaints.String(), c.code, c.says)
		}
	}
}

// The README's way to a first rule has an effect: the node that it gives an attribute is one that the rule as generated keeps copies off.
func TestTheFirstRuleOfTheReadmeBites(t *testing.T) {
	readme := mustRead(t, "../../../README.md")
	node := regexp.MustCompile(`troupe dev --attr n\d:(\w+)=(\w+)`).FindStringSubmatch(readme)
	rule := regexp.MustCompile(`troupe policy activate \w+ --set (\w+)=([\w,]+)`).FindStringSubmatch(readme)
	if node == nil || rule == nil || !slices.Contains(strings.Split(rule[2], ","), node[2]) {
		t.Fatalf("the README gives a node %q, and the rule %q", node, rule)
	}
	folder := filepath.Join(t.TempDir(), "rule")
	if _, errs, code := invoke(t, nil, "", "policy", "init", "--lang", "go", "--dir", folder, "rule"); code != 0 {
		t.Fatal(errs)
	}
	source := mustRead(t, filepath.Join(folder, "policy.go"))
	for _, want := range []string{`Attribute(n, "` + node[1] + `")`, `"` + rule[1] + `"`} {
		if !strings.Contains(source, want) {
			t.Errorf("the rule does not read %s:\n%s", want, source)
		}
	}
}
