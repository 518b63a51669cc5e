package tracing_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// Leaders and their successors have clocks of their own: what one noted may seem to be before what another did. No duration is
// negative for that, and a connection that was cut after the verdict does not tell when the node ended.
func TestClocksDiffer(t *testing.T) {
	for _, c := range []struct {
		what                             string
		heard, lost, suspected, declared int64
		gone, unavailable                int64
	}{
		{"one clock", 1000, 1100, 1101, 1110, 1100, 130},
		{"silence alone", 1000, 0, 1050, 1110, 1000, 230},
		{"cut by the cluster itself, after the verdict", 1000, 1200, 1050, 1110, 1000, 230},
		{"heard by a clock that is ahead", 1900, 0, 1050, 1110, 1050, 180},
		{"everything by a clock that is ahead", 5000, 0, 5050, 5110, 5000, 110},
	} {
		f := &tracing.Failover{Kind: tracing.KindFailover, Node: "id2", Name: "n2", Heard: c.heard * ms, Lost: c.lost * ms, Suspected: c.suspected * ms, Declared: c.declared * ms,
			Done: 1230 * ms, Shards: []tracing.Shard{{Name: "k/1", Plan: -1, Attempts: []tracing.Attempt{{To: "n3", ToID: "id3", Told: 1200 * ms, Heard: 1210 * ms, Served: 1230 * ms}}}}}
		if f.Gone() != c.gone*ms || f.Unavailable() != c.unavailable*ms {
			t.Errorf("%s: gone at %d, unavailable for %d", c.what, f.Gone()/ms, f.Unavailable()/ms)
		}
		if text := f.Summary() + tracetest.Text(f.Spans()); strings.Contains(text, "=-") || strings.Contains(text, "in -") {
			t.Errorf("%s: something took less than no time:\n%s", c.what, text)
		}
	}
}

// Where all nodes died together nobody saw when: no figure is made up of that.
func TestEndThatNobodySaw(t *testing.T) {
	f := &tracing.Failover{Kind: tracing.KindFailover, Node: "id2", Name: "n2", Epoch: 1, Done: 1230 * ms, Outcome: tracing.OutcomeReturned,
		Shards: []tracing.Shard{{Name: "k/1", Plan: -1, Attempts: []tracing.Attempt{{To: "n3", ToID: "id3", Told: 1200 * ms, Heard: 1210 * ms, Served: 1230 * ms}}}}}
	if text := f.Summary() + tracetest.Text(f.Spans()); f.Seen() || strings.Contains(text, "writes back after") || strings.Contains(text, "unavailable") || !strings.Contains(text, "nobody saw when") {
		t.Errorf("it is told as\n%s", text)
	}
	if f.Gone() != 1200*ms {
		t.Errorf("it stands in lists at %d, when it was told", f.Gone()/ms)
	}
	f.Elections, f.Plans = []tracing.Election{{Began: 1150 * ms, Won: 1160 * ms}}, []tracing.Plan{{Began: 1170 * ms}}
	if f.Gone() != 1150*ms {
		t.Errorf("it stands in lists at %d, after what was done about it first", f.Gone()/ms)
	}
	f.Lost = 1000 * ms
	if text := f.Summary(); !f.Seen() || !strings.Contains(text, "writes back after 230ms") {
		t.Errorf("and once somebody saw it as %s", text)
	}
}

// What is read from JSON is what was written, kinds and outcomes by name.
func TestRecordAsJSON(t *testing.T) {
	f := death()
	text, err := json.Marshal(tracing.NewAnswer(f))
	if err != nil {
		t.Fatal(err)
	}
	var again tracing.Failover
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if rewritten, _ := json.Marshal(tracing.NewAnswer(&again)); !bytes.Equal(rewritten, text) {
		t.Errorf("%s\nis read as %s", text, rewritten)
	}
	for _, want := range []string{`"id":"n2@7"`, `"kind":"failover"`, `"outcome":"recovered"`, `"groups":[]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	why, _ := json.Marshal(tracing.NewShardAnswer(f, f.Shards[0].Name))
	if word := f.Words[f.Shards[0].Candidates[0].Words[0]]; !strings.Contains(string(why), `"words":[{"decider":"`+word.Decider+`"`) {
		t.Errorf("the words are not where they were said: %s", why)
	}
	if tracing.NewShardAnswer(f, "none/1") != nil {
		t.Error("a shard that is not part of it has an answer")
	}
}

// thousand is a death with so many shards that a record cannot hold them: each with words of its own.
func thousand() *tracing.Failover {
	f := death()
	f.Shards, f.Earlier = nil, nil
	for i := range 1000 {
		s := tracing.Shard{ID: uint32(i), Name: fmt.Sprintf("orders/%d", i), From: "n2", Plan: 0, Decided: (1163 + int64(i)%7) * ms,
			Reason: fmt.Sprintf("orders/%d has no primary; of 2 copies in sync c%d is on the node that leads fewest shards: n3, with %d", i, 2000+i*3, i/5),
			Attempts: []tracing.Attempt{{To: fmt.Sprintf("n%d", 3+i%5), ToID: fmt.Sprintf("id%d", 3+i%5), Term: 4, Told: 1166 * ms, Heard: 1167 * ms, Served: 1170*ms + int64(i*7919%40000)*1000, Waited: i % 9,
				Written: 1300 * ms, WriteTrace: tracing.KindFailover.Trace("c", "n", uint64(i)).String(), WriteSpan: tracing.TraceID{}.Span(fmt.Sprint(i)).String()}}}
		for n := 3; n <= 4; n++ {
			word := f.Say(tracing.Word{Decider: "warm", Verdict: "NOT_PREFERRED", Reason: fmt.Sprintf("n%d leads %d of %d", n, i, i*31%977), Module: "ab12cd34", Fuel: int64(i)})
			s.Candidates = append(s.Candidates, tracing.Candidate{Node: fmt.Sprintf("n%d", n), Verdict: "NOT_PREFERRED", Words: []int{word}, Chosen: n == 3})
		}
		f.Shards = append(f.Shards, s)
	}
	f.Shards[500].Attempts, f.Shards[500].Problem = nil, "no in-sync copy is left"
	f.Shards[600].Attempts = append([]tracing.Attempt{{To: "n4", ToID: "id4", Told: 1166 * ms, Failed: "node n4 died"}}, f.Shards[600].Attempts...)
	return f
}

// Promised: "1000 shards failing over at once give a trace that opens and reads", and what the history keeps of it is the same tree.
func TestThousandShardsAreKept(t *testing.T) {
	whole := thousand()
	packed := whole.Encode()
	kept, err := tracing.DecodeFailover(packed)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of at most %d keep %d shards by themselves, %d of them with verdicts, and %d in groups", len(packed), tracing.MaxRecord, len(kept.Shards), 20, kept.Omitted)
	if len(packed) > tracing.MaxRecord || len(packed) < tracing.MaxRecord/2 {
		t.Errorf("%d bytes: it is to be filled, and not to be exceeded", len(packed))
	}
	if tree, want := names(kept), names(whole); !slices.Equal(tree, want) {
		t.Errorf("the tree of what is kept has %d spans, that of the whole %d:\n%v\n%v", len(tree), len(want), tree, want)
	}
	if kept.Unavailable() != whole.Unavailable() || len(kept.Shards)+kept.Omitted != 1000 || !strings.Contains(kept.Summary(), "1000 shards") {
		t.Errorf("it says %s", kept.Summary())
	}
	for _, trouble := range []string{"orders/500", "orders/600"} {
		if s := kept.Shard(trouble); s == nil || len(s.Candidates) != 2 || len(s.Attempts) > 0 && s.Last().WriteTrace == "" {
			t.Errorf("of %s, which is in trouble, there is %+v", trouble, s)
		}
	}
	again, err := tracing.DecodeFailover(kept.Encode())
	if err != nil || !slices.Equal(names(again), names(kept)) {
		t.Errorf("kept once more it is another: %v", err)
	}
	var b strings.Builder
	lost := slices.IndexFunc(whole.Shards, func(s tracing.Shard) bool { return kept.Shard(s.Name) == nil })
	if err := kept.Why(&b, whole.Shards[lost].Name); err == nil || !strings.Contains(err.Error(), "were too many to be kept") {
		t.Errorf("of a shard that is not kept: %v", err)
	}
}

// names are those of all spans, sorted.
func names(f *tracing.Failover) (list []string) {
	for _, s := range f.Spans() {
		list = append(list, s.Name)
	}
	slices.Sort(list)
	return list
}

// drain is a node that is emptied: a primary leaves at the second try, a copy at the first, one is not needed any more.
func drain() *tracing.Failover {
	f := &tracing.Failover{Kind: tracing.KindDrain, Cluster: "c0ffee", Node: "id2", Name: "n2", Epoch: 7, Since: 40, Declared: 1000 * ms, Detector: "n1", Reason: "an operator asked for it",
		Plans: []tracing.Plan{{Version: 40, Term: 12, By: "n1", ByID: "id1", Began: 1001 * ms, Took: 2 * ms, Committed: 1006 * ms, Moves: 2}}, Done: 1900 * ms, Outcome: tracing.OutcomeDone}
	full := f.Say(tracing.Word{Decider: "disk", Verdict: "NO", Reason: "n4 has 3% free", Module: "ab12cd34", Fuel: 512})
	f.Shards = []tracing.Shard{
		{ID: 17, Name: "orders/17", From: "n2", Led: true, Plan: 0, Decided: 1003 * ms, Reason: "copy c5 of orders/17 moves from node n2 to n3: node n2 is draining",
			Candidates: []tracing.Candidate{{Node: "n3", Verdict: "YES", Chosen: true}, {Node: "n4", Verdict: "NO", Words: []int{full}}},
			Attempts: []tracing.Attempt{{To: "n3", ToID: "id3", Told: 1006 * ms, Failed: "the copy on n3 was given up"},
				{To: "n3", ToID: "id3", Told: 1300 * ms, Served: 1900 * ms}}},
		{ID: 18, Name: "orders/18", From: "n2", Plan: 0, Decided: 1003 * ms, Reason: "it moves", Attempts: []tracing.Attempt{{To: "n3", ToID: "id3", Told: 1006 * ms, Served: 1400 * ms}}},
		{ID: 19, Name: "orders/19", From: "n2", Plan: -1, Attempts: []tracing.Attempt{{To: "the others", Told: 1200 * ms, Served: 1200 * ms}}},
	}
	f.Clients = []tracing.Wait{{Node: "n4", ID: "id4", Requests: 3, Began: 1890 * ms, Ended: 1902 * ms, Longest: 11 * ms}}
	return f
}

func TestDrainTree(t *testing.T) {
	f := drain()
	policies := &tracing.Failover{Kind: tracing.KindPolicies, Cluster: "c0ffee", Node: "policies", Name: "licence", Epoch: 41, Declared: 1000 * ms, Detector: "n1", Reason: "licence 1→2 in force",
		Checks: []tracing.Check{{At: 1000 * ms, Text: "licence: version 2, module ab12cd34"}},
		Plans:  []tracing.Plan{{Version: 41, Term: 12, By: "n1", ByID: "id1", Began: 1001 * ms, Took: 2 * ms, Committed: 1006 * ms}}, Done: 1006 * ms, Outcome: tracing.OutcomeDone}
	var why strings.Builder
	for _, s := range f.Shards {
		if err := f.Why(&why, s.Name); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "drain.txt", why.String()+f.Summary()+"\n"+tracetest.Text(f.Spans())+f.Felt()+"\n"+policies.Summary()+"\n"+tracetest.Text(policies.Spans()))
	policies.Shards = []tracing.Shard{{Name: "other/1", From: "n1", Led: true, Reason: "even spread", Attempts: []tracing.Attempt{{To: "n4", Told: 1006 * ms, Served: 1006 * ms}}}}
	if text := tracetest.Text(policies.Spans()); !strings.Contains(text, "lead of other/1 n1→n4") {
		t.Errorf("a lead that is handed over is told as\n%s", text)
	}
	why.Reset()
	if err := policies.Why(&why, "other/1"); err != nil || why.String() != "other/1: even spread\nwhat the rules said of each node was not kept: troupe explain other/1 asks them now\n" {
		t.Errorf("why: %s, %v", why.String(), err)
	}
	if f.Unavailable() != 0 || f.Took() != 900*ms {
		t.Errorf("a drain made something unavailable for %d ns, and took %d ns", f.Unavailable(), f.Took())
	}
	again := drain()
	again.Since++
	if again.Trace() == f.Trace() {
		t.Error("two drains of one life have one trace")
	}
}

// Of copies that are still under way, and of those whose node died again, none is back.
func TestSummaryOfCopies(t *testing.T) {
	f := &tracing.Failover{Kind: tracing.KindCopies, Name: "n2", Epoch: 7, Declared: 1000 * ms, Omitted: 2, Shards: []tracing.Shard{
		{ID: 1, Attempts: []tracing.Attempt{{To: "n3", Told: 1100 * ms}}},
		{ID: 2, Attempts: []tracing.Attempt{{To: "n3", Told: 1100 * ms, Failed: "node n3 died"}}},
		{ID: 3, Attempts: []tracing.Attempt{{To: "n3", Told: 1100 * ms, Served: 1200 * ms}}}}}
	for kind, want := range map[tracing.Kind]string{tracing.KindCopies: "copies-n2@7 open: 3 copies back", tracing.KindMoves: "n2@7 open: 3 copies moved"} {
		if f.Kind = kind; f.Summary() != want {
			t.Errorf("it says %q, want %q", f.Summary(), want)
		}
	}
	f.Kind, f.Done, f.Outcome = tracing.KindCopies, 3000*ms, tracing.OutcomeDied
	if got := f.Summary(); got != "copies-n2@7 died: 3 copies back in 2s" {
		t.Errorf("it says %q", got)
	}
}

// A proposal that nobody answers in time is made again, in the same term and for the same version: its steps are others.
func TestSpansHaveIDsOfTheirOwn(t *testing.T) {
	f := death()
	again := f.Plans[1]
	f.Plans[0].Version = again.Version
	f.Plans = append(f.Plans, again)
	seen := map[tracing.SpanID]string{}
	for _, s := range f.Spans() {
		if other, taken := seen[s.ID]; taken {
			t.Errorf("%q and %q have one id", other, s.Name)
		}
		seen[s.ID] = s.Name
	}
}

// Encode: "at most MaxRecord bytes", whatever there is much of.
func TestRecordsOfManyPlansAreKept(t *testing.T) {
	f := death()
	f.Plans[0].By = "n9"
	f.Shards[0].Plan, f.Earlier[0].Plan, f.Shards[1].Plan = 100, 200, 300
	for i := range 1000 {
		f.Plans = append(f.Plans, tracing.Plan{Version: uint64(i*i + 43), Term: 12, By: "n1", ByID: "id1", Began: (1300+int64(i*i%997))*ms + int64(i*7919%1000), Took: int64(i*7919%5000) * 1000, Moves: i})
		f.Elections = append(f.Elections, tracing.Election{Term: uint64(13 + i), By: "n1", ByID: "id1", Began: int64(i * 7919), Won: int64(i * 8111)})
		f.Clients = append(f.Clients, tracing.Wait{Node: fmt.Sprint("n", i), ID: fmt.Sprint("id", i), Requests: 1 + i*31%101, Began: int64(1300+i) * ms, Ended: int64(1400+i) * ms, Longest: int64(i)})
	}
	moves := func(f *tracing.Failover) (list []int) {
		for _, at := range []int{f.Shards[0].Plan, f.Earlier[0].Plan, f.Shards[len(f.Shards)-1].Plan} {
			list = append(list, f.Plans[at].Moves)
		}
		return list
	}
	want, whole, felt := moves(f), len(f.Plans), strings.Split(f.Felt(), ":")[0]
	for range 2 { // kept once more, it is the same
		packed := f.Encode()
		if len(packed) > tracing.MaxRecord || len(packed) < tracing.MaxRecord/3 {
			t.Errorf("%d bytes of at most %d", len(packed), tracing.MaxRecord)
		}
		kept, err := tracing.DecodeFailover(packed)
		if err != nil {
			t.Fatal(err)
		}
		n := len(kept.Plans)
		if n < 50 || n+kept.OmittedPlans != whole || kept.Plans[0].By != "n9" || kept.Plans[n-1].Moves != 999 || kept.Elections[len(kept.Elections)-1].Term != 1012 {
			t.Errorf("%d plans are kept and %d omitted, from %+v to %+v", n, kept.OmittedPlans, kept.Plans[0], kept.Plans[n-1])
		}
		if len(kept.Shards) != 2 || !slices.Equal(moves(kept), want) || !strings.HasPrefix(kept.Felt(), felt) {
			t.Errorf("%d shards are kept, of plans %v and not %v; %s", len(kept.Shards), moves(kept), want, kept.Felt())
		}
		f = kept
	}
	f = &tracing.Failover{Kind: tracing.KindDrain, Plans: f.Plans}
	for i := range 5000 {
		f.Plans = append(f.Plans, tracing.Plan{Version: uint64(i * i), Began: int64(i*7919) * ms, Moves: i})
		if i%10 > 0 {
			continue
		}
		f.Groups = append(f.Groups, tracing.Group{To: fmt.Sprint("n", i), ToID: fmt.Sprint("id", i*7919), Shards: 1 + i%7})
	}
	if n := len(f.Encode()); n > tracing.MaxRecord {
		t.Errorf("without a shard it has %d bytes", n)
	}
}
