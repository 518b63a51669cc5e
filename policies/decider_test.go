package policies

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// stern says the same verdict of every node, and counts how often it is asked.
type stern struct {
	name     string
	verdict  Verdict
	perShard bool
	asked    *int
}

func (d stern) Name() string   { return d.name }
func (d stern) PerShard() bool { return d.perShard }
func (d stern) Allocate(_ *View, _ *Question, r Row) {
	*d.asked++
	r.RaiseAll(Say(d.verdict, 3))
}
func (d stern) Reason(v *View, _ *Question, node int, a Answer) string {
	if a.Code() != 3 {
		panic("another's answer")
	}
	return d.name + " says so of node " + v.Nodes[node].Name
}

func view() *View {
	s := &cluster.State{Members: []cluster.Member{{ID: "a", Name: "A", Epoch: 2}, {ID: "b", Name: "B", Epoch: 1}, {ID: "c", Name: "C", Epoch: 1}},
		Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "k"}}, {Keyspace: shards.Keyspace{ID: 1, Name: "l"}}}, Shards: []cluster.Shard{{ID: 0}, {ID: 1}}}
	return NewView(s, Facts{Ticks: 7, TickLength: time.Second,
		Evidence: []liveness.Status{{Node: "a", Epoch: 1, State: liveness.Dead}, {Node: "b", Epoch: 1, State: liveness.Alive}}})
}

func question(v *View, c Capability, keyspace, shard int) *Question {
	return &Question{Capability: c, Keyspace: &v.State.Keyspaces[keyspace], Shard: &v.State.Shards[shard]}
}

// DESIGN.md section 5: "Verdicts fold worst-wins: NO > THROTTLE > NOT_PREFERRED > YES".
func TestStrictestWins(t *testing.T) {
	order := []Verdict{Yes, NotPreferred, Throttle, No}
	v := view()
	for _, a := range order {
		for _, b := range order {
			asked := 0
			s := Set{Deciders: []Decider{stern{"one", a, false, &asked}, stern{"two", b, true, &asked}}}
			q := question(v, Allocate, 0, 0)
			for n, answer := range s.Ask(v, q) {
				e := s.Explain(v, q, n)
				if answer.Verdict() != max(a, b) || e.Verdict != max(a, b) || len(e.Words) != 2 {
					t.Errorf("%v and %v: %v, explained as %s", a, b, answer.Verdict(), e.String())
				}
				word := e.Decisive()
				if want := map[bool]string{true: "one", false: "two"}[a >= b]; word.Decider != want {
					t.Errorf("%v and %v: %q decided, not %q", a, b, word.Decider, want)
				}
			}
		}
	}
}

func TestWhoHasNoWordSaysYes(t *testing.T) {
	v, asked := view(), 0
	s := Set{Deciders: []Decider{stern{"one", No, false, &asked}}}
	for _, c := range []Capability{Remain, Rebalance, Promote, Start} {
		q := question(v, c, 0, 0)
		if e := s.Explain(v, q, 1); s.Ask(v, q)[1] != 0 || len(e.Words) != 0 || e.String() != "B "+c.String()+" YES" || e.Decisive().Decider != "" {
			t.Errorf("%v: %s", c, e.String())
		}
	}
	if asked != 0 {
		t.Error("it was asked what it has no word on")
	}
}

// DESIGN.md section 5: "a verdict row … is asked once per class and cached".
func TestRowsOfAKeyspaceAreAskedOnce(t *testing.T) {
	v, shared, each := view(), 0, 0
	s := Set{Deciders: []Decider{stern{"one", No, false, &shared}, stern{"two", Yes, true, &each}}}
	for range 3 {
		for shard := range 2 {
			s.Ask(v, question(v, Allocate, 0, shard))
		}
	}
	if shared != 1 || each != 6 {
		t.Errorf("asked %d and %d times, want 1 and 6", shared, each)
	}
	s.Ask(v, question(v, Allocate, 1, 0))
	s.Forget()
	s.Ask(v, question(v, Allocate, 1, 0))
	if shared != 3 {
		t.Errorf("asked %d times, want 3: another keyspace, and after Forget", shared)
	}
}

func TestEvidenceOfAnotherLifeIsNone(t *testing.T) {
	v := view()
	for n, want := range []liveness.State{0, liveness.Alive, 0} {
		if got := v.Nodes[n].Evidence.State; got != want {
			t.Errorf("node %s: %v, want %v", v.Nodes[n].Name, got, want)
		}
	}
	if v.Node("b") != 1 || v.Node("x") != -1 {
		t.Error("a node is not found in its place")
	}
}

type constant struct{ value, scale float64 }

func (c constant) Name() string   { return "constant" }
func (c constant) Scale() float64 { return c.scale }
func (c constant) Score(_ *View, _ *Question, scores []float64) {
	scores[1] = c.value
}

// DESIGN.md section 5: "scores add up with declared scale, lower is better"; "soft rule: ignored".
func TestScores(t *testing.T) {
	v := view()
	q := question(v, Allocate, 0, 0)
	if got := (&Set{}).Scores(v, q); got != nil {
		t.Errorf("without scorers: %v", got)
	}
	s := Set{Scorers: []Scorer{constant{30, 10}, constant{2, 1}, constant{math.NaN(), 1}, constant{math.Inf(1), 1}, constant{1, 0}}}
	if got := s.Scores(v, q); got[0] != 0 || got[1] != 5 || got[2] != 0 {
		t.Errorf("scores %v", got)
	}
}

func TestCodesAreBounded(t *testing.T) {
	if a := Say(Throttle, MaxCode); a.Verdict() != Throttle || a.Code() != MaxCode {
		t.Errorf("%v %d", a.Verdict(), a.Code())
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "six bits") {
			t.Errorf("recovered %v", r)
		}
	}()
	Say(No, MaxCode+1)
}

// late is a rule that learns only when it is loaded what it has a word on.
type late struct {
	stern
	has Capability
}

func (d late) Has(c Capability) bool              { return c == d.has }
func (d late) Answer(v *View, q *Question, r Row) { d.Allocate(v, q, r) }

func TestAMindSaysItselfWhatItHasAWordOn(t *testing.T) {
	v, asked := view(), 0
	s := Set{Deciders: []Decider{late{stern{"one", No, false, &asked}, Promote}}}
	for _, c := range []Capability{Allocate, Remain, Rebalance, Promote, Start} {
		words := s.Explain(v, question(v, c, 0, 0), 0).Words
		if no := s.Ask(v, question(v, c, 0, 0))[0].Verdict() == No; no != (c == Promote) || len(words) == 1 != (c == Promote) {
			t.Errorf("%v: NO is %v, words %v", c, no, words)
		}
	}
}
