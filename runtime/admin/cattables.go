package admin

import "cmp"

// catTables are the tables under /_cat/, by name.
var catTables = []catTable{
	{name: "allocation", rows: allocationRows, figures: true, columns: []column{
		{name: "shards", about: "copies that the node has been given", right: true}, {name: "pri", about: "primaries among them", right: true},
		{name: "init", about: "copies that recover there", right: true}, {name: "docs.count", about: "keys of its copies", right: true},
		{name: "store.size", about: "memory of its copies", right: true, size: true},
		{name: "disk.percent", about: "of its disk that is used, by whomever", right: true}, {name: "host", about: "machine that it runs on"},
		{name: "node", about: "name of the node; UNASSIGNED for copies without one"}, {name: "node.role", about: "d data, g gateway, m meta"},
		{name: "state", about: "alive, grey, suspect or dead; draining, maintenance"},
		{name: "disk.used", about: "by whomever", right: true, size: true, extra: true},
		{name: "disk.avail", about: "free for it", right: true, size: true, extra: true}, {name: "disk.total", about: "of its disk", right: true, size: true, extra: true},
	}},
	{name: "health", rows: healthRows, columns: []column{
		{name: "epoch", about: "seconds since 1970"}, {name: "timestamp", about: "time of day, UTC"},
		{name: "cluster", about: "name of the cluster"}, {name: "status", about: "green, yellow or red"},
		{name: "node.total", about: "members", right: true}, {name: "node.data", about: "members that may hold copies", right: true},
		{name: "shards", about: "copies that are started", right: true}, {name: "pri", about: "primaries that are started", right: true},
		{name: "relo", about: "copies that move", right: true}, {name: "init", about: "copies that recover", right: true},
		{name: "unassign", about: "copies that have no place", right: true}, {name: "active_shards_percent", about: "of all copies", right: true},
		{name: "leader", about: "name of the placement leader", extra: true}, {name: "read_only", about: "maintenance of the cluster", extra: true},
	}},
	{name: "keyspaces", rows: keyspaceRows, figures: true, columns: []column{
		{name: "health", about: "green, yellow or red"}, {name: "keyspace", about: "name"}, {name: "id", about: "number", right: true},
		{name: "pri", about: "shards", right: true}, {name: "rep", about: "replicas of each", right: true},
		{name: "durability", about: "when a write is acknowledged"},
		{name: "eviction", about: "what goes when the limit is reached"}, {name: "max_memory", about: "limit on one node", right: true, size: true},
		{name: "docs.count", about: "keys", right: true}, {name: "store.size", about: "memory", right: true, size: true},
		{name: "min_in_sync", about: "copies that must hold a write", right: true, extra: true},
	}},
	{name: "leader", rows: leaderRows, columns: []column{
		{name: "id", about: "its id"}, {name: "host", about: "machine that it runs on"}, {name: "peer", about: "address for other nodes"},
		{name: "node", about: "name of the placement leader"}, {name: "term", about: "of its reign", right: true},
		{name: "version", about: "of the cluster state", right: true},
	}},
	{name: "nodes", rows: nodeRows, figures: true, columns: []column{
		{name: "name", about: "name of the node"}, {name: "id", about: "first eight digits of its id"},
		{name: "node.role", about: "d data, g gateway, m meta"}, {name: "master", about: "* is the placement leader"},
		{name: "state", about: "alive, grey, suspect or dead; draining, maintenance"},
		{name: "shards", about: "copies that it holds", right: true}, {name: "docs.count", about: "keys of its copies", right: true},
		{name: "store.size", about: "memory of its copies", right: true, size: true},
		{name: "resp", about: "address for Redis clients"}, {name: "http", about: "address of this API"},
		{name: "peer", about: "address for other nodes", extra: true}, {name: "version", about: "of Troupe"},
		{name: "epoch", about: "how often it has started", right: true}, {name: "uptime", about: "since its start, of the node that is asked", right: true, extra: true},
		{name: "full_id", about: "its id", extra: true}, {name: "pri", about: "primaries that it holds", right: true, extra: true},
		{name: "voter", about: "* votes in the metadata group, x shall not", extra: true}, {name: "host", about: "machine that it runs on", extra: true},
		{name: "attributes", about: "that it was started with", extra: true}, {name: "reason", about: "why it is not alive", extra: true},
		{name: "applied", about: "last entry of the metadata group that it has carried out", right: true, extra: true},
		{name: "digest", about: "hash over all entries so far: equal on nodes that have applied the same", extra: true},
		{name: "cpu", about: "percent of its cores that its process took lately", right: true, extra: true},
		{name: "ram.percent", about: "of its memory that is used, by whomever", right: true, extra: true},
		{name: "disk.used_percent", about: "of its disk that is used, by whomever", right: true, extra: true},
	}},
	{name: "recovery", rows: recoveryRows, figures: true, columns: []column{
		{name: "keyspace", about: "name of the keyspace"}, {name: "shard", about: "index within the keyspace", right: true},
		{name: "copy", about: "number of the copy"}, {name: "type", about: "copy, or relocation"},
		{name: "stage", about: "snapshot, operations or hand-over; waiting"}, {name: "time", about: "since it began", right: true},
		{name: "source_node", about: "where it recovers from"}, {name: "target_node", about: "where the copy is"},
		{name: "bytes_recovered", about: "received", right: true, size: true}, {name: "bytes_total", about: "of the snapshot", right: true, size: true},
		{name: "bytes_percent", about: "received", right: true}, {name: "ops_recovered", about: "operations received", right: true},
	}},
	{name: "shards", rows: shardRows, figures: true, columns: []column{
		{name: "keyspace", about: "name of the keyspace"}, {name: "shard", about: "index within the keyspace", right: true},
		{name: "prirep", about: "p primary, r replica"}, {name: "state", about: "UNASSIGNED, INITIALIZING, STARTED or RELOCATING"},
		{name: "docs", about: "keys", right: true}, {name: "store", about: "memory", right: true, size: true},
		{name: "seq", about: "last applied sequence number", right: true}, {name: "log", about: "its records in the log", right: true, size: true},
		{name: "node", about: "name of the node"}, {name: "term", about: "primary term", right: true, extra: true},
		{name: "durability", about: "when a write is acknowledged", extra: true}, {name: "unassigned.reason", about: "why it is not started", extra: true},
		{name: "slots", about: "slots that it owns", extra: true}, {name: "copy", about: "number of the copy", extra: true},
		{name: "insync", about: "* holds every acknowledged write", extra: true},
		{name: "hash", about: "hash over all that was applied: equal on copies with the same seq", extra: true},
	}},
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

func mark(yes bool) string {
	if yes {
		return "*"
	}
	return "-"
}

func dash(text string) string { return cmp.Or(text, "-") }
