package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// variant writes the module of the placement's tests with a section behind it that nobody reads.
func variant(t *testing.T, name string) string {
	t.Helper()
	code, err := os.ReadFile("../../../actors/placement/testdata/keep_off.wasm")
	if err != nil {
		t.Fatal(err)
	}
	section := append([]byte{byte(len(name))}, name...)
	path := filepath.Join(t.TempDir(), name+".wasm")
	if err := os.WriteFile(path, append(append(code, 0, byte(len(section))), section...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPolicyVerbs takes a policy through its life on a node: each step says what is so now, and what is refused says why.
func TestPolicyVerbs(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	one, two := variant(t, "one"), variant(t, "two")
	draining, soft := "../../../policies/modules/draining/draining.wasm", filepath.Join(t.TempDir(), "soft.wasm")
	manifest := write(t, t.TempDir(), "manifest.json", `{"name":"keep_off","version":"2","abi":1,"kind":"soft","per":"class","needs":["node_name"],"reasons":["","no"]}`)
	node.at(t, 0, "", "policy", "pack", "../../../policies/hosted/testdata/hostile/no.wasm", manifest, "-o", soft)
	for _, step := range []struct {
		line string
		code int
		want []string // within the output, or the errors
	}{
		{"policy list", 0, []string{"same_node", "house", "0 B of modules; at most 32.0 MiB"}},
		{"policy inspect spare", 3, []string{`no policy "spare"; none was pushed`}},
		{"policy inspect " + one, 0, []string{"answers allocate, remain", "keep_off 1.0.0, hard, per shard", "reads node_name, copy_node", "reason 1: node {node}", "well|trap|spin|restless|newly_trap|newly_spin"}},
		{"policy push policyverbs_test.go", 1, []string{"policyverbs_test.go: "}},
		{"policy push none.wasm", 1, []string{"none.wasm"}},
		{"policy push " + one + " --name Spare", 1, []string{"a policy cannot be called"}},
		{"policy push " + one + " --name a.b", 1, []string{`a policy cannot be called "a.b"`}},
		{"policy push " + one + " --name spare", 0, []string{"policy spare version 1 (1.0.0)", "1/1 nodes are ready"}},
		{"policy push " + one + " --name spare", 0, []string{"(it was there)"}},
		{"policy push " + two + " --name spare --order 3", 0, []string{"version 2"}},
		{"policy push " + draining + " --name spare", 4, []string{"version 2 calls itself keep_off, and this module draining", "--force"}},
		{"policy push " + soft + " --name spare", 4, []string{"version 2 is hard, and this module is soft"}},
		{"policy push " + soft + " --name spare --force", 0, []string{"policy spare version 3 (2)"}},
		{"policy forget spare --version 3", 0, []string{"policy spare: version 3 forgotten; it has 1, 2"}},
		{"policy diff spare 1 2", 4, []string{"WHAT", "module", "1 difference between 1 and 2"}},
		{"policy diff spare 2 " + two, 0, []string{"they are the same module"}},
		{"policy shadow spare --version 1 --set nodes=n1 --set mood=", 0, []string{"in the shadow is version 1 (1.0.0) nodes=n1"}},
		{"policy activate spare --version 1 --set nods=n1", 4, []string{"has no setting nods; it has mood, nodes"}},
		{"policy activate spare --version 3", 3, []string{"has no version 3; there are 1, 2"}},
		{"policy activate spare --require-shadow 90", 4, []string{"the gate is closed: 0 of 90"}},
		{"policy activate spare", 0, []string{"in force is version 2 (1.0.0)", "for five minutes", "troupe policy logs spare -f"}},
		{"policy activate spare --set nodes=x*", 0, []string{"in force is version 2 (1.0.0) nodes=x*; before it was version 2 (1.0.0)"}},
		{"policy list", 0, []string{"2 (1.0.0) nodes=x*", "1 (1.0.0) nodes=n1", "1/1"}},
		{"settings set cluster.policies.gate=moves=3", 2, []string{"a gate says how many plans it looks at"}},
		{"settings set cluster.policies.gate=plans=2,moves=3", 0, []string{"1 setting changed"}},
		{"policy list", 0, []string{"no version is activated but through the gate (cluster.policies.gate): plans=2,moves=3"}},
		{"policy activate spare --set nodes=y*", 4, []string{"the gate is closed that cluster.policies.gate requires", "--force-gate REASON"}},
		{"policy activate spare --set nodes=x* --max-bytes 5gb", 2, []string{"say how many with --require-shadow"}},
		{"settings set cluster.policies.gate=", 0, nil},
		{"policy rollback spare", 0, []string{"in force is version 2 (1.0.0); before it was version 2 (1.0.0) nodes=x*"}},
		{"policy forget spare --version 1", 4, []string{"is in use"}},
		{"policy shadow spare --off", 0, []string{"in the shadow no more"}},
		{"policy forget spare --version 1", 0, []string{"forgotten"}},
		{"policy quarantine spare --reason rubbish", 0, []string{"nothing is in force"}},
		{"policy activate spare", 4, []string{"is quarantined: rubbish"}},
		{"policy list", 0, []string{"quarantined: module", "rubbish", "version 2 was quarantined: rubbish"}},
		{"policy inspect spare", 0, []string{"1/1; quarantined: rubbish", "reads node_name, copy_node"}},
		{"policy quarantine spare --lift", 0, []string{"nothing is in force"}},
		{"policy rollback spare", 4, []string{"has nothing to go back to"}},
		{"policy activate spare", 0, []string{"in force is version 2"}},
		{"policy deactivate spare", 0, []string{"nothing is in force; before it was version 2"}},
		{"policy deactivate spare", 0, []string{"(as it was)"}},
		{"policy reset spare", 0, []string{"nothing is in force"}},
		{"policy forget spare", 0, []string{"policy spare: forgotten, with version 2"}},
		{"policy inspect spare", 3, []string{"none was pushed"}},
	} {
		out, errs := node.at(t, step.code, "", strings.Fields(step.line)...)
		for _, want := range step.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("troupe %s: %q is not in\n%s%s", step.line, want, out, errs)
			}
		}
	}
}

// An activation that the first plans have taken back is a failure, whatever the cluster said when it took it: one plan is waited for.
func TestActivationThatDoesNotLast(t *testing.T) {
	one := admin.PolicyInfo{Name: "spare", Versions: []admin.PolicyVersion{{Version: 1, Digest: "ab"}}, Active: &admin.PolicyUse{Version: 1, Label: "1.0"}}
	none := one
	none.Active, none.Note = nil, "version 1 was quarantined: it fails"
	back := one
	back.Note = "version 1 went back to the settings of before: it refuses"
	list := func(version uint64, p admin.PolicyInfo) admin.PolicyList {
		return admin.PolicyList{Version: version, Policies: []admin.PolicyInfo{p}}
	}
	for _, c := range []struct {
		plans, lists []any
		code         int
		want         string
	}{
		{[]any{admin.RerouteAnswer{Version: 8}, admin.RerouteAnswer{Version: 11}}, []any{list(9, one), list(11, none)}, exitDifferent, "policy spare: it is in force no more: version 1 was quarantined: it fails"},
		{[]any{admin.RerouteAnswer{Version: 9}}, []any{list(8, none), list(9, one)}, 0, "policy spare: in force is version 1 (1.0)\nfor five minutes"},
		{[]any{admin.RerouteAnswer{Version: 9}}, []any{list(9, back)}, exitDifferent, "policy spare: it is in force no more: version 1 went back to the settings of before: it refuses"},
		{nil, []any{list(9, one)}, 0, "policy spare: in force is version 1 (1.0)\nno plan has been made with it yet: whether it works is not known\nfor five minutes"},
	} {
		answers := map[string][]any{"POST /_policy/spare/activate": {admin.Acknowledged{Acknowledged: true, Changed: true, Version: 9}}, "POST /_cluster/reroute": c.plans, "GET /_policy": c.lists}
		addr, _ := record(t, answers)
		if out, errs, code := invoke(t, nil, "", "policy", "activate", "spare", "--addr", addr); code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("exit code %d: %s%s; want %q", code, out, errs, c.want)
		}
	}
}

// A module that fails at its first answer is found out before anything is committed, and so are settings that it does not take.
func TestActivationOfWhatFails(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	node.at(t, 0, "", "policy", "push", variant(t, "trap"), "--name", "trap")
	out, errs := node.at(t, exitDifferent, "", "policy", "activate", "trap", "--set", "mood=trap")
	if !strings.Contains(out+errs, "version 1 of policy trap fails when it is asked, and nothing was changed: policy keep_off 1.0.0, export can_allocate") || !strings.Contains(out+errs, "unreachable") {
		t.Errorf("%s%s", out, errs)
	}
	out, errs = node.at(t, exitDifferent, "", "policy", "shadow", "trap", "--set", "mood=trap")
	if !strings.Contains(out+errs, "and nothing was changed") {
		t.Errorf("shadow: %s%s", out, errs)
	}
	node.at(t, 0, "", "policy", "activate", "trap", "--set", "nodes=n2")
}

func TestStaleComparisons(t *testing.T) {
	shadow := &admin.PolicyUse{Version: 2, Label: "1.1", Settings: map[string]string{"nodes": "n1"}}
	last := &admin.Comparison{At: 1_000_000, Policies: []admin.ShadowedPolicy{{Name: "other", Version: 7}, {Name: "spare", Version: 2, Settings: map[string]string{"nodes": "n1"}}}}
	for _, c := range []struct {
		p    admin.PolicyInfo
		last *admin.Comparison
		want string
	}{
		{admin.PolicyInfo{Shadow: shadow}, last, ""},
		{admin.PolicyInfo{Shadow: shadow, Since: 900}, last, ""},
		{admin.PolicyInfo{Shadow: shadow, Since: 1001}, last, "in force is - since "},
		{admin.PolicyInfo{Active: shadow}, last, "is in the shadow no more; in force is 2 (1.1) nodes=n1"},
		{admin.PolicyInfo{Shadow: &admin.PolicyUse{Version: 3, Label: "1.2"}}, last, "in the shadow is 3 (1.2) now"},
		{admin.PolicyInfo{Shadow: shadow}, nil, "nothing has been compared yet"},
		{admin.PolicyInfo{}, nil, "is not in the shadow"},
	} {
		c.p.Name = "spare"
		if got := stale(&c.p, c.last); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v: %q, want %q", c.p, got, c.want)
		}
	}
	if got := comparedText(last.Policies); got != "other version 7, spare version 2 nodes=n1" {
		t.Error(got)
	}
}

// What is printed with --json can be read by programs, and what streams has one document a line.
func TestPolicyVerbsInJSON(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	var pushed struct {
		admin.Pushed
		Ready []admin.PolicyReady `json:"ready"`
	}
	read := func(into any, line string) {
		t.Helper()
		out, _ := node.at(t, 0, "", append(strings.Fields(line), "--json")...)
		if err := json.Unmarshal([]byte(out), into); err != nil {
			t.Fatalf("troupe %s: %v: %s", line, err, out)
		}
	}
	read(&pushed, "policy push "+variant(t, "one"))
	if pushed.Policy != "keep_off" || pushed.Number != 1 || len(pushed.Ready) != 1 || !pushed.Ready[0].Ready {
		t.Errorf("pushed %+v", pushed)
	}
	var a admin.Acknowledged
	read(&a, "policy shadow keep_off --set nodes=n1")
	for seen := 0; seen == 0; { // the next plan is compared at once
		out, _ := node.at(t, 0, "", "policy", "shadow", "keep_off", "--show", "--json")
		for line := range strings.Lines(out) {
			var k admin.Comparison
			if err := json.Unmarshal([]byte(line), &k); err != nil || k.Policies[0].Name != "keep_off" || k.Policies[0].Settings["nodes"] != "n1" {
				t.Fatalf("comparison %s: %v", line, err)
			}
			seen++
		}
	}
	out, _ := node.at(t, 0, "", "policy", "shadow", "keep_off", "--show")
	if !strings.Contains(out, "verdicts would be others, of 16 of 16 shards") || !strings.Contains(out, "with keep_off version 1 nodes=n1\n") || !strings.Contains(out, "remain    YES -> NO  16 times, as shard default/0, node n1: [keep_off] node n1 is among") {
		t.Errorf("a comparison for people: %s", out)
	}
	if out, words := node.at(t, 0, "", "policy", "logs", "same_node"); out != "" || !strings.Contains(words, "same_node has logged nothing") {
		t.Errorf("the log of a silent decider: %q, %q", out, words)
	}
	if _, words := node.at(t, exitNotFound, "", "policy", "logs", "keep_of"); !strings.Contains(words, `no policy "keep_of"; there are keep_off`) {
		t.Errorf("the log of no policy: %q", words)
	}
	var used policyUsed
	if read(&used, "policy activate keep_off --set nodes=x"); !used.Changed || used.Policy != "keep_off" || used.PolicyVersion != 1 || used.Settings["nodes"] != "x" || used.Previous != nil {
		t.Errorf("activated %+v", used)
	}
	used = policyUsed{}
	if read(&used, "policy activate keep_off --set nodes="); used.Previous == nil || used.Previous.Settings["nodes"] != "x" || used.Settings["nodes"] != "" {
		t.Errorf("activated %+v", used)
	}
	for heard := 0; heard == 0; {
		out, _ := node.at(t, 0, "", "policy", "logs", "keep_off", "--json")
		for line := range strings.Lines(out) {
			var l admin.PolicyLine
			if err := json.Unmarshal([]byte(line), &l); err != nil || !strings.Contains(l.Text, "keeping copies off") {
				t.Fatalf("line %s: %v", line, err)
			}
			heard++
		}
	}
	var list admin.PolicyList
	if read(&list, "policy list"); len(list.Policies) != 1 || list.Policies[0].Active.Version != 1 {
		t.Errorf("list %+v", list)
	}
}

// The list says of a version that must not be in force that it must not, and of the one in force that it fails, whatever came last.
func TestNotesOfQuarantinedVersions(t *testing.T) {
	for note, want := range map[string]string{"": "version 2 is quarantined", "taken back": "version 2 is quarantined; taken back", "version 2 was quarantined: it failed": "version 2 was quarantined: it failed"} {
		p := &admin.PolicyInfo{Note: note, Versions: []admin.PolicyVersion{{Version: 1}, {Version: 2, Quarantined: "it failed"}}}
		if got := noteText(p); got != want {
			t.Errorf("note %q: %q, want %q", note, got, want)
		}
		p.Active, p.Versions[0].Strikes, p.Versions[0].Fault = &admin.PolicyUse{Version: 1}, 2, "it trapped"
		if got, want := noteText(p), "version 1 has failed 2 of 3 times: it trapped; "+want; got != want {
			t.Errorf("note %q: %q, want %q", note, got, want)
		}
	}
}
