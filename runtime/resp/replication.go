package resp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// replicationRows tell who holds copies.
var replicationRows = []command{
	{name: "wait", arity: 3, flags: flagBarrier, group: "generic", since: "3.0.0", summary: "Returns the number of replicas that hold the writes before it.", syntax: "numreplicas timeout", run: runWait},
	{name: "waitaof", arity: 4, flags: flagBarrier, group: "generic", since: "7.2.0", summary: "Returns whether the writes before it are synced to disk here, and by how many replicas.", syntax: "numlocal numreplicas timeout", run: runWaitAOF},
	{name: "role", arity: 1, flags: flagAdmin | flagFast | flagsCluster, group: "server", since: "2.8.12", summary: "Returns the replication role.", run: runRole},
}

// acknowledged is how many in-sync replicas hold every write of the connection's last shard that was acknowledged; if it has
// not written, of the shard that has the fewest. There is nothing to wait for: a write is answered when all of them have it.
func (c *conn) acknowledged() int {
	nodes := c.s.backend.Nodes(c.space)
	fewest := -1
	for i := range nodes {
		for _, r := range nodes[i].Ranges {
			if slot := shards.Slot(c.wrote - 1); c.wrote > 0 && (slot < r.First || slot > r.Last) {
				continue
			}
			if n := living(nodes, r.Replicas); fewest < 0 || n < fewest {
				fewest = n
			}
		}
	}
	return max(fewest, 0)
}

// living counts those of the nodes that are not declared dead.
func living(nodes []Node, ids []string) (n int) {
	for _, id := range ids {
		n += btoi(slices.ContainsFunc(nodes, func(node Node) bool { return node.ID == id && !node.Down }))
	}
	return n
}

// checkWait refuses words that are not the numbers of WAIT, or of the end of WAITAOF.
func checkWait(numReplicas, timeout []byte) error {
	if _, ok := parseInt(numReplicas); !ok {
		return errNotInteger
	}
	if n, ok := parseInt(timeout); !ok {
		return errTimeout
	} else if n < 0 {
		return errLateTimeout
	}
	return nil
}

func runWait(c *conn, q *request) {
	if err := checkWait(q.args[1], q.args[2]); err != nil {
		q.fail(err)
		return
	}
	q.out = appendInt(q.out, int64(c.acknowledged()))
}

// runWaitAOF counts what an acknowledgement proves: with durability fsync, the disks of all in-sync copies.
func runWaitAOF(c *conn, q *request) {
	local, ok := parseInt(q.args[1])
	if err := checkWait(q.args[2], q.args[3]); err != nil {
		q.fail(err)
		return
	}
	durability := c.s.backend.Keyspaces()[c.space].Durability
	switch {
	case !ok:
		q.fail(errNotInteger)
	case local < 0 || local > 1:
		q.fail(replyError("ERR value is out of range, value must between 0 and 1"))
	case local > 0 && durability == shards.DurabilityMemory:
		q.fail(replyError("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."))
	case durability != shards.DurabilityFsync:
		q.out = appendInt(appendInt(appendArray(q.out, 2), 0), 0)
	default:
		q.out = appendInt(appendInt(appendArray(q.out, 2), 1), int64(c.acknowledged()))
	}
}

func runRole(c *conn, q *request) {
	t := c.topology()
	me := &t.nodes[0]
	if master := t.followed(me); master != nil {
		state := "connected"
		if master.Broken {
			state = "connect"
		}
		b := appendBulk(appendBulk(appendArray(q.out, 5), "slave"), master.Host)
		q.out = appendInt(appendBulk(appendInt(b, int64(master.Port)), state), me.Offset)
		return
	}
	followers := t.followers(me)
	b := appendInt(appendBulk(appendArray(q.out, 3), "master"), me.Offset)
	b = appendArray(b, len(followers))
	for _, n := range followers {
		b = appendBulks(b, n.Host, fmt.Sprint(n.Port), fmt.Sprint(me.Offset))
	}
	q.out = b
}

// infoReplication speaks of the connection's keyspace. In-sync replicas have what was acknowledged, hence lag 0.
func infoReplication(c *conn, f *Facts, text *strings.Builder) {
	t := c.topology()
	me := &t.nodes[0]
	if master := t.followed(me); master != nil {
		link := "up"
		if master.Broken || master.Down {
			link = "down"
		}
		fmt.Fprintf(text, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\nslave_repl_offset:%d\r\nslave_read_only:1\r\n",
			master.Host, master.Port, link, me.Offset)
	} else {
		text.WriteString("role:master\r\n")
	}
	followers := t.followers(me)
	fmt.Fprintf(text, "connected_slaves:%d\r\n", len(followers))
	for i, n := range followers {
		fmt.Fprintf(text, "slave%d:ip=%s,port=%d,state=online,offset=%d,lag=0\r\n", i, n.Host, n.Port, me.Offset)
	}
	fmt.Fprintf(text, "master_failover_state:no-failover\r\nmaster_replid:%s\r\nmaster_repl_offset:%d\r\n", f.NodeID, me.Offset)
}

func infoCluster(c *conn, f *Facts, text *strings.Builder) {
	t := c.topology()
	assigned, suspected, masters := t.served()
	fmt.Fprintf(text, "cluster_enabled:1\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_fail:%d\r\ncluster_current_epoch:%d\r\n",
		len(t.nodes), masters, assigned-suspected, shards.Slots-assigned, f.Epoch)
}
