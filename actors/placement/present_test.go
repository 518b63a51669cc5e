package placement

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/shards"
)

// What the leader would plan can be planned elsewhere, the same to the last sentence, and nothing has changed here.
func TestPresentIsPlannedAndNotProposed(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.settled(1)
		w.mu.Lock()
		w.refusing = &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("no quorum")}
		w.mu.Unlock()
		w.judge("n3", liveness.Dead)
		before := (citizen{w, ""}).State()
		r, err := w.places["n1"].Present(record.Software{Release: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Input.State.Version != before.Version || len(r.Policies.Deciders) != len(deciders.All()) || r.Software.Release != "test" {
			t.Errorf("recorded %+v", r)
		}
		again, err := record.Decode(r.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if same, why := again.Same(again.Replay(&policies.Set{Deciders: deciders.All()})); !same {
			t.Error(why)
		}
		if now := (citizen{w, ""}).State(); now.Version != before.Version || len(r.Plan.Down) != 1 {
			t.Errorf("version %d became %d; planned %+v", before.Version, now.Version, r.Plan)
		}
		if _, err := w.places["n2"].Present(record.Software{Release: "test"}); err == nil {
			t.Error("a node that does not lead answers")
		}
	})
}

// A plan that asks for nothing is told as well, and apart.
func TestIdlePlansAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := make(chan Planned, 1000)
		w := build(t, 2, func(_ shards.NodeID, c *Config) { c.Idle = func(p Planned) { idle <- p } })
		w.settled(1)
		<-time.After(time.Minute)
		p := <-idle
		if p.Plan.Command() != nil || p.Input == nil || p.Input.State.Version != p.Plan.Version || p.Term == 0 {
			t.Errorf("told %+v", p)
		}
	})
}
