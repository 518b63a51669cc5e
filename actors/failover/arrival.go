package failover

import (
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Arrival is what a primary tells of a copy that has come in sync: how much it took.
type Arrival struct {
	Shard      shards.ShardID
	Copy       shards.CopyID
	Node       shards.NodeID // where the copy is
	By         shards.NodeID // the primary's
	Bytes      int64         // of a snapshot
	Operations int64
}

// toldArrival is one that a Teller keeps for leaders to come.
type toldArrival struct {
	Arrival
	at   time.Time
	term uint64 // of the leader that has it; 0: none
}

// Arrived notes that a copy has come in sync. It never blocks, and may be called in a shard's turn.
func (t *Teller) Arrived(a Arrival) {
	t.mu.Lock()
	a.By = t.c.Self
	t.arrivals = slices.DeleteFunc(t.arrivals, func(x toldArrival) bool { return x.Shard == a.Shard && x.Copy == a.Copy })
	if len(t.arrivals) >= maxTold {
		t.arrivals = t.arrivals[1:]
	}
	t.arrivals = append(t.arrivals, toldArrival{Arrival: a, at: time.Now()})
	t.mu.Unlock()
	t.Wake()
}

// arrived takes it into the drain that the copy belongs to, if there is one: it takes the place of another.
func (s *drains) arrived(state *cluster.State, a *Arrival) {
	for _, x := range slices.Concat(s.open, s.ended) {
		at, known := x.at[a.Shard]
		if !known {
			continue
		}
		if last := x.Shards[at].Last(); last != nil && last.ToID == string(a.Node) && last.Failed == "" {
			last.Source, last.Bytes, last.Operations = state.NodeName(a.By), a.Bytes, a.Operations
		}
	}
}
