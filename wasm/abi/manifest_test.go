package abi

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const whole = `{"name":"spot","version":"1.0.0","abi":1,"kind":"hard","per":"class","needs":["node_name","node_attributes"],
	"reasons":["","node {node} is a spot node, and shard {shard} of {keyspace} is kept off those"],"limits":{"pages":4},"x-home":"example.org",
	"settings":[{"name":"tenant","type":"string"},{"name":"grace","type":"duration","default":"1m30s","max":3600000},
		{"name":"cluster.routing.allocation.include.","type":"list","prefix":true,"keyspace":true},
		{"name":"limit","type":"number","default":10,"min":0},{"name":"on","type":"bool","default":true}]}`

func TestManifest(t *testing.T) {
	m, err := ParseManifest([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if m.Limits != (Limits{4, DefaultFuelPerRow, DefaultFuelPerNode}) || m.Limits.Budget(100) != 4_000_000 {
		t.Errorf("limits are %+v", m.Limits)
	}
	if text, known := m.Reason(1, "n1", "3", "orders"); !known || text != "node n1 is a spot node, and shard 3 of orders is kept off those" {
		t.Errorf("reason 1 is %q", text)
	}
	if _, known := m.Reason(2, "", "", ""); known {
		t.Error("reason 2 is known")
	}
	again, err := ParseManifest(m.JSON())
	if err != nil || !bytes.Equal(again.JSON(), m.JSON()) {
		t.Errorf("%s was read back as %s: %v", m.JSON(), again.JSON(), err)
	}
}

func TestManifestIsRefused(t *testing.T) {
	for _, c := range []struct{ from, to, says string }{
		{`"name":"spot"`, `"name":"Spot"`, `name is "Spot"`},
		{`"version":"1.0.0"`, `"version":""`, "version of spot"},
		{`"abi":1`, `"abi":2`, "abi of spot is 2; this host speaks 1"},
		{`"kind":"hard"`, `"kind":"harsh"`, `kind of spot is "harsh"`},
		{`"per":"class"`, `"per":""`, `per of spot is ""`},
		{`"node_name"`, `"node_nam"`, `spot needs column "node_nam", which this host does not have`},
		{`"node_name"`, `"node_attributes"`, "twice"},
		{`"pages":4`, `"pages":5000`, "limits.pages is 5000"},
		{`"pages":4`, `"fuel":4`, `line 2: unknown field "fuel" in limits; there are fuel_per_node, fuel_per_row, pages`},
		{`"pages":4`, `"pages":"4"`, "line 2: limits.pages is a string; must be a whole number"},
		{`"abi":1`, `"abi":1,"limit":{}`, `line 1: unknown field "limit"; there are abi, doc, kind, limits, name, needs,`},
		{`"min":0`, `"pages":0`, `line 5: unknown field "pages" in settings; there are default, doc,`}, // of limits, on line 2, it would be one
		{`"min":0`, `"abi":0`, `line 5: unknown field "abi" in settings; there are default, doc,`},
		{`"min":0`, `"x-min":0`, `line 5: unknown field "x-min" in settings; there are default, doc,`},
		{`"x-home":"example.org"`, `"x-home":{"limits":[{"pages":"x"}]},"y-home":1`, `line 2: unknown field "y-home"; there are abi,`},
		{`"min":0`, `"least":0`, `line 5: unknown field "least" in settings; there are default, doc,`},
		{`"needs":[`, `"needs":{`, "line 1: invalid character"},
		{`"x-home":"example.org"`, `"x-home":"example.org","needs":"x"`, "line 2: needs is a string; must be a list"},
		{`"x-home":"example.org"`, `"x-home":"example.org","needs":{}`, "line 2: needs is an object; must be a list"},
		{`"type":"string"`, `"type":"text"`, `type of setting tenant is "text"`},
		{`"default":"1m30s"`, `"default":"soon"`, `grace is "soon"; must be a duration`},
		{`"default":"1m30s"`, `"default":"2h"`, "at most 3.6e+06 ms"},
		{`"default":10`, `"default":-1`, "at least 0"},
		{`"name":"on"`, `"name":"limit"`, "setting limit twice"},
		{`"name":"limit"`, `"name":"Limit"`, `setting "Limit"`},
		{`"abi":1`, `"abi":1,"scale":-1`, "scale of spot is -1"},
		{`{"name":"spot"`, `["name"`, "line 1: a manifest is an object, as in {\"name\": …}, and here is an array"},
	} {
		text := strings.Replace(whole, c.from, c.to, 1)
		if c.to == `["name"` {
			text = `["name"]`
		}
		if _, err := ParseManifest([]byte(text)); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the error is %v; should say %q", c.to, err, c.says)
		}
	}
}

func TestConfiguration(t *testing.T) {
	m, err := ParseManifest([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Configuration(map[string]string{"limit": "12.5", "on": "", "cluster.routing.allocation.include.zone": "a, b", "cluster.routing.allocation.include.x@events": "c"},
		map[string]map[string]string{"orders": {"cluster.routing.allocation.include.rack": "<r1>"}, "empty": {}})
	want := `{"settings":{"cluster.routing.allocation.include.zone":["a","b"],"grace":90000,"limit":12.5,"on":true,"tenant":""},` +
		`"keyspaces":{"events":{"cluster.routing.allocation.include.x":["c"]},"orders":{"cluster.routing.allocation.include.rack":["<r1>"]}}}`
	if err != nil || string(got) != want {
		t.Errorf("the guest gets\n%s, and should get\n%s\n%v", got, want, err)
	}
	for value, says := range map[string]string{"x": "must be a number", "-1": "at least 0", "NaN": "must be a number"} {
		if err := m.CheckSetting("limit", value); !errors.Is(err, ErrSetting) || !strings.Contains(err.Error(), says) {
			t.Errorf("limit %q: %v", value, err)
		}
	}
	for _, value := range []string{"1", ""} {
		if err := m.CheckSetting("limits", value); !errors.Is(err, ErrSetting) || !strings.Contains(err.Error(), "has no setting limits; it has tenant, grace, limit, on") {
			t.Errorf("a setting that the module does not have: %v", err)
		}
	}
	if err := m.CheckSetting("limit@orders", "1"); err == nil || !strings.Contains(err.Error(), "one for all keyspaces") {
		t.Errorf("the same, as people set it: %v", err)
	}
	const scoped = "cluster.routing.allocation.include.zone"
	for keyspace, good := range map[string]bool{"orders": true, "0.a_b-c": true, "": false, "a@b": false, "Orders": false, "-a": false, strings.Repeat("a", 65): false} {
		if err := m.CheckSetting(scoped+"@"+keyspace, "a"); (err == nil) != good || err != nil && (!errors.Is(err, ErrSetting) || !strings.Contains(err.Error(), "as no keyspace can be called")) {
			t.Errorf("set for keyspace %q: %v", keyspace, err)
		}
	}
	if _, err := m.Configuration(nil, map[string]map[string]string{"orders": {"limit": "1"}}); err == nil || !strings.Contains(err.Error(), "one for all keyspaces") {
		t.Errorf("a keyspace's own value of a setting without: %v", err)
	}
}

// empty is a module with nothing in it, and one custom section besides.
func empty(t *testing.T) []byte {
	t.Helper()
	return append(bytes.Clone(wasmHeader), 0, 4, 3, 'a', 'b', 'c')
}

func TestManifestTravelsInTheModule(t *testing.T) {
	module, err := WithManifest(empty(t), []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	again, err := WithManifest(module, []byte(whole))
	if err != nil || !bytes.Equal(module, again) || !bytes.HasPrefix(module, empty(t)) {
		t.Errorf("appending it a second time changes the module: %v", err)
	}
	if m, err := FindManifest(module); err != nil || m.Name != "spot" {
		t.Errorf("found %+v, %v", m, err)
	}
	if _, err := FindManifest(empty(t)); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "has no section") {
		t.Errorf("a module without: %v", err)
	}
	twice := append(bytes.Clone(module), module[len(empty(t)):]...)
	if _, err := FindManifest(twice); err == nil || !strings.Contains(err.Error(), "2 sections") {
		t.Errorf("a module with two: %v", err)
	}
	for cut := 1; cut < len(module)-len(empty(t)); cut++ {
		if _, err := FindManifest(module[:len(module)-cut]); !errors.Is(err, ErrModule) && !errors.Is(err, ErrManifest) {
			t.Errorf("cut by %d bytes: %v", cut, err)
		}
	}
}

// A module of before the bounds were lowered is held to them where it is stored, and refused where it is brought.
func TestStoredManifestsKeepWithinBounds(t *testing.T) {
	for _, c := range []struct {
		limits string
		want   Limits
	}{
		{`{"pages":4096,"fuel_per_row":100000000,"fuel_per_node":200000}`, Limits{MaxPages, MaxFuelPerRow, MaxFuelPerNode}},
		{`{"fuel_per_row":100000000}`, Limits{DefaultPages, MaxFuelPerRow, DefaultFuelPerNode}},
	} {
		m, err := ParseManifest([]byte(whole))
		if err != nil {
			t.Fatal(err)
		}
		m.Limits = Limits{}
		text := strings.Replace(string(m.JSON()), `"limits":{}`, `"limits":`+c.limits, 1)
		module, err := WithCustom(empty(t), SectionName, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if m, err = StoredManifest(module); err != nil || m.Limits != c.want {
			t.Errorf("limits %s are taken for %+v, %v", c.limits, m.Limits, err)
		}
		if _, err := FindManifest(module); !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), "must be from 1 to") {
			t.Errorf("limits %s: %v", c.limits, err)
		}
	}
	if _, err := StoredManifest(empty(t)); !errors.Is(err, ErrManifest) {
		t.Errorf("a module without: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		if _, err := ParseManifest(m.JSON()); err != nil {
			t.Errorf("%s is taken, and written as %s refused: %v", text, m.JSON(), err)
		}
		if _, err := m.Configuration(nil, nil); err != nil {
			t.Errorf("%s has no configuration by default: %v", text, err)
		}
	})
}

func FuzzSection(f *testing.F) {
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\x04\x03abc"))
	f.Fuzz(func(t *testing.T, module []byte) {
		with, err := WithManifest(module, []byte(whole))
		if err != nil {
			if !errors.Is(err, ErrModule) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if m, err := FindManifest(with); err != nil || m.Name != "spot" {
			t.Errorf("appended, and not found: %v", err)
		}
	})
}
