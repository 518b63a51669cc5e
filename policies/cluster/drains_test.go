package cluster

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func (w *world) draining(i int, on bool) {
	w.must(&Command{Member: &MemberChange{Node: node(i), Draining: &on}})
}

// The entry of a drain is there in the very step that asks for it, whoever leads next, and is told to its end once.
func TestHistoryOfDrains(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	led(w, 2, 0, 2)
	w.draining(3, true)
	if len(w.state.Drains) != 0 {
		t.Fatal("a node without copies has a drain")
	}
	w.draining(2, true)
	w.draining(2, true)
	x := w.state.OpenDrain(node(2), 1)
	if len(w.state.Drains) != 1 || x == nil || x.At != w.state.Version {
		t.Fatalf("entries %+v", w.state.Drains)
	}
	at := x.At
	for _, step := range []struct {
		at   uint64
		text string
		end  bool
		why  string
	}{{at, "begun", false, ""}, {at + 1, "another", false, "no drain began"}, {at, strings.Repeat("x", MaxFailoverBytes+1), false, "at most"}, {at, "done", true, ""}, {at, "again", true, "told to its end"}} {
		o := w.apply(&Command{Drain: &DrainChange{At: step.at, Record: []byte(step.text), Close: step.end}})
		if (o.Err == nil) != (step.why == "") || o.Err != nil && !strings.Contains(o.Err.Text, step.why) {
			t.Errorf("%q: %v", step.text[:min(9, len(step.text))], o.Err)
		}
	}
	if x := w.state.FindDrain(at); x.Open || string(x.Record) != "done" || w.state.OpenDrain(node(2), 1) != nil {
		t.Errorf("closed entry %+v", x)
	}
	w.must(&Command{Join: &Join{Member: testMember(2, 2)}}) // its next life still holds copies, and is still to be empty
	if x := w.state.OpenDrain(node(2), 2); x == nil || x.At == at {
		t.Errorf("its next life: %+v", w.state.Drains)
	}
}

func TestHistoryOfDrainsIsBounded(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	led(w, 2, 0)
	for range MaxDrains + 5 {
		w.draining(2, true)
		w.must(&Command{Drain: &DrainChange{At: w.state.Version, Record: make([]byte, MaxFailoverBytes), Close: true}})
		w.draining(2, false)
	}
	if n := len(w.state.Drains); n != maxDrainBytes/MaxFailoverBytes {
		t.Errorf("%d entries", n)
	}
}
