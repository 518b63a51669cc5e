package main

import (
	"path/filepath"
	"strings"
	"testing"

	records "github.com/troupe-actors/troupe/policies/record"
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
	last := filepath.Join(plans, "1.6.plan")
	if out, errs, code := invoke(t, nil, "", "explain", "orders/0", "--at", last, "--module", module); code != 0 || errs != "" || !strings.Contains(out, "licence: keyspace orders is on 2 nodes, and setting nodes licenses 2") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if _, errs, code := invoke(t, nil, "", "explain", "orders/0", "--at", last); code == 0 || !strings.Contains(errs, "give its file with --module") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, errs, code := invoke(t, nil, "", "explain", "orders/0", "--module", module); code != exitUsage || !strings.Contains(errs, "--module is for --at") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// A scenario that begins with a recorded cluster goes on by the rules that were asked there, with their settings; it can leave one out, or change it.
func TestScenariosGoOnByTheRulesOfThen(t *testing.T) {
	folder := t.TempDir()
	module := licensed(t, folder)
	plans := filepath.Join(folder, "plans")
	before := write(t, folder, "before.txt", "nodes 4 disk=1tb\nkeyspace orders shards=4 replicas=1 data=1gb\npolicy licence.wasm nodes@orders=2 every=10s\neval 1m\n")
	if out, errs, code := invoke(t, nil, "", "simulate", before, "--record", plans); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	const bound = "assert copies.n1 == 0\nassert copies.n2 == 4\nassert copies.n3 == 0\nassert copies.n4 == 4\n"
	for what, x := range map[string]struct{ lines, want string }{
		"as it was":           {bound, ""},
		"modules":             {bound, "--modules"},
		"without the rule":    {"without licence\neval 1m\nassert copies.n1 > 0\n", ""},
		"with other settings": {"policy licence.wasm nodes@orders=4\neval 1m\nassert copies.n1 > 0\n", ""},
	} {
		after := write(t, folder, "after.txt", "cluster plans/1.2.plan\neval 10m\n"+x.lines)
		args := strings.Fields("simulate " + after + " --module " + module + " " + x.want)
		if out, errs, code := invoke(t, nil, "", args...); code != 0 || errs != "" {
			t.Errorf("%s: exit code %d: %s%s", what, code, out, errs)
		}
	}
	after := write(t, folder, "after.txt", "cluster plans/1.2.plan\nwithout gravity\neval 10m\n")
	if out, errs, code := invoke(t, nil, "", "simulate", after, "--module", module); code == 0 || !strings.Contains(errs, `there is no rule "gravity"; there are `) || !strings.Contains(errs, ", licence") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	after = write(t, folder, "after.txt", "cluster plans/1.2.plan\neval 10m\n")
	if out, errs, code := invoke(t, nil, "", "simulate", after); code == 0 || !strings.Contains(errs, "policy licence was the module") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// A module that was two policies is asked twice again, each time with the settings that it had; one that decides and scores is one policy.
func TestReplayOfOneModuleAsTwoPolicies(t *testing.T) {
	folder := t.TempDir()
	module := licensed(t, folder)
	shop := &workshop{}
	defer shop.close()
	p := &replayer{o: &replayFlags{modules: []string{module}}, shop: shop}
	v, err := shop.read(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	r := &records.Record{}
	for _, settings := range []string{`{"settings":{},"keyspaces":{"orders":{"nodes":2}}}`, `{"settings":{"nodes":3}}`, `{"settings":{"nodes":3}}`} {
		r.Policies.Deciders = append(r.Policies.Deciders, records.Policy{Name: "licence", Digest: v.Digest(), Settings: settings})
	}
	set, err := p.build(t.Context(), r, nil, nil)
	if err != nil || len(set.Deciders) != 2 {
		t.Errorf("%+v %v", set, err)
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
