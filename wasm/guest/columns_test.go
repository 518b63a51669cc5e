package guest

import (
	"flag"
	"fmt"
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
	return fmt.Sprintf("\tcolumn(%d, %s, %s, %s) /* %s */ \\\n", s.ID, s.Name, kind, rows, s.Doc)
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
