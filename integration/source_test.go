package integration

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// tree is the repository as it lies on disk: every Go file of every platform, parsed, and every other file by name.
type tree struct {
	root    string
	sources []*source
	files   []string // all files, relative to root, with forward slashes
	folders []string
}

// source is one parsed Go file.
type source struct {
	path    string // relative to the root
	folder  string // of path
	test    bool
	lines   int
	set     *token.FileSet
	syntax  *ast.File
	imports []imported
}

type imported struct {
	path, name string // name is "" without an alias
	at         token.Position
}

// wing is the first element of the folder.
func (f *source) wing() string {
	name, _, _ := strings.Cut(f.folder, "/")
	return name
}

// unwalked are the folders that hold no source of the house: version control, build results and a node's data.
var unwalked = map[string]bool{".git": true, "bin": true, "data": true, "node_modules": true}

var repository = func() func(t *testing.T) *tree {
	load := sync.OnceValues(func() (*tree, error) { return loadTree("..") })
	return func(t *testing.T) *tree {
		t.Helper()
		r, err := load()
		if err != nil {
			t.Fatalf("read the repository: %v", err)
		}
		return r
	}
}()

func loadTree(root string) (*tree, error) {
	t := &tree{root: root}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if unwalked[d.Name()] {
				return filepath.SkipDir
			}
			t.folders = append(t.folders, rel)
			return nil
		}
		if rel == ".git" { // of a second work tree: a file that says where the first one is
			return nil
		}
		t.files = append(t.files, rel)
		if !strings.HasSuffix(rel, ".go") || strings.Contains("/"+rel, "/testdata/") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parseSource(rel, text)
		if err != nil {
			return err
		}
		t.sources = append(t.sources, f)
		return nil
	})
	return t, err
}

func parseSource(path string, text []byte) (*source, error) {
	folder := "."
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		folder = path[:i]
	}
	f := &source{path: path, folder: folder, test: strings.HasSuffix(path, "_test.go"), set: token.NewFileSet()}
	var err error
	if f.syntax, err = parser.ParseFile(f.set, path, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return nil, err
	}
	f.lines = strings.Count(string(text), "\n")
	for _, spec := range f.syntax.Imports {
		i := imported{at: f.set.Position(spec.Pos())}
		if i.path, err = strconv.Unquote(spec.Path.Value); err != nil {
			return nil, err
		}
		if spec.Name != nil {
			i.name = spec.Name.Name
		}
		f.imports = append(f.imports, i)
	}
	return f, nil
}

// alias is the name under which the file knows a package of the standard library; "" if it does not import it.
func (f *source) alias(path string) string {
	for _, i := range f.imports {
		if i.path == path && i.name != "" {
			return i.name
		}
		if i.path == path {
			name := strings.TrimSuffix(path, "/v2")
			return name[strings.LastIndexByte(name, '/')+1:]
		}
	}
	return ""
}

// clockFunctions of package time read the clock or wait for it; its types are only numbers.
var clockFunctions = map[string]bool{"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"Tick": true, "NewTimer": true, "NewTicker": true}

// seededSources of math/rand/v2 make a generator from a seed; its other functions draw from the process's own.
var seededSources = map[string]bool{"New": true, "NewPCG": true, "NewChaCha8": true, "NewZipf": true,
	"Rand": true, "PCG": true, "ChaCha8": true, "Zipf": true, "Source": true}

// impure lists what the statements of a core may not do, whatever it imports.
func impure(f *source) []string {
	var out []string
	clock, dice := f.alias("time"), f.alias("math/rand/v2")
	say := func(n ast.Node, what, reason string) {
		out = append(out, fmt.Sprintf("%s: %s in %s: %s", f.set.Position(n.Pos()), what, f.folder, reason))
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			say(n, "a goroutine", "a core is values in, values out; its shell owns the goroutine")
		case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
			say(n, "a channel", "which of two ready channels is served is chance; messages come in as arguments")
		case *ast.SelectorExpr:
			name, ok := n.X.(*ast.Ident)
			switch {
			case ok && clock != "" && name.Name == clock && clockFunctions[n.Sel.Name]:
				say(n, "time."+n.Sel.Name, "time is given from outside or counted in ticks, so that a replay sees the same time")
			case ok && dice != "" && name.Name == dice && !seededSources[n.Sel.Name]:
				say(n, "rand."+n.Sel.Name, "the process's own dice cannot be replayed; draw from the seeded generator handed in")
			}
		}
		return true
	})
	return out
}
