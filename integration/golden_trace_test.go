package integration

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/troupe-actors/troupe/integration/harness"
)

// killed is the trace of a SIGKILL of a node that leads one shard with one other copy: who did what, and what was said, by role.
const killed = `failover victim recovered
  detect victim @leader
  plan 1 moves @leader
  commit @leader
  shard default/N victim→heir
    decide default/N @leader
      · chosen: heir YES
      · heir: alive YES
      · heir: draining YES
      · heir: replace YES
      · heir: maintenance YES
    promote default/N @heir
      take over default/N @heir
    first write default/N @heir
`

// Promised: "SIGKILL of a primary's node under load: … the same tree as golden text in a test". Messages are traced as well, so the first
// write leads to the client's.
func TestKillIsThisTree(t *testing.T) {
	onceIsEnough(t)
	p, collector := newWatchedTown(t, harness.ClusterConfig{Keyspaces: []string{"default:shards=3,replicas=1"}, Env: []string{"OTEL_TRACES_SAMPLER=always_on"}})
	p.rests()
	var victim *harness.Member
	p.waitFor("a node that does not lead leads one shard", func() bool {
		leader := p.leader()
		i := slices.IndexFunc(p.Members, func(m *harness.Member) bool { return m != leader && len(p.led(m)) == 1 })
		if i >= 0 {
			victim = p.Members[i]
		}
		return i >= 0
	})
	p.write(1, victim)
	victim.Kill()
	p.writing(time.Now())
	spans, err := collector.Trace(soon(t), "failover "+victim.Name)
	must(t, err)
	x := wholeTree(t, spans)
	var b strings.Builder
	x.print(&b, x.root, "", victim.Name)
	if got := b.String(); got != killed {
		t.Errorf("the trace is\n%swant\n%s", got, killed)
	}
	for _, s := range spans {
		if strings.HasPrefix(s.Name, "first write ") {
			p.leadsToAWrite(collector, s)
		}
	}
	p.restart(victim)
	p.reckon()
}

// leadsToAWrite checks that a first write links to the span of the client's write, in the client's trace, which was acknowledged no sooner.
func (p *town) leadsToAWrite(collector *harness.Collector, first *trace.Span) {
	p.t.Helper()
	if len(first.Links) != 1 {
		p.t.Fatalf("%q has %d links", first.Name, len(first.Links))
	}
	link := first.Links[0]
	_, err := collector.Of(soon(p.t), link.TraceId, func(spans []*trace.Span) error {
		for _, s := range spans {
			if bytes.Equal(s.SpanId, link.SpanId) {
				if strings.TrimPrefix(s.Name, "write ") != strings.TrimPrefix(first.Name, "first write ") || s.EndTimeUnixNano < first.EndTimeUnixNano {
					p.t.Errorf("%q links to %q, which ended %d ns later", first.Name, s.Name, int64(s.EndTimeUnixNano)-int64(first.EndTimeUnixNano))
				}
				return nil
			}
		}
		return fmt.Errorf("the span that %q links to has not come", first.Name)
	})
	must(p.t, err)
}

var (
	shardNumber = regexp.MustCompile(`default/\d+`)
	nodeName    = regexp.MustCompile(`\bn\d\b`)
)

// print writes a span and what is below it, the earliest first, with roles for names. How many clients waited, and where, is their affair.
func (x *traceTree) print(b *strings.Builder, s *trace.Span, indent, victim string) {
	if strings.HasPrefix(s.Name, "clients waited ") {
		return
	}
	by := "leader"
	for _, prefix := range []string{"promote ", "take over ", "first write ", "shard "} {
		if strings.HasPrefix(s.Name, prefix) {
			by = "heir"
		}
	}
	name := func(text, other string) string {
		text = regexp.MustCompile(`\b`+victim+`\b`).ReplaceAllString(text, "victim")
		return nodeName.ReplaceAllString(shardNumber.ReplaceAllString(text, "default/N"), other)
	}
	fmt.Fprint(b, indent, name(s.Name, by))
	if outcome := harness.Text(s, "troupe.failover.outcome"); outcome != "" {
		fmt.Fprint(b, " ", outcome)
	}
	fmt.Fprintln(b)
	if strings.HasPrefix(s.Name, "decide ") {
		for _, e := range s.Events {
			fmt.Fprintf(b, "%s  · %s\n", indent, name(e.Name, "heir"))
		}
	}
	below := slices.Clone(x.children[string(s.SpanId)])
	slices.SortStableFunc(below, func(a, b *trace.Span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	for _, c := range below {
		x.print(b, c, indent+"  ", victim)
	}
}
