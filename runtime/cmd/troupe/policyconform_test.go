package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
)

// A user's module is held to what hosts rely on; one that says it answers per class and does not is told so.
func TestPolicyConform(t *testing.T) {
	folder := t.TempDir()
	out, errs, code := invoke(t, nil, "", "policy", "test", "--policy", "../../../actors/placement/testdata/keep_off.wasm", "--conform", "60", "--json")
	var r conformed
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || errs != "" || r.Questions != 60 || r.Said != 0 || len(r.Rows) == 0 || r.Rows[0].Fuel == 0 || len(r.Problems) > 0 {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	const keepOff = "../../../actors/placement/testdata/keep_off.wasm"
	const silent = "it says YES to everything with these settings"
	for _, x := range []struct {
		set       string
		code      int
		out, errs string
	}{
		{"--set=mood=well", 0, "60 questions", silent},
		{"--set=nodes=N*", 0, "60 questions", ""},
		{"--set=mood=trap", exitDifferent, "unreachable", "it does not conform"},
		{"--set=mood=sour", exitUsage, "", "must be one of well"},
		{"--set=nods=N1", exitUsage, "", "has no setting nods"},
		{"--set=nodes", exitUsage, "", "must be NAME=VALUE"},
	} {
		out, errs, code := invoke(t, nil, "", "policy", "test", "--policy", keepOff, "--conform", "60", x.set)
		if code != x.code || !strings.Contains(out, x.out) || !strings.Contains(errs, x.errs) || x.errs != silent && strings.Contains(errs, silent) {
			t.Errorf("%s: exit code %d: %s%s", x.set, code, out, errs)
		}
	}
	if _, errs, code := invoke(t, nil, "", "policy", "test", "--policy", keepOff, "--set", "nodes=N1"); code != exitUsage || !strings.Contains(errs, "--set is for --conform") {
		t.Errorf("--set alone: exit code %d: %s", code, errs)
	}
	module, err := os.ReadFile("../../../policies/hosted/testdata/hostile/shardwise.wasm")
	if err != nil {
		t.Fatal(err)
	}
	m := abi.Manifest{Name: "shardwise", Version: "1", ABI: 1, Kind: abi.Hard, Per: abi.PerClass, Reasons: []string{"", "because"}, Needs: []string{"node_flags"}}
	binary, err := abi.WithManifest(module, m.JSON())
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, folder, "shardwise.wasm", string(binary))
	out, errs, code = invoke(t, nil, "", "policy", "test", "--policy", path, "--conform", "200")
	if code != exitDifferent || !strings.Contains(out, "if they depend on the shard, say per shard") || !strings.Contains(errs, "it does not conform") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for _, args := range [][]string{{"--conform", "5"}, {"--conform", "0", "--policy", path}, {"--conform", "5", "--policy", path, folder}} {
		if _, errs, code := invoke(t, nil, "", append([]string{"policy", "test"}, args...)...); code != exitUsage || !strings.Contains(errs, "--conform takes") {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
}
