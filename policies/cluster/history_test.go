package cluster

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// led makes node i of a fresh world lead the shards at these places.
func led(w *world, i int, places ...int) {
	r := &Reroute{}
	for _, at := range places {
		row := &w.state.Shards[at]
		m := Move{Kind: MoveCreate, Node: node(i), Reason: "begin"}
		if len(row.Copies) > 0 {
			m = Move{Kind: MovePromote, Copy: row.Copies[0].ID, Reason: "begin"}
		}
		r.Rows = append(r.Rows, RowChange{Shard: row.ID, Base: row.Version, Moves: []Move{m}})
	}
	w.must(&Command{Reroute: r})
}

func (w *world) die(list ...int) {
	r := &Reroute{}
	for _, i := range list {
		r.Down = append(r.Down, Death{Node: node(i), Epoch: w.state.Member(node(i)).Epoch, Reason: "killed"})
	}
	w.must(&Command{Reroute: r})
}

// The entry of a failover is there in the very step that deposes its shards, whoever leads next, and is told to its end once.
func TestHistoryOfFailovers(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	led(w, 2, 0, 2, 3)
	led(w, 3, 4)
	w.die(2, 3, 4)
	if len(w.state.Failovers) != 2 {
		t.Fatalf("%d entries; node 4 led nothing", len(w.state.Failovers))
	}
	f := w.state.FindFailover(node(2), 1)
	want := []shards.ShardID{w.state.Shards[0].ID, w.state.Shards[2].ID, w.state.Shards[3].ID}
	if f == nil || !f.Open || !slices.Equal(f.Deposed, want) || f.At != w.state.Version {
		t.Fatalf("entry %+v", f)
	}
	tell := func(epoch shards.Epoch, record string, end bool) Outcome {
		return w.apply(&Command{Failover: &FailoverChange{Node: node(2), Epoch: epoch, Record: []byte(record), Close: end}})
	}
	for _, step := range []struct {
		epoch shards.Epoch
		text  string
		end   bool
		why   string
	}{{1, "begun", false, ""}, {2, "other life", false, "there is no failover"}, {1, "done", true, ""}, {1, "more", false, "told to its end"}, {1, strings.Repeat("x", MaxFailoverBytes+1), true, "at most"}} {
		o := tell(step.epoch, step.text, step.end)
		if (o.Err == nil) != (step.why == "") || o.Err != nil && !strings.Contains(o.Err.Text, step.why) {
			t.Errorf("%q: %v", step.text[:min(10, len(step.text))], o.Err)
		}
	}
	if f := w.state.FindFailover(node(2), 1); f.Open || f.Deposed != nil || string(f.Record) != "done" {
		t.Errorf("closed entry %+v", f)
	}
}

// A life that ends with a restart that nobody noticed deposed its shards as well.
func TestRestartIsHistory(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	led(w, 2, 0)
	w.must(&Command{Join: &Join{Member: testMember(2, 2)}})
	if f := w.state.FindFailover(node(2), 1); f == nil || !f.Open || len(f.Deposed) != 1 {
		t.Errorf("entry %+v", f)
	}
	w.must(&Command{Join: &Join{Member: testMember(2, 3)}})
	if len(w.state.Failovers) != 1 {
		t.Error("a life that led nothing has an entry")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	led(w, 2, 0)
	do := func(c *Command) { // the world would encode a state of a megabyte six times for each command
		after, o := w.state.Apply(c)
		if o.Err != nil || len(o.Rows) > 0 {
			t.Fatal(o)
		}
		w.state = after
	}
	for epoch := shards.Epoch(2); epoch < 330; epoch++ {
		do(&Command{Join: &Join{Member: testMember(2, epoch)}})
		do(&Command{Failover: &FailoverChange{Node: node(2), Epoch: epoch - 1, Record: bytes.Repeat([]byte{1}, 9000), Close: true}})
		row := &w.state.Shards[0]
		do(&Command{Reroute: &Reroute{Rows: []RowChange{{Shard: row.ID, Base: row.Version, Moves: []Move{{Kind: MovePromote, Copy: row.Copies[0].ID}}}}}})
	}
	if err := Check(w.state); err != nil {
		t.Error(err)
	}
	if n := len(w.state.Failovers); n != maxHistoryBytes/9000 {
		t.Errorf("%d entries of 9000 bytes", n)
	}
	if last := w.state.Failovers[len(w.state.Failovers)-1]; last.Epoch != 328 {
		t.Errorf("the newest is of epoch %d", last.Epoch)
	}
}

// A member of the release before cannot read a history: with it there is none.
func TestNoHistoryForOlderReleases(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	old := testMember(5, 1)
	old.Format = 1
	w.must(&Command{Join: &Join{Member: old}})
	led(w, 2, 0)
	w.die(2)
	if len(w.state.Failovers) != 0 || w.state.format() != 1 {
		t.Errorf("%d entries in format %d", len(w.state.Failovers), w.state.format())
	}
	w.die(5)
	w.must(&Command{Member: &MemberChange{Node: node(5), Forget: true}})
	led(w, 3, 3)
	w.die(3)
	if o := w.apply(&Command{Join: &Join{Member: old}}); o.Err == nil || !strings.Contains(fmt.Sprint(o.Err), "history of failovers") {
		t.Errorf("an older release joins: %v", o.Err)
	}
}
