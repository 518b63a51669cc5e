package liveness

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// What members said who were asked about a suspect is told with the change that ends the suspicion, each answer once; and no more than a bound.
func TestChangesTellOfProbes(t *testing.T) {
	d := lone(t, 4, Config{})
	told := map[Outcome][]Probed{}
	asked := 0
	for range 400 {
		r := ticks(d, 1, "n4")
		for _, p := range r.Probes {
			if asked++; p.By == "n2" { // n3 never answers
				d.Tick(0)
				d.ProbeResult("n2", p.Target, p.Epoch, false)
			}
		}
		for _, c := range r.Changes {
			if c.Node == "n4" {
				told[c.Outcome] = append(told[c.Outcome], c.Probes...)
			}
		}
	}
	list := told[OutcomeTimeout]
	if state(t, d, "n4").State != Dead || len(list) == 0 || len(list) > maxProbed || asked < len(list) {
		t.Fatalf("n4 is %+v; %d were asked, and told is %+v", state(t, d, "n4"), asked, list)
	}
	for i, p := range list {
		if p.Name != string(p.By) || p.Answered != (p.By == "n2") || p.Reached || p.Answered && p.Took <= 0 || p.Asked < p.Took || i > 0 && p.Asked > list[i-1].Asked {
			t.Errorf("of who was asked it says %+v", p)
		}
	}
	if len(told[OutcomeNone]) != 0 {
		t.Errorf("it was told before: %+v", told[OutcomeNone])
	}

	d = lone(t, 9, Config{Probers: 16, ProbeEvery: 1, ProbeTimeout: 1})
	d.suspect(d.find("n4"), "for the test")
	for range 10 {
		d.ask(d.find("n4"))
	}
	if asked, kept := len(d.Ready().Probes), len(d.find("n4").suspicion.probed); asked <= maxProbed || kept != maxProbed {
		t.Errorf("of %d who were asked it remembers %d", asked, kept)
	}
}

// A new leader's detector says of whom it has heard nothing in this life: when that one was heard last others know.
func TestWhoWasNotHeard(t *testing.T) {
	d := lone(t, 3, Config{})
	d.Members([]cluster.Member{listed(3)[0], {ID: "n2", Epoch: 2, Peer: "n2:7300"}, listed(3)[2]})
	d.Broken("n2", 2, "EOF")
	d.Broken("n3", 1, "EOF")
	told := map[shards.NodeID]bool{}
	for _, c := range d.Ready().Changes {
		if c.State == Suspect {
			told[c.Node] = c.Unheard
		}
	}
	if unheard, known := told["n2"]; len(told) != 2 || !known || !unheard || told["n3"] {
		t.Errorf("n3 was heard, and n2 was not in its second life; told is %v", told)
	}
}

// Of three nodes one is cut off from the leader alone, and the third is late once with its answer that it reaches it: that is no death. Twice in a
// row is one, and so is once where it has never reached it.
func TestALateAnswerOfTheOnlyProber(t *testing.T) {
	for _, c := range []struct {
		says string // of each round: r reached, u unreachable; the last goes on
		want State
		by   int64 // ticks after the last heartbeat
	}{
		{"rrrrurrrrurrr", Suspect, 0}, {"rrrrrruurrr", Dead, 105}, {"uuuuu", Dead, 35},
	} {
		d, round, died := lone(t, 3, Config{}), 0, int64(0)
		for range 200 {
			r := ticks(d, 1, "n3")
			for _, p := range r.Probes {
				d.Tick(0)
				d.ProbeResult(p.By, p.Target, p.Epoch, c.says[min(round, len(c.says)-1)] == 'r')
				round++
			}
			if died == 0 && state(t, d, "n3").State == Dead {
				died = d.Now()
			}
		}
		if s := state(t, d, "n3"); s.State != c.want || round <= len(c.says) && c.want != Dead || died > c.by {
			t.Errorf("%s: after %d rounds it is %+v, dead at %d", c.says, round, s, died)
		}
	}
}
