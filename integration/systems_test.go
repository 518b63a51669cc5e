package integration

import (
	"os"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Linux is tested. For the other systems on which people develop everything is read and its types are checked, as far as they can be
// without a compiler's work on all that it leans on: on Windows the product with its tests, on macOS the benches, too.
func TestOtherSystems(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads all dependencies")
	}
	for system, pattern := range map[string]string{"darwin": "work", "windows": "./..."} {
		c := &packages.Config{
			Mode:  packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedCompiledGoFiles,
			Dir:   "..",
			Env:   append(os.Environ(), "GOOS="+system, "GOARCH=arm64", "CGO_ENABLED=0"),
			Tests: true,
		}
		list, err := packages.Load(c, pattern)
		must(t, err)
		ours := 0
		packages.Visit(list, nil, func(p *packages.Package) {
			for _, e := range p.Errors {
				t.Errorf("%s: %v", system, e)
			}
		})
		for _, p := range list {
			ours += len(p.Syntax)
		}
		if ours < 500 {
			t.Errorf("%s: only %d files were read", system, ours)
		}
	}
}
