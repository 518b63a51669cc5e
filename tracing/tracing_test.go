package tracing_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

var rewrite = flag.Bool("rewrite", false, "write what came out over the golden files")

const ms = int64(1e6)

// death is a node that dies with two shards: one is taken over at once, the other on the second attempt.
func death() *tracing.Failover {
	f := &tracing.Failover{Kind: tracing.KindFailover, Cluster: "c0ffee", Node: "id2", Name: "n2", Epoch: 7, Heard: 1000 * ms, Suspected: 1150 * ms, Declared: 1161 * ms,
		Detector: "n1", Reason: "nobody listens at 127.0.0.1:7302 any more", Proof: true,
		Checks:    []tracing.Check{{At: 1150 * ms, Text: "suspect"}, {At: 1149 * ms, Text: "connection broken: EOF"}, {At: 1160 * ms, Text: "redial refused"}},
		Elections: []tracing.Election{{Term: 12, By: "n1", ByID: "id1", Began: 1040 * ms, Won: 1100 * ms}},
		Plans: []tracing.Plan{
			{Version: 40, Term: 12, By: "n1", ByID: "id1", Began: 1162 * ms, Took: ms, Committed: 1166 * ms, Moves: 2, Became: 41, Weighed: 4},
			{Version: 41, Term: 12, By: "n1", ByID: "id1", Began: 1200 * ms, Took: ms, Committed: 1204 * ms, Moves: 1, Became: 42},
		},
		Done: 1260 * ms, Outcome: tracing.OutcomeRecovered}
	dead := f.Say(tracing.Word{Decider: "alive", Verdict: "NO", Reason: "node n4 is suspect since 20ms: silent"})
	f.Earlier = []tracing.Decision{{Shard: 18, Plan: 0, To: "n4", Reason: "of 2 copies in sync c47 is on the node that leads fewest shards: n4, with none",
		Candidates: []tracing.Candidate{{Node: "n4", Verdict: "YES", Chosen: true}, {Node: "n3", Verdict: "NOT_PREFERRED", Words: []int{1}}}}}
	sick := f.Say(tracing.Word{Decider: "licence", Verdict: "NOT_PREFERRED", Reason: "limit 3 of n3 is used up", Module: "sha256:ab12", Fuel: 812})
	f.Shards = []tracing.Shard{
		{ID: 17, Name: "orders/17", From: "n2", Plan: 0, Decided: 1163 * ms, Reason: "c44 is on the node that leads fewest shards",
			Candidates: []tracing.Candidate{{Node: "n3", Verdict: "NOT_PREFERRED", Words: []int{sick}, Chosen: true}, {Node: "n4", Verdict: "NO", Words: []int{dead}}},
			Attempts: []tracing.Attempt{{To: "n3", ToID: "id3", Term: 4, Told: 1166 * ms, Heard: 1167 * ms, Served: 1170 * ms, Written: 1172 * ms, Entries: 3, Waited: 9,
				WriteTrace: "0af7651916cd43dd8448eb211c80319c", WriteSpan: "b7ad6b7169203331"}}},
		{ID: 18, Name: "orders/18", From: "n2", Plan: 1, To: "n3", Decided: 1163 * ms, Reason: "the only one in sync on a living node",
			Candidates: []tracing.Candidate{{Node: "n3", Verdict: "YES", Chosen: true}},
			Attempts: []tracing.Attempt{{To: "n4", ToID: "id4", Term: 2, Told: 1166 * ms, Failed: "node n4 died"},
				{To: "n3", ToID: "id3", Term: 3, Told: 1204 * ms, Heard: 1190 * ms, Served: 1230 * ms}}},
	}
	return f
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-rewrite writes it):\n%s", path, got)
	}
}

func TestTree(t *testing.T) {
	f := death()
	golden(t, "death.txt", f.Summary()+"\n"+tracetest.Text(f.Spans()))
	f.Done, f.Outcome = 0, tracing.OutcomeOpen
	golden(t, "open.txt", f.Summary()+"\n"+tracetest.Text(f.Spans()))
}

func TestWaterfallAndWhy(t *testing.T) {
	var b strings.Builder
	f := death()
	if err := tracing.Waterfall(&b, f.Spans(), 110); err != nil {
		t.Fatal(err)
	}
	for _, shard := range []string{"orders/17", "orders/18"} {
		if err := f.Why(&b, shard); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "waterfall.txt", b.String())
	if err := f.Why(&b, "orders/71"); err == nil || !strings.Contains(err.Error(), "it has orders/17, orders/18") {
		t.Errorf("a shard that is not there: %v", err)
	}
}

func TestFiles(t *testing.T) {
	f := death()
	var otlp, jaeger bytes.Buffer
	from := tracing.Origin{Service: "troupe", Namespace: "berlin"}
	if err := tracing.WriteOTLP(&otlp, from, f.Spans()); err != nil {
		t.Fatal(err)
	}
	if err := tracing.WriteJaeger(&jaeger, from, f.Spans()); err != nil {
		t.Fatal(err)
	}
	golden(t, "death.otlp.json", otlp.String())
	golden(t, "death.jaeger.json", jaeger.String())
	var a, b any
	if json.Unmarshal(otlp.Bytes(), &a) != nil || json.Unmarshal(jaeger.Bytes(), &b) != nil {
		t.Error("not JSON")
	}
}

func TestIDs(t *testing.T) {
	a, b := tracing.KindFailover.Trace("c", "n", 1), tracing.KindFailover.Trace("c", "n", 2)
	if a == b || a == tracing.KindDrain.Trace("c", "n", 1) || a != tracing.KindFailover.Trace("c", "n", 1) || a.Span("root") == a.Span("detect") {
		t.Error("ids do not tell apart what differs")
	}
	if again, err := tracing.ParseTraceID(a.String()); err != nil || again != a {
		t.Errorf("read back as %v, %v", again, err)
	}
	for _, bad := range []string{"", "12", strings.Repeat("x", 32)} {
		if _, err := tracing.ParseTraceID(bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}

// random makes a record of any shape, as damaged as a half-told story can be.
func random(r *rand.Rand, shards int) *tracing.Failover {
	at := func() int64 { return r.Int64N(3) * (r.Int64N(1000) + 1) * ms }
	f := &tracing.Failover{Kind: tracing.KindFailover, Cluster: "c", Node: "id2", Name: "n2", Epoch: r.Uint64N(9), Heard: at(), Suspected: at(), Declared: at(), Detector: "n1", Done: at()}
	for range r.IntN(3) {
		f.Plans = append(f.Plans, tracing.Plan{Version: uint64(len(f.Plans)), Term: 3, By: "n1", ByID: "id1", Began: at(), Took: at(), Committed: at()})
		f.Elections = append(f.Elections, tracing.Election{Term: uint64(len(f.Elections)), By: "n1", Began: at(), Won: at()})
	}
	for i := range shards {
		s := tracing.Shard{ID: uint32(i), Name: fmt.Sprintf("k/%d", i), From: "n2", Plan: r.IntN(4) - 1, Decided: at()}
		s.Candidates = []tracing.Candidate{{Node: "n3", Words: []int{f.Say(tracing.Word{Decider: "d", Verdict: "NO", Reason: fmt.Sprint(r.Uint64())})}}}
		for range r.IntN(3) {
			s.Attempts = append(s.Attempts, tracing.Attempt{To: fmt.Sprintf("n%d", 3+r.IntN(3)), Told: at(), Heard: at(), Served: at(), Written: at(),
				WriteTrace: hexadecimal(r, 16), WriteSpan: hexadecimal(r, 8)})
		}
		f.Shards = append(f.Shards, s)
	}
	return f
}

// hexadecimal is an id of so many bytes, or none.
func hexadecimal(r *rand.Rand, n int) (text string) {
	for range n * r.IntN(2) {
		text += fmt.Sprintf("%02x", r.IntN(256))
	}
	return text
}

// reference/tracing: no root twice, no span id with two contents, no link from a root into its own trace, and no child before its parent.
func TestSpansOfAnyRecordAreWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		f := random(r, r.IntN(260))
		spans := f.Spans()
		seen, roots := map[tracing.SpanID]int{}, 0
		for i := range spans {
			s := &spans[i]
			if _, twice := seen[s.ID]; twice {
				t.Fatalf("record %d: %q has the id of another span", n, s.Name)
			}
			seen[s.ID] = i
			for _, l := range s.Links {
				if l.Trace == s.Trace || l.Trace == (tracing.TraceID{}) || l.Span == (tracing.SpanID{}) {
					t.Fatalf("record %d: %q links to %v %v", n, s.Name, l.Trace, l.Span)
				}
			}
			if s.Parent == (tracing.SpanID{}) {
				roots++
				if len(s.Links) > 0 {
					t.Fatal("a root links")
				}
			} else if at, known := seen[s.Parent]; known && (s.Start < spans[at].Start || s.End > spans[at].End) {
				t.Fatalf("record %d: %q is not within %q", n, s.Name, spans[at].Name)
			} else if !known && f.Done != 0 {
				t.Fatalf("record %d: the parent of %q is not there", n, s.Name)
			}
			if _, named := s.Attribute(tracing.AttributeFailover); !named || s.End < s.Start {
				t.Fatalf("record %d: %q is not named, or ends before it begins", n, s.Name)
			}
		}
		if want := map[bool]int{true: 1, false: 0}[f.Done != 0]; roots != want {
			t.Fatalf("record %d: %d roots, want %d", n, roots, want)
		}
		if !reflect.DeepEqual(spans, f.Spans()) {
			t.Fatal("another projection of one record differs")
		}
	}
}

func TestManyShardsAreGrouped(t *testing.T) {
	f := death()
	f.Shards, f.Earlier = nil, nil
	for i := range 1000 {
		f.Shards = append(f.Shards, tracing.Shard{ID: uint32(i), Name: fmt.Sprintf("k/%d", i), From: "n2", Plan: 0, Decided: 1163 * ms,
			Attempts: []tracing.Attempt{{To: fmt.Sprintf("n%d", 3+i%5), ToID: "x", Term: 1, Told: 1166 * ms, Heard: 1167 * ms, Served: (1168 + int64(i)%40) * ms}}})
	}
	f.Shards[500].Attempts, f.Shards[500].Problem = nil, "no in-sync copy is left"
	spans := f.Spans()
	if len(spans) > 120 {
		t.Errorf("%d spans for 1000 shards: too many to read", len(spans))
	}
	text := tracetest.Text(spans)
	for _, want := range []string{"shard k/500 n2→nobody", "✗ no in-sync copy is left", "promote 1", "shards @n3"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestRecordsSurvive(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		f := random(r, r.IntN(20))
		got, err := tracing.DecodeFailover(f.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Encode(), f.Encode()) || tracetest.Text(got.Spans()) != tracetest.Text(f.Spans()) {
			t.Fatal("a record came back as another")
		}
	}
}

func TestLargeRecordsLoseTheLeast(t *testing.T) {
	f := random(rand.New(rand.NewPCG(5, 6)), 3000)
	f.Shards[7].Attempts, f.Shards[7].Problem = nil, "red"
	packed := f.Encode()
	if len(packed) > tracing.MaxRecord {
		t.Fatalf("%d bytes", len(packed))
	}
	got, err := tracing.DecodeFailover(packed)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Shards)+got.Omitted != 3000 || len(got.Shards) < 100 || got.Shard("k/7") == nil || len(got.Shard("k/7").Candidates) == 0 {
		t.Errorf("%d shards and %d omitted; the one in trouble: %v", len(got.Shards), got.Omitted, got.Shard("k/7"))
	}
	if len(f.Shards) != 3000 || f.Omitted != 0 {
		t.Error("encoding changed the record")
	}
}

func FuzzDecodeFailover(f *testing.F) {
	f.Add(death().Encode())
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, err := tracing.DecodeFailover(packed)
		if err != nil {
			return
		}
		got.Spans() // whatever was decoded can be shown
		_ = got.Summary()
		if _, err := tracing.DecodeFailover(got.Encode()); err != nil {
			t.Error(err)
		}
	})
}
