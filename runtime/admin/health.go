package admin

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
}

// The statuses, from good to bad.
const (
	Green  = "green"
	Yellow = "yellow"
	Red    = "red"
)

// rank orders statuses: higher is worse. Unknown ones are 0, below all.
var rank = map[string]int{Green: 1, Yellow: 2, Red: 3}

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
	Keys       int64  `json:"keys"`
	Bytes      int64  `json:"bytes"` // of memory, primaries only
}

// keyspaceInfos adds up what the primaries hold.
func keyspaceInfos(b Backend) []KeyspaceInfo {
	keyspaces := b.Keyspaces()
	infos := make([]KeyspaceInfo, len(keyspaces))
	place := make(map[int]int, len(keyspaces))
	for i, k := range keyspaces {
		place[int(k.ID)] = i
		infos[i] = KeyspaceInfo{
			Name: k.Name, ID: int(k.ID), Shards: k.Shards, MaxMemory: k.MaxMemory,
			Durability: k.Durability.String(), Eviction: k.Eviction.String(),
		}
	}
	for _, c := range b.Shards() {
		if i, known := place[int(c.ID.Keyspace())]; known && c.Primary {
			infos[i].Keys += c.Keys
			infos[i].Bytes += c.Bytes
		}
	}
	return infos
}
