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
		subs: append([]*command{
			{name: "cluster|info", arity: 2, flags: flagsCluster, since: "3.0.0", summary: "Returns information about the state of a node.", run: runClusterInfo},
			{name: "cluster|myid", arity: 2, flags: flagsCluster, since: "3.0.0", summary: "Returns the ID of a node.", run: runClusterMyID},
			{name: "cluster|slots", arity: 2, flags: flagsCluster | flagBarrier, since: "3.0.0", summary: "Returns the mapping of cluster slots to nodes.", run: runClusterSlots},
			{name: "cluster|shards", arity: 2, flags: flagsCluster | flagBarrier, since: "7.0.0", summary: "Returns the mapping of cluster slots to shards.", run: runClusterShards},
			{name: "cluster|nodes", arity: 2, flags: flagsCluster | flagBarrier, since: "3.0.0", summary: "Returns the cluster configuration for a node.", run: runClusterNodes},
			{name: "cluster|replicas", arity: 3, flags: flagAdmin | flagsCluster, since: "5.0.0", summary: "Lists the replica nodes of a master node.", syntax: "node-id", run: runClusterReplicas},
			{name: "cluster|slaves", arity: 3, flags: flagAdmin | flagsCluster, since: "3.0.0", summary: "Lists the replica nodes of a master node.", syntax: "node-id", run: runClusterReplicas},
			{name: "cluster|links", arity: 2, flags: flagsCluster, since: "7.0.0", summary: "Returns a list of all TCP links to and from peer nodes.", run: runClusterLinks},
			{name: "cluster|count-failure-reports", arity: 3, flags: flagAdmin | flagsCluster, since: "3.0.0", summary: "Returns the number of active failure reports active for a node.", syntax: "node-id", run: runFailureReports},
			{name: "cluster|keyslot", arity: 3, flags: flagsCluster, since: "3.0.0", summary: "Returns the hash slot for a key.", syntax: "key", run: runKeySlot},
			{name: "cluster|countkeysinslot", arity: 3, flags: flagsCluster | flagBarrier | flagNoMulti, since: "3.0.0", summary: "Returns the number of keys in a hash slot.", syntax: "slot", run: runCountKeysInSlot},
			{name: "cluster|getkeysinslot", arity: 4, flags: flagsCluster | flagBarrier | flagNoMulti, since: "3.0.0", summary: "Returns the key names in a hash slot.", syntax: "slot count", run: runGetKeysInSlot},
		}, operatorRows...)},
	{name: "readonly", arity: 1, flags: flagsSession | flagBarrier, group: "cluster", since: "3.0.0", summary: "Enables read-only queries for a connection to a Redis Cluster replica node.", run: runReadOnly},
	{name: "readwrite", arity: 1, flags: flagsSession | flagBarrier, group: "cluster", since: "3.0.0", summary: "Enables read-write queries for a connection to a Redis Cluster replica node.", run: runReadOnly},
	{name: "asking", arity: 1, flags: flagFast | flagBarrier, group: "cluster", since: "3.0.0", summary: "Signals that a cluster client is following an -ASK redirect.", run: runAsking},
}

func runOK(_ *conn, q *request) { q.out = appendStatus(q.out, "OK") }

func unknownNode(id []byte) error { return replyError("ERR Unknown node " + clip(id, 128)) }

func runClusterInfo(c *conn, q *request) {
	t := c.topology()
	assigned, suspected, masters := t.served()
	facts := c.s.backend.Facts()
	epoch := facts.Epoch
	for i := range t.nodes {
		if facts.Epoch == 0 {
			epoch = max(epoch, t.nodes[i].Epoch)
		}
	}
	state := "ok"
	if assigned < shards.Slots || facts.Leaderless {
		state = "fail"
	}
	var text strings.Builder
	for _, line := range []struct {
		name  string
		value any
	}{
		{"state", state}, {"slots_assigned", assigned}, {"slots_ok", assigned - suspected}, {"slots_pfail", suspected},
		{"slots_fail", shards.Slots - assigned}, {"known_nodes", len(t.nodes)}, {"size", masters},
		{"current_epoch", epoch}, {"my_epoch", t.nodes[0].Epoch},
	} {
		fmt.Fprintf(&text, "cluster_%s:%v\r\n", line.name, line.value)
	}
	q.out = appendText(q.out, text.String(), q.v3)
}

func runClusterMyID(c *conn, q *request) {
	q.out = appendBulk(q.out, c.s.backend.Nodes(c.space)[0].ID)
}

func runClusterSlots(c *conn, q *request) {
	c.mapped()
	t := c.topology()
	b := appendArray(q.out, len(t.ranges))
	for _, r := range t.ranges {
		b = appendInt(appendInt(appendArray(b, 3+len(r.replicas)), int64(r.first)), int64(r.last))
		b = r.master.appendPlace(b)
		for _, replica := range r.replicas {
			b = replica.appendPlace(b)
		}
	}
	q.out = b
}

// appendPlace tells where a node is, as CLUSTER SLOTS does.
func (n *Node) appendPlace(b []byte) []byte {
	b = appendInt(appendBulk(appendArray(b, 4), n.Host), int64(n.Port))
	return appendArray(appendBulk(b, n.ID), 0)
}

func runClusterShards(c *conn, q *request) {
	c.mapped()
	groups := c.topology().groups()
	b := appendArray(q.out, len(groups))
	for _, g := range groups {
		b = appendArray(appendBulk(appendMap(b, 2, q.v3), "slots"), 2*len(g.slots))
		for _, r := range g.slots {
			b = appendInt(appendInt(b, int64(r.first)), int64(r.last))
		}
		b = appendArray(appendBulk(b, "nodes"), 1+len(g.replicas))
		b = g.master.appendMember(b, "master", q.v3)
		for _, replica := range g.replicas {
			b = replica.appendMember(b, "replica", q.v3)
		}
	}
	q.out = b
}

// appendMember describes a node as CLUSTER SHARDS does.
func (n *Node) appendMember(b []byte, role string, v3 bool) []byte {
	health := "online"
	if n.Down || n.Suspect {
		health = "fail"
	}
	b = appendMap(b, 7, v3)
	b = appendBulk(appendBulk(b, "id"), n.ID)
	b = appendInt(appendBulk(b, "port"), int64(n.Port))
	b = appendBulk(appendBulk(b, "ip"), n.Host)
	b = appendBulk(appendBulk(b, "endpoint"), n.Host)
	b = appendBulk(appendBulk(b, "role"), role)
	b = appendInt(appendBulk(b, "replication-offset"), n.Offset)
	return appendBulk(appendBulk(b, "health"), health)
}

func runClusterNodes(c *conn, q *request) {
	c.mapped()
	t := c.topology()
	var text strings.Builder
	for i := range t.nodes {
		text.WriteString(t.line(&t.nodes[i]) + "\n")
	}
	q.out = appendText(q.out, text.String(), q.v3)
}

// line describes a node as CLUSTER NODES does.
func (t *topology) line(n *Node) string {
	master, link := "-", "connected"
	if followed := t.followed(n); followed != nil {
		master = followed.ID
	}
	if n.Broken {
		link = "disconnected"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s:%d@%d %s %s 0 %d %d %s", n.ID, n.Host, n.Port, n.Bus, t.flags(n), master, n.Heard, n.Epoch, link)
	for i := 0; i < len(t.ranges); i++ {
		if t.ranges[i].master != n {
			continue
		}
		first := t.ranges[i].first
		for i+1 < len(t.ranges) && t.ranges[i+1].master == n && t.ranges[i+1].first == t.ranges[i].last+1 {
			i++
		}
		if last := t.ranges[i].last; last > first {
			fmt.Fprintf(&text, " %d-%d", first, last)
		} else {
			fmt.Fprintf(&text, " %d", first)
		}
	}
	return text.String()
}

// runClusterReplicas lists the nodes that hold a replica of any slot that the named one leads.
func runClusterReplicas(c *conn, q *request) {
	t := c.topology()
	n := t.named(q.args[2])
	switch {
	case n == nil:
		q.fail(unknownNode(q.args[2]))
		return
	case t.followed(n) != nil:
		q.fail(replyError("ERR The specified node is not a master"))
		return
	}
	var lines []string
	for _, follower := range t.followers(n) {
		lines = append(lines, t.line(follower))
	}
	q.out = appendBulks(q.out, lines...)
}

// runClusterLinks lists the connections with the other nodes. Each carries both directions.
func runClusterLinks(c *conn, q *request) {
	var linked []*Node
	nodes := c.s.backend.Nodes(c.space)
	for i := 1; i < len(nodes); i++ {
		if !nodes[i].Broken && !nodes[i].Down {
			linked = append(linked, &nodes[i])
		}
	}
	b := appendArray(q.out, 2*len(linked))
	for _, n := range linked {
		for _, direction := range []string{"to", "from"} {
			b = appendMap(b, 6, q.v3)
			b = appendBulk(appendBulk(b, "direction"), direction)
			b = appendBulk(appendBulk(b, "node"), n.ID)
			b = appendInt(appendBulk(b, "create-time"), n.Since)
			b = appendBulk(appendBulk(b, "events"), "rw")
			b = appendInt(appendBulk(b, "send-buffer-allocated"), 0)
			b = appendInt(appendBulk(b, "send-buffer-used"), 0)
		}
	}
	q.out = b
}

func runFailureReports(c *conn, q *request) {
	n := c.topology().named(q.args[2])
	if n == nil {
		q.fail(unknownNode(q.args[2]))
		return
	}
	q.out = appendInt(q.out, int64(n.Missed))
}
