package abi

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// What cannot be meant is refused of a manifest that somebody brings; of one that was accepted once it is passed over.
func TestManifestThatCannotBeMeant(t *testing.T) {
	for _, c := range []struct {
		from, to, says string
		before         bool // an earlier host refused it, too
	}{
		{"node {node} is", "node {nod} is", "reason 1 of spot has {nod}; {node}, {shard}, {keyspace} are filled in", false},
		{"node {node} is", "node {Node} is", "reason 1 of spot has {Node}", false},
		{"node {node} is", "node {} {a: b} is", "", false},
		{`"reasons":["",`, `"reasons":["first",`, `reason 0 of spot is "first", and code 0 is none; codes begin at 1, so the list begins with ""`, false},
		{`"default":10,"min":0`, `"default":5,"min":6,"max":4`, "setting limit has min 6 and max 4, and can have no value", true},
		{`"default":10,"min":0`, `"min":6,"max":4`, "setting limit has min 6 and max 4, and can have no value", false},
		{`"kind":"hard"`, `"kind":"hard","kind":"soft"`, `line 1: field "kind" is there twice`, false},
		{`"kind":"hard"`, `"kind":"hard","Kind":"soft"`, `line 1: field "Kind" is there twice`, false},
		{`"min":0`, `"min":0,"doc":"a","doc":"b"`, `line 5: field "doc" is there twice`, false},
		{`"x-home":"example.org"`, `"x-home":{"a":[{"b":1,"b":2}],"a":3}`, "", false},
	} {
		text := []byte(strings.Replace(whole, c.from, c.to, 1))
		if _, err := ParseManifest(text); (err == nil) != (c.says == "") || err != nil && (!errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: the error is %v; should say %q", c.to, err, c.says)
		}
		module, err := WithCustom(empty(t), SectionName, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := StoredManifest(module); (err == nil) == c.before {
			t.Errorf("%s, accepted once: %v", c.to, err)
		}
	}
}

func TestModuleWithoutMemory(t *testing.T) {
	if err := CheckMemory(empty(t)); !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), `does not export its memory as "memory"`) {
		t.Errorf("a module that exports nothing: %v", err)
	}
	code, err := os.ReadFile("../../policies/hosted/testdata/hostile/yes.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckMemory(code); err != nil {
		t.Errorf("a module that does: %v", err)
	}
	other := []byte(strings.Replace(string(code), "\x06memory", "\x06memorz", 1))
	if err := CheckMemory(other); !errors.Is(err, ErrModule) {
		t.Errorf("a module that exports it by another name: %v", err)
	}
	for n := range len(code) { // whatever it is cut to, it is looked at without a panic
		_ = CheckMemory(code[:n])
	}
}
