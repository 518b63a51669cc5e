package policies

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// View is what deciders see: the cluster state with what has been planned so far, the evidence about its members, what they
// measured, and sums over the shard table. Deciders only read it. It belongs to one goroutine.
type View struct {
	State      *cluster.State
	Nodes      []Node   // one per member, in the order of State.Members; rows have the same order
	Spread     []Spread // one per keyspace, in the order of State.Keyspaces
	Relocating int      // copies on their way to take another's place
	Unled      int      // shards without a primary
	Unwhole    int      // shards with fewer copies in sync than their keyspace wants

	Ticks      int64 // now, as the placement leader counts
	TickLength time.Duration
	Now        time.Time // the same by the wall clock, in UTC; zero: not known
	Settings   Settings

	loads    []ShardLoad
	largest  Load // in each dimension, of all loads
	setbacks []Setback
	places   *cluster.Index // in Nodes
	firsts   []int          // by place of the keyspace: the place of its first shard in State.Shards
	touched  []int32        // nodes whose sums Count has changed, in order: what the rows of a Set have to catch up with
	derived  []derivative

	stages    []stage                  // by place of the shard
	unsettled []int32                  // the places of those that were not settled when the view was made
	homes     [cluster.MaxCopies]int32 // of the row that was counted last
	known     []familiar               // by place of the shard: the homes of its first copies, as its row was counted last

	steps   []step  // that led here from older views, the oldest first
	counted []int32 // places of rows that Count has put in since

	windows  []window                 // of all keyspaces, then of each: see Rebalanced
	windowed int                      // how many of State.Rebalances are counted in them
	moved    map[shards.ShardID]int64 // when each shard last moved for balance: only asked, never visited
	movedBy  int                      // how many of State.Rebalances are in it
}

// Facts are what a view knows beside the cluster state: all that was measured, and the time.
type Facts struct {
	Evidence   []liveness.Status // sorted by node; a member without one has not been heard of
	Loads      Loads
	Setbacks   []Setback // sorted by shard
	Ticks      int64
	TickLength time.Duration
	Now        time.Time // zero: not known, and what depends on it does not hold
}

// Setback says when the placement leader last saw a copy of a shard fail. A leader that has just begun takes the failures that
// it finds for new.
type Setback struct {
	Shard shards.ShardID
	Ticks int64
}

// Settings are the dynamic settings of the whole cluster that planner and deciders ask for most, read once per view. The others,
// and what a keyspace says for itself, are found by View.Setting.
type Settings struct {
	Recoveries int // per node, in and out
	SameHost   bool
}

// Node is a member as deciders see it.
type Node struct {
	*cluster.Member
	Evidence  liveness.Status // State 0: nothing has been heard of it yet
	Copies    int             // that it will hold when all relocations have ended
	Primaries int             // that it will lead when all hand-overs have ended
	Incoming  int             // recoveries into it
	Outgoing  int             // recoveries that it, as a primary, feeds
	Opening   int             // first copies of shards that have not said yet that they are open
	Capacity  Load            // what it can bear, as it measured in this life; 0: not known
	Used      Load            // what is used of that
	Coming    Load            // what recoveries into it will add to Used, as far as their shards have been measured
	Leaving   Load            // what copies on it free when others have taken their place
	Held      Load            // what the copies that it will hold cost, as far as their shards have been measured
}

// Spread is how the copies of one keyspace are spread over the nodes, in the order of View.Nodes.
type Spread struct{ Copies, Primaries []int }

// NewView reads settings and facts, and adds up the shard table. Who changes the table afterwards calls Count.
func NewView(s *cluster.State, f Facts) *View {
	v := &View{Nodes: make([]Node, len(s.Members)), places: cluster.NewIndex(s.Members), stages: make([]stage, len(s.Shards)), known: make([]familiar, len(s.Shards))}
	v.Spread = make([]Spread, len(s.Keyspaces))
	for k := range v.Spread {
		v.Spread[k] = Spread{make([]int, len(s.Members)), make([]int, len(s.Members))}
	}
	v.learn(s, f)
	v.firsts = make([]int, len(s.Keyspaces))
	for k := 1; k < len(s.Keyspaces); k++ {
		v.firsts[k] = v.firsts[k-1] + s.Keyspaces[k-1].Shards
	}
	for i := range v.loads {
		a, b := &v.loads[i].Primary, &v.loads[i].Replica
		v.largest = Load{max(v.largest.CPU, a.CPU, b.CPU), max(v.largest.Memory, a.Memory, b.Memory), max(v.largest.Disk, a.Disk, b.Disk)}
	}
	k := 0
	for i := range s.Shards {
		for s.Keyspaces[k].ID != s.Shards[i].ID.Keyspace() {
			k++
		}
		if v.stages[i] = v.count(&s.Shards[i], 1, k, i); v.stages[i] != settled {
			v.unsettled = append(v.unsettled, int32(i))
		}
	}
	return v
}

// learn takes a state and facts, but for the sums.
func (v *View) learn(s *cluster.State, f Facts) {
	v.State, v.Ticks, v.TickLength, v.Now, v.loads, v.setbacks = s, f.Ticks, f.TickLength, f.Now, f.Loads.Shards, f.Setbacks
	v.Settings = Settings{Recoveries: s.Number(cluster.SettingConcurrentRecoveries), SameHost: s.Value(cluster.SettingSameHost) == "true"}
	for i := range s.Members {
		m, n := &s.Members[i], &v.Nodes[i]
		n.Member, n.Evidence, n.Capacity, n.Used = m, liveness.Status{}, Load{}, Load{}
		at, found := slices.BinarySearchFunc(f.Evidence, m.ID, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
		if found && f.Evidence[at].Epoch == m.Epoch {
			n.Evidence = f.Evidence[at]
		}
		at, found = slices.BinarySearchFunc(f.Loads.Nodes, m.ID, func(l NodeLoad, id shards.NodeID) int { return strings.Compare(string(l.Node), string(id)) })
		if found && f.Loads.Nodes[at].Epoch == m.Epoch {
			n.Capacity, n.Used = f.Loads.Nodes[at].Capacity, f.Loads.Nodes[at].Used
		}
	}
}

// Node is the place of a member in Nodes, or -1.
func (v *View) Node(id shards.NodeID) int { return v.places.Place(id) }

// Home is the place in Nodes of the node of a copy: of the one at a place in the row at a place of the table, as Count has taken it last.
func (v *View) Home(shard, at int) int {
	if at < len(v.known[shard]) {
		return int(v.known[shard][at])
	}
	return v.Node(v.State.Shards[shard].Copies[at].Node)
}

// Place is where the question's shard is in State.Shards.
func (v *View) Place(q *Question) int {
	if at := q.Place; at < len(v.State.Shards) && v.State.Shards[at].ID == q.Shard.ID {
		return at
	}
	return v.place(q.Shard.ID)
}

// place is where a shard that exists is in State.Shards: each keyspace has all of its own there.
func (v *View) place(id shards.ShardID) int {
	return v.firsts[v.Keyspace(id.Keyspace())] + id.Index()
}

// Keyspace is the place of a keyspace that exists in State.Keyspaces and Spread.
func (v *View) Keyspace(id shards.KeyspaceID) int {
	at, _ := v.State.PlaceOfKeyspace(id)
	return at
}

// ShardLoad is what a shard's copies cost, or nil if nobody has measured it.
func (v *View) ShardLoad(id shards.ShardID) *ShardLoad {
	if len(v.loads) == 0 {
		return nil
	}
	if at := v.place(id); at < len(v.loads) && v.loads[at].Shard == id { // as long as all have been measured
		return &v.loads[at]
	}
	at, found := slices.BinarySearchFunc(v.loads, id, func(l ShardLoad, id shards.ShardID) int { return cmp.Compare(l.Shard, id) })
	if !found {
		return nil
	}
	return &v.loads[at]
}

// Largest is the most that a copy costs in each dimension, of those that have been measured.
func (v *View) Largest() Load { return v.largest }

// Setback is the tick at which a copy of the shard was last seen to fail; known is false if none was.
func (v *View) Setback(id shards.ShardID) (tick int64, known bool) {
	at, known := slices.BinarySearchFunc(v.setbacks, id, func(s Setback, id shards.ShardID) int { return cmp.Compare(s.Shard, id) })
	if !known {
		return 0, false
	}
	return v.setbacks[at].Ticks, true
}

// Setbacks lists all of them, sorted by shard: read only.
func (v *View) Setbacks() []Setback { return v.setbacks }

// Setting is the value in force of a setting, for a keyspace if one is given: what the keyspace says for itself, else what the
// cluster says, else the default. from is the name under which it was found.
func (v *View) Setting(k *cluster.Keyspace, name string) (value, from string) {
	if k == nil {
		return v.State.Value(name), name
	}
	return v.State.Scoped(k.Name, name)
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
	Place      int           // of the shard in State.Shards, if who asks knows it: see View.Place
}
