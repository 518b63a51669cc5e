package admin

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Health is the answer of /_cluster/health, with Elasticsearch's names. A copy is a shard's primary or replica.
//
//	green: every copy is started    yellow: every primary is, some replica is not    red: some primary is not
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

	Leader    string         `json:"leader"`               // name of the placement leader; empty if none is known
	Down      []string       `json:"down_nodes,omitempty"` // names of members that were declared dead
	ReadOnly  bool           `json:"read_only"`            // maintenance of the whole cluster
	Version   uint64         `json:"version"`              // of the cluster state; 0 for a node without cluster
	Reasons   []HealthReason `json:"reasons,omitempty"`    // of the shards that are not green, the worst first; at most maxReasons, and one of the metadata group
	Unlisted  int            `json:"unlisted,omitempty"`   // shards that are not green beyond those
	NotServed []string       `json:"not_served,omitempty"` // keyspaces that serve nothing since they lack a shard
}

// HealthReason says why a shard is not green.
type HealthReason struct {
	Shard  string `json:"shard"`
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
	for i := range o.state.Members {
		if m := &o.state.Members[i]; m.Has(cluster.RoleMeta) && !m.Down && !m.Excluded {
			able++
		}
	}
	wanted := min(7, able-1+able%2) // the largest odd number
	if len(o.evidence.Voters) >= wanted {
		return ""
	}
	return fmt.Sprintf("%d of %d members vote so far: until the others do, the loss of one could stop all changes", len(o.evidence.Voters), wanted)
}

// health judges what the overview shows.
func (o *overview) health() Health {
	h := healthOf(o.node.Cluster, o.nodes, o.copies)
	h.Leader = o.nodeName(o.evidence.Leader)
	if o.evidence.Leader == "" {
		h.Leader = ""
	}
	if o.state == nil {
		return h
	}
	judged := cluster.HealthOf(o.state)
	h.Status, h.ReadOnly, h.Version = judged.Status.String(), judged.ReadOnly, o.state.Version
	h.ActivePrimaryShards, h.ActiveShards, h.RelocatingShards, h.InitializingShards = judged.Primaries, judged.Copies, judged.Relocating, judged.Initializing
	h.UnassignedShards = max(0, judged.Missing-judged.Initializing)
	if all := judged.Copies + judged.Missing; all > 0 {
		h.ActivePercent = 100 * float64(judged.Copies) / float64(all)
	}
	slices.SortStableFunc(judged.Reasons, func(a, b cluster.ShardHealth) int { return int(b.Status) - int(a.Status) })
	for _, r := range judged.Reasons[:min(maxReasons, len(judged.Reasons))] {
		h.Reasons = append(h.Reasons, HealthReason{Shard: r.Name, Status: r.Status.String(), Reason: r.Reason})
	}
	h.Unlisted = len(judged.Reasons) - len(h.Reasons)
	if reason := o.fewVoters(); reason != "" && h.Status == Green {
		h.Status = Yellow
		h.Reasons = append(h.Reasons, HealthReason{Shard: "metadata group", Status: Yellow, Reason: reason})
	}
	for i := range o.state.Members {
		if m := &o.state.Members[i]; m.Down {
			h.Down = append(h.Down, m.Name)
		}
	}
	for i := range o.state.Keyspaces {
		if k := &o.state.Keyspaces[i]; o.state.Serves(k.ID) != nil {
			h.NotServed = append(h.NotServed, k.Name)
		}
	}
	return h
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
func keyspaceInfos(keyspaces []shards.Keyspace, copies []Shard) []KeyspaceInfo {
	infos := make([]KeyspaceInfo, len(keyspaces))
	place := make(map[int]int, len(keyspaces))
	for i := range keyspaces {
		place[int(keyspaces[i].ID)] = i
		infos[i] = infoOf(&keyspaces[i])
	}
	for _, c := range copies {
		if i, known := place[int(c.ID.Keyspace())]; known && c.Primary {
			infos[i].Keys += c.Keys
			infos[i].Bytes += c.Bytes
		}
	}
	return infos
}
