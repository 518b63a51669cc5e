package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/tracing"
)

// hurt is a town of five whose nodes die in the middle of failovers.
type hurt struct {
	*town
	collector *harness.Collector
	lives     map[*harness.Member]int // that have ended
}

// Promised: "Leader and data node killed together; leader killed in the middle of the plan; target killed in the middle of promotion: still
// one trace id each, readable, nothing duplicated."
func TestInterruptedFailoversAreOneTrace(t *testing.T) {
	if testing.Short() {
		t.Skip("five nodes")
	}
	p, collector := newWatchedTown(t, harness.ClusterConfig{Nodes: 5, Keyspaces: []string{"default:shards=16,replicas=2"}})
	must(t, p.Wait(soon(t), func(ctx context.Context) error { return p.voters(ctx, 5) }))
	h := &hurt{town: p, collector: collector, lives: map[*harness.Member]int{}}
	for _, c := range []struct {
		name string
		run  func(*hurt)
	}{
		{"leader and data node together", (*hurt).bothDie},
		{"target in the middle of promotion", (*hurt).targetDies},
		{"leader in the middle of the plan", (*hurt).leaderDies},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(&hurt{h.in(t), h.collector, h.lives})
		})
	}
}

// kill ends a member's life, and names it.
func (h *hurt) kill(m *harness.Member) (life string) {
	life = h.ends(m)
	m.Kill()
	return life
}

// ends names the life of a member that is about to end.
func (h *hurt) ends(m *harness.Member) (life string) {
	h.lives[m]++
	return fmt.Sprintf("%s@%d", m.Name, h.lives[m])
}

// story waits for a whole trace.
func (h *hurt) story(life string) *traceTree {
	h.t.Helper()
	spans, err := h.collector.Trace(soon(h.t), "failover "+life)
	if err != nil {
		body, missing := h.Fetch(h.t.Context(), "/_cluster/failovers/"+life)
		h.t.Fatalf("%v\nthe record of %s, %v:\n%s", err, life, missing, body)
	}
	return wholeTree(h.t, spans)
}

// tookOver checks that each shard was taken over, by the last that was promoted.
func (h *hurt) tookOver(x *traceTree, led []string) {
	h.t.Helper()
	for _, name := range led {
		shard := x.below(x.root, "shard "+name+" ")
		promotions := 0
		for _, s := range x.children[string(shard.SpanId)] {
			if strings.HasPrefix(s.Name, "promote ") && slices.ContainsFunc(x.children[string(s.SpanId)], func(below *trace.Span) bool { return strings.HasPrefix(below.Name, "take over "+name) }) {
				promotions++
			}
		}
		if promotions == 0 {
			h.t.Errorf("nobody took over %s", name)
		}
	}
	if outcome := harness.Text(x.root, "troupe.failover.outcome"); outcome != "recovered" {
		h.t.Errorf("%q ended as %q", x.root.Name, outcome)
	}
}

func (h *hurt) bothDie() {
	h.rests() // else leads may move between the look at them and the deaths
	leader := h.leader()
	data := h.other(leader)
	ledOne, ledOther := h.led(leader), h.led(data)
	h.write(1, leader)
	h.write(1, data)
	other, leading := h.ends(data), h.ends(leader)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		data.Kill()
	}()
	leader.Kill()
	<-gone
	h.writing(time.Now())
	one := h.story(leading)
	two := h.story(other)
	h.tookOver(one, ledOne)
	h.tookOver(two, ledOther)
	one.below(one.root, "elect term ")
	if string(one.root.TraceId) == string(two.root.TraceId) {
		h.t.Error("two lives have one trace")
	}
	h.restart(leader, data)
	h.reckon()
}

// halfway kills a node while another one sleeps which is to take over some of its shards. That other one sleeps on.
func (h *hurt) halfway() (leader, victim, target *harness.Member, led []string, life string) {
	h.t.Helper()
	for range 8 { // whom a plan chooses is its own affair
		must(h.t, h.Wait(soon(h.t), func(ctx context.Context) error { return h.voters(ctx, 5) }))
		h.rests() // else leads may move between the look at them and the death
		leader = h.leader()
		victim, target, led = h.heir(leader)
		must(h.t, target.Pause())
		life = h.kill(victim)
		if h.promotes(life, target.Name) {
			return leader, victim, target, led, life
		}
		must(h.t, target.Resume())
		h.restart(victim)
	}
	h.t.Fatal("no plan chose the node that slept")
	return
}

// heir finds a pair, none of it the leader, of which the one holds as many replicas of what the other leads as any.
func (h *hurt) heir(leader *harness.Member) (of, heir *harness.Member, led []string) {
	h.t.Helper()
	rows, err := h.Shards(soon(h.t))
	must(h.t, err)
	leads, holds := map[string][]string{}, map[[2]string]int{}
	for _, r := range rows {
		if name := r.Keyspace + "/" + r.Shard; r.Role == "p" {
			leads[r.Node] = append(leads[r.Node], name)
		}
	}
	for _, r := range rows {
		for node, list := range leads {
			if r.Role == "r" && slices.Contains(list, r.Keyspace+"/"+r.Shard) {
				holds[[2]string{node, r.Node}]++
			}
		}
	}
	most := 0
	for _, a := range h.Members {
		for _, b := range h.Members {
			if n := holds[[2]string{a.Name, b.Name}]; a != leader && b != leader && n > most {
				of, heir, led, most = a, b, leads[a.Name], n
			}
		}
	}
	if most == 0 {
		h.t.Fatal("no node holds replicas of what another leads")
	}
	return of, heir, led
}

// promotes waits until a failover waits for a node that was promoted, or for nobody.
func (h *hurt) promotes(life, target string) (waits bool) {
	h.t.Helper()
	must(h.t, h.Wait(soon(h.t), func(ctx context.Context) error {
		body, err := h.Fetch(ctx, "/_cluster/failovers/"+life)
		if err != nil {
			return err
		}
		var f tracing.Failover
		if err := json.Unmarshal(body, &f); err != nil {
			return err
		}
		for i := range f.Shards {
			a := f.Shards[i].Last()
			if a != nil && a.To == target && a.Served == 0 {
				waits = true
				return nil
			}
		}
		if f.Done == 0 {
			return fmt.Errorf("%s goes on: %s", life, f.Summary())
		}
		return nil
	}))
	return waits
}

func (h *hurt) targetDies() {
	_, victim, target, led, life := h.halfway()
	second := h.kill(target)
	x := h.story(life)
	h.tookOver(x, led)
	again := 0
	for _, name := range led {
		for _, s := range x.children[string(x.below(x.root, "shard "+name+" ").SpanId)] {
			if s.Name == "promote "+name+" @"+target.Name && s.Status.GetMessage() != "" {
				shard := x.below(x.root, "shard "+name+" ")
				x.below(shard, "promote "+name+" again @")
				x.below(shard, "decide "+name+" @") // what was said when the first was chosen is there as well
				x.below(shard, "decide "+name+" again @")
				again++
			}
		}
	}
	if again == 0 {
		h.t.Errorf("no promotion of %s has failed and was made again elsewhere", target.Name)
	}
	h.story(second)
	h.restart(victim, target)
	h.green()
}

func (h *hurt) leaderDies() {
	leader, victim, target, led, life := h.halfway()
	second := h.kill(leader)
	must(h.t, target.Resume())
	x := h.story(life)
	h.tookOver(x, led)
	resume := x.below(x.root, "resume in term ")
	if len(resume.Links) != 1 {
		h.t.Errorf("%q has %d links, want one to the failover of %s", resume.Name, len(resume.Links), leader.Name)
	}
	y := h.story(second)
	y.below(y.root, "elect term ")
	if len(resume.Links) == 1 && string(resume.Links[0].TraceId) != string(y.root.TraceId) {
		h.t.Errorf("%q points to another trace", resume.Name)
	}
	h.restart(victim, leader)
	h.green()
}
