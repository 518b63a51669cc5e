package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who meets damage in a data folder is told once, and what to do.
func TestDamageSaysWhatToDo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := startNode(t, data)
	r.at(t, 0, "", "put", "k", "value")
	if _, errs, code := r.stop(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	r = startNode(t, data) // which has Pebble write its log as a table
	if _, errs, code := r.stop(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	tables, err := filepath.Glob(filepath.Join(data, "log", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		content, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 16 {
			content[i] ^= 0xff
		}
		if err := os.WriteFile(table, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"node --data " + data + " --name n7 --resp= --http=", "wal verify --data " + data} {
		out, errs, code := invoke(t, nil, "", strings.Fields(line)...)
		said := out + errs
		if code != exitFailed || strings.Contains(said, "carrier") || strings.Count(said, "CORRUPT") > 1 || strings.Count(said, "troupe forget") != 1 || !strings.Contains(said, "--join") || !strings.Contains(said, ".sst") {
			t.Errorf("troupe %s: exit code %d\n%s", line, code, said)
		}
	}
}
