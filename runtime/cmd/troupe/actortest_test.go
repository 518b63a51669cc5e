package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestActorTest(t *testing.T) {
	const counter = "../../../actors/guest/testdata/counter.wasm"
	dir := t.TempDir()
	script := filepath.Join(dir, "sums.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		script string // what is written before; empty: as it is
		line   string
		code   int
		want   string
	}{
		{"", "actor test " + counter + " " + dir, exitNotFound, "no scripts (*.txt)"},
		{"call counter/a add 3\n", "actor test " + counter + " " + script, exitDifferent, "DIFFERS: line 2"},
		{"", "actor test " + counter + " " + script + " --rewrite", 0, "counter 1.0.0, 1 message, "},
		{"", "actor test " + counter + " " + dir, 0, ": ok\n"},
		{"call counter/a add 3\n----\n4\n  put n 4\n", "actor test " + counter + " " + script, exitDifferent, "line 3\n  expected  4\n  came      3\n"},
		{"call counter/a add 3\n----\n3\n", "actor test " + counter + " " + script, exitDifferent, "1 of 1 script is not as expected"},
		{"call counter/a\n", "actor test " + counter + " " + script, exitUsage, "sums.txt: line 1: call counter/a: the method is missing"},
		{"", "actor test none.wasm " + script, 1, "none.wasm"},
		{"", "actor test " + counter + " ../../../actors/guest/testdata/counter.txt", 0, "5 messages"},
	} {
		if step.script != "" {
			write(step.script)
		}
		out, errs, code := invoke(t, nil, "", strings.Fields(step.line)...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("troupe %s: exit code %d, want %d and %q\n%s%s", step.line, code, step.code, step.want, out, errs)
		}
	}
	out, _, code := invoke(t, nil, "", "actor", "test", counter, "../../../actors/guest/testdata/counter.txt", "--json")
	var p playedScript
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 || p.Messages != 5 || p.Kind != "counter" || p.Fuel == 0 {
		t.Errorf("as JSON: exit code %d, %s, %v", code, out, err)
	}
}
