package cluster

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// relocating is a reroute that puts a copy of each shard that has fewer on a further node, and says that it is for balance.
func (w *world) relocating(at int64, ids ...shards.ShardID) *Reroute {
	c := &Reroute{}
	for _, id := range ids {
		r := w.state.Shard(id)
		move := Move{Kind: MoveCreate, Node: node(1), Reason: "for the test"}
		for i := 1; len(r.Copies) > 0 && i <= 4; i++ {
			if r.CopyOn(node(i)) == nil {
				move = Move{Kind: MoveAllocate, Node: node(i), Reason: "for the test"}
			}
		}
		c.Rows = append(c.Rows, RowChange{Shard: id, Base: r.Version, Moves: []Move{move}})
		c.Rebalances = append(c.Rebalances, Rebalance{Shard: id, At: at, Bytes: uint64(at)})
	}
	return c
}

func TestRebalancesAreCounted(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	a, b := shards.NewShardID(0, 0), shards.NewShardID(0, 2)
	w.must(&Command{Reroute: w.relocating(1000, a, b)})
	late := w.relocating(2000, a, b)
	late.Rows[0].Base--
	if o := w.apply(&Command{Reroute: late}); len(o.Rows) != 1 || o.Rows[0].Shard != a {
		t.Fatalf("%+v", o)
	}
	if want := []Rebalance{{a, 1000, 1000}, {b, 1000, 1000}, {b, 2000, 2000}}; !slices.Equal(w.state.Rebalances, want) {
		t.Errorf("counted are %+v, want %+v: the row that came too late is not", w.state.Rebalances, want)
	}
	for what, bad := range map[string]*Reroute{
		"no row":       {Rebalances: []Rebalance{{a, 1, 1}}},
		"no time":      {Rows: []RowChange{{Shard: a}}, Rebalances: []Rebalance{{Shard: a}}},
		"out of order": {Rows: []RowChange{{Shard: a}, {Shard: b}}, Rebalances: []Rebalance{{b, 1, 1}, {a, 1, 1}}},
	} {
		if o := w.apply(&Command{Reroute: bad}); o.Err == nil || o.Err.Why != WhyInvalid {
			t.Errorf("%s: %+v", what, o)
		}
	}
	day := MaxBudgetWindow.Milliseconds()
	w.must(&Command{Reroute: w.relocating(1001+day, a)})
	if want := []Rebalance{{b, 2000, 2000}, {a, 1001 + day, uint64(1001 + day)}}; !slices.Equal(w.state.Rebalances, want) {
		t.Errorf("a day later counted are %+v, want %+v", w.state.Rebalances, want)
	}
	full := *w.state
	full.Rebalances = slices.Repeat([]Rebalance{{b, 2000, 1}}, MaxRebalances)
	w.state = &full
	w.must(&Command{Reroute: w.relocating(2001, b)})
	if n := len(w.state.Rebalances); n != MaxRebalances || w.state.Rebalances[n-1].At != 2001 {
		t.Errorf("%d are kept, the last %+v", n, w.state.Rebalances[n-1])
	}
}

// A member of the release before could not read them: with it nothing is counted, and policies let nothing move where there is a budget.
func TestRebalancesAreNotForOlderReleases(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	if w.state.Budgeted() {
		t.Error("without a budget relocations are counted")
	}
	for name, value := range map[string]string{SettingBudgetCopies: "3", ScopedName("often", SettingBudgetBytes): "1gb", SettingCooldown: "1h"} {
		w.setting("ann", name, value)
		if !w.state.Budgeted() {
			t.Errorf("with %s relocations are not counted", name)
		}
		w.setting("ann", name, "")
	}
	w.setting("ann", SettingBudgetWindow, "1m")
	if w.state.Budgeted() {
		t.Error("a window alone makes a budget")
	}
	w.setting("ann", SettingBudgetCopies, "3")
	old := testMember(5, 1)
	old.Format = FormatKinds
	w.must(&Command{Join: &Join{Member: old}})
	if c := (&Command{Reroute: w.relocating(1000, 0)}); w.state.Budgeted() || w.state.Readable(c) == nil {
		t.Error("what a member cannot read may be proposed")
	} else if o := w.apply(c); o.Err == nil || !strings.Contains(o.Err.Text, "upgrade it first") {
		t.Errorf("it is applied: %+v", o)
	}
	w.die(5)
	w.must(&Command{Member: &MemberChange{Node: node(5), Forget: true}})
	w.must(&Command{Reroute: w.relocating(1000, 0)})
	if o := w.apply(&Command{Join: &Join{Member: old}}); o.Err == nil || !strings.Contains(o.Err.Text, "counted relocations") {
		t.Errorf("an older release joins: %v", o.Err)
	}
}
