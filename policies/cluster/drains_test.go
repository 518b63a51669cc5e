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

// Moves have an entry that whoever leads fills in, and are told to their end once; however many, they leave room for drains.
func TestHistoryOfMoves(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	led(w, 2, 0)
	w.draining(2, true)
	drained := w.state.Version
	o := w.apply(&Command{Moves: &BeginMoves{Record: []byte("begun")}})
	x := w.state.FindDrain(o.Version)
	if o.Err != nil || x == nil || !x.Open || x.Node != "" || string(x.Record) != "begun" || w.state.format() != FormatMoves {
		t.Fatalf("%v, entries %+v", o.Err, w.state.Drains)
	}
	at := o.Version
	w.must(&Command{Drain: &DrainChange{At: at, Record: []byte("done"), Close: true}})
	if o := w.apply(&Command{Drain: &DrainChange{At: at, Record: []byte("again"), Close: true}}); o.Err == nil || !strings.Contains(o.Err.Text, "the moves that began") {
		t.Errorf("a second end: %v", o.Err)
	}
	if o := w.apply(&Command{Moves: &BeginMoves{Record: make([]byte, MaxFailoverBytes+1)}}); o.Err == nil {
		t.Error("a record beyond the limit was taken")
	}
	for range 2 * MaxDrains {
		w.must(&Command{Moves: &BeginMoves{Record: make([]byte, MaxFailoverBytes)}})
	}
	if n, bytes := drainsOf(w.state.Drains, (*Drain).moves); n != maxDrainBytes/2/MaxFailoverBytes || bytes > maxDrainBytes/2 || w.state.FindDrain(drained) == nil || w.state.FindDrain(at) != nil {
		t.Errorf("%d of %d entries are moves, with %d bytes", n, len(w.state.Drains), bytes)
	}
	again, err := DecodeState(w.state.Encode())
	if err != nil || len(again.Drains) != len(w.state.Drains) {
		t.Errorf("read again: %v", err)
	}
}

// Nodes of releases that cannot read it never meet it.
func TestNoMovesForOlderReleases(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	old := testMember(9, 1)
	old.Format = FormatBudget
	w.must(&Command{Join: &Join{Member: old}})
	if o := w.apply(&Command{Moves: &BeginMoves{}}); o.Err == nil || len(w.state.Drains) > 0 {
		t.Errorf("an older release meets %+v, %v", w.state.Drains, o.Err)
	}
}
