package placement

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// Promised: "automatic rollback when a policy traps, stalls or thrashes". Under a policy that says NO of every node a new keyspace has no primary,
// and what a dead node had is not replaced. It is taken back, and says why.
func TestPolicyThatRefusesAllIsTakenBack(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		w.push("spare", "one", "two")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.until("node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
		w.activate("spare", 2, map[string]string{"nodes": "N1,N2,N3"})
		w.keyspace("carts", 2, 1)
		w.until("the version before is in force", func(s *cluster.State) bool { return s.Policy("spare").Active.Version == 1 })
		note := citizen{w, ""}.State().Policy("spare").Note
		for _, part := range []string{"version 2 was taken back: under it no copy has found a node for 15s, and of 2 shards that lack one 2 would find one without it; of carts/0 it says: ", "setting nodes"} {
			if !strings.Contains(note, part) {
				t.Errorf("taken back with the note %q, which lacks %q", note, part)
			}
		}
		w.until("all is placed, and node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
	})
}

// What no policy is to blame for is not taken back: there are too few nodes for all copies.
func TestPolicyIsNotBlamedForOthers(t *testing.T) {
	governed(t, 2, nil, func(w *town) {
		w.keyspace("orders", 4, 2)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N7"})
		<-time.After(10 * time.Minute)
		if p := (citizen{w, ""}).State().Policy("spare"); p.Active.Version != 1 || p.Note != "" {
			t.Errorf("it was taken back: %+v", p)
		}
	})
}
