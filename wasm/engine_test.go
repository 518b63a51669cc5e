package wasm

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunning(t *testing.T) {
	e, err := NewEngine(Config{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	if e.Running() != "interpreter" {
		t.Errorf("the interpreter says it is %q", e.Running())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if len(engines()) == 1 {
		t.Log("this machine has no compiler; what is tested on both engines was tested on one")
	}
}

func TestCacheDirectoryThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewEngine(Config{CacheDir: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want an error that names the directory", err)
	}
}

// Native code from the cache answers as freshly compiled code does; a file that was cut off or changed is noticed.
func TestCache(t *testing.T) {
	if engines()["compiler"] == nil {
		t.Skip("no compiler on this machine, so nothing to cache")
	}
	dir := t.TempDir()
	load := func() (damage, err error) {
		e, err := NewEngine(Config{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		m, err := e.Compile(context.Background(), fixture(t, "row_c.wasm"), Limits{})
		if err != nil {
			return nil, err
		}
		defer m.Close()
		if got := call(t, instance(t, m, Host{}), "fib", 20); got != 6765 {
			t.Errorf("fib(20) = %d", got)
		}
		return m.CacheDamage(), nil
	}
	files := func() (all []string) {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				all = append(all, path)
			}
			return nil
		})
		return all
	}
	for range 2 {
		if damage, err := load(); damage != nil || err != nil {
			t.Fatal(damage, err)
		}
		if len(files()) != 1 {
			t.Fatalf("cache holds %q, want one file", files())
		}
	}
	whole, err := os.ReadFile(files()[0])
	if err != nil {
		t.Fatal(err)
	}
	noticed := 0
	for at := 0; at < len(whole); at += len(whole) / 40 {
		for name, damaged := range map[string][]byte{"cut off": whole[:at], "changed": append(append(append([]byte{}, whole[:at]...), whole[at]^0x10), whole[at+1:]...)} {
			if err := os.WriteFile(files()[0], damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			damage, err := load()
			if err != nil {
				t.Errorf("%s at %d of %d: %v", name, at, len(whole), err)
			}
			if damage != nil {
				noticed++
			}
			if err := os.WriteFile(files()[0], whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if noticed < 40 {
		t.Errorf("of more than 80 damaged files, %d were noticed", noticed)
	}
	digest := Digest(sha256.Sum256(fixture(t, "row_c.wasm"))).String()
	folder := filepath.Join(dir, digest)
	if !strings.HasPrefix(files()[0], folder+string(filepath.Separator)) {
		t.Errorf("the module's code is in %s, want it in the folder %s", files()[0], folder)
	}
	for what, prepare := range map[string]func() error{
		"there is none":          func() error { return nil },
		"a file is in its place": func() error { return os.WriteFile(folder, nil, 0o600) },
	} {
		if err := errors.Join(os.RemoveAll(folder), prepare()); err != nil {
			t.Fatal(err)
		}
		if damage, err := load(); err != nil || (damage != nil) != strings.Contains(what, "file") {
			t.Errorf("%s: %v, %v", what, damage, err)
		}
	}
}
