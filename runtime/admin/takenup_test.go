package admin

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// returning is a cluster with a node that is just back: it knows a copy by the number of before, then by the present one, which it has not noted, then it
// has noted it.
type returning struct {
	*agreed
	node  shards.NodeID
	shard shards.ShardID
	old   shards.CopyID
	looks *int // at the node
	late  int  // with so many looks it has seen the table, with one more it has noted the copy
}

func (r returning) View(ctx context.Context, node shards.NodeID, copies bool) (View, error) {
	v, err := r.agreed.View(ctx, node, copies)
	if node != r.node {
		return v, err
	}
	*r.looks++
	for i := range v.Copies {
		if x := &v.Copies[i]; x.ID == r.shard {
			switch {
			case *r.looks < r.late:
				x.Copy = r.old
			case *r.looks == r.late:
				x.Unnoted = true
			}
		}
	}
	return v, err
}

type backedBy struct {
	*memory
	in Cluster
}

func (b backedBy) Cluster() Cluster { return b.in }

// A node that is just back gives a copy up that the table counts on and of which it has not heard: the command waits until it has.
func TestStaleCopyIsTakenUpFirst(t *testing.T) {
	for _, c := range []struct {
		late, status int
		want         string
	}{
		{0, http.StatusOK, `"move":"stale","node":"n2"`},
		{20, http.StatusOK, `"move":"stale","node":"n2"`},
		{1 << 20, http.StatusServiceUnavailable, "command 0: node n2 has not taken up copy c5 of shard default/0 yet; nothing was done, ask again in a moment"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAgreed(t)
			row := a.state.Shard(0)
			old := row.CopyOn(nodeID(2)).ID
			a.apply(t, &cluster.Command{InSync: &cluster.InSync{Shard: 0, Term: row.Term, Primary: row.Primary, Remove: []shards.CopyID{old}}})
			a.kill(t, 1)
			server := NewServer(backedBy{newMemory(), returning{a, nodeID(2), 0, old, new(int), c.late}}, ServerConfig{})
			w := ask(server, "POST", "/_cluster/reroute", `{"commands":[{"allocate_stale":{"keyspace":"default","shard":0,"node":"n2","accept_data_loss":true}}]}`)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("late %d: %d %s, want %d with %s", c.late, w.Code, w.Body, c.status, c.want)
			}
			if done := a.state.Shard(0).Primary != 0; done != (c.status == http.StatusOK) {
				t.Errorf("late %d: carried out: %v", c.late, done)
			}
		})
	}
}

// Only what waits for a node is waited for: others are refused by who plans, and a dry run tells now.
func TestWhatIsNotWaitedFor(t *testing.T) {
	a := newAgreed(t)
	id := a.state.Shards[0].ID
	looks := new(int)
	c := returning{a, nodeID(2), id, 99, looks, 1 << 20}
	for _, r := range []Reroute{
		{DryRun: true, Commands: []RerouteCommand{{Kind: CommandAllocateStale, Shard: id, To: nodeID(2)}}},
		{Commands: []RerouteCommand{{Kind: CommandAllocateStale, Shard: id, To: nodeID(2)}}}, // in sync
		{Commands: []RerouteCommand{{Kind: CommandAllocateStale, Shard: id, To: nodeID(3)}}}, // not there
		{Commands: []RerouteCommand{{Kind: CommandAllocateEmpty, Shard: id, To: nodeID(2)}}},
	} {
		if err := takenUp(t.Context(), c, &r); err != nil || *looks > 0 {
			t.Errorf("%+v: %v after %d looks", r, err, *looks)
		}
	}
}
