package directory

import (
	"errors"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// decree changes the table beside who leads.
func (w *town) decree(change func(s *cluster.State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.state
	next.Version++
	change(&next)
	w.state = &next
	close(w.changed)
	w.changed = make(chan struct{})
}

// "maintenance … for the cluster (read-only)": reads go on, on every node; writes are refused at once.
func TestMaintenanceTakesNoWrites(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("a", "b", "a", "b")
	for i := range 2 {
		if got := w.nodes["a"].do(i, set("k", "v")); got.err != nil {
			t.Fatal(got.err)
		}
	}
	w.decree(func(s *cluster.State) { s.ReadOnly = true })
	before := w.nodes["a"].Figures()
	for i := range 2 { // led here, and led elsewhere
		if got := w.nodes["a"].do(i, set("k", "w")); kindOf(got.err) != shards.KindUnavailable || !errors.Is(got.err, ErrReadOnly) {
			t.Errorf("a write to shard %d: %v", i, got.err)
		}
		if got := w.nodes["a"].do(i, get("k")); got.err != nil || string(got.results[0].Value) != "v" {
			t.Errorf("a read of shard %d: %v, %+v", i, got.err, got.results)
		}
	}
	if now := w.nodes["a"].Figures(); now.Retries != before.Retries {
		t.Errorf("%d writes were tried again", now.Retries-before.Retries)
	}
	w.decree(func(s *cluster.State) { s.ReadOnly = false })
	if got := w.nodes["a"].do(0, set("k", "w")); got.err != nil {
		t.Errorf("after the maintenance: %v", got.err)
	}
}

// "coverage policy (a keyspace serves what it has, or nothing, while a shard is red)"
func TestCoverage(t *testing.T) {
	w := newTown(t, "a", "b")
	w.lead("a", "", "a", "a")
	if got := w.nodes["a"].do(0, set("k", "v")); got.err != nil {
		t.Errorf("with partial coverage the others are served: %v", got.err)
	}
	w.decree(func(s *cluster.State) {
		s.Settings = []cluster.Setting{{Name: cluster.SettingCoverage, Value: cluster.CoverageFull}}
	})
	w.nodes["a"].config.Patience = 1 // it is tried again, as a failover ends soon; here none does
	if got := w.nodes["a"].do(0, get("k")); kindOf(got.err) != shards.KindUnavailable || !errors.Is(got.err, &cluster.Refusal{Why: cluster.WhyStale}) {
		t.Errorf("with full coverage nothing is served: %v", got.err)
	}
	if _, err := w.nodes["a"].Count(t.Context(), 0, 0, shards.Slots-1); kindOf(err) != shards.KindUnavailable {
		t.Errorf("nor counted: %v", err)
	}
	settings := w.table().Settings
	w.lead("a", "b", "a", "a")
	w.decree(func(s *cluster.State) { s.Settings = settings })
	if got := w.nodes["a"].do(0, get("k")); got.err != nil || string(got.results[0].Value) != "v" {
		t.Errorf("when all are led again: %v", got.err)
	}
}
