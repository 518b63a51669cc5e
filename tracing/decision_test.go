package tracing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// DESIGN.md of this package: "The resource of a span is the node that took the step, never the one that tells it".
func TestStepsAreThoseOfWhoTookThem(t *testing.T) {
	f := death()
	f.Plans[1].By, f.Plans[1].ByID = "n5", "id5" // a leader after
	f.Detector, f.DetectorID = "n6", "id6"       // one before, who never planned
	who := map[string]string{"detect n2": "n6 id6", "plan 2 moves": "n1 id1", "plan 1 moves": "n5 id5", "shard orders/17": "n1 id1", "promote orders/17": "n1 id1", "shard orders/18": "n1 id1",
		"decide orders/18 @": "n1 id1", "promote orders/18 @": "n1 id1", "decide orders/18 again": "n5 id5", "promote orders/18 again": "n5 id5", "take over orders/18": "n3 id3"}
	look := func(f *tracing.Failover, who map[string]string) {
		t.Helper()
		for name, want := range who {
			spans := f.Spans()
			at := slices.IndexFunc(spans, func(s tracing.Span) bool { return strings.HasPrefix(s.Name, name) })
			if at < 0 || spans[at].Node+" "+spans[at].NodeID != want {
				t.Errorf("%q is not of %s in\n%s", name, want, tracetest.Text(spans))
			}
		}
	}
	look(f, who)
	f.Omitted = 300
	f.Groups = []tracing.Group{{To: "n3", Shards: 300, Decided: 1170 * ms, Served: 1180 * ms, By: "n1", ByID: "id1"}}
	look(f, map[string]string{"promote 300 shards": "n1 id1"})
	f.Groups[0].By, f.Groups[0].ByID = "", ""
	look(f, map[string]string{"promote 300 shards": "n5 id5"}) // as a release before wrote it
	f.DetectorID, f.Plans = "", nil
	look(f, map[string]string{"detect n2": "n6 n6"})
}

// A decision is kept once another follows that takes back what came of it. One of which nothing came since it was not committed is not.
func TestDecisionsAreKept(t *testing.T) {
	f := death()
	f.Earlier, f.Plans = nil, nil
	s := &f.Shards[0]
	s.Plan, s.To, s.Reason, s.Candidates, s.Attempts = -1, "", "", nil, nil
	decide := func(to, failed string, attempts ...string) {
		at := len(f.Plans)
		f.Decide(s, tracing.Decision{Shard: s.ID, Plan: at, To: to, Reason: fmt.Sprint("reason ", at)}, int64(at))
		f.Plans = append(f.Plans, tracing.Plan{Version: uint64(at), By: "n1", ByID: "id1", Began: int64(at) * ms, Error: failed})
		for _, to := range attempts {
			if last := s.Last(); last != nil {
				last.Failed = "node " + last.To + " died"
			}
			s.Attempts = append(s.Attempts, tracing.Attempt{To: to})
		}
	}
	reasons := func() (text string) {
		for _, d := range f.Earlier {
			text += d.Reason + ", "
		}
		return text + s.Reason
	}
	for _, step := range []struct {
		to, failed, attempt string // of a plan that failed, the attempt is what came of it all the same
		want                string
	}{
		{"n3", "no quorum", "", "reason 0"},
		{"n3", "no quorum", "n3", "reason 1"},
		{"n4", "", "n4", "reason 1, reason 2"},
		{"n5", "no quorum", "", "reason 1, reason 2, reason 3"},
		{"n4", "", "n4", "reason 1, reason 2, reason 4"},
	} {
		var attempts []string
		if step.attempt != "" {
			attempts = []string{step.attempt}
		}
		if decide(step.to, step.failed, attempts...); reasons() != step.want {
			t.Fatalf("after %+v they are %s", step, reasons())
		}
	}
	for range 20 {
		decide("n3", "", "n3")
	}
	if n := len(f.Earlier); n != 7 || f.Earlier[0].Reason != "reason 1" || f.Earlier[6].Reason != "reason 23" || s.Reason != "reason 24" {
		t.Errorf("of very many they are %s", reasons())
	}
	if other := &f.Shards[1]; other.Plan != 1 {
		t.Error("another shard has changed")
	}
}

// Of a record that is too large the decisions of what is kept are kept, with the words of the first.
func TestDecisionsOfLargeRecords(t *testing.T) {
	f := thousand()
	f.Plans[1].By, f.Plans[1].ByID = "n5", "id5"
	for i := range f.Shards {
		s := &f.Shards[i]
		f.Decide(s, tracing.Decision{Shard: s.ID, Plan: 1, To: "n9", Reason: s.Reason + ", once more", Candidates: []tracing.Candidate{{Node: "n9", Verdict: "YES",
			Words: []int{f.Say(tracing.Word{Decider: "cold", Verdict: "YES", Reason: fmt.Sprint("n9 of ", i)})}}}}, 1201*ms)
	}
	whole := len(f.Earlier)
	kept, err := tracing.DecodeFailover(f.Encode())
	if err != nil || whole != 1000 || len(f.Earlier) != whole || f.Earlier[999].Candidates == nil {
		t.Fatalf("%v; %d decisions are in the whole, and %d were", err, len(f.Earlier), whole)
	}
	if len(kept.Earlier) != len(kept.Shards) || len(kept.Shards) < 100 {
		t.Errorf("%d shards are kept, with %d decisions before the newest", len(kept.Shards), len(kept.Earlier))
	}
	worded := 0
	for i := range kept.Earlier {
		d := &kept.Earlier[i]
		if len(d.Candidates) > 0 {
			worded++
		}
		for _, c := range d.Candidates {
			if n := int(d.Shard); n != 500 && n != 600 && kept.Words[c.Words[0]].Reason != fmt.Sprintf("%s leads %d of %d", c.Node, n, n*31%977) {
				t.Errorf("of shard %d and %s it says %+v", n, c.Node, kept.Words[c.Words[0]])
			}
		}
	}
	if worded != 20 {
		t.Errorf("%d decisions have words", worded)
	}
	if again, err := tracing.DecodeFailover(kept.Encode()); err != nil || !slices.Equal(names(again), names(kept)) {
		t.Errorf("kept once more it is another: %v", err)
	}
	for _, g := range kept.Groups {
		if g.By != "n1" {
			t.Errorf("%d shards that went to %s were first decided by %s", g.Shards, g.To, g.By)
		}
	}
}
