package placement

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/shards"
)

// How long guests took is told by what the cluster calls their policies, and not by what their manifests do.
func TestAnswersAreTimedByPolicy(t *testing.T) {
	e := engine(t)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := map[string]int{}
		w := build(t, 3, func(_ shards.NodeID, c *Config) {
			c.Engine = e
			c.Answered = func(policy string, _ time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				told[policy]++
			}
		})
		w.keyspace("orders", 8, 1)
		w.green(2 * time.Second)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.until("node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
		mu.Lock()
		defer mu.Unlock()
		if told["spare"] == 0 || told["keep_off"] > 0 {
			t.Errorf("timed were %v", told)
		}
	})
}

// deaf holds a leader that cannot ask spare to saying so, and to promising nothing that it does not do.
func (w *town) deaf() {
	const why = "a policy is in force that the leader cannot ask: version 1 of policy spare"
	a := w.ask("n1", Request{DryRun: true})
	if len(a.Rows) > 0 {
		w.Errorf("a dry run moves %+v; no plan does", a.Rows)
	}
	s := citizen{w, ""}.State()
	row := s.Shard(0)
	from := row.Copies[0].Node
	a = w.ask("n1", Request{Wishes: []Wish{{Kind: Move, Shard: 0, From: from, To: "n4"}}})
	if len(a.Rows) > 0 || len(a.Denied) != 1 || !strings.Contains(a.Denied[0].Reason, why) {
		w.Errorf("a move to the node that spare keeps free: %+v, refused %+v", a.Rows, a.Denied)
	}
	x, err := w.places["n1"].Explain(context.Background(), 0)
	if err != nil || len(x.Decisions) != 1 || !strings.Contains(x.Decisions[0].Reason, why) {
		w.Errorf("explained as %+v, %v", x, err)
	}
	if r, err := w.places["n2"].Present(record.Software{}); err != nil || len(r.Plan.Rows) > 0 {
		w.Errorf("the leader presents %+v, %v", r, err)
	}
}
