package simulate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// TestScenarios plays every scenario of testdata, holds its asserts, and what it prints to the golden file beside it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if testing.Short() && bytes.Contains(text, []byte("\nswing ")) {
				t.Skip("a day with a look each minute")
			}
			o, err := Play(file, text, Config{})
			if err != nil {
				t.Fatal(err)
			}
			if len(o.Asserts) == 0 {
				t.Error("nothing is asserted")
			}
			if err := cluster.Check(o.World.State); err != nil {
				t.Error(err)
			}
			for _, a := range o.Asserts {
				if !a.Holds {
					t.Errorf("%s:%d: assert %s: it is %s", file, a.Line, a.Text, a.Figure)
				}
			}
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(o.Text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || string(want) != o.Text {
				t.Errorf("%s differs (%v); -rewrite accepts\n%s", golden, err, o.Text)
			}
			again, err := Play(file, text, Config{})
			if err != nil || again.Text != o.Text {
				t.Errorf("the same scenario, and another outcome: %v", err)
			}
			for _, r := range o.Evals {
				wellFormed(t, r.SVG())
			}
		})
	}
}

// wellFormed parses a picture, and holds that its lines have points.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	lines := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
			for _, a := range e.Attr {
				if a.Name.Local == "points" && (len(strings.Fields(a.Value)) < 2 || strings.Contains(a.Value, "NaN")) {
					t.Fatalf("a line of %q", a.Value)
				}
			}
		}
	}
	if lines < 5 {
		t.Errorf("%d lines in the picture", lines)
	}
}

const town = "nodes 3 disk=10gb\nkeyspace orders shards=4 replicas=1\n"

// What is wrong with a scenario is said with its line, and with what may be written.
func TestMistakesHaveLines(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "nothing is played"},
		{town, "nothing is played"},
		{"eval 5m", "x.txt:1: there are no nodes yet"},
		{"nodes many", `x.txt:1: the number of nodes is "many"; must be a number from 1 to 1024`},
		{"nodes 3 colour=red", "there is no option colour here; there are bandwidth, cpu, disk"},
		{"nodes 3 disk=huge", `x.txt:1: disk: "huge" is no size`},
		{"nodes 3 3", `"3" says nothing`},
		{"nodes 3 cpu=1 cpu=2", "option cpu is there twice"},
		{town + "keyspace x", "x.txt:3: keyspace x is new: say shards=N"},
		{town + "keyspace orders load=heavy", `load is "heavy"; must be uniform or skew`},
		{town + "\n# a comment\nfly", `x.txt:5: "fly" is no event`},
		{town + "at soon lose node n1\neval 5m", `the time is "soon"`},
		{town + "at 10m lose node n1\neval 5m", "after the end of the eval"},
		{town + "eval 5m\nat 10s lose node n1", `"lose node n1" never happens`},
		{town + "at 10s lose node n9\neval 5m", `x.txt:3: there is no node "n9"`},
		{town + "at 10s lose shelf s1\neval 5m", `"shelf" cannot be lost`},
		{town + "at 10s return node n1\neval 5m", "x.txt:3: node n1 is there"},
		{town + "setting cluster.colour red", "there is no setting cluster.colour"},
		{town + "setting cluster.routing.rebalance.enable maybe", "must be one of all"},
		{town + "without gravity", `there is no rule "gravity"; there are same_node`},
		{town + "hot shards most x6", "the share of shards"},
		{town + "hot shards 2% 6", `"6" is no factor`},
		{town + "fill disk n1 most%", "the share is"},
		{town + "fill memory n1 10%", "nobody knows how much memory node n1 has"},
		{town + "assert moves == 0", "no eval comes before"},
		{town + "eval 5m\nassert moves 0", "write: assert METRIC OP VALUE"},
		{town + "eval 5m\nassert moves ~ 0", `"~" is no comparison`},
		{town + "eval 5m\nassert joy == 1", `there is no metric "joy"; there are allocations`},
		{town + "eval 5m\nassert balance.cpu == 1", "balance.cpu is not measured"},
		{town + "eval 5m\nassert bytes == many", `"many" is no size`},
		{town + "eval 5m\nplot joy", `"joy" cannot be drawn`},
		{town + "eval 5m\nexplain orders/9", `there is no shard "orders/9"`},
		{town + "eval 5m\nfaults trapp", "x.txt:4: faults trapp: no policy of that name was there; there are active"},
		{town + "policy x.wasm", "modules are not loaded here"},
		{town + "cluster x.plan", "scenarios begin with nothing here"},
		{town + "now yesterday", "write it as 2026-03-01T12:00:00Z"},
		{"nodes 1024\nnodes 1\neval 5m", "has 1024 members"},
	} {
		_, err := Play("x.txt", []byte(c.text), Config{})
		var mistake *Mistake
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n  %v\n  want %s", c.text, err, c.want)
		}
	}
}

// All lines are read before one is played; what only shows when it is played leaves what came before.
func TestMistakesAreFoundBeforeAnythingIsPlayed(t *testing.T) {
	for _, last := range []string{"fly", "assert joy == 1", "assert bytes == many", "plot joy", "at 10s lose node n1", "eval soon", "step soon", "now yesterday", "explain", "nodes? all", "at 10m lose node n1\neval 5m", "setting cluster.colour red"} {
		if o, err := Play("x.txt", []byte(town+"eval 5m\n"+last), Config{}); err == nil || o != nil || !strings.HasPrefix(err.Error(), "x.txt:4: ") && !strings.HasPrefix(err.Error(), "x.txt:5: ") {
			t.Errorf("%s: %v, and it was played: %v", last, err, o != nil)
		}
	}
	for _, last := range []string{"lose node n9", "assert copies.n9 == 1", "explain orders/9", "at 10s lose node n9\neval 5m", "faults trapp"} {
		o, err := Play("x.txt", []byte(town+"eval 5m\nassert creations >= 4\n"+last), Config{})
		if err == nil || o == nil || len(o.Evals) != 1 || len(o.Asserts) != 1 || !strings.Contains(o.Text, "holds  line 4") || !strings.HasPrefix(err.Error(), "x.txt:5: ") {
			t.Errorf("%s: %v after %+v", last, err, o)
		}
	}
}

// A failed assert is an outcome and no error; it says what the figure is.
func TestAssertsFail(t *testing.T) {
	o, err := Play("x.txt", []byte(town+"eval 5m\nassert creations == 5\nassert creations==4\nassert creations != 5\n"), Config{})
	if err == nil {
		t.Fatalf("%+v", o.Asserts) // an assert needs spaces
	}
	o, err = Play("x.txt", []byte(town+"eval 5m\nassert creations == 5\nassert creations >= 4\n"), Config{})
	if err != nil || o.Untrue() != 1 || o.Asserts[0].Holds || o.Asserts[0].Figure != "4" || !strings.Contains(o.Text, "FAILS  line 4: creations == 5: it is 4") {
		t.Errorf("%+v, %v", o, err)
	}
}

// hours lets nothing stay on node n1 from ten in the evening on, and cannot say when that is.
type hours struct{ clocked bool }

func (h hours) LooksAtTime() bool { return h.clocked }
func (hours) Name() string        { return "hours" }
func (hours) PerShard() bool      { return false }
func (hours) Remain(v *policies.View, _ *policies.Question, r policies.Row) {
	if v.Now.Hour() >= 22 {
		r.Raise(0, policies.Say(policies.No, 1))
	}
}
func (h hours) Allocate(v *policies.View, q *policies.Question, r policies.Row) { h.Remain(v, q, r) }
func (hours) Reason(*policies.View, *policies.Question, int, policies.Answer) string {
	return "it is late"
}

// A policy that looks at the time is followed when its time comes, as a leader that looks every ten seconds does; without one an eval in
// which nothing happens takes hardly any look.
func TestPoliciesWithHours(t *testing.T) {
	for _, clocked := range []bool{true, false} {
		var first time.Time
		looks := 0
		c := Config{
			Rules: func(Rules) (*policies.Set, error) {
				return &policies.Set{Deciders: append(deciders.All(), hours{clocked})}, nil
			},
			Planned: func(in allocator.Input, p *allocator.Plan) error {
				if looks++; first.IsZero() && in.Now.Hour() >= 22 && p.Command() != nil {
					first = in.Now
				}
				return nil
			},
		}
		o, err := Play("x.txt", []byte("now 2026-03-01T21:30:05Z\nnodes 3 disk=1tb\nkeyspace orders shards=6 replicas=1 data=1gb\neval 1h seed=1\n"), c)
		if err != nil {
			t.Fatal(err)
		}
		copies, _ := o.World.holds("n1")
		switch late := first.Sub(time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)); {
		case clocked && (late < 0 || late > lookPeriod || copies != 0):
			t.Errorf("planned at %v, and n1 holds %d copies", first, copies)
		case !clocked && looks > 20:
			t.Errorf("%d looks for nothing", looks)
		}
	}
}

// A run that is over early has what was played before.
func TestPlayIsOver(t *testing.T) {
	stopped := errors.New("stopped")
	plans := 0
	over := func() error {
		if plans++; plans > 3 {
			return stopped
		}
		return nil
	}
	o, err := Play("x.txt", []byte("nodes 3 disk=1tb\nkeyspace orders shards=6 replicas=1 data=1gb\neval 1s\neval 5m\nlose node n1\neval 1h\n"), Config{Over: over})
	if !errors.Is(err, stopped) || plans != 4 || len(o.Evals) != 1 {
		t.Errorf("%v after %d plans, with %d evals", err, plans, len(o.Evals))
	}
	if _, err := Rehearse(o.World.Input(), o.World.Policies, Part{"node", "n1"}, false, time.Hour, over); !errors.Is(err, stopped) {
		t.Errorf("a rehearsal goes on: %v", err)
	}
}

// A run of many shards ends between two of them as well, and not only before the next plan.
func TestPlayIsOverBetweenShards(t *testing.T) {
	stopped := errors.New("stopped")
	for calls := 1; calls < 10; calls++ {
		left := calls
		over := func() error {
			if left--; left <= 0 {
				return stopped
			}
			return nil
		}
		o, err := Play("x.txt", []byte("nodes 3 disk=1tb\nkeyspace orders shards=1000 replicas=0\neval 1m\n"), Config{Over: over})
		if !errors.Is(err, stopped) {
			t.Fatalf("asked %d times: %v", calls, err)
		}
		begun, served := 0, 0
		for i := range o.World.State.Shards {
			if p := o.World.State.Shards[i].PrimaryCopy(); p != nil && p.Fresh {
				begun++
			} else if p != nil {
				served++
			}
		}
		if begun > 0 && served > 0 {
			return
		}
	}
	t.Error("it is never asked while shards begin to be served")
}

// Bytes take the time that the narrower end gives them: 10 GiB to one node at 100 MiB a second are 102.4 s.
func TestRecoveryTakesItsTime(t *testing.T) {
	o, err := Play("x.txt", []byte("nodes 2 disk=1tb bandwidth=1gb\nkeyspace orders shards=1 replicas=1 data=10gb\neval 1m\nadd nodes 1 disk=1tb bandwidth=100mb\ndrain n2\neval 10m\nassert bytes == 10gb\nassert copies.n3 == 1\n"), Config{})
	if err != nil || o.Untrue() > 0 {
		t.Fatalf("%+v, %v", o, err)
	}
	for _, s := range o.Evals[1].Samples {
		if s.Recoveries == 0 && s.At > 0 {
			if s.At.Seconds() < 102.4 || s.At.Seconds() > 102.6 {
				t.Errorf("it took until %v", s.At)
			}
			return
		}
	}
	t.Error("the recovery never ended")
}

func FuzzPlay(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 400 || strings.Count(text, "eval") > 2 || strings.Count(text, "nodes") > 3 {
			return // long to play, and no other than the short ones
		}
		_, _ = Play("x.txt", []byte(text), Config{})
	})
}
