package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func TestActorVerbs(t *testing.T) {
	addr, node := record(t, map[string][]any{
		"POST /actors/counter/a/b/add": {map[string]int{"Count": 3}},
		"POST /actors/counter/x/add":   {map[string]bool{"accepted": true}},
		"GET /_actors/aside":           {admin.AsideList{Aside: []admin.ActorMail{{ID: "{counter/a}/07", From: "counter/a", To: "counter/b"}, {ID: "{counter/a}/08"}}, Part: admin.Part{More: true}}},
		"POST /_actors/aside":          {admin.MendedList{Results: []admin.Mended{{ID: "{counter/a}/07"}, {ID: "{counter/a}/08", Problem: "it is refused"}}}},
		"GET /_actors": {admin.ActorList{
			Nodes: []admin.ActorNode{{Node: "n1", Kinds: []admin.ActorKind{{Kind: "counter", Keyspace: "actors", Active: 7}}}, {Node: "n2", Error: "it is gone"}, {Node: "n3"}},
			Aside: []admin.ActorMail{{Node: "n1", From: "counter/a", To: "counter/b", Method: "no", Reason: "no such method", Tries: 20}}, MoreAside: true,
			Lacking: []admin.KindLack{{Kind: "counter", Nodes: []string{"n3", "n4"}}},
		}},
	})
	for _, v := range []struct {
		line  []string
		input string
		code  int
		out   []string // all of them
		asked string
	}{
		{[]string{"call", "counter/a/b", "add", `{"by": 3}`}, "", 0, []string{"{\n  \"Count\": 3\n}\n"}, `POST /actors/counter/a/b/add {"by": 3}`},
		{[]string{"call", "counter/a/b", "add", "-", "--json"}, "4", 0, []string{"{\"Count\":3}\n"}, "POST /actors/counter/a/b/add 4"},
		{[]string{"call", "counter/a/b", "add", "-4.5", "--json"}, "", 0, []string{"{\"Count\":3}\n"}, "POST /actors/counter/a/b/add -4.5"},
		{[]string{"call", "counter/a/b", "add", "3", "--id", "order-1", "--json"}, "", 0, []string{"{\"Count\":3}\n"}, "POST /actors/counter/a/b/add 3"},
		{[]string{"tell", "counter/x", "add", "-9"}, "", 0, []string{"counter/x has been sent add"}, "POST /actors/counter/x/add?wait=false -9"},
		{[]string{"call", "counter/a/b", "add", "-x"}, "", exitUsage, []string{"unknown shorthand flag"}, ""},
		{[]string{"call", "counter/a/b", "subtract"}, "", exitNotFound, []string{"no such thing"}, "POST /actors/counter/a/b/subtract"},
		{[]string{"call", "counter", "add"}, "", exitUsage, []string{"KIND/NAME"}, ""},
		{[]string{"call", "counter/x", `{"json":1}`}, "", exitUsage, []string{"which method takes it"}, ""},
		{[]string{"call", "counter/x", "add", "{"}, "", exitUsage, []string{"no JSON"}, ""},
		{[]string{"call", "counter/x", "add", "--id", ""}, "", exitUsage, []string{"--id is empty"}, ""},
		{[]string{"call", "counter/x", "add", "--timeout", "0"}, "", exitUsage, []string{"above 0"}, ""},
		{[]string{"tell", "counter/x", "add", "1"}, "", 0, []string{"counter/x has been sent add"}, "POST /actors/counter/x/add?wait=false 1"},
		{[]string{"list"}, "", 0, []string{"n1    counter   actors    7", "not counted: n2: it is gone", "kind counter is not registered on n3, n4: ", "n3    no kinds", "set aside:", "no such method", "troupe actor aside"}, "GET /_actors"},
		{[]string{"aside", "--to", "counter/b", "--limit", "2"}, "", 0, []string{"{counter/a}/07", "counter/b", "--after {counter/a}/08"}, "GET /_actors/aside?limit=2&to=counter%2Fb"},
		{[]string{"redrive", "{counter/a}/07", "{counter/a}/08"}, "", 1, []string{"1 message was sent again", "{counter/a}/08: it is refused", "1 of 2"}, `POST /_actors/aside {"ids":["{counter/a}/07","{counter/a}/08"]}`},
		{[]string{"drop", "x"}, "", 1, []string{"1 message was dropped"}, `POST /_actors/aside {"ids":["x"],"drop":true}`},
		{[]string{"drop"}, "", exitUsage, []string{"--all"}, ""},
		{[]string{"redrive", "x", "--all"}, "", exitUsage, []string{"not both"}, ""},
		{[]string{"redrive", "x", "--to", "counter"}, "", exitUsage, []string{"which of --all"}, ""},
	} {
		out, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": addr}, v.input, append([]string{"actor"}, v.line...)...)
		if code != v.code || slices.ContainsFunc(v.out, func(part string) bool { return !strings.Contains(out+errs, part) }) {
			t.Errorf("actor %s: exit code %d\n%s%s", strings.Join(v.line, " "), code, out, errs)
		}
		if v.asked != "" && !node.has(v.asked) {
			t.Errorf("actor %s: the node was not asked %s, but %q", strings.Join(v.line, " "), v.asked, node.asked)
		}
	}
	out, _, _ := invoke(t, map[string]string{"TROUPE_ADDR": addr}, "", "actor", "list", "--json")
	var l admin.ActorList
	if err := json.Unmarshal([]byte(out), &l); err != nil || len(l.Nodes) != 3 || len(l.Aside) != 1 {
		t.Errorf("as JSON: %s, %v", out, err)
	}
}

// What is gone already is no failure: a command that was cut off is run again. --all goes on page by page, and does not go round in a list that does.
func TestMendAgain(t *testing.T) {
	addr, node := record(t, map[string][]any{
		"GET /_actors/aside": {
			admin.AsideList{Next: "{counter/a}/05", Part: admin.Part{More: true}}, admin.AsideList{Aside: []admin.ActorMail{{ID: "{counter/a}/07"}}},
			admin.AsideList{Aside: []admin.ActorMail{{ID: "{counter/a}/09"}}, Part: admin.Part{More: true}},
		},
		"POST /_actors/aside": {admin.MendedList{Results: []admin.Mended{{ID: "{counter/a}/07", Problem: "no such message", Gone: true}}}},
	})
	for _, v := range []struct {
		verb string
		code int
		has  string
	}{{"redrive", 0, "0 messages were sent again\n1 was gone already\n{counter/a}/07: no such message\n"}, {"drop", 1, "does not go on after {counter/a}/09"}} {
		out, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": addr}, "", "actor", v.verb, "--all")
		if code != v.code || !strings.Contains(out+errs, v.has) {
			t.Errorf("%s: exit code %d\n%s%s", v.verb, code, out, errs)
		}
	}
	if !node.has("after=%7Bcounter%2Fa%7D%2F05&bodies=false") || !node.has(`{"ids":["{counter/a}/07"]}`) {
		t.Errorf("asked %q", node.asked)
	}
}
