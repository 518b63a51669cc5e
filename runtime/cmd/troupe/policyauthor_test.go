package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// Whoever has a module forgotten is told of the plans that cannot be made again without its file.
func TestForgettingTellsOfPlans(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	module := variant(t, "one")
	node.at(t, 0, "", "policy", "push", module, "--name", "spare")
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{"http://" + node.addr}, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // plans are recorded when there is time for it
		node.at(t, 0, "", "policy", "activate", "spare", "--set", fmt.Sprintf("nodes=x%d", i))
		list, err := client.Plans(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Plans) > 0 && len(list.Plans[0].Modules) == 1 {
			break
		}
		if i == 200 {
			t.Fatalf("no plan is recorded with the module: %+v", list.Plans)
		}
	}
	node.at(t, 0, "", "policy", "reset", "spare")
	if out, errs := node.at(t, 0, "", "policy", "forget", "spare"); out != "policy spare: forgotten, with version 1\n" ||
		!strings.Contains(errs, " made with what is forgotten: troupe replay leaves them out from now on, unless --module gives its file") {
		t.Errorf("%s%s", out, errs)
	}
	if out, errs := node.at(t, 0, "", "replay", "--last", "0", "--module", module); !strings.Contains(out, " the same bit for bit") {
		t.Errorf("%s%s", out, errs)
	}
}

// What a module's settings take, and which of them keyspaces may have of their own, is not known to the module's author alone.
func TestInspectSaysWhatSettingsTake(t *testing.T) {
	out, _, code := invoke(t, nil, "", "policy", "inspect", "../../../examples/policy-c/licence/policy.wasm")
	if code != 0 || !strings.Contains(out, "@KEYSPACE") || !strings.Contains(strings.Join(strings.Fields(out), " "), "nodes number, at least 0 0 yes nodes that may hold copies") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, _, _ = invoke(t, nil, "", "policy", "inspect", "../../../policies/modules/filter/filter.wasm"); !strings.Contains(out, "cluster.routing.allocation.exclude.* ") {
		t.Errorf("a prefix: %s", out)
	}
}
