package abi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// world is an image of three nodes and one keyspace of two shards, with a value of its own in each cell that matters.
func world(t testing.TB, needs []Column) *Image {
	t.Helper()
	b, err := NewBuilder(small, 7, needs)
	if err != nil {
		t.Fatal(err)
	}
	furnish(b)
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var small = Counts{Nodes: 3, Keyspaces: 1, Shards: 2, Slots: 4}

func furnish(b *Builder) {
	b.I64(Now, 0, 1_780_000_000)
	for i, name := range []string{"n1", "n2", "n3"} {
		b.Text(NodeName, i, name)
		b.U8(NodeRoles, i, RoleMeta|RoleData)
		b.F64(NodeCapacityDisk, i, float64(i)*1e12)
	}
	b.Attribute(0, "rack", "r1")
	b.Attribute(0, "zone", "a")
	b.Attribute(2, "zone", "b")
	b.Text(KeyspaceName, 0, "orders")
	b.U32(ShardNumber, 1, 1)
	b.Row(ShardPrimary, 0, 1)
	b.Row(CopyNode, 1, 2)
	b.U8(CopyFlags, 1, CopyInSync|CopyStarted)
}

// A Builder that is used again makes what a new one makes, whatever it made before, and wherever it is laid out.
func TestBuilderBeginsAnew(t *testing.T) {
	b, err := NewBuilder(Counts{Nodes: 40, Keyspaces: 2, Shards: 5, Slots: 8}, 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		b.Text(NodeName, n, fmt.Sprintf("another name %d", n))
		b.Attribute(n, "rack", fmt.Sprint(n))
	}
	for row := range 40 {
		b.Row(CopyNode, row, row)
	}
	large, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	room := bytes.Repeat([]byte{0xaa}, len(large.Bytes()))
	for _, needs := range [][]Column{nil, {CopyNode, AttributeValue}, {NodeCapacityDisk}, nil} {
		if err := b.Reset(small, 7, needs); err != nil {
			t.Fatal(err)
		}
		furnish(b)
		m, err := b.FinishIn(room)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Bytes(), world(t, needs).Bytes()) {
			t.Errorf("with the columns %v it makes another image than a new Builder", needs)
		}
		if &m.Bytes()[0] != &room[0] {
			t.Error("there was room for it")
		}
	}
}

func TestImageTellsWhatWasSet(t *testing.T) {
	m, err := Read(world(t, nil).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	zone, _ := m.Attribute(0, "zone")
	_, found := m.Attribute(1, "zone")
	got := fmt.Sprintln(m.Epoch(), m.Counts(), m.I64(Now, 0), m.Text(NodeName, 2), m.U8(NodeRoles, 1), m.F64(NodeCapacityDisk, 2), zone, found,
		m.Text(KeyspaceName, 0), m.U32(ShardNumber, 1), m.Row(ShardPrimary, 0), m.Row(ShardPrimary, 1), m.Row(CopyNode, 1), m.Row(CopyNode, 0), m.U8(CopyFlags, 1))
	want := "7 {3 1 2 4} 1780000000 n3 3 2e+12 a false orders 1 1 -1 2 -1 3\n"
	if got != want {
		t.Errorf("the image says\n%s, and should\n%s", got, want)
	}
}

func TestImageHoldsOnlyWhatIsNeeded(t *testing.T) {
	m := world(t, []Column{CopyNode, AttributeValue})
	var names []string
	for _, s := range Specs() {
		if m.Has(s.ID) {
			names = append(names, s.Name)
		}
		if offset, ok := m.Offset(s.ID, 0); ok && m.Rows(s.ID) > 0 && offset%Alignment != 0 {
			t.Errorf("column %s begins at %d, which is not a multiple of %d", s.Name, offset, Alignment)
		}
	}
	if got, want := strings.Join(names, " "), "text_starts text node_attributes attribute_name attribute_value copy_node"; got != want {
		t.Errorf("the image has %s; wanted %s", got, want)
	}
	if _, ok := m.PutU32(NodeCopies, 0, 1); ok {
		t.Error("a value was put into a column that is not there")
	}
}

func TestPokeChangesOneValue(t *testing.T) {
	m := world(t, nil)
	before := bytes.Clone(m.Bytes())
	offset, ok := m.PutRow(CopyNode, 5, 0)
	if !ok || m.Row(CopyNode, 5) != 0 {
		t.Fatalf("copy 5 is on node %d, ok is %v", m.Row(CopyNode, 5), ok)
	}
	binary.LittleEndian.PutUint32(before[offset:], 0)
	if !bytes.Equal(before, m.Bytes()) {
		t.Error("a poke at the offset that was given does not make the image that was kept")
	}
}

func TestImageOfAnotherKindIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(data []byte) []byte
		says   string
	}{
		{"short", func(d []byte) []byte { return d[:39] }, "a header alone has 40"},
		{"magic", func(d []byte) []byte { d[0]++; return d }, "begins with"},
		{"version", func(d []byte) []byte { d[4] = 2; return d }, "it is of version 2"},
		{"columns", func(d []byte) []byte { d[34] = 1; return d }, "do not fit"},
		{"nodes", func(d []byte) []byte { d[16]++; return d }, "its table has"},
		{"type", func(d []byte) []byte { d[HeaderSize+2] = 1; return d }, "column now is of type u8; must be i64"},
		{"offset", func(d []byte) []byte { d[HeaderSize+7] = 0x7f; return d }, "lies beyond"},
		{"twice", func(d []byte) []byte { copy(d[HeaderSize+EntrySize:], d[HeaderSize:HeaderSize+EntrySize]); return d }, "column now is there twice"},
		{"string", func(d []byte) []byte { return poked(t, d, NodeName, 99) }, "row 0 of column node_name is 99"},
		{"reference", func(d []byte) []byte { return poked(t, d, CopyNode, 3) }, "row 0 of column copy_node is 3, and there are only 3"},
		{"none", func(d []byte) []byte { return poked(t, d, ShardKeyspace, None) }, "row 0 of column shard_keyspace is 4294967295"},
		{"starts", func(d []byte) []byte { return poked(t, d, TextStarts, 1) }, "row 0 of column text_starts is 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(c.damage(bytes.Clone(world(t, nil).Bytes())))
			if !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v; it should say %q", err, c.says)
			}
		})
	}
}

func poked(t *testing.T, data []byte, c Column, v uint32) []byte {
	t.Helper()
	m, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	m.PutU32(c, 0, v)
	return data
}

func TestUnknownColumnIsPassedOver(t *testing.T) {
	data := bytes.Clone(world(t, nil).Bytes())
	binary.LittleEndian.PutUint16(data[HeaderSize:], 777)
	m, err := Read(data)
	if err != nil || m.Has(Now) || !m.Has(Ticks) {
		t.Errorf("an image with a column of a later version: %v", err)
	}
}

// TestDamagedImagesPanicNowhere flips bytes at random: what Read lets through can be read to the end.
func TestDamagedImagesPanicNowhere(t *testing.T) {
	dice := rand.New(rand.NewPCG(4, 1))
	whole := world(t, nil).Bytes()
	passed := 0
	for range 20_000 {
		data := bytes.Clone(whole)
		for range 1 + dice.IntN(3) {
			data[dice.IntN(len(data))] ^= byte(1 << dice.IntN(8))
		}
		if m, err := Read(data); err == nil {
			passed++
			readAll(m)
		}
	}
	if passed == 0 || passed == 20_000 {
		t.Errorf("%d of 20000 damaged images were let through; the damage misses its aim", passed)
	}
}

// readAll looks at each value, and at what it points to.
func readAll(m *Image) {
	for _, s := range Specs() {
		for row := range m.Rows(s.ID) {
			switch {
			case s.Text:
				_ = m.Text(s.ID, row)
			case s.Points == Nodes && m.Row(s.ID, row) >= 0 && m.Has(NodeFlags):
				_ = m.U8(NodeFlags, m.Row(s.ID, row))
			case s.Type == U8:
				_ = m.U8(s.ID, row)
			case s.Type == U32:
				_ = m.U32(s.ID, row)
			case s.Type == I64:
				_ = m.I64(s.ID, row)
			default:
				_ = m.F64(s.ID, row)
			}
		}
	}
	for node := 0; node < m.Rows(NodeAttributes)-1; node++ {
		_, _ = m.Attribute(node, "zone")
	}
}

func FuzzImage(f *testing.F) {
	f.Add(world(f, nil).Bytes())
	f.Add(world(f, []Column{NodeName, CopyNode}).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := Read(data); err == nil {
			readAll(m)
		} else if !errors.Is(err, ErrImage) {
			t.Errorf("an error that is not about images: %v", err)
		}
	})
}

func TestChanges(t *testing.T) {
	list := []Change{{CopyNode, 9}, {NodeCopies, 70_000}}
	data := AppendChanges(nil, list)
	got, err := ReadChanges(data)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(list) || len(data) != 2*ChangeSize {
		t.Errorf("%v became %v, %v", list, got, err)
	}
	if _, err := ReadChanges(data[1:]); err == nil {
		t.Error("a list that is cut off was taken")
	}
	data[2] = 1
	if _, err := ReadChanges(data); err == nil {
		t.Error("a list with something in its padding was taken")
	}
}

func FuzzChanges(f *testing.F) {
	f.Add(AppendChanges(nil, []Change{{CopyNode, 9}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ReadChanges(data)
		if err == nil && !bytes.Equal(AppendChanges(nil, list), data) && len(data) > 0 {
			t.Errorf("%x was read as %v, which is written otherwise", data, list)
		}
	})
}

// TestSpecs holds the table of columns to itself.
func TestSpecs(t *testing.T) {
	names := map[string]bool{}
	last := Column(0)
	for _, s := range Specs() {
		if s.ID <= last {
			t.Errorf("column %d stands after %d", s.ID, last)
		}
		last = s.ID
		if names[s.Name] || s.Doc == "" || s.Type.Size() == 0 || s.Table == 0 || s.Table >= tables {
			t.Errorf("column %d: %+v", s.ID, s)
		}
		names[s.Name] = true
		if (s.Text || s.Points != 0) && s.Type != U32 {
			t.Errorf("column %s points somewhere and is of type %v", s.Name, s.Type)
		}
		if c, known := Lookup(s.Name); !known || c != s.ID {
			t.Errorf("%s is found as column %d", s.Name, c)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	for _, c := range []struct {
		counts Counts
		needs  []Column
		says   string
	}{
		{Counts{Nodes: -1}, nil, "-1 nodes"},
		{Counts{Shards: 1 << 20, Slots: 1 << 20}, nil, "declare fewer columns"},
		{Counts{}, []Column{15}, "column 15 is not known"},
	} {
		if _, err := NewBuilder(c.counts, 1, c.needs); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; should say %q", c.counts, err, c.says)
		}
	}
}
