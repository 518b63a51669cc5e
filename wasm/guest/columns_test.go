package guest

import (
	"flag"
	"fmt"
	"go/format"
	"os"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
)

var rewrite = flag.Bool("rewrite", false, "write the parts of the SDKs that follow from package abi")

// TestColumnsAreTheABIs holds the column lists of all SDKs to the one of package abi. They stand between two comments of each
// source, and are written by this test with -rewrite.
func TestColumnsAreTheABIs(t *testing.T) {
	for _, sdk := range []struct {
		path, from, to string
		render         func(abi.Spec) string
	}{
		{"c/troupe.h", "\t/* columns begin */ \\\n", "\t/* columns end */", cColumn},
		{"c/troupe.h", "/* accessors begin */\n", "/* accessors end */", cAccessor},
		{"rust/troupe.rs", "    // columns begin\n", "    // columns end", rustColumn},
		{"rust/troupe.rs", "// accessors begin\n", "// accessors end", rustAccessor},
		{"assemblyscript/troupe.ts", "  // names begin\n", "  // names end", func(s abi.Spec) string { return fmt.Sprintf("  %q,\n", s.Name) }},
		{"assemblyscript/troupe.ts", "  // ids begin\n", "  // ids end", func(s abi.Spec) string { return fmt.Sprintf("  %d,\n", s.ID) }},
		{"assemblyscript/troupe.ts", "  // types begin\n", "  // types end", func(s abi.Spec) string { return fmt.Sprintf("  %d,\n", s.Type) }},
		{"assemblyscript/troupe.ts", "// accessors begin\n", "// accessors end", asAccessor},
		{"assemblyscript/world.mjs", "  // columns begin\n", "  // columns end", func(s abi.Spec) string {
			return fmt.Sprintf("  [%d, %q, %d, %d, %v],\n", s.ID, s.Name, s.Type, rowsOf(s.Table), s.Points == abi.Copies || s.Points == abi.Nodes)
		}},
		{"go/columns.go", "\t// columns begin\n", "\t// columns end", goColumn},
		{"go/columns.go", "\t// table begin\n", "\t// table end", goEntry},
		{"go/columns.go", "// accessors begin\n\n", "// accessors end", goAccessor},
	} {
		text, err := os.ReadFile(sdk.path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, found := strings.Cut(string(text), sdk.from)
		_, after, ended := strings.Cut(rest, sdk.to)
		if !found || !ended {
			t.Errorf("%s: no lines %q and %q to write between", sdk.path, sdk.from, sdk.to)
			continue
		}
		var list strings.Builder
		for _, s := range abi.Specs() {
			list.WriteString(sdk.render(s))
		}
		want := before + sdk.from + list.String() + sdk.to + after
		if strings.HasSuffix(sdk.path, ".go") {
			formatted, err := format.Source([]byte(want))
			if err != nil {
				t.Fatal(err)
			}
			want = string(formatted)
		}
		switch {
		case want == string(text):
		case *rewrite:
			if err := os.WriteFile(sdk.path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s does not have the columns of package abi; run: go test ./wasm/guest -run Columns -rewrite", sdk.path)
		}
	}
}

func cColumn(s abi.Spec) string {
	kind := map[abi.Type]string{abi.U8: "uint8_t", abi.U32: "uint32_t", abi.I64: "int64_t", abi.F64: "double"}[s.Type]
	if s.Points != 0 {
		kind = "int32_t"
	}
	rows := map[abi.Table]string{abi.Global: "1", abi.Nodes: "nodes()", abi.Keyspaces: "keyspaces()", abi.Shards: "shards()", abi.Copies: "shards() * slots()",
		abi.NodesInKey: "keyspaces() * nodes()", abi.NodeOffsets: "nodes() + 1", abi.Attributes: "0", abi.TextOffsets: "0", abi.Text: "0"}[s.Table]
	nothing := "0"
	if s.Points == abi.Nodes || s.Points == abi.Copies {
		nothing = "NONE"
	}
	return fmt.Sprintf("\tcolumn(%d, %s, %s, %s, %s) /* %s */ \\\n", s.ID, s.Name, kind, rows, nothing, s.Doc)
}

func cAccessor(s abi.Spec) string {
	at := "tr_at_" + s.Name
	switch s.Table {
	case abi.TextOffsets, abi.Text:
		return ""
	case abi.Global:
		return fmt.Sprintf("#define %s() (%s[0])\n", s.Name, at)
	case abi.NodesInKey:
		return fmt.Sprintf("#define %s(k, n) (%s[(k) * nodes() + (n)])\n", s.Name, at)
	}
	return fmt.Sprintf("#define %s(i) (%s[i])\n", s.Name, at)
}

// camel is a column's name as Go writes it.
func camel(name string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part == "cpu" || part == "id" {
			out.WriteString(strings.ToUpper(part))
			continue
		}
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

func lower(name string) string {
	c := camel(name)
	return strings.ToLower(c[:1]) + c[1:]
}

var goTypes = map[abi.Type]string{abi.U8: "uint8", abi.U32: "uint32", abi.I64: "int64", abi.F64: "float64"}

func goColumn(s abi.Spec) string { return fmt.Sprintf("\t%s []%s\n", lower(s.Name), goTypes[s.Type]) }

func goEntry(s abi.Spec) string {
	rows := map[abi.Table]string{abi.Global: "global", abi.Nodes: "nodes", abi.Keyspaces: "keyspaces", abi.Shards: "shards", abi.Copies: "copies",
		abi.NodesInKey: "nodesInKey", abi.NodeOffsets: "nodeOffsets"}[s.Table]
	if rows == "" {
		rows = "loose"
	}
	return fmt.Sprintf("\t{%d, %q, %s, &columns.%s},\n", s.ID, s.Name, rows, lower(s.Name))
}

func goAccessor(s abi.Spec) string {
	argument, index, what := "i int", "i", "is of row i: "
	switch s.Table {
	case abi.Text, abi.TextOffsets, abi.NodeOffsets, abi.Attributes:
		return ""
	case abi.Global:
		argument, index, what = "", "0", "is "
	case abi.NodesInKey:
		argument, index, what = "keyspace, node int", "keyspace*image.nodes+node", "is of a keyspace on a node: "
	}
	value, result := fmt.Sprintf("columns.%s[%s]", lower(s.Name), index), goTypes[s.Type]
	switch {
	case s.Text:
		value, result = "word("+value+")", "string"
	case s.Points != 0:
		value, result = "row("+value+")", "int"
	case s.Type == abi.U32:
		value, result = "int("+value+")", "int"
	}
	return fmt.Sprintf("// %s %s%s.\nfunc %s(%s) %s { return %s }\n\n", camel(s.Name), what, s.Doc, camel(s.Name), argument, result, value)
}

// rowsOf numbers the kinds of rows that native tests make room for.
func rowsOf(t abi.Table) int {
	return map[abi.Table]int{abi.Global: 0, abi.Nodes: 1, abi.Keyspaces: 2, abi.Shards: 3, abi.Copies: 4, abi.NodesInKey: 5, abi.NodeOffsets: 6,
		abi.Attributes: 7, abi.TextOffsets: 7, abi.Text: 7}[t]
}

func rustColumn(s abi.Spec) string {
	return fmt.Sprintf("    (%d, %q, %d, %d, %v),\n", s.ID, s.Name, s.Type, rowsOf(s.Table), s.Points == abi.Copies || s.Points == abi.Nodes)
}

func rustAccessor(s abi.Spec) string {
	argument, index := "i: usize", "i"
	switch s.Table {
	case abi.Text, abi.TextOffsets, abi.NodeOffsets, abi.Attributes:
		return ""
	case abi.Global:
		argument, index = "", "0"
	case abi.NodesInKey:
		argument, index = "keyspace: usize, node: usize", "keyspace * nodes() + node"
	}
	result := map[abi.Type]string{abi.U8: "u8", abi.U32: "u32", abi.I64: "i64", abi.F64: "f64"}[s.Type]
	value := fmt.Sprintf("read::<%s>(%d, %s)", result, s.ID, index)
	switch {
	case s.Text:
		result, value = "&'static str", "text("+value+")"
	case s.Points == abi.Nodes || s.Points == abi.Copies:
		result, value = "Option<usize>", "row_of("+value+")"
	case s.Type == abi.U32:
		result, value = "usize", value+" as usize"
	}
	return fmt.Sprintf("/// %s\n#[inline(always)]\npub fn %s(%s) -> %s {\n    %s\n}\n", s.Doc, s.Name, argument, result, value)
}

func asAccessor(s abi.Spec) string {
	argument, index := "i: i32", "i"
	switch s.Table {
	case abi.Text, abi.TextOffsets, abi.NodeOffsets, abi.Attributes:
		return ""
	case abi.Global:
		argument, index = "", "0"
	case abi.NodesInKey:
		argument, index = "keyspace: i32, node: i32", "keyspace * nodeCount + node"
	}
	kind := map[abi.Type]string{abi.U8: "u8", abi.U32: "u32", abi.I64: "i64", abi.F64: "f64"}[s.Type]
	if s.Points != 0 {
		kind = "i32"
	}
	return fmt.Sprintf("// %s\n// @ts-ignore: decorator\n@inline export function %s(%s): %s {\n  return load<%s>(place<%s>(%d, %s));\n}\n", s.Doc, s.Name, argument, kind, kind, kind, s.ID, index)
}
