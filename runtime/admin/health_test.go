package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

func judged(t *testing.T, m *memory) (h Health) {
	t.Helper()
	w := ask(NewServer(m, ServerConfig{}), "GET", "/_cluster/health", "")
	if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return h
}

// A node that reaches no majority shows the table that it knew, and may not call that healthy.
func TestNoLeaderIsRedOnceTheLeaseIsOver(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	m.cluster.evidence.Leader, m.cluster.evidence.Members = "", nil
	if h := judged(t, m); h.Status != Green || h.Reasons != nil {
		t.Errorf("an election: %+v", h)
	}
	m.cluster.evidence.Leaderless = 4200 * time.Millisecond
	h := judged(t, m)
	if h.Status != Red || len(h.Reasons) != 1 || h.Reasons[0].Status != Red || !strings.HasPrefix(h.Reasons[0].Reason, "no placement leader is known since 4s") {
		t.Errorf("no majority: %+v", h)
	}
	s := NewServer(m, ServerConfig{})
	if w := ask(s, "GET", "/_cat/nodes?h=name,state", ""); w.Body.String() != "n1 alive\nn2 unknown\nn3 unknown\n" {
		t.Errorf("members of whom nobody has heard: %s", w.Body)
	}
	if w := ask(s, "GET", "/metrics", ""); !strings.Contains(w.Body.String(), "troupe_cluster_status 2\n") || !strings.Contains(w.Body.String(), `troupe_cluster_members{state="unknown"} 2`) {
		t.Error("metrics say nothing of it")
	}
}

func TestFullNodesShowInHealth(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	m.cluster.evidence.Full = map[shards.NodeID]string{nodeID(3): "no room", nodeID(9): "forgotten"}
	if h := judged(t, m); h.Status != Yellow || len(h.Reasons) != 1 || h.Reasons[0] != (HealthReason{"node n3", Yellow, "no room"}) {
		t.Errorf("one is full: %+v", h)
	}
	m.cluster.evidence.Full[nodeID(1)], m.cluster.evidence.Full[nodeID(2)] = "none", "none"
	if h := judged(t, m); h.Status != Red || len(h.Reasons) != 3 || h.Reasons[0].Shard != "node n1" {
		t.Errorf("all are full: %+v", h)
	}
}

// A shard that refuses writes since a node with a copy is full says so where it is asked about; one in memory needs no disk.
func TestExplainTellsOfFullNodes(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	refuses := func(index int) bool {
		w := ask(s, "GET", fmt.Sprintf("/_cluster/allocation/explain?keyspace=default&shard=%d", index), "")
		if w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
		return strings.Contains(w.Body.String(), `"refuses_writes":"no room"`)
	}
	m.cluster.evidence.Full = map[shards.NodeID]string{nodeID(3): "no room"} // which has a copy of the second shard
	if refuses(0) || !refuses(1) {
		t.Errorf("of the shards refuse %v and %v", refuses(0), refuses(1))
	}
	m.cluster.state.Keyspace(0).Durability = shards.DurabilityMemory
	if refuses(1) {
		t.Error("for the want of a disk that it does not need")
	}
	m.cluster.evidence.Short = map[shards.NodeID]bool{nodeID(3): true}
	if !refuses(1) {
		t.Error("it needs memory")
	}
}

// A node that came back too often is given nothing for a while, which is why copies are missing; where none is, nothing is to be said.
func TestHeldNodesShowInHealth(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	hold := func(id shards.NodeID, until int64) {
		m.cluster.evidence.Members[id] = Liveness{State: Alive, Heard: 1, Held: until}
	}
	now := m.Now()
	hold(nodeID(2), now+40_000)
	if h := judged(t, m); h.Status != Green || h.Reasons != nil {
		t.Errorf("nothing is missing: %+v", h)
	}
	m.cluster.kill(t, 3)
	hold(nodeID(3), now+40_000) // is down
	hold(nodeID(1), now-1)      // is over
	h := judged(t, m)
	want := "for 40s more, until " + time.UnixMilli(now+40_000).UTC().Format("15:04:05 UTC")
	if h.Status != Yellow || h.Reasons[0].Shard != "node n2" || h.Reasons[0].Status != Yellow || !strings.HasSuffix(h.Reasons[0].Reason, want) {
		t.Errorf("%s is not the end of %+v", want, h.Reasons)
	}
	for _, r := range h.Reasons[1:] {
		if strings.HasPrefix(r.Shard, "node ") {
			t.Errorf("it says %+v", r)
		}
	}
}

// With fewer nodes than copies each shard lacks one for the same reason, which is told once.
func TestTooFewNodesAreToldOnce(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	for _, replicas := range []int{2, 3} {
		k := m.cluster.state.Keyspaces[0].Keyspace
		k.Replicas = replicas
		m.cluster.apply(t, &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
	}
	if h := judged(t, m); h.Status != Yellow || len(h.Reasons) != 2 || h.Reasons[0].Shard != "default/0" {
		t.Errorf("a node could still be given a copy: %+v", h)
	}
	for i := range 2 {
		id := shards.NewShardID(0, i)
		for n := 1; n <= 3; n++ {
			if m.cluster.state.Shard(id).CopyOn(nodeID(n)) == nil {
				m.cluster.move(t, id, cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(n)})
			}
		}
		m.cluster.sync(t, id)
	}
	h := judged(t, m)
	want := "replicas=3 needs 4 nodes that hold data, and there are 3: start more, or have fewer copies (troupe keyspace update default:replicas=2)"
	if h.Status != Yellow || len(h.Reasons) != 1 || !strings.HasPrefix(h.Reasons[0].Reason, want) || h.Unlisted != 0 {
		t.Errorf("%+v", h)
	}
}

// What waits in a reroute is not always missing.
func TestWaitingCopiesAreCalledWhatTheyAre(t *testing.T) {
	a := newAgreed(t)
	if got := waitingState(a.state, shards.NewShardID(0, 0)); got != ShardStarted {
		t.Errorf("with all copies in sync: %s", got)
	}
	a.move(t, shards.NewShardID(0, 1), cluster.Move{Kind: cluster.MoveDrop, Copy: a.state.Shard(shards.NewShardID(0, 1)).CopyOn(nodeID(3)).ID})
	if got := waitingState(a.state, shards.NewShardID(0, 1)); got != ShardUnassigned {
		t.Errorf("without one: %s", got)
	}
}
