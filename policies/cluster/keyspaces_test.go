package cluster

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// TestTooManyCopies: what would take the state beyond what members read is refused, whether by a new keyspace or by more replicas; fewer are always
// taken.
func TestTooManyCopies(t *testing.T) {
	s := &State{Cluster: testCluster, Members: []Member{testMember(1, 1)}, Voters: []uint64{101}, NextCopy: 1}
	change := func(name string, replicas int) *Refusal {
		t.Helper()
		after, o := s.Apply(&Command{Keyspace: &KeyspaceChange{Keyspace: shards.Keyspace{Name: name, Shards: shards.Slots, Replicas: replicas}}})
		s = after
		return o.Err
	}
	for _, name := range []string{"a", "b", "c"} { // three quarters of all
		if err := change(name, shards.MaxReplicas); err != nil {
			t.Fatal(err)
		}
	}
	if err := change("d", shards.MaxReplicas); err != nil {
		t.Fatalf("the last that there may be: %v", err)
	}
	before := s
	const refused = "would bring the cluster to 1064960 copies; at most 1048576: give it fewer shards or replicas"
	if err := change("e", shards.NoReplicas); err == nil || !strings.HasSuffix(err.Text, refused) || s != before {
		t.Errorf("one more: %v", err)
	}
	if err := change("d", shards.MaxReplicas-2); err != nil {
		t.Errorf("fewer replicas: %v", err)
	}
	if err := change("e", shards.NoReplicas); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := change("d", shards.MaxReplicas); err == nil || !strings.HasSuffix(err.Text, refused) {
		t.Errorf("more replicas: %v", err)
	}
	if err := change("d", shards.MaxReplicas-1); err != nil {
		t.Errorf("as many as there is room for: %v", err)
	}
	if err := Check(s); err != nil {
		t.Error(err)
	}
}
