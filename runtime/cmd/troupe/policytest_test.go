package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
)

const drainFixture = `
nodes: [{name: n1}, {name: n2, draining: true}]
keyspaces: [{name: orders, shards: 2}]
shards:
  orders/0: {primary: n2, in_sync: [n1]}
cases:
  - ask: allocate orders/1
    expect: {n1: YES, n2: NO node n2 is draining}
  - ask: remain orders/0
    copy: n2
    expect: {n2: NO}
`

// write puts a file into a folder.
func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The module of a rule and the rule in Go are asked the same, in both engines; what a question costs is shown.
func TestPolicyTest(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "drain.yaml", drainFixture)
	for _, policy := range []string{"draining", "../../../policies/modules/draining/draining.wasm"} {
		out, errs, code := invoke(t, nil, "", "policy", "test", folder, "--policy", policy, "--json")
		var r tested
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || errs != "" {
			t.Fatalf("%s: exit code %d, %v: %s%s", policy, code, err, out, errs)
		}
		if !strings.HasPrefix(r.Policy, "draining") || len(r.Cases) != 2 || r.Cases[0].Fuel == 0 || r.Cases[0].Nanos == 0 || r.Cases[1].Interpreted == 0 || len(r.Faults) > 0 {
			t.Errorf("%s: %+v", policy, r)
		}
	}
	out, errs, code := invoke(t, nil, "", "policy", "test", filepath.Join(folder, "drain.yaml"), "--policy", "draining", "--verbose")
	if code != 0 || errs != "" || strings.Count(out, " ok ") != 2 || !strings.Contains(out, "n2 allocate NO: [draining NO] node n2 is draining") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

func TestPolicyTestFails(t *testing.T) {
	folder := t.TempDir()
	path := write(t, folder, "drain.yaml", "policy: draining\n"+strings.Replace(drainFixture, "{n2: NO}", "{n2: YES}", 1))
	out, errs, code := invoke(t, nil, "", "policy", "test", folder)
	if code != exitDifferent || !strings.Contains(out, path+":10: remain orders/0: node n2: NO, expected YES (because \"node n2 is draining\")") || !strings.Contains(errs, "1 of 2 cases") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// hostile packs a module that means no good, which answers per class or per shard.
func hostile(t *testing.T, folder, name, per string) (module string) {
	t.Helper()
	manifest := write(t, folder, "manifest.json", `{"name":"`+name+`","version":"1","abi":1,"kind":"hard","per":"`+per+`","needs":["node_name"],"reasons":["","no"]}`)
	module = filepath.Join(folder, name+".wasm")
	if _, errs, code := invoke(t, nil, "", "policy", "pack", "../../../policies/hosted/testdata/hostile/"+name+".wasm", manifest, "-o", module); code != 0 {
		t.Fatal(errs)
	}
	return module
}

// A module that fails is said to fail, once, and nothing that comes of it: no other answers, no times.
func TestPolicyTestOfAModuleThatFails(t *testing.T) {
	folder := t.TempDir()
	module := hostile(t, folder, "loop", "class")
	path := write(t, folder, "loop.yaml", "nodes: [{name: n1}]\nkeyspaces: [{name: orders, shards: 1}]\ncases: [{ask: allocate orders/0, expect: {n1: NO}}]\n")
	out, errs, code := invoke(t, nil, "", "policy", "test", path, "--policy", module)
	if code != exitDifferent || !strings.Contains(errs, "1 of 1 case is not as expected") || strings.Count(out, "used more than its fuel") != 1 || strings.Contains(out, "the row says") || !strings.HasSuffix(strings.Split(out, "\n")[2], "in doubt  -     -   -") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// What a module that fails is answered for is not told of each node, in the words of its fault, but in one line a case; what else is wrong is.
func TestPolicyTestTellsAFaultOnce(t *testing.T) {
	folder := t.TempDir()
	module := hostile(t, folder, "loop", "class")
	path := write(t, folder, "loop.yaml", "nodes: [{name: n1}, {name: n2}, {name: n3}]\nkeyspaces: [{name: orders, shards: 1}]\n"+
		"cases:\n  - {ask: allocate orders/0, expect: {\"*\": YES}}\n  - {ask: allocate orders/0, new: false, expect: {n2: NO because}}\n")
	out, errs, code := invoke(t, nil, "", "policy", "test", path, "--policy", module)
	if code != exitDifferent || strings.Count(out, "used more than its fuel") != 1 || !strings.Contains(errs, "2 of 2 cases are not") ||
		!strings.Contains(out, path+":4: allocate orders/0: 3 nodes are not answered as expected, since the policy failed: see below\n"+
			path+":5: allocate orders/0: 1 node is not answered as expected, since the policy failed: see below\n") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// A module that writes beyond the end of its row is told of, though the row itself is as it should be.
func TestPolicyTestLooksBeyondTheRow(t *testing.T) {
	folder := t.TempDir()
	module := hostile(t, folder, "overrun", "class")
	path := write(t, folder, "overrun.yaml", "nodes: [{name: n1}, {name: n2}, {name: n3}]\nkeyspaces: [{name: orders, shards: 1}]\ncases: [{ask: allocate orders/0, expect: {\"*\": NO}}]\n")
	out, _, code := invoke(t, nil, "", "policy", "test", path, "--policy", module)
	if code != exitDifferent || !strings.Contains(out, "it wrote 0xc1 at byte 3 of a row of 3, beyond its end") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// A case is asked whatever became of those before it: a module that has failed three times is not silent, as if it had nothing against anything.
func TestPolicyTestAsksEachCase(t *testing.T) {
	folder := t.TempDir()
	module := hostile(t, folder, "loop", "shard")
	text := "nodes: [{name: n1}, {name: n2}, {name: n3}]\nkeyspaces: [{name: orders, shards: 5}]\ncases:\n"
	for _, shard := range []string{"0", "1", "2", "3", "4"} {
		text += "  - {ask: allocate orders/" + shard + ", expect: {\"*\": \"NO ~used more than its fuel\"}}\n"
	}
	path := write(t, folder, "loop.yaml", text)
	out, errs, code := invoke(t, nil, "", "policy", "test", path, "--policy", module)
	if code != exitDifferent || strings.Contains(out, "FAILS") || strings.Count(out, "in doubt") != 5 || strings.Contains(out, "without a reason") || strings.Contains(out, "YES") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// The golden file is compared where there is one, and written when that is asked for.
func TestPolicyTestGolden(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "drain.yaml", "policy: draining\n"+drainFixture)
	if _, errs, code := invoke(t, nil, "", "policy", "test", folder, "--rewrite"); code != 0 {
		t.Fatal(errs)
	}
	golden := filepath.Join(folder, "drain.golden")
	text, err := os.ReadFile(golden)
	if err != nil || !strings.Contains(string(text), "n2 remain NO: [draining NO] node n2 is draining") {
		t.Fatalf("%s, %v", text, err)
	}
	if _, errs, code := invoke(t, nil, "", "policy", "test", folder); code != 0 {
		t.Error(errs)
	}
	write(t, folder, "drain.golden", strings.Replace(string(text), "is draining", "is tired", 1))
	out, _, code := invoke(t, nil, "", "policy", "test", folder)
	if code != exitDifferent || !strings.Contains(out, golden+":3: it says") || !strings.Contains(out, "--rewrite accepts") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// A policy's own settings in a fixture are looked at before it is asked: they are the fixture's mistakes, with their line, and no faults of the policy.
func TestPolicyTestOwnSettings(t *testing.T) {
	folder := t.TempDir()
	manifest := write(t, folder, "manifest.json", `{"name":"yes","version":"1","abi":1,"kind":"hard","per":"class","needs":["node_name"],"reasons":["","no"],`+
		`"settings":[{"name":"from","type":"number","max":23,"keyspace":true}]}`)
	if _, errs, code := invoke(t, nil, "", "policy", "pack", "../../../policies/hosted/testdata/hostile/yes.wasm", manifest, "-o", filepath.Join(folder, "yes.wasm")); code != 0 {
		t.Fatal(errs)
	}
	for settings, want := range map[string]string{
		"from: 3": "", "from@orders: 3": "",
		"fromm: 3":       "own.yaml:3: abi: invalid setting: policy yes has no setting fromm; it has from",
		"from: 77":       `own.yaml:3: abi: invalid setting: from is "77"; must be a number, at most 23`,
		"from@nope: 3":   `own.yaml:3: from@nope: the fixture has no keyspace "nope"`,
		`"from@": 3`:     `own.yaml:3: abi: invalid setting: from is to be set for keyspace ""`,
		"from@nope: 333": "at most 23",
	} {
		path := write(t, folder, "own.yaml", "policy: yes.wasm\nsettings:\n  "+settings+"\nnodes: [{name: n1}]\nkeyspaces: [{name: orders, shards: 1}]\ncases: [{ask: allocate orders/0, expect: {n1: YES}}]\n")
		_, errs, code := invoke(t, nil, "", "policy", "test", path)
		if (want == "") != (code == 0) || want != "" && code != exitUsage || !strings.Contains(errs, want) || strings.Count(errs, "own.yaml") > 1 {
			t.Errorf("%s: exit code %d: %s", settings, code, errs)
		}
	}
}

func TestPolicyTestUsage(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "drain.yaml", drainFixture)
	write(t, folder, "own.yaml", "policy: draining\nsettings: {hours: 8-20}\n"+drainFixture)
	write(t, folder, "lost.yaml", "policy: lost.wasm\n"+drainFixture)
	write(t, folder, "bad.yaml", "policy: draining\nnodes: [{name: n1, colour: red}]\n"+drainFixture)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"drain.yaml"}, exitUsage, "which policy?"},
		{[]string{"drain.yaml", "--policy", "gravity"}, exitUsage, `no built-in rule "gravity"`},
		{[]string{"own.yaml"}, exitUsage, "has no settings of its own"},
		{[]string{"lost.yaml"}, exitNotFound, "build it first"},
		{[]string{"bad.yaml"}, exitUsage, "bad.yaml"},
		{[]string{"none.yaml"}, exitFailed, "none.yaml"},
	} {
		args := append([]string{"policy", "test", filepath.Join(folder, c.args[0])}, c.args[1:]...)
		if _, errs, code := invoke(t, nil, "", args...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, code, c.code, errs)
		}
	}
	out, errs, code := invoke(t, nil, "", "policy", "test", "--policy", "draining", filepath.Join(folder, "bad.yaml"), filepath.Join(folder, "drain.yaml"))
	if code != exitUsage || !strings.Contains(errs, `bad.yaml:4: mapping key "nodes" already defined at line 2`) || !strings.Contains(errs, "1 of 2 fixtures is not understood; 0 of 2 cases in the others") || strings.Count(out, " ok ") != 2 {
		t.Errorf("a fixture that is bad, and one that is not: exit code %d: %s%s", code, out, errs)
	}
	if _, errs, code := invoke(t, nil, "", "policy", "test", t.TempDir()); code != exitNotFound || !strings.Contains(errs, "no fixtures") {
		t.Errorf("an empty folder: exit code %d: %s", code, errs)
	}
}

// A module with all that a compiler adds for debuggers is too large, and its author is told what to leave out.
func TestPolicyTestOfALargeModule(t *testing.T) {
	dir := t.TempDir()
	if err := os.Truncate(write(t, dir, "policy.wasm", ""), 2*cluster.MaxModule); err != nil {
		t.Fatal(err)
	}
	_, errs, code := invoke(t, nil, "", "policy", "test", write(t, dir, "fixture.yaml", "policy: policy.wasm"+drainFixture))
	if code != exitFailed || !strings.Contains(errs, "a module has at most 4.00 MiB: build it smaller, without debug information") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
