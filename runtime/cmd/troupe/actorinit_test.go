package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// TestKindBuildsAndPassesItsTests begins a kind of actors in each language, runs its own make test, and has a host handle messages with the module.
func TestKindBuildsAndPassesItsTests(t *testing.T) {
	engine, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	eachProject(t, "actor", func(t *testing.T, dir string, text []byte) {
		if !strings.Contains(string(text), "actor.wasm: kind spot-keeper 0.1.0, ") {
			t.Errorf("it was not packed:\n%s", text)
		}
		binary, err := os.ReadFile(filepath.Join(dir, "actor.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		module, err := guest.Load(context.Background(), engine, binary, wasm.Host{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = module.Close() }()
		rehearsal := guest.NewRehearsal(module, false)
		for _, c := range [][3]string{
			{"add", "5", `5, put sum 5`},
			{"add", "-9", `actor /, method : failed: spot-keeper/ann would be below zero (code 1)`},
			{"give", `{"to":"ben","amount":2}`, `3, put sum 3, tell spot-keeper/ben add 2`},
			{"value", "", "3"},
		} {
			o, err := rehearsal.Handle(context.Background(), guest.Request{Event: act.Call, Envelope: act.Envelope{Self: "spot-keeper/ann", Method: c[0], Payload: json.RawMessage(c[1])}})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(append([]string{string(o.Reply)}, o.Effects...), ", ")
			if o.Err != nil {
				got = o.Err.Error()
			}
			if got != c[2] {
				t.Errorf("%s %s gives %s; wanted %s", c[0], c[1], got, c[2])
			}
			t.Logf("%s %s uses %d of fuel", c[0], c[1], o.Fuel)
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
