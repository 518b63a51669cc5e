package troupe

import (
	"fmt"
	"strings"
	"testing"
)

// draining keeps copies off nodes that are draining, and reads what it is told to.
type draining struct {
	limit   float64
	refuses bool
}

func (d *draining) Prepare() error {
	d.limit = SettingOf("orders", "limit").Number()
	if d.refuses {
		return fmt.Errorf("limit is %v", d.limit)
	}
	return nil
}

func (d *draining) Allocate(q Question, r Row) {
	for n := range Nodes() {
		if NodeFlags(n)&NodeDraining != 0 || Attribute(n, "class") == "spot" {
			r.Say(n, No, 1)
		}
	}
	for c := range Copies(q.Shard) {
		r.Say(CopyNode(c), NotPreferred, 2)
	}
}

const manifest = `{"needs":["node_flags","node_name","copy_node","node_attributes","attribute_name","attribute_value"]}`

func TestRuleNatively(t *testing.T) {
	policy := &draining{}
	Use(policy, manifest)
	w := NewWorld(4, 1, 2, 4)
	w.Set("node_flags", 1, NodeDraining)
	w.Text("node_name", 1, "n2")
	w.Attribute(0, "class", "spot")
	w.Attribute(2, "class", "solid")
	w.Set("copy_node", 6, 3)
	if err := w.Ready(`{"settings":{"limit":3},"keyspaces":{"orders":{"limit":5e0}}}`); err != nil {
		t.Fatal(err)
	}
	r := make(Row, Nodes())
	policy.Allocate(Question{Shard: 1, Copy: None}, r)
	if got := fmt.Sprintf("%x %v %s", []byte(r), policy.limit, NodeName(1)); got != "c1c10042 5 n2" {
		t.Errorf("the rule says %s", got)
	}
	policy.refuses = true
	if err := w.Ready(`{"settings":{"limit":3},"keyspaces":{}}`); err == nil || err.Error() != "limit is 3" {
		t.Errorf("refused with %v", err)
	}
	if err := w.Ready(`{"settings":{`); err == nil || !strings.Contains(err.Error(), "not the JSON") {
		t.Errorf("refused with %v", err)
	}
}

func TestColumnThatIsNotNeededPanics(t *testing.T) {
	Use(&draining{}, manifest)
	NewWorld(1, 1, 1, 1)
	for name, read := range map[string]func(){
		"read": func() { NodeCopies(0) },
		"set":  func() { NewWorld(1, 1, 1, 1).Set("node_copies", 0, 1) },
		"name": func() { NewWorld(1, 1, 1, 1).Set("node_copy", 0, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a column that the manifest does not need was there", name)
				}
			}()
			read()
		}()
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"*", "", true}, {"a*c", "abbc", true}, {"a*b*c", "aXbYbZc", true}, {"a*c", "abbd", false}, {"", "a", false}, {"", "", true},
		{"*a*", "bab", true}, {"**b", "ab", true}, {"ab*ba", "aba", false}, {"a", "ab", false},
	} {
		if got := Matches(c.pattern, c.value); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.value, got)
		}
	}
}

func TestFigures(t *testing.T) {
	for got, want := range map[string]string{
		Percent(0.12345): "12.3%", Percent(1536): "153600%", Bytes(1536): "1.5KB", Bytes(3 << 50): "3PB", Number(-0.005, 2): "-0.01",
		Number(2, 2): "2", Number(1.05, 2): "1.05", Milliseconds(90061500): "25h1m1.5s", Milliseconds(-250): "-250ms", Number(1e19, 0): "more than 10^18",
	} {
		if got != want {
			t.Errorf("%s, and wanted %s", got, want)
		}
	}
}

func TestSettingsReader(t *testing.T) {
	v, ok := parse([]byte(` {"a":"x\"\u00e9\ud83d\ude00\n\/","b":-12.5e2,"c":[true, "p"] } `))
	if !ok || v.get("a").text != "x\"é😀\n/" || v.get("b").number != -1250 || v.get("c").items[1].text != "p" || v.get("c").list[1] != "p" {
		t.Errorf("read %+v", v)
	}
	for _, bad := range []string{``, `{`, `{"a":}`, `{"a":"x}`, `{"a":1}}`, `[1,]`, `"\x"`, `{"a" 1}`, strings.Repeat("[", 1000)} {
		if _, ok := parse([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":["x",1,true,{"b":"\u00e9"}]}`))
	f.Fuzz(func(_ *testing.T, data []byte) { parse(data) })
}
