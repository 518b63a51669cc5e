package preflight

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemAvailable(t *testing.T) {
	got, err := memAvailable("MemTotal:       16 kB\nMemFree:  2 kB\nMemAvailable:       8 kB\n")
	if err != nil || got != 8<<10 {
		t.Errorf("%d, %v, want 8 KiB", got, err)
	}
	for _, bad := range []string{"", "MemAvailable: many kB\n"} {
		if _, err := memAvailable(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func TestCgroupLeft(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, limited := cgroupLeft(root); limited {
		t.Error("a machine without control groups is limited")
	}
	write("memory.current", "300\n")
	write("memory.max", "max\n")
	if _, limited := cgroupLeft(root); limited {
		t.Error("max is no limit")
	}
	write("memory.max", "1000\n")
	if left, limited := cgroupLeft(root); !limited || left != 700 {
		t.Errorf("%d, %v, want 700", left, limited)
	}
}
