package admin

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// catTables are the tables under /_cat/, by name.
var catTables = []catTable{
	{name: "health", rows: healthRows, columns: []column{
		{name: "epoch", about: "seconds since 1970"}, {name: "timestamp", about: "time of day, UTC"},
		{name: "cluster", about: "name of the cluster"}, {name: "status", about: "green, yellow or red"},
		{name: "node.total", about: "members", right: true}, {name: "node.data", about: "members that may hold copies", right: true},
		{name: "shards", about: "copies that are started", right: true}, {name: "pri", about: "primaries that are started", right: true},
		{name: "relo", about: "copies that move", right: true}, {name: "init", about: "copies that recover", right: true},
		{name: "unassign", about: "copies that have no place", right: true}, {name: "active_shards_percent", about: "of all copies", right: true},
	}},
	{name: "keyspaces", rows: keyspaceRows, columns: []column{
		{name: "health", about: "green, yellow or red"}, {name: "keyspace", about: "name"}, {name: "id", about: "number", right: true},
		{name: "pri", about: "shards", right: true}, {name: "durability", about: "when a write is acknowledged"},
		{name: "eviction", about: "what goes when the limit is reached"}, {name: "max_memory", about: "limit on one node", right: true, size: true},
		{name: "docs.count", about: "keys", right: true}, {name: "store.size", about: "memory", right: true, size: true},
	}},
	{name: "nodes", rows: nodeRows, columns: []column{
		{name: "name", about: "name of the node"}, {name: "id", about: "first eight digits of its id"},
		{name: "node.role", about: "d data, g gateway, m meta"}, {name: "master", about: "* is the placement leader"},
		{name: "shards", about: "copies that it holds", right: true}, {name: "docs.count", about: "keys of its copies", right: true},
		{name: "store.size", about: "memory of its copies", right: true, size: true},
		{name: "resp", about: "address for Redis clients"}, {name: "http", about: "address of this API"},
		{name: "peer", about: "address for other nodes", extra: true}, {name: "version", about: "of Troupe"},
		{name: "epoch", about: "how often it has started", right: true}, {name: "uptime", about: "since its start", right: true, extra: true},
		{name: "full_id", about: "its id", extra: true},
	}},
	{name: "shards", rows: shardRows, columns: []column{
		{name: "keyspace", about: "name of the keyspace"}, {name: "shard", about: "index within the keyspace", right: true},
		{name: "prirep", about: "p primary, r replica"}, {name: "state", about: "UNASSIGNED, INITIALIZING, STARTED or RELOCATING"},
		{name: "docs", about: "keys", right: true}, {name: "store", about: "memory", right: true, size: true},
		{name: "seq", about: "last applied sequence number", right: true}, {name: "log", about: "its records in the log", right: true, size: true},
		{name: "node", about: "name of the node"}, {name: "term", about: "primary term", right: true, extra: true},
		{name: "durability", about: "when a write is acknowledged", extra: true}, {name: "unassigned.reason", about: "why it is not started", extra: true},
		{name: "slots", about: "slots that it owns", extra: true},
	}},
}

func healthRows(b Backend) [][]string {
	h := healthOf(b.Node().Cluster, b.Nodes(), b.Shards())
	now := time.UnixMilli(b.Now()).UTC()
	return [][]string{{
		strconv.FormatInt(now.Unix(), 10), now.Format(time.TimeOnly), h.ClusterName, h.Status, strconv.Itoa(h.Nodes), strconv.Itoa(h.DataNodes),
		strconv.Itoa(h.ActiveShards), strconv.Itoa(h.ActivePrimaryShards), strconv.Itoa(h.RelocatingShards),
		strconv.Itoa(h.InitializingShards), strconv.Itoa(h.UnassignedShards), fmt.Sprintf("%.1f%%", h.ActivePercent),
	}}
}

func keyspaceRows(b Backend) (rows [][]string) {
	copies := map[int][]Shard{}
	for _, c := range b.Shards() {
		id := int(c.ID.Keyspace())
		copies[id] = append(copies[id], c)
	}
	for _, k := range keyspaceInfos(b) {
		rows = append(rows, []string{
			healthOf("", nil, copies[k.ID]).Status, k.Name, strconv.Itoa(k.ID), strconv.Itoa(k.Shards), k.Durability, k.Eviction,
			strconv.FormatInt(k.MaxMemory, 10), strconv.FormatInt(k.Keys, 10), strconv.FormatInt(k.Bytes, 10),
		})
	}
	return rows
}

func nodeRows(b Backend) (rows [][]string) {
	type sum struct{ copies, keys, bytes int64 }
	sums := map[shards.NodeID]sum{}
	for _, c := range b.Shards() {
		s := sums[c.Node]
		sums[c.Node] = sum{s.copies + 1, s.keys + c.Keys, s.bytes + c.Bytes}
	}
	now := b.Now()
	for _, n := range b.Nodes() {
		s := sums[n.ID]
		uptime := time.Duration(max(0, now-n.Started)) * time.Millisecond
		rows = append(rows, []string{
			n.Name, string(n.ID[:min(8, len(n.ID))]), roleLetters(n.Roles), leaderMark(n.Leader), strconv.FormatInt(s.copies, 10),
			strconv.FormatInt(s.keys, 10), strconv.FormatInt(s.bytes, 10), dash(n.RESP), dash(n.HTTP), dash(n.Peer), n.Version,
			strconv.FormatUint(uint64(n.Epoch), 10), uptime.Truncate(time.Second).String(), string(n.ID),
		})
	}
	return rows
}

func shardRows(b Backend) (rows [][]string) {
	names := map[shards.NodeID]string{}
	for _, n := range b.Nodes() {
		names[n.ID] = n.Name
	}
	counts := map[shards.KeyspaceID]shards.Keyspace{}
	for _, k := range b.Keyspaces() {
		counts[k.ID] = k
	}
	for _, c := range b.Shards() {
		role := "r"
		if c.Primary {
			role = "p"
		}
		k := counts[c.ID.Keyspace()]
		slots := "-"
		if k.Shards > c.ID.Index() {
			first, last := k.SlotRange(c.ID.Index())
			slots = fmt.Sprintf("%d-%d", first, last)
		}
		rows = append(rows, []string{
			c.Keyspace, strconv.Itoa(c.ID.Index()), role, strings.ToUpper(string(c.State)), strconv.FormatInt(c.Keys, 10),
			strconv.FormatInt(c.Bytes, 10), strconv.FormatUint(uint64(c.Applied), 10), strconv.FormatInt(c.LogBytes, 10),
			dash(cmp.Or(names[c.Node], string(c.Node))), strconv.FormatUint(uint64(c.Term), 10), c.Durability.String(), dash(c.Reason), slots,
		})
	}
	return rows
}

// roleLetters are the first letters of roles, sorted as Elasticsearch prints them.
func roleLetters(roles []string) string {
	letters := ""
	for _, role := range []string{"data", "gateway", "meta"} {
		for _, r := range roles {
			if r == role {
				letters += role[:1]
			}
		}
	}
	return dash(letters)
}

func leaderMark(leader bool) string {
	if leader {
		return "*"
	}
	return "-"
}

func dash(text string) string { return cmp.Or(text, "-") }
