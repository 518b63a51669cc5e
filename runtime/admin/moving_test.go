package admin

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A lead that moves and the copy that waits for its hand-over are one copy in the health and in the tables: a replica that is missing beside them
// is shown as missing, as it is once the hand-over has come.
func TestAMovingLeadIsOneCopy(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	row := m.cluster.state.Shard(0)
	lead, replica := row.Primary, row.CopyOn(nodeID(2)).ID
	m.cluster.move(t, 0, cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(3), Source: lead, Reason: "balance"})
	m.cluster.sync(t, 0)
	if h := s.judge(); h.Status != Green || h.ActiveShards != 4 || h.RelocatingShards != 1 || h.UnassignedShards != 0 {
		t.Errorf("with all copies: %+v", h)
	}
	m.cluster.apply(t, &cluster.Command{Failed: &cluster.Failed{Node: nodeID(2), Epoch: 1, Copies: []cluster.ShardCopy{{Shard: 0, Copy: replica}}, Reason: "it is damaged"}})
	if h := s.judge(); h.Status != Yellow || h.ActiveShards != 3 || h.RelocatingShards != 1 || h.UnassignedShards != 1 || h.ActivePercent != 75 || len(h.Reasons) != 1 {
		t.Errorf("without the replica: %+v", h)
	}
	want := "0 p RELOCATING n1 *\n0 r STARTED    n3 *\n0 r UNASSIGNED -  -\n"
	if got := ask(s, "GET", "/_cat/shards?h=shard,prirep,state,node,insync", "").Body.String(); got[:len(want)] != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := waitingState(m.cluster.state, shards.ShardID(0)); got != ShardUnassigned {
		t.Errorf("the copy that waits to come is %v", got)
	}
	m.cluster.handOver(t, 0, m.cluster.state.Shard(0).CopyOn(nodeID(3)).ID)
	if h := s.judge(); h.Status != Yellow || h.ActiveShards != 3 || h.RelocatingShards != 0 || h.UnassignedShards != 1 {
		t.Errorf("after the hand-over: %+v", h)
	}
}
