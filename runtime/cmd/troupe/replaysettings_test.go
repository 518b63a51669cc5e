package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// licensed packs the module of an example, whose setting keyspaces have of their own, with settings of other types beside it.
func licensed(t *testing.T, folder string) (module string) {
	t.Helper()
	module = filepath.Join(folder, "licence.wasm")
	manifest := write(t, folder, "licence.json", `{"name":"licence","version":"1","abi":1,"kind":"hard","per":"shard","needs":["node_name","keyspace_name","keyspace_node_copies","shard_keyspace"],
		"reasons":["","{keyspace} is on as many nodes as are licensed","{keyspace} leaves node {node}"],"limits":{"pages":256},"settings":[
		{"name":"nodes","type":"number","default":0,"min":0,"keyspace":true},{"name":"every","type":"duration","default":"1m30s"},{"name":"tags","type":"list","default":["a"]}]}`)
	if _, errs, code := invoke(t, nil, "", "policy", "pack", "../../../examples/policy-c/licence/policy.wasm", manifest, "-o", module); code != 0 {
		t.Fatal(errs)
	}
	return module
}

// Plans that a module was asked about are made again with the settings that it had: also those of one keyspace, durations, and lists that were emptied.
func TestReplayHasTheSettingsOfThen(t *testing.T) {
	folder := t.TempDir()
	module := licensed(t, folder)
	plans := filepath.Join(folder, "plans")
	scenario := write(t, folder, "x.txt", "nodes 4 disk=1tb\nkeyspace orders shards=4 replicas=1 data=1gb\npolicy licence.wasm nodes@orders=2 every=10s tags=,\neval 1m\nlose node n1\neval 1m\n")
	if out, errs, code := invoke(t, nil, "", "simulate", scenario, "--record", plans); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if out, errs, code := invoke(t, nil, "", "replay", plans, "--module", module); code != 0 || errs != "" {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// The values of a list are separated by commas, as settings are.
func TestSettingsOfAModuleOnTheCommandLine(t *testing.T) {
	m, err := parseModule("a:b/licence.wasm:tags=x,y,nodes@orders=2,tags@orders=,")
	if err != nil || m.Path != "a:b/licence.wasm" || len(m.Settings) != 3 || m.Settings["tags"] != "x,y" || m.Settings["nodes@orders"] != "2" || m.Settings["tags@orders"] != "," {
		t.Errorf("%+v %v", m, err)
	}
	if _, err := parseModule("licence.wasm:x,tags=y"); err == nil || !strings.Contains(err.Error(), `"x" is no SETTING=VALUE`) {
		t.Error(err)
	}
}
