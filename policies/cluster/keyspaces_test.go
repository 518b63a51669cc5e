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

// TestKeyspaceOfTwo: of two who make a keyspace at once, or change other things of it, the second is refused, and does not undo unseen what the
// first has done; while a member of an older release is there nobody is.
func TestKeyspaceOfTwo(t *testing.T) {
	s := &State{Cluster: testCluster, Members: []Member{testMember(1, 1)}, Voters: []uint64{101}, NextCopy: 1}
	both := func(first, second shards.Keyspace) (refused *Refusal) {
		t.Helper()
		one, two := s.KeyspaceCommand(first), s.KeyspaceCommand(second)
		for i, c := range []*Command{one, two} {
			again, err := DecodeCommand(c.Encode())
			if err != nil {
				t.Fatal(err)
			}
			after, o := s.Apply(again)
			if i == 0 && (o.Err != nil || !o.Changed) {
				t.Fatalf("the first: %+v", o)
			}
			s, refused = after, o.Err
		}
		return refused
	}
	made := shards.Keyspace{Name: "orders", Shards: 4, Replicas: 2}
	if err := both(made, shards.Keyspace{Name: "orders", Shards: 4}); err == nil || err.Why != WhyStale || !strings.Contains(err.Text, "made keyspace") {
		t.Errorf("made twice: %v", err)
	}
	k := s.KeyspaceByName("orders").Keyspace
	more, safer := k, k
	more.Replicas, safer.MinInSync = 3, 2
	if err := both(more, safer); err == nil || err.Why != WhyStale || !strings.Contains(err.Text, "changed keyspace") {
		t.Errorf("changed twice: %v", err)
	}
	if got := s.KeyspaceByName("orders").Replicas; got != 3 {
		t.Errorf("%d replicas: the second has undone what the first did", got)
	}
	if _, o := s.Apply(&Command{Keyspace: &KeyspaceChange{Keyspace: shards.Keyspace{Name: "jobs", Shards: 1}, After: new(uint64(7))}}); o.Err == nil || o.Err.Why != WhyStale {
		t.Errorf("one that was never there is changed: %+v", o)
	}
	old := testMember(2, 1)
	old.Format = FormatIf
	s.Members = append(s.Members, old)
	if c := s.KeyspaceCommand(k); c.Keyspace.After != nil || s.Readable(c) != nil {
		t.Errorf("a member of an older release is sent %+v", c.Keyspace)
	}
}
