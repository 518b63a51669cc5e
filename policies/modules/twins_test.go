package modules

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

var (
	questions = flag.Int("questions", 4000, "random questions that each module and its twin are asked")
	seed      = flag.Uint64("seed", 1, "of the random questions")
)

func newTwins(t *testing.T, c hosted.EngineConfig, dice *rand.Rand) *tck.Twins {
	t.Helper()
	e, err := hosted.NewEngine(c)
	if err != nil {
		t.Fatal(err)
	}
	versions, err := hosted.LoadBuiltIns(t.Context(), e, append(All(), Scorers()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return tck.NewTwins(versions, dice)
}

// DESIGN.md section 5: "The built-in deciders ship both as Go (reference, safe set) and as Wasm (what runs by default); the
// conformance kit holds them equal." For a million questions: go test ./policies/modules -run Twins -questions 1000000
func TestTwins(t *testing.T) {
	rows, err := newTwins(t, hosted.EngineConfig{}, rand.New(rand.NewPCG(*seed, 0))).Ask(*questions)
	if err != nil {
		t.Fatalf("-seed %d: %v", *seed, err)
	}
	if rows < *questions {
		t.Errorf("%d questions led to %d rows: hardly any module had a word on them", *questions, rows)
	}
	t.Logf("%d questions, %d rows", *questions, rows)
}

func TestTwinsInterpreted(t *testing.T) {
	if _, err := newTwins(t, hosted.EngineConfig{Interpreter: true}, rand.New(rand.NewPCG(*seed, 1))).Ask(*questions / 10); err != nil {
		t.Fatalf("-seed %d: %v", *seed, err)
	}
}

// The worlds of the kit are asked everything.
func TestTwinsOnRecordedWorlds(t *testing.T) {
	files, err := filepath.Glob("../tck/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds: %v", err)
	}
	twins := newTwins(t, hosted.EngineConfig{}, nil)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w, err := tck.Parse(filepath.Base(file), string(text))
		if err != nil {
			t.Fatal(err)
		}
		if rows, err := twins.Replay(w); err != nil || rows == 0 {
			t.Errorf("%d rows: %v", rows, err)
		}
	}
}

// A manifest says of a setting of the cluster what the cluster says: it is what people read.
func TestSettingsAreTheClusters(t *testing.T) {
	for _, m := range All() {
		manifest, err := abi.FindManifest(m.Binary)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range manifest.Settings {
			name := s.Name
			if s.Prefix {
				name += "zone"
			}
			rule, known := cluster.RuleOf(name)
			if !known {
				rule, known = cluster.RuleOf(name + cluster.SettingAwarenessForceEnd)
			}
			if !known {
				t.Errorf("%s: the cluster has no setting %s", manifest.Name, s.Name)
				continue
			}
			value := ""
			if s.Default != nil {
				value = fmt.Sprint(s.Default)
			}
			if value != rule.Default || s.Keyspace != rule.Scoped || strings.Join(s.Values, ",") != strings.Join(rule.Values, ",") && s.Type != abi.TypeBool {
				t.Errorf("%s: setting %s is %q (keyspace: %v, values %v) in the manifest, and %q (%v, %v) in the cluster",
					manifest.Name, s.Name, value, s.Keyspace, s.Values, rule.Default, rule.Scoped, rule.Values)
			}
		}
	}
}
