package placement

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
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
