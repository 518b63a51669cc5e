package admin

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Health is the answer of /_cluster/health, with Elasticsearch's names. A copy is a shard's primary or replica.
//
//	green: every copy is started    yellow: every primary is, some replica is not    red: some primary is not
//
// It is yellow as well while a node takes no writes that grow, and red while none takes any, or no placement leader is known for longer than an
// election takes. Where copies are missing it names the nodes that get none since they came back too often.
type Health struct {
	ClusterName         string  `json:"cluster_name"`
	Status              string  `json:"status"`
	TimedOut            bool    `json:"timed_out"` // a wait_for_status was not met in time
	Nodes               int     `json:"number_of_nodes"`
	DataNodes           int     `json:"number_of_data_nodes"`
	ActivePrimaryShards int     `json:"active_primary_shards"`
	ActiveShards        int     `json:"active_shards"`
	RelocatingShards    int     `json:"relocating_shards"`
	InitializingShards  int     `json:"initializing_shards"`
	UnassignedShards    int     `json:"unassigned_shards"`
	ActivePercent       float64 `json:"active_shards_percent_as_number"`

	Leader     string         `json:"leader"`                     // name of the placement leader; empty if none is known
	Down       []string       `json:"down_nodes,omitempty"`       // names of members that were declared dead
	Draining   []string       `json:"draining_nodes,omitempty"`   // those that an operator has drained, and that get no copies until it is taken back
	Maintained []string       `json:"maintained_nodes,omitempty"` // those in maintenance: nothing is built in place of their copies
	ReadOnly   bool           `json:"read_only"`                  // maintenance of the whole cluster
	Version    uint64         `json:"version"`                    // of the cluster state; 0 for a node without cluster
	Reasons    []HealthReason `json:"reasons,omitempty"`          // of the shards that are not green, the worst first; at most maxReasons, and one of the metadata group
	Unlisted   int            `json:"unlisted,omitempty"`         // shards that are not green beyond those
	NotServed  []string       `json:"not_served,omitempty"`       // keyspaces that serve nothing since they lack a shard
}

// HealthReason says why a shard is not green, or the whole is not.
type HealthReason struct {
	Shard  string `json:"shard"` // or what else it is about: "cluster", "node n2", "keyspace orders", "metadata group"
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// maxReasons bounds the reasons in one answer: with thousands of shards the first hundred tell the story.
const maxReasons = 100

// The statuses, from good to bad.
const (
	Green  = "green"
	Yellow = "yellow"
	Red    = "red"
)

// rank orders statuses: higher is worse. Unknown ones are 0, below all.
var rank = map[string]int{Green: 1, Yellow: 2, Red: 3}

// fewVoters says that not as many members vote yet as should: the loss of one could then stop all changes, though every copy
// is in sync. It is so for a moment when a cluster forms.
func (o *overview) fewVoters() string {
	if o.evidence.Voters == nil {
		return ""
	}
	able := 0
	var excluded []string
	for i := range o.state.Members {
		switch m := &o.state.Members[i]; {
		case !m.Has(cluster.RoleMeta) || m.Down:
		case m.Excluded:
			excluded = append(excluded, m.Name)
		default:
			able++
		}
	}
	wanted := min(7, able-1+able%2) // the largest odd number
	switch {
	case len(o.evidence.Voters) >= wanted && len(o.evidence.Voters) < 3 && able < 3 && able+len(excluded) >= 3:
		return fmt.Sprintf("%s, since %s shall not vote: the loss of one could stop all changes (troupe vote NODE on)", voting(len(o.evidence.Voters)), shorten(excluded))
	case len(o.evidence.Voters) >= wanted:
		return ""
	}
	return fmt.Sprintf("%d of %d members vote so far: until the others do, the loss of one could stop all changes", len(o.evidence.Voters), wanted)
}

func voting(n int) string {
	if n == 1 {
		return "only 1 member votes"
	}
	return fmt.Sprintf("only %d members vote", n)
}

// health judges what the overview shows.
func (o *overview) health() Health {
	if o.state == nil {
		return o.judge(nil)
	}
	judged := cluster.HealthOf(o.state)
	return o.judge(&judged)
}

// judge adds to what the cluster state says, which is nil for a node without one.
func (o *overview) judge(judged *cluster.Health) Health {
	h := healthOf(o.node.Cluster, o.nodes, o.copies)
	h.Leader = o.nodeName(o.evidence.Leader)
	if o.evidence.Leader == "" {
		h.Leader = ""
	}
	if judged == nil {
		return h
	}
	h.Status, h.ReadOnly, h.Version = judged.Status.String(), judged.ReadOnly, o.state.Version
	h.ActivePrimaryShards, h.ActiveShards, h.RelocatingShards, h.InitializingShards = judged.Primaries, judged.Copies, judged.Relocating, judged.Initializing
	h.UnassignedShards = max(0, judged.Missing-judged.Initializing)
	if all := judged.Copies + judged.Missing; all > 0 {
		h.ActivePercent = 100 * float64(judged.Copies) / float64(all)
	}
	alone, rest := o.tooFewNodes(judged.Reasons)
	slices.SortStableFunc(rest, func(a, b cluster.ShardHealth) int { return int(b.Status) - int(a.Status) })
	listed := rest[:min(maxReasons, len(rest))]
	h.Reasons = alone
	for _, r := range listed {
		h.Reasons = append(h.Reasons, HealthReason{Shard: r.Name, Status: r.Status.String(), Reason: r.Reason + whereWhy(o.state, r.Shard)})
	}
	h.Unlisted = len(rest) - len(listed)
	if reason := o.fewVoters(); reason != "" && h.Status == Green {
		h.worsen("metadata group", Yellow, reason)
	}
	o.judgeHeld(&h)
	o.judgeRoom(&h)
	if reason := o.leaderless(); reason != "" {
		h.worsen(wholeCluster, Red, reason)
	}
	for i := range o.state.Members {
		m := &o.state.Members[i]
		if m.Down {
			h.Down = append(h.Down, m.Name)
		}
		if m.Draining {
			h.Draining = append(h.Draining, m.Name)
		}
		if m.Maintained {
			h.Maintained = append(h.Maintained, m.Name)
		}
	}
	for i := range o.state.Keyspaces {
		if k := &o.state.Keyspaces[i]; o.state.Serves(k.ID) != nil {
			h.NotServed = append(h.NotServed, k.Name)
		}
	}
	return h
}

// wholeCluster stands in reasons where others name a shard.
const wholeCluster = "cluster"

// worsen adds a reason that is not a shard's, before those of shards.
func (h *Health) worsen(what, status, reason string) {
	if rank[status] > rank[h.Status] {
		h.Status = status
	}
	h.Reasons = slices.Insert(h.Reasons, 0, HealthReason{Shard: what, Status: status, Reason: reason})
}

// leaderless says that nobody is heard of who could judge: all else that this node says of the cluster is what it knew before.
func (o *overview) leaderless() string {
	if o.evidence.Leaderless <= 0 {
		return ""
	}
	return fmt.Sprintf("no placement leader is known since %v: a majority of the voters does not run, or is not reached from here; this node's table may be old",
		max(time.Second, o.evidence.Leaderless.Round(time.Second)))
}

// judgeRoom names the nodes that take no writes that grow. Where no node that holds data does, nothing can be written at all, or to keyspaces
// in memory alone.
func (o *overview) judgeRoom(h *Health) {
	holders, full := 0, 0
	for i := range o.state.Members {
		if m := &o.state.Members[i]; m.Has(cluster.RoleData) && !m.Down {
			holders++
			if o.evidence.Full[m.ID] != "" {
				full++
			}
		}
	}
	status := Yellow
	if full == holders {
		status = Red
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(o.evidence.Full))) {
		if m := o.state.Member(id); m != nil && !m.Down {
			h.worsen("node "+m.Name, status, o.evidence.Full[id])
		}
	}
}

// judgeHeld names the nodes that are held, if a copy is missing: else nothing waits for them.
func (o *overview) judgeHeld(h *Health) {
	if h.UnassignedShards == 0 {
		return
	}
	for i := range slices.Backward(o.state.Members) {
		if m := &o.state.Members[i]; !m.Down {
			if reason := o.held(m.ID); reason != "" {
				h.worsen("node "+m.Name, Yellow, reason)
			}
		}
	}
}

// held says that a node came back too often, and gets nothing for a while; empty: it does.
func (o *overview) held(id shards.NodeID) string {
	until := o.evidence.Members[id].Held
	if until <= o.now {
		return ""
	}
	rest := (time.Duration(until-o.now) * time.Millisecond).Round(time.Second)
	return fmt.Sprintf("it has come back too often in short order: no new copies and no primaries go there for %v more, until %s",
		max(time.Second, rest), time.UnixMilli(until).UTC().Format("15:04:05 MST"))
}

// tooFewNodes says once for a keyspace that it wants more copies than there are nodes for, in place of each of its shards.
func (o *overview) tooFewNodes(reasons []cluster.ShardHealth) (told []HealthReason, rest []cluster.ShardHealth) {
	holders := 0
	for i := range o.state.Members {
		if m := &o.state.Members[i]; m.Has(cluster.RoleData) {
			holders++
		}
	}
	last := ""
	for _, r := range reasons {
		k := o.state.Keyspace(r.Shard.Keyspace())
		row := o.state.Shard(r.Shard)
		settled := len(row.Copies) == holders && !slices.ContainsFunc(row.Copies, func(c cluster.Copy) bool { return !c.InSync || o.state.Member(c.Node).Down })
		if r.Status != cluster.Yellow || k.Copies() <= holders || !settled {
			rest = append(rest, r)
			continue
		}
		if last == k.Name {
			continue
		}
		last = k.Name
		reason := fmt.Sprintf("replicas=%d needs %d nodes that hold data, and there %s: start more, or have fewer copies (troupe keyspace update %s:replicas=%d)",
			k.Copies()-1, k.Copies(), count(holders), k.Name, holders-1)
		if holders < k.MinInSync {
			reason += fmt.Sprintf("; writes need %d in sync and are refused", k.MinInSync)
		}
		told = append(told, HealthReason{Shard: "keyspace " + k.Name, Status: Yellow, Reason: reason})
	}
	return told, rest
}

func count(n int) string {
	if n == 1 {
		return "is 1"
	}
	return fmt.Sprintf("are %d", n)
}

// whereWhy says who knows why nothing is done for a shard that is not green: the rules and policies of the node that leads, which are asked
// anew for that.
func whereWhy(s *cluster.State, id shards.ShardID) string {
	r := s.Shard(id)
	coming := slices.ContainsFunc(r.Copies, func(c cluster.Copy) bool { return !c.InSync })
	if coming || r.Primary == 0 && len(r.Copies) > 0 {
		return ""
	}
	return fmt.Sprintf("; troupe explain %s says which rule or policy is in the way", s.ShardName(id))
}

// healthOf judges a cluster by its members and copies.
func healthOf(cluster string, nodes []Node, copies []Shard) Health {
	h := Health{ClusterName: cluster, Status: Green, Nodes: len(nodes), ActivePercent: 100}
	for _, n := range nodes {
		for _, role := range n.Roles {
			if role == "data" {
				h.DataNodes++
			}
		}
	}
	for i := range copies {
		h.add(&copies[i])
	}
	if len(copies) > 0 {
		h.ActivePercent = 100 * float64(h.ActiveShards) / float64(len(copies))
	}
	return h
}

func (h *Health) add(c *Shard) {
	switch c.State {
	case ShardStarted, ShardRelocating:
		h.ActiveShards++
		if c.Primary {
			h.ActivePrimaryShards++
		}
		if c.State == ShardRelocating {
			h.RelocatingShards++
		}
		return
	case ShardInitializing:
		h.InitializingShards++
	default:
		h.UnassignedShards++
	}
	worse := Yellow
	if c.Primary {
		worse = Red
	}
	if rank[worse] > rank[h.Status] {
		h.Status = worse
	}
}

// KeyspaceInfo is one keyspace in the answer of /_keyspaces.
type KeyspaceInfo struct {
	Name       string `json:"name"`
	ID         int    `json:"id"`
	Shards     int    `json:"shards"`
	Durability string `json:"durability"`
	MaxMemory  int64  `json:"max_memory"` // bytes on one node; 0 = no limit
	Eviction   string `json:"eviction"`
	Replicas   int    `json:"replicas"`    // copies beside the primary
	MinInSync  int    `json:"min_in_sync"` // copies that must hold a write
	Keys       int64  `json:"keys"`
	Bytes      int64  `json:"bytes"` // of memory, primaries only
}

// infoOf describes a keyspace, without figures.
func infoOf(k *shards.Keyspace) KeyspaceInfo {
	return KeyspaceInfo{
		Name: k.Name, ID: int(k.ID), Shards: k.Shards, MaxMemory: k.MaxMemory, Durability: k.Durability.String(), Eviction: k.Eviction.String(),
		Replicas: max(0, k.Replicas), MinInSync: k.MinInSync,
	}
}

// keyspaceInfos adds up what the primaries hold.
func keyspaceInfos(keyspaces []shards.Keyspace, copies iter.Seq[Shard]) []KeyspaceInfo {
	infos := make([]KeyspaceInfo, len(keyspaces))
	place := make(map[int]int, len(keyspaces))
	for i := range keyspaces {
		place[int(keyspaces[i].ID)] = i
		infos[i] = infoOf(&keyspaces[i])
	}
	for c := range copies {
		if i, known := place[int(c.ID.Keyspace())]; known && c.Primary {
			infos[i].Keys += c.Keys
			infos[i].Bytes += c.Bytes
		}
	}
	return infos
}
