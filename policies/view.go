package policies

import (
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// View is what deciders see: the cluster state with what has been planned so far, the evidence about its members, and sums
// over the shard table. Deciders only read it.
type View struct {
	State      *cluster.State
	Nodes      []Node // one per member, in the order of State.Members; rows have the same order
	Ticks      int64  // now
	TickLength time.Duration
	Settings   Settings
}

// Settings are the dynamic settings that the built-in deciders ask for, read once per plan.
type Settings struct {
	AllocationEnable string
	RebalanceEnable  string
	Recoveries       int // per node, in and out
	SameHost         bool
	MaxRetries       int
}

// Node is a member as deciders see it.
type Node struct {
	*cluster.Member
	Evidence  liveness.Status // State 0: nothing has been heard of it yet
	Copies    int             // that it will hold when all relocations have ended
	Primaries int             // that it will lead when all hand-overs have ended
	Incoming  int             // recoveries into it
	Outgoing  int             // recoveries that it, as a primary, feeds
}

// NewView reads settings and evidence, which is sorted by node; the sums are its owner's to keep.
func NewView(s *cluster.State, evidence []liveness.Status, ticks int64, length time.Duration) *View {
	v := &View{State: s, Ticks: ticks, TickLength: length, Settings: Settings{
		AllocationEnable: s.Value(cluster.SettingAllocationEnable),
		RebalanceEnable:  s.Value(cluster.SettingRebalanceEnable),
		Recoveries:       s.Number(cluster.SettingConcurrentRecoveries),
		SameHost:         s.Value(cluster.SettingSameHost) == "true",
		MaxRetries:       s.Number(cluster.SettingMaxRetries),
	}}
	v.Nodes = make([]Node, len(s.Members))
	for i := range s.Members {
		m := &s.Members[i]
		v.Nodes[i].Member = m
		at, found := slices.BinarySearchFunc(evidence, m.ID, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
		if found && evidence[at].Epoch == m.Epoch {
			v.Nodes[i].Evidence = evidence[at]
		}
	}
	return v
}

// Node is the place of a member in Nodes, or -1.
func (v *View) Node(id shards.NodeID) int {
	at, found := slices.BinarySearchFunc(v.Nodes, id, func(n Node, id shards.NodeID) int { return strings.Compare(string(n.ID), string(id)) })
	if !found {
		return -1
	}
	return at
}

// Ago prints how long ago a tick was.
func (v *View) Ago(tick int64) time.Duration { return time.Duration(v.Ticks-tick) * v.TickLength }

// Question is about one copy of one shard.
type Question struct {
	Capability Capability
	Keyspace   *cluster.Keyspace
	Shard      *cluster.Shard
	Copy       *cluster.Copy // remain, rebalance and promote: the copy; allocate and start: the copy that is to be replaced, or nil
	Primary    bool          // the copy leads, or will
	New        bool          // allocate: it is the shard's first
}
