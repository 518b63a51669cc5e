package guest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The scripts in testdata come out as they are, in both engines and on instances that have handled nothing else.
func TestPlay(t *testing.T) {
	for _, name := range []string{"kit", "counter", "counter2"} {
		script := ""
		path := filepath.Join("testdata", name+".txt")
		if text, err := os.ReadFile(path); err == nil {
			script = string(text)
		}
		var hashes [][]string
		for _, r := range []*Rehearsal{
			NewRehearsal(load(t, engine(), fixture(t, name+".wasm")), false), NewRehearsal(load(t, engine(), fixture(t, name+".wasm")), true),
			NewRehearsal(load(t, interpreter(), fixture(t, name+".wasm")), false),
		} {
			p, err := r.Play(t.Context(), script)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if *rewrite {
				if err := os.WriteFile(path, []byte(p.Text), 0o644); err != nil {
					t.Fatal(err)
				}
				script = p.Text
			}
			if p.Text != script || p.Messages == 0 || p.Fuel == 0 {
				t.Errorf("%s: %d messages; -rewrite accepts\n%s", path, p.Messages, p.Text)
			}
			hashes = append(hashes, p.Hashes)
		}
		if !slices.Equal(hashes[0], hashes[1]) || !slices.Equal(hashes[0], hashes[2]) {
			t.Errorf("%s: pooled, fresh and interpreted differ", path)
		}
	}
}

func TestPlayRefuses(t *testing.T) {
	for script, want := range map[string]string{
		"shout kit/a run":           `line 1: "shout" is no command`,
		"# one\n\ncall kit/a":       "line 3: call kit/a: the method is missing",
		"call kit run":              "KIND/NAME",
		"call other/a run":          "is no actor of kind kit",
		"call kit/a run {":          "{ is no JSON",
		"answer kit/a run x":        "write the token",
		"now soon":                  "Unix milliseconds",
		"keep kit/a":                "keep takes",
		"keep kit/a -1":             "no layout",
		"keep kit/a 1 \"x y":        "does not end its quotes",
		"data kit/a\n----\n\ndata ": "line 4",
	} {
		_, err := NewRehearsal(load(t, engine(), fixture(t, "kit.wasm")), false).Play(t.Context(), script)
		var wrong *ScriptError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; should say %s", script, err, want)
		}
	}
}

// What a message that is refused has asked was not asked, and one that keeps nothing leaves the layout of its actor as it is.
func TestRehearsalIsAsANode(t *testing.T) {
	k := newKit(t, engine(), false)
	if o := k.ask("a", "a kit/b run;a kit/b run;p x 1;e no;q 5"); o.Err == nil || o.Effects != nil {
		t.Fatalf("it says %q, and does %q", o.said(), o.Effects)
	}
	if o := k.ask("a", "a kit/b run"); o.said() != "1" {
		t.Errorf("the first question has token %s", o.said())
	}
	if _, layout := k.Data("kit/a"); layout != 0 {
		t.Errorf("an actor that keeps nothing has layout %d", layout)
	}
	k.ask("a", "p x 1")
	if _, layout := k.Data("kit/a"); layout != k.module.Manifest.Data {
		t.Errorf("an actor that keeps something has layout %d", layout)
	}
}
