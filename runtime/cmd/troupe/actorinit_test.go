package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestKindBuildsAndPassesItsTests begins a kind of actors in each language and runs its own make test, which plays messages to the module as well.
func TestKindBuildsAndPassesItsTests(t *testing.T) {
	eachProject(t, "actor", func(t *testing.T, text []byte) {
		if !strings.Contains(string(text), "actor.wasm: kind spot-keeper 0.1.0, ") {
			t.Errorf("it was not packed:\n%s", text)
		}
		if !regexp.MustCompile(`messages\.txt +spot-keeper 0\.1\.0, 3 messages, \d+ of fuel each: ok`).Match(text) {
			t.Errorf("its messages were not handled as they should be:\n%s", text)
		}
	})
}

func TestActorPack(t *testing.T) {
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const empty = "\x00asm\x01\x00\x00\x00"
	module, good := at("module.wasm", empty), at("good.json", `{"kind":"x","version":"1","abi":1,"methods":{"a":"does"}}`)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{module, at("bad.json", `{"kind":"x","version":"1","abi":1,"method":{}}`)}, exitFailed, "method"},
		{[]string{at("no.wasm", "text"), good}, exitFailed, "not a WebAssembly module"},
		{[]string{module, filepath.Join(dir, "none.json")}, exitFailed, "none.json"},
		{[]string{module, good, "-o", filepath.Join(dir, "out.wasm")}, 0, "out.wasm: kind x 1, "},
	} {
		out, errs, code := invoke(t, nil, "", append([]string{"actor", "pack"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%v: %d, %s; wanted %d, %q", c.args, code, out+errs, c.code, c.says)
		}
	}
	if kept, err := os.ReadFile(module); err != nil || string(kept) != empty {
		t.Errorf("MODULE has changed: %q, %v", kept, err)
	}
}

func TestActorInitRefuses(t *testing.T) {
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
		{[]string{"My Kind"}, exitUsage, "beginning with a letter"},
		{[]string{"--dir", full, "x"}, exitFailed, "is not empty"},
	} {
		if _, errs, code := invoke(t, nil, "", append([]string{"actor", "init"}, c.args...)...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: %d, %s; wanted %d, %q", c.args, code, errs, c.code, c.says)
		}
	}
}
