package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Linux is tested. For the other systems on which people develop everything is read and its types are checked, as far as they can be
// without a compiler's work on all that it leans on: on Windows the product with its tests, on macOS the benches, too. And for a processor
// that nothing is written for in assembly, what stands in for that.
func TestOtherSystems(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads all dependencies")
	}
	root, err := filepath.Abs("..")
	must(t, err)
	root += string(filepath.Separator)
	for _, other := range []struct {
		system, processor, pattern string
		files                      int // of ours, at least
	}{{"darwin", "arm64", "work", 500}, {"windows", "arm64", "./...", 500}, {"linux", "riscv64", "./shards/radix", 10}} {
		c := &packages.Config{
			Mode:  packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedCompiledGoFiles,
			Dir:   "..",
			Env:   append(os.Environ(), "GOOS="+other.system, "GOARCH="+other.processor, "CGO_ENABLED=0"),
			Tests: true,
			ParseFile: func(set *token.FileSet, name string, text []byte) (*ast.File, error) {
				f, err := parser.ParseFile(set, name, text, parser.AllErrors|parser.SkipObjectResolution)
				if f != nil && !strings.HasPrefix(name, root) {
					declareOnly(f)
				}
				return f, err
			},
		}
		list, err := packages.Load(c, other.pattern)
		must(t, err)
		ours := 0
		packages.Visit(list, nil, func(p *packages.Package) {
			for _, e := range p.Errors {
				library := filepath.IsAbs(e.Pos) && !strings.HasPrefix(e.Pos, root)
				if e.Kind != packages.TypeError || !library { // which without bodies does not use what it imports
					t.Errorf("%s, %s: %v", other.system, other.processor, e)
				}
			}
		})
		for _, p := range list {
			ours += len(p.Syntax)
		}
		if ours < other.files {
			t.Errorf("%s, %s: only %d files were read", other.system, other.processor, ours)
		}
	}
}

// declareOnly takes out of a library's file what its functions do: only what they are is asked, and to read the rest takes three times as long.
func declareOnly(f *ast.File) {
	for _, d := range f.Decls {
		if d, is := d.(*ast.FuncDecl); is {
			d.Body = nil
		}
	}
}
