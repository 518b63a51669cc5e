package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// TestKindVerbs takes a kind of actors through its life on a node: each step says what is so now, and what is refused says why.
func TestKindVerbs(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	const one, two = "../../../actors/guest/testdata/counter.wasm", "../../../actors/guest/testdata/counter2.wasm"
	for _, step := range []struct {
		line string
		code int
		want []string // within the output, or the errors
	}{
		{"list", 0, []string{"n1    no kinds"}},
		{"inspect counter/a", 3, []string{"no node knows actors of kind counter"}}, // nor is there a keyspace that any could live in
		{"inspect counter", 3, []string{`no kind "counter" was pushed, nor any other`}},
		{"inspect " + one, 0, []string{"counter 1.0.0 in keyspace actors, data in layout 1, memory put back", "100000 of fuel, 8 operations on data", "adds a number, and gives the sum"}},
		{"push kindverbs_test.go", 1, []string{"kindverbs_test.go: "}},
		{"push none.wasm", 1, []string{"none.wasm"}},
		{"push ../../../actors/placement/testdata/keep_off.wasm", 1, []string{"no section troupe.actor", "troupe actor pack"}},
		{"call counter/a add 1", 3, []string{"kind counter is not registered on node n1"}},
		{"push " + one + " --hold", 0, []string{"kind counter version 1 (1.0.0)", "1/1 nodes are ready\n"}},
		{"call counter/a add 1", 4, []string{"no version of kind counter is in use: troupe actor use counter"}},
		{"rollback counter", 4, []string{"no version before"}},
		{"use counter", 0, []string{"kind counter: version 1 (1.0.0) is in use"}},
		{"use counter", 0, []string{"(as it was)"}},
		{"call counter/a add 3", 0, []string{"3\n"}},
		{"call counter/a sub 3", 3, []string{"kind counter 1.0.0 has no such method"}},
		{"tell counter/a add 4", 0, []string{"counter/a has been sent add"}},
		{"inspect counter/a", 0, []string{"counter/a lives in shard actors/", "on node n1", "version 1 of the kind handles its messages", `state: {"Layout":1}`, "KEY  VALUE\nn "}},
		{"inspect counter/none", 0, []string{"asleep", "state: none"}},
		{"inspect nope/x", 3, []string{"no node knows actors of kind nope"}},
		{"inspect /x", 1, []string{"KIND/NAME"}},
		{"push " + two, 0, []string{"kind counter version 2 (2.0.0)", "1/1 nodes are ready, and it is in use"}},
		{"call counter/a add 1", 0, []string{"\n"}},
		{"inspect counter/a", 0, []string{"version 2 of the kind", "sum "}},
		{"list", 0, []string{"counter  actors    2 (2.0.0)  1 (1.0.0)  2 (2.0.0)  1/1", "n1    counter  actors    1       2"}},
		{"inspect counter", 0, []string{"in use: 2 (2.0.0), before: 1 (1.0.0)", "version 2:\ncounter 2.0.0"}},
		{"push " + one, 4, []string{"keeps data in layout 1, and version 2, which is active, in layout 2", "--older does it nevertheless"}},
		{"rollback counter", 4, []string{"--older"}},
		{"rollback counter --older", 0, []string{"version 1 (1.0.0) is in use; before it was version 2 (2.0.0)"}},
		{"call counter/a read", 1, []string{"its data was written in layout 2, and kind counter 1.0.0 reads layout 1", "nothing is lost"}},
		{"use counter --version 2 --if 2", 4, []string{"not active any more; version 1 is"}},
		{"use counter --version 7", 4, []string{"has no version 7; it has 1, 2"}},
		{"rollback counter", 0, []string{"version 2 (2.0.0) is in use"}},
		{"call counter/a read", 0, []string{"8\n"}},
		{"forget counter", 0, []string{"kind counter is forgotten; what its actors keep stays"}},
		{"forget counter", 3, []string{"no kind"}},
		{"inspect counter/a", 0, []string{"counter/a lives in shard actors/", "sum "}}, // what it keeps has stayed
		{"inspect counter/none", 3, []string{"no node knows actors of kind counter"}},
		{"push " + two, 0, []string{"version 1 (2.0.0)"}},
		{"call counter/a read", 0, []string{"8\n"}},
	} {
		out, errs := node.at(t, step.code, "", append([]string{"actor"}, strings.Fields(step.line)...)...)
		for _, want := range step.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("troupe actor %s: %q is not in\n%s%s", step.line, want, out, errs)
			}
		}
	}
	var pushed struct {
		admin.KindPushed
		Ready []admin.PolicyReady
		Used  bool
	}
	out, _ := node.at(t, 0, "", "actor", "push", one, "--older", "--json")
	if err := json.Unmarshal([]byte(out), &pushed); err != nil || pushed.Number != 2 || !pushed.Used || len(pushed.Ready) != 1 {
		t.Errorf("as JSON: %s, %v", out, err)
	}
	var inside admin.ActorInside
	out, _ = node.at(t, 0, "", "actor", "inspect", "counter/a", "--json")
	if err := json.Unmarshal([]byte(out), &inside); err != nil || inside.Version != 1 || len(inside.Data) != 1 || inside.Data[0].Key != "sum" || inside.Data[0].Size != 8 {
		t.Errorf("as JSON: %s, %v", out, err)
	}
}

// What a manifest says is quoted before a terminal could take it for orders.
func TestKindTextsAreQuoted(t *testing.T) {
	var out strings.Builder
	r := &remote{c: &console{out: &out}}
	const order = "\x1b[2J"
	m := &act.Manifest{Kind: "k", Version: order, Keyspace: "actors", Description: order, Methods: map[string]string{"a": order, "b": ""}}
	v := admin.KindVersion{Version: 1, Label: order, Digest: strings.Repeat("0", 64), Ready: []admin.PolicyReady{{Node: "n1", Reason: order}}, Manifest: m}
	if err := r.printKind(&admin.KindInfo{Kind: "k", Keyspace: "actors", Active: 1, Versions: []admin.KindVersion{v}}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, order) || strings.Count(text, `"\x1b[2J"`) != 6 {
		t.Errorf("it prints %q", text)
	}
	if got := plural(1, "node") + verb(1, " has", " have") + ", " + plural(2, "node") + verb(2, " has", " have"); got != "1 node has, 2 nodes have" {
		t.Error(got)
	}
}

// A list of an actor that has more says how much of it is there, whichever list it is.
func TestActorHasMore(t *testing.T) {
	var out strings.Builder
	r := &remote{c: &console{out: &out}}
	if err := r.printActor(&admin.ActorInside{Actor: "k/a", More: true, Reminders: make([]admin.ActorReminder, 5)}); err != nil || !strings.Contains(out.String(), "and more than these 5\n") {
		t.Errorf("%v, %s", err, out.String())
	}
}
