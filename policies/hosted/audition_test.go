package hosted_test

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// Of the modules that mean no good, those that fail at their first answer are found out before they are in force; and none that is well-formed is.
func TestAuditionFindsFaults(t *testing.T) {
	e := engine(t)
	view := orphans(t).View()
	for name, kind := range hostile {
		if name == "third" { // which fails at its third answer, and has one export
			kind = ""
		}
		v := load(t, e, fixture(t, "hostile/"+name, abi.Manifest{Kind: abi.Hard, Scale: 1}))
		for range 2 { // nothing is kept of the first
			switch f := v.Audition(view, nil); {
			case kind == "" && f != nil:
				t.Errorf("%s: %s", name, f.Text)
			case kind != "" && (f == nil || f.Kind != kind || f.Digest != v.Digest() || f.Export == ""):
				t.Errorf("%s: %+v, want a fault of kind %s", name, f, kind)
			}
		}
	}
}

// Settings and the state are taken also where there is no shard to ask about.
func TestAuditionWithoutShards(t *testing.T) {
	w, err := tck.Parse("empty", "node a\n")
	if err != nil {
		t.Fatal(err)
	}
	v := load(t, engine(t), fixture(t, "hostile/refuse", abi.Manifest{}))
	if f := v.Audition(w.View(), nil); f == nil || f.Kind != hosted.Refused || !strings.Contains(f.Text, "it refuses the state with") {
		t.Errorf("%+v", f)
	}
}
