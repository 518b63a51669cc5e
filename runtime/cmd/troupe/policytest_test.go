package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	if _, errs, code := invoke(t, nil, "", "policy", "test", t.TempDir()); code != exitNotFound || !strings.Contains(errs, "no fixtures") {
		t.Errorf("an empty folder: exit code %d: %s", code, errs)
	}
}
