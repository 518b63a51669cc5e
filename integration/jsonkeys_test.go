package integration

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// written are the functions of the house that write their last argument as JSON for people's programs: answers over HTTP, lines of a
// stream, and what --json prints.
var written = []string{"(*" + house + "/runtime/admin.exchange).json", "(*" + house + "/runtime/admin.exchange).line", house + "/runtime/cmd/troupe.printJSON", "encoding/json.Marshal", "(*encoding/json.Encoder).Encode"}

// snake is the one manner of keys.
var snake = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Every key of every JSON that the product writes is in snake case: whoever has learnt one answer can read the others. It is the types that
// are walked, so that a field without a tag is found though no test makes its answer.
func TestKeysOfJSONAreSnakeCase(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads the types of all dependencies")
	}
	list, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedCompiledGoFiles | packages.NeedExportFile,
		Dir:  "..",
	}, "./runtime/admin/...", "./runtime/cmd/...", "./runtime/preflight")
	must(t, err)
	answers := 0
	found := map[string]bool{}
	for _, p := range list {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, e)
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				call, is := n.(*ast.CallExpr)
				if !is || len(call.Args) == 0 || !slices.Contains(written, nameOf(p.TypesInfo, call.Fun)) {
					return true
				}
				answers++
				walk := keys{seen: map[types.Type]bool{}}
				walk.of(p.TypesInfo.TypeOf(call.Args[len(call.Args)-1]), "")
				for _, bad := range walk.bad {
					found[bad] = true
				}
				return true
			})
		}
	}
	for bad := range found {
		t.Error(bad)
	}
	if answers < 60 {
		t.Errorf("only %d answers were found: do the functions have other names?", answers)
	}
}

// nameOf is the full name of the function that is called; empty: it has none.
func nameOf(info *types.Info, fun ast.Expr) string {
	var id *ast.Ident
	switch f := fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return ""
	}
	if f, is := info.Uses[id].(*types.Func); is {
		return f.FullName()
	}
	return ""
}

// keys walks what encoding/json would write of a type. What an interface holds is not known.
type keys struct {
	seen map[types.Type]bool
	bad  []string
}

func (k *keys) of(t types.Type, where string) {
	if k.seen[t] || says(t, "MarshalJSON") || says(t, "MarshalText") {
		return
	}
	k.seen[t] = true
	if named, is := types.Unalias(t).(*types.Named); is {
		where = named.String()
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		k.of(u.Elem(), where)
	case *types.Slice:
		k.of(u.Elem(), where)
	case *types.Array:
		k.of(u.Elem(), where)
	case *types.Map:
		k.of(u.Elem(), where)
	case *types.Struct:
		for i := range u.NumFields() {
			f := u.Field(i)
			name, _, _ := strings.Cut(reflect.StructTag(u.Tag(i)).Get("json"), ",")
			switch {
			case name == "-" || !f.Exported() && !f.Embedded():
				continue
			case f.Embedded() && name == "": // its fields are ours
			case !snake.MatchString(cmp.Or(name, f.Name())):
				k.bad = append(k.bad, fmt.Sprintf("field %s of %s is written as %q", f.Name(), where, cmp.Or(name, f.Name())))
			}
			k.of(f.Type(), where)
		}
	}
}

// says that a type, or a pointer to it, has a method, and so writes itself.
func says(t types.Type, method string) bool {
	for _, x := range []types.Type{t, types.NewPointer(t)} {
		if types.NewMethodSet(x).Lookup(nil, method) != nil {
			return true
		}
	}
	return false
}
