package abi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden vectors and the parts of ABI.md that follow from the code")

// golden compares bytes with a file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is published otherwise; a change of it breaks every module that is out there. It would now be:\n%s", path, got)
	}
}

// TestVectorRows publishes bytes of rows.
func TestVectorRows(t *testing.T) {
	var text strings.Builder
	for v, name := range []string{"YES", "NOT_PREFERRED", "THROTTLE", "NO"} {
		for _, reason := range []uint8{0, 1, 62} {
			if v > 0 && reason == 0 {
				continue
			}
			answer := Say(uint8(v), reason)
			if Verdict(answer) != uint8(v) || Reason(answer) != reason {
				t.Errorf("%#02x is taken apart as %d and %d", answer, Verdict(answer), Reason(answer))
			}
			fmt.Fprintf(&text, "%02x  %s, reason %d\n", answer, name, reason)
		}
	}
	golden(t, "testdata/rows.txt", []byte(text.String()))
}

// published are the columns of the image that is published: one of each type, table and kind. Columns that are added later leave it
// as it is.
var published = []Column{Now, TickLength, NodeName, NodeEpoch, NodeFlags, NodeUsedDisk, NodeAttributes, KeyspaceName, KeyspaceNodeCopies, ShardKeyspace,
	ShardPrimary, CopyNode, CopyFlags, CopyID}

// TestVectorImage publishes an image with a value of its own in every cell.
func TestVectorImage(t *testing.T) {
	counts := Counts{Nodes: 2, Keyspaces: 1, Shards: 2, Slots: 2}
	b, err := NewBuilder(counts, 0x0102030405060708, published)
	if err != nil {
		t.Fatal(err)
	}
	b.Attribute(0, "rack", "r1")
	b.Attribute(0, "zone", "a")
	b.Attribute(1, "zone", "é")
	for _, s := range Specs() {
		n, known := counts.rows(s.Table)
		if !known || s.ID == NodeAttributes {
			continue
		}
		for row := range int(n) {
			paint(b, s, row)
		}
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/image.bin", m.Bytes())
	again, err := Read(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/image.txt", []byte(listing(again)))
}

// paint gives a cell a value that no other has, as far as its type allows.
func paint(b *Builder, s Spec, row int) {
	v := int(s.ID)*16 + row
	switch {
	case s.Text:
		b.Text(s.ID, row, fmt.Sprintf("%s %d", s.Name, row))
	case s.Points == Copies:
		b.Row(s.ID, row, row-1)
	case s.Points == Nodes:
		b.Row(s.ID, row, row%3-1)
	case s.Points != 0:
		b.Row(s.ID, row, 0)
	case s.Type == U8:
		b.U8(s.ID, row, uint8(v))
	case s.Type == U32:
		b.U32(s.ID, row, uint32(v))
	case s.Type == I64:
		b.I64(s.ID, row, -int64(v))
	default:
		b.F64(s.ID, row, float64(v)/4)
	}
}

// listing prints an image for people.
func listing(m *Image) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d bytes, epoch %#x, %d nodes, %d keyspaces, %d shards, %d slots\n\nheader and directory\n%s\n", len(m.Bytes()), m.Epoch(),
		m.Counts().Nodes, m.Counts().Keyspaces, m.Counts().Shards, m.Counts().Slots, hex.Dump(m.Bytes()[:HeaderSize+EntrySize*int(binary.LittleEndian.Uint32(m.Bytes()[32:]))]))
	for _, s := range Specs() {
		if !m.Has(s.ID) {
			continue
		}
		offset, _ := m.Offset(s.ID, 0)
		fmt.Fprintf(&out, "%4d %-24s %v at %d:", s.ID, s.Name, s.Type, offset)
		if s.ID == TextContent {
			start := m.places[TextContent]
			fmt.Fprintf(&out, " %q\n", m.Bytes()[start.offset:start.offset+start.values])
			continue
		}
		for row := range m.Rows(s.ID) {
			switch {
			case s.Text:
				fmt.Fprintf(&out, " %d=%q", m.U32(s.ID, row), m.Text(s.ID, row))
			case s.Points != 0:
				fmt.Fprintf(&out, " %d", m.Row(s.ID, row))
			case s.Type == U8:
				fmt.Fprintf(&out, " %d", m.U8(s.ID, row))
			case s.Type == U32:
				fmt.Fprintf(&out, " %d", m.U32(s.ID, row))
			case s.Type == I64:
				fmt.Fprintf(&out, " %d", m.I64(s.ID, row))
			default:
				fmt.Fprintf(&out, " %v", m.F64(s.ID, row))
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// TestVectorSettings publishes a manifest, and what its module gets for settings as people write them.
func TestVectorSettings(t *testing.T) {
	text, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string]map[string]string{
		"default": nil,
		"set":     {"full": "0.5", "strict": "true", "patience": "2h", "avoid": "a, b", "avoid@orders": "", "full@orders": "1e-3", "mode": "second", "limit.x": "3", "avoid@events": "\"ü\" <c>"},
	} {
		got, err := m.Configuration(values, nil)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/settings_"+name+".json", got)
	}
	golden(t, "testdata/changes.bin", AppendChanges(nil, []Change{{CopyNode, 3}, {NodeCopies, 0x01020304}}))
	module, err := WithManifest(wasmHeader, text)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/manifest.wasm", module)
}

// firstImage is the image of ABI.md's example.
func firstImage(t testing.TB) *Image {
	t.Helper()
	b, err := NewBuilder(Counts{Nodes: 3, Keyspaces: 1, Shards: 1, Slots: 8}, 1, []Column{NodeFlags})
	if err != nil {
		t.Fatal(err)
	}
	b.U8(NodeFlags, 1, NodeDraining)
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTextIsTheCode holds ABI.md to the code: its table of columns, the names of exports and imports, its example.
func TestTextIsTheCode(t *testing.T) {
	const path = "ABI.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	read := func(name string) string {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for part, content := range map[string]string{
		"columns":  columnTable(),
		"first":    "```wat\n" + read("first.wat") + "```\n",
		"manifest": "```json\n" + read("first.json") + "```\n",
		"image":    "```\n" + hex.Dump(firstImage(t).Bytes()) + "```\n",
		"vectors":  "```json\n" + promisedText(t) + "```\n",
	} {
		from, to := "<!-- "+part+" begin -->\n", "<!-- "+part+" end -->"
		before, rest, found := strings.Cut(text, from)
		_, after, ended := strings.Cut(rest, to)
		if !found || !ended {
			t.Fatalf("%s has no part %s", path, part)
		}
		text = before + from + content + to + after
	}
	golden(t, path, []byte(text))
	for _, name := range append(Required(), ExportConfigure, ExportDelta, ExportExplain, ExportMeter, ExportInitialize, ExportScore, ExportAllocate, ExportRemain,
		ExportRebalance, ExportPromote, ExportStart) {
		if !strings.Contains(text, `(export "`+name+`"`) {
			t.Errorf("%s says nothing of export %s", path, name)
		}
	}
	for _, name := range []string{ImportLog, ImportLogEnabled, ImportError} {
		if !strings.Contains(text, fmt.Sprintf("(import %q %q", ImportHost, name)) {
			t.Errorf("%s says nothing of import %s", path, name)
		}
	}
	if m := firstImage(t); len(m.Bytes()) != 128 || binary.LittleEndian.Uint32(m.Bytes()[44:]) != 64 {
		t.Errorf("the example's image has %d bytes", len(m.Bytes()))
	}
}

func columnTable() string {
	names := map[Table]string{Global: "global", Nodes: "nodes", Keyspaces: "keyspaces", Shards: "shards", Copies: "copies", NodesInKey: "node of keyspace", NodeOffsets: "node + 1",
		Attributes: "attributes", TextOffsets: "string + 1", Text: "text"}
	var out strings.Builder
	out.WriteString("| number | column | type | table | moves | meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range Specs() {
		kind, moves := s.Type.String(), ""
		switch {
		case s.Text:
			kind += ", string"
		case s.Points != 0:
			kind += ", row of " + names[s.Points]
		}
		if s.Moves {
			moves = "yes"
		}
		fmt.Fprintf(&out, "| %d | `%s` | %s | %s | %s | %s |\n", s.ID, s.Name, kind, names[s.Table], moves, s.Doc)
	}
	return out.String()
}
