package deciders

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into testdata")

// TestScenarios plays each file of testdata in a world of its own; the file's name is the decider that is asked, alone. A file
// is blocks: lines that build the world (see world), lines that ask, "----", and the answers. Comment lines quote the sentence
// that the block proves. -rewrite writes the last part anew: the diff is the review.
//
//	ask CAPABILITY SHARD [copy=K] [+primary] [+new] [ticks=T] [now=DATE] [in=N] [out=N] [opening=N] [relocating=N]
//	    about a new copy, or the row's K-th one; in, out, opening: what goes on at every node
//	flood    which nodes are too full to take writes, and why; it remembers what it said last
//	next [ticks=T] [now=DATE]    when time alone will change an answer
func TestScenarios(t *testing.T) {
	known := map[string]policies.Decider{}
	for _, d := range All() {
		known[d.Name()] = d
	}
	for name, d := range known {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("each decider has its scenario: %v", err)
			}
			played := playAll(t, d, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			got, want := strings.Split(played, "\n"), strings.Split(string(text), "\n")
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%s:%d: got  %s\nwant %s", file, i+1, got[i], want[i])
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s: %d lines, want %d", file, len(got), len(want))
			}
		})
	}
}

func playAll(t *testing.T, d policies.Decider, text string) string {
	w := newWorld(t)
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		head, _, runs := strings.Cut(block+"\n", "----\n")
		out = append(out, strings.TrimRight(head, "\n"))
		var said []string
		for line := range strings.SplitSeq(strings.TrimSpace(head), "\n") {
			if !strings.HasPrefix(line, "#") && !w.build(line) {
				said = append(said, w.ask(d, line)...)
			}
		}
		if runs {
			out[len(out)-1] += "\n----\n" + cmp.Or(strings.Join(said, "\n"), "nothing")
		}
	}
	return strings.Join(out, "\n\n") + "\n"
}

var capabilities = map[string]policies.Capability{"allocate": policies.Allocate, "remain": policies.Remain, "rebalance": policies.Rebalance,
	"promote": policies.Promote, "start": policies.Start}

// view is the world at a moment.
func (w *world) view(set map[string]string) *policies.View {
	facts := w.facts
	facts.Ticks, facts.TickLength = int64(w.number(set["ticks"], 0)), tickLength
	if text := set["now"]; text != "" {
		now, err := time.Parse("2006-01-02T15:04", text)
		if err != nil {
			w.Fatal(err)
		}
		facts.Now = now
	}
	v := policies.NewView(&w.state, facts)
	for i := range v.Nodes {
		n := &v.Nodes[i]
		n.Incoming, n.Outgoing, n.Opening = w.number(set["in"], n.Incoming), w.number(set["out"], n.Outgoing), w.number(set["opening"], n.Opening)
	}
	v.Relocating = w.number(set["relocating"], v.Relocating)
	return v
}

func (w *world) ask(d policies.Decider, line string) (out []string) {
	bare, set := words(line)
	v := w.view(set)
	switch bare[0] {
	case "flood":
		return w.flood()
	case "next":
		s := policies.Set{Deciders: []policies.Decider{d}}
		return []string{fmt.Sprintf("tick %d", s.Next(v))}
	case "ask":
	default:
		w.Fatalf("unknown line %q", line)
	}
	r := w.row(bare[2])
	q := &policies.Question{Capability: capabilities[bare[1]], Shard: r, Keyspace: w.state.Keyspace(r.ID.Keyspace()), Primary: set["primary"] != "", New: set["new"] != ""}
	if k := w.number(set["copy"], 0); k > 0 {
		q.Copy = &r.Copies[k-1]
	}
	s := policies.Set{Deciders: []policies.Decider{d}}
	row := s.Ask(v, q)
	for i := range v.Nodes {
		e := s.Explain(v, q, i)
		if e.Verdict != row[i].Verdict() {
			w.Fatalf("%s: the row says %v, the explanation %v", line, row[i].Verdict(), e.Verdict)
		}
		out = append(out, e.String())
	}
	return out
}

// flood prints which nodes are too full to take writes that grow.
func (w *world) flood() (out []string) {
	for i := range w.facts.Loads.Nodes {
		l := &w.facts.Loads.Nodes[i]
		f := policies.FloodOf(&w.state, l, w.floods[l.Node])
		if w.floods[l.Node] = f; f.Why != "" {
			out = append(out, f.Why)
		}
	}
	return out
}

// TestSharedRows holds deciders to what they promise of themselves: without PerShard the shard does not matter.
func TestSharedRows(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"node N1 host=a", "node N2 host=a +draining", "node N3 state=grey", "node N4 roles=meta", "keyspace orders shards=4 replicas=2",
		"set cluster.routing.allocation.same_shard.host true",
		"shard orders/0 primary@N1 sync@N2", "shard orders/1 primary@N3 init@N1 failures=9", "shard orders/2 fresh@N2"} {
		w.build(line)
	}
	v := w.view(nil)
	for _, d := range All() {
		if d.PerShard() {
			continue
		}
		for _, c := range capabilities {
			var want string
			for i := range w.state.Shards {
				r := &w.state.Shards[i]
				q := &policies.Question{Capability: c, Shard: r, Keyspace: w.state.Keyspace(0)}
				if len(r.Copies) > 0 {
					q.Copy = &r.Copies[0]
				}
				got := fmt.Sprint((&policies.Set{Deciders: []policies.Decider{d}}).Ask(v, q))
				if want = cmp.Or(want, got); got != want {
					t.Errorf("%s says %s of shard %v to %v, and %s of another", d.Name(), got, r.ID, c, want)
				}
			}
		}
	}
}
