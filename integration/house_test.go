package integration

import (
	"bytes"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Limits on size. What passes them is two things.
const (
	fileLines     = 500
	functionLines = 70
)

// drawers are names that say nothing about what is inside.
var drawers = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "base"}

func TestHouseRules(t *testing.T) {
	t.Run("file length", func(t *testing.T) { complain(t, longFile) })
	t.Run("function length", func(t *testing.T) { complain(t, longFunctions) })
	t.Run("names", func(t *testing.T) { complain(t, drawerName) })
	t.Run("no sleep in tests", func(t *testing.T) { complain(t, sleepsInTest) })
	t.Run("goruntime", func(t *testing.T) { complain(t, standardRuntime) })
}

func TestEveryPackageHasADoc(t *testing.T) {
	docs := map[string]bool{}
	for _, f := range repository(t).sources {
		if f.test || within(f.folder, "policies/modules") {
			continue
		}
		docs[f.folder] = docs[f.folder] || f.syntax.Doc != nil && strings.TrimSpace(f.syntax.Doc.Text()) != ""
	}
	for folder, documented := range docs {
		if !documented {
			t.Errorf("%s: no package comment; a newcomer reads it first: what the package keeps, and what it may not do", folder)
		}
	}
}

func TestModulesReplaceNothing(t *testing.T) {
	r := repository(t)
	for _, name := range r.files {
		if filepath.Base(name) != "go.mod" {
			continue
		}
		for _, line := range strings.Split(string(r.read(t, name)), "\n") {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "replace" {
				t.Errorf("%s: %q; a replace is ignored in whoever imports us, so that we would test what nobody runs", name, line)
			}
		}
	}
}

func TestNoEmptyFolders(t *testing.T) {
	r := repository(t)
	for _, folder := range r.folders {
		inhabited := folder == "." || slices.ContainsFunc(r.files, func(f string) bool { return within(f, folder) })
		if !inhabited {
			t.Errorf("%s is empty; a folder is made by what it holds", folder)
		}
	}
}

// ownMachine matches an absolute path below somebody's home or checkout.
var ownMachine = regexp.MustCompile("(?m)(?:^|[\\s\"'`=(:])/(?:root|home|Users|work)/\\w")

func TestNoPathsOfOneMachine(t *testing.T) {
	onceIsEnough(t)
	r := repository(t)
	for _, name := range r.files {
		text := r.read(t, name)
		if !utf8.Valid(text) {
			continue
		}
		if at := ownMachine.FindIndex(text); at != nil {
			line := 1 + bytes.Count(text[:at[1]], []byte("\n"))
			t.Errorf("%s:%d: %q is a path of one machine; nobody else has it", name, line, bytes.TrimSpace(text[at[0]:at[1]]))
		}
	}
}

func (r *tree) read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func longFile(f *source) []string {
	if f.lines > fileLines {
		return []string{fmt.Sprintf("%s: %d lines, over %d; is it two things?", f.path, f.lines, fileLines)}
	}
	return nil
}

func longFunctions(f *source) []string {
	if f.test {
		return nil
	}
	var out []string
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			first, last := f.set.Position(fn.Pos()), f.set.Position(fn.End())
			if lines := last.Line - first.Line + 1; lines > functionLines {
				out = append(out, fmt.Sprintf("%s: %s has %d lines, over %d; it does not fit a screen, nor a head", first, fn.Name.Name, lines, functionLines))
			}
		}
	}
	return out
}

func drawerName(f *source) []string {
	last := f.folder[strings.LastIndexByte(f.folder, '/')+1:]
	for _, d := range drawers {
		if last == d || f.syntax.Name.Name == d {
			return []string{fmt.Sprintf("%s: %q is a drawer; name the package after the one noun that it holds", f.path, d)}
		}
	}
	return nil
}

func sleepsInTest(f *source) []string {
	clock := f.alias("time")
	if !f.test || clock == "" {
		return nil
	}
	var out []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
			if name, ok := s.X.(*ast.Ident); ok && name.Name == clock {
				out = append(out, fmt.Sprintf("%s: a test that sleeps is slow when it passes and flaky when it fails; wait for the event", f.set.Position(s.Pos())))
			}
		}
		return true
	})
	return out
}

func standardRuntime(f *source) []string {
	for _, i := range f.imports {
		if i.path == "runtime" && i.name != "goruntime" {
			return []string{fmt.Sprintf("%s: import the standard runtime as goruntime; runtime is a folder of ours", i.at)}
		}
	}
	return nil
}
