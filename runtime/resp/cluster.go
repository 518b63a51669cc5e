package resp

import (
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

const flagsCluster = flagLoading | flagStale

// clusterRows tell Redis Cluster's clients where keys live.
var clusterRows = []command{
	{name: "cluster", arity: -2, group: "cluster", since: "3.0.0", summary: "A container for Redis Cluster commands.", run: runArity,
		subs: []*command{
			{name: "cluster|info", arity: 2, flags: flagsCluster, since: "3.0.0", summary: "Returns information about the state of a node.", run: runClusterInfo},
			{name: "cluster|myid", arity: 2, flags: flagsCluster, since: "3.0.0", summary: "Returns the ID of a node.", run: runClusterMyID},
			{name: "cluster|slots", arity: 2, flags: flagsCluster, since: "3.0.0", summary: "Returns the mapping of cluster slots to nodes.", run: runClusterSlots},
			{name: "cluster|shards", arity: 2, flags: flagsCluster, since: "7.0.0", summary: "Returns the mapping of cluster slots to shards.", run: runClusterShards},
			{name: "cluster|nodes", arity: 2, flags: flagsCluster, since: "3.0.0", summary: "Returns the cluster configuration for a node.", run: runClusterNodes},
			{name: "cluster|keyslot", arity: 3, flags: flagsCluster, since: "3.0.0", summary: "Returns the hash slot for a key.", syntax: "key", run: runKeySlot},
			{name: "cluster|countkeysinslot", arity: 3, flags: flagsCluster | flagBarrier | flagNoMulti, since: "3.0.0", summary: "Returns the number of keys in a hash slot.", syntax: "slot", run: runCountKeysInSlot},
			{name: "cluster|getkeysinslot", arity: 4, flags: flagsCluster | flagBarrier | flagNoMulti, since: "3.0.0", summary: "Returns the key names in a hash slot.", syntax: "slot count", run: runGetKeysInSlot},
			{name: "cluster|count-failure-reports", arity: 3, flags: flagAdmin | flagsCluster, since: "3.0.0", summary: "Returns the number of active failure reports active for a node.", syntax: "node-id", run: runFailureReports},
		}},
	{name: "readonly", arity: 1, flags: flagsSession, group: "cluster", since: "3.0.0", summary: "Enables read-only queries for a connection to a Redis Cluster replica node.", run: runOK},
	{name: "readwrite", arity: 1, flags: flagsSession, group: "cluster", since: "3.0.0", summary: "Enables read-write queries for a connection to a Redis Cluster replica node.", run: runOK},
	{name: "asking", arity: 1, flags: flagFast, group: "cluster", since: "3.0.0", summary: "Signals that a cluster client is following an -ASK redirect.", run: runOK},
}

func runOK(_ *conn, q *request) { q.out = appendStatus(q.out, "OK") }

func runClusterInfo(c *conn, q *request) {
	nodes := c.s.backend.Nodes(c.space)
	assigned, sizes := 0, 0
	epoch := uint64(0)
	for _, n := range nodes {
		sizes += btoi(len(n.Ranges) > 0)
		epoch = max(epoch, n.Epoch)
		for _, r := range n.Ranges {
			assigned += int(r.Last) - int(r.First) + 1
		}
	}
	state := "ok"
	if assigned < shards.Slots {
		state = "fail"
	}
	q.out = appendText(q.out, fmt.Sprintf("cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n"+
		"cluster_known_nodes:%d\r\ncluster_size:%d\r\ncluster_current_epoch:%d\r\ncluster_my_epoch:%d\r\n", state, assigned, assigned, len(nodes), sizes, epoch, nodes[0].Epoch), q.v3)
}

func runClusterMyID(c *conn, q *request) {
	q.out = appendBulk(q.out, c.s.backend.Nodes(c.space)[0].ID)
}

func runClusterSlots(c *conn, q *request) {
	nodes := c.s.backend.Nodes(c.space)
	n := 0
	for _, node := range nodes {
		n += len(node.Ranges)
	}
	b := appendArray(q.out, n)
	for _, node := range nodes {
		for _, r := range node.Ranges {
			b = appendInt(appendInt(appendArray(b, 3), int64(r.First)), int64(r.Last))
			b = appendInt(appendBulk(appendArray(b, 4), node.Host), int64(node.Port))
			b = appendArray(appendBulk(b, node.ID), 0)
		}
	}
	q.out = b
}

func runClusterShards(c *conn, q *request) {
	nodes := c.s.backend.Nodes(c.space)
	b := appendArray(q.out, len(nodes))
	for _, node := range nodes {
		b = appendArray(appendBulk(appendMap(b, 2, q.v3), "slots"), 2*len(node.Ranges))
		for _, r := range node.Ranges {
			b = appendInt(appendInt(b, int64(r.First)), int64(r.Last))
		}
		b = appendMap(appendArray(appendBulk(b, "nodes"), 1), 7, q.v3)
		b = appendBulk(appendBulk(b, "id"), node.ID)
		b = appendInt(appendBulk(b, "port"), int64(node.Port))
		b = appendBulk(appendBulk(b, "ip"), node.Host)
		b = appendBulk(appendBulk(b, "endpoint"), node.Host)
		b = appendBulk(appendBulk(b, "role"), "master")
		b = appendInt(appendBulk(b, "replication-offset"), 0)
		b = appendBulk(appendBulk(b, "health"), "online")
	}
	q.out = b
}

func runClusterNodes(c *conn, q *request) {
	var text strings.Builder
	for i, node := range c.s.backend.Nodes(c.space) {
		self := ""
		if i == 0 {
			self = "myself,"
		}
		fmt.Fprintf(&text, "%s %s:%d@%d %smaster - 0 0 %d connected", node.ID, node.Host, node.Port, node.Bus, self, node.Epoch)
		for _, r := range node.Ranges {
			if r.First == r.Last {
				fmt.Fprintf(&text, " %d", r.First)
			} else {
				fmt.Fprintf(&text, " %d-%d", r.First, r.Last)
			}
		}
		text.WriteByte('\n')
	}
	q.out = appendText(q.out, text.String(), q.v3)
}

func runKeySlot(_ *conn, q *request) { q.out = appendInt(q.out, int64(shards.SlotOf(q.args[2]))) }

func slotArg(arg []byte) (shards.Slot, error) {
	n, ok := parseInt(arg)
	if !ok {
		return 0, errNotInteger
	}
	if n < 0 || n >= shards.Slots {
		return 0, replyError("ERR Invalid slot")
	}
	return shards.Slot(n), nil
}

func runCountKeysInSlot(c *conn, q *request) {
	slot, err := slotArg(q.args[2])
	n := int64(0)
	if err == nil {
		n, err = c.s.backend.Count(c.s.context, c.space, slot, slot)
	}
	if err != nil {
		q.fail(err)
		return
	}
	q.out = appendInt(q.out, n)
}

func runGetKeysInSlot(c *conn, q *request) {
	slot, err := slotArg(q.args[2])
	if err != nil {
		q.fail(err)
		return
	}
	limit, ok := parseInt(q.args[3])
	if !ok {
		q.fail(errNotInteger)
		return
	}
	if limit < 0 {
		q.fail(replyError("ERR Invalid number of keys"))
		return
	}
	var items []byte
	n := 0
	err = c.s.backend.KeysInSlot(c.s.context, c.space, slot, int(min(limit, maxKeysInSlot)), func(key []byte) {
		items = appendBulk(items, key)
		n++
	})
	if err != nil {
		q.fail(err)
		return
	}
	q.out = append(appendArray(q.out, n), items...)
}

// maxKeysInSlot bounds one reply of CLUSTER GETKEYSINSLOT.
const maxKeysInSlot = 1 << 20

func runFailureReports(c *conn, q *request) {
	for _, node := range c.s.backend.Nodes(c.space) {
		if node.ID == string(q.args[2]) {
			q.out = appendInt(q.out, 0)
			return
		}
	}
	q.fail(replyError("ERR Unknown node " + clip(q.args[2], 128)))
}
