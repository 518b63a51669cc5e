package resp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// drawn is a local backend that says it is one of six nodes: two that lead and follow each other, one that only follows, one
// that is suspected, one that is dead, and one that serves no Redis protocol. Slots 16000 to 16383 have no primary.
type drawn struct{ *localBackend }

func (d drawn) Nodes(int) []Node {
	node := func(i int, n Node, ranges ...SlotRange) Node {
		n.ID, n.Name, n.Host, n.Bus, n.Epoch, n.Ranges = nodeID(i), fmt.Sprint("n", i), fmt.Sprint("10.0.0.", i), 7300+i, uint64(i), ranges
		if n.Port == 0 && i != 6 {
			n.Port = 7400 + i
		}
		return n
	}
	follow := func(first, last shards.Slot, ids ...int) SlotRange {
		r := SlotRange{First: first, Last: last}
		for _, i := range ids {
			r.Replicas = append(r.Replicas, nodeID(i))
		}
		return r
	}
	return []Node{
		node(1, Node{Offset: 10}, follow(0, 999, 2), follow(1000, 1999, 2), follow(2000, 2000, 2, 3), follow(6000, 6999, 3, 2), follow(12000, 12999, 5, 6)),
		node(2, Node{Offset: 20, Since: 1000, Heard: 2000}, follow(2001, 5999, 1), follow(7000, 11999, 3)),
		node(3, Node{Offset: 30, Since: 1001, Heard: 2001}),
		node(4, Node{Suspect: true, Missed: 2, Since: 1002, Heard: 2002}, follow(13000, 13999, 1)),
		node(5, Node{Down: true, Broken: true, Missed: 4, Heard: 2003}),
		node(6, Node{Since: 1004, Heard: 2004}, follow(14000, 15999, 1, 2)),
	}
}

func (d drawn) Facts() Facts {
	f := d.localBackend.Facts()
	f.NodeID, f.Epoch = nodeID(1), 99
	return f
}

// The groups of CLUSTER SHARDS hold each slot once, with the node that CLUSTER SLOTS names as its master.
func TestTopologyIsConsistent(t *testing.T) {
	s, _ := startServer(t, drawn{newLocalBackend(16, "default")}, Config{})
	top := (&conn{s: s}).topology()
	owner := map[shards.Slot]*Node{}
	for _, r := range top.ranges {
		for slot := r.first; slot <= r.last; slot++ {
			owner[slot] = r.master
		}
	}
	for _, g := range top.groups() {
		for _, r := range g.slots {
			for slot := r.first; slot <= r.last; slot++ {
				if owner[slot] != g.master {
					t.Fatalf("slot %d: %v and %v, or twice", slot, owner[slot], g.master)
				}
				delete(owner, slot)
			}
		}
	}
	if len(owner) != 0 {
		t.Errorf("%d slots are in no shard", len(owner))
	}
	if assigned, suspected, masters := top.served(); assigned != 16000 || suspected != 1000 || masters != 3 {
		t.Errorf("%d slots, %d suspected, %d masters", assigned, suspected, masters)
	}
}

func TestOperatorCommands(t *testing.T) {
	w := newWorld(t, 3, 12, Config{})
	c := dial(t, w.addrs[1])
	c.expect("+OK", "CLUSTER", "FAILOVER")
	c.expect("+OK", "CLUSTER", "FAILOVER", "takeover")
	c.expect("-ERR syntax error", "CLUSTER", "FAILOVER", "SOON")
	c.expect("-ERR node "+nodeID(2)+" still holds copies", "CLUSTER", "FORGET", nodeID(2))
	c.expect("-ERR Unknown node xyz", "CLUSTER", "FORGET", "xyz")
	c.expect("-ERR I tried hard", "CLUSTER", "FORGET", nodeID(1))
	host, port, _ := strings.Cut(w.addrs[0], ":")
	c.expect("+OK", "CLUSTER", "MEET", host, port)
	c.expect("-ERR no member has this address; a node joins when it is started", "CLUSTER", "MEET", host, "1")
	c.expect("-ERR Invalid node address", "CLUSTER", "MEET", host, "99999")
	if got := strings.Join(w.members[1].asked, "; "); got != "failover 0 false; failover 0 true; forget "+nodeID(2) {
		t.Errorf("the backend was asked for %s", got)
	}
	for _, p := range []*placing{&w.table[0], &w.table[3], &w.table[6], &w.table[9]} {
		p.replicas = nil
	}
	c.expect("-ERR You should send CLUSTER FAILOVER to a replica", "CLUSTER", "FAILOVER")
	alone := dial(t, func() string { _, addr := startServer(t, newLocalBackend(4, "default"), Config{}); return addr }())
	alone.expect("-ERR this node cannot move shards: it is alone", "CLUSTER", "FAILOVER")
	for _, sub := range operatorRows {
		_, name, _ := strings.Cut(sub.name, "|")
		if (refusals[name] != "") != strings.HasPrefix(sub.summary, "Refused: ") {
			t.Errorf("CLUSTER %s: its summary and its refusal disagree", name)
		}
	}
}

// WAIT speaks of the shard that the connection wrote to last.
func TestWaitCountsTheReplicasOfTheLastWrite(t *testing.T) {
	w := newWorld(t, 4, 4, Config{})
	two, one := w.keyOn(0, "k"), w.keyOn(1, "k")
	w.place(two, func(p *placing) { p.replicas = []int{1, 2} })
	c := dial(t, w.addrs[3])
	c.expect(":1\r\n", "WAIT", "2", "100")
	c.expect("+OK", "SET", two, "v")
	c.expect(":2\r\n", "WAIT", "2", "100")
	c.expect("+OK", "SET", one, "v")
	c.expect(":1\r\n", "WAIT", "2", "100")
	c.expect("$1", "GET", two)
	c.expect(":1\r\n", "WAIT", "2", "100")
	c.expect("+OK", "MULTI")
	c.expect("+QUEUED", "SET", two, "v")
	c.expect("+QUEUED", "WAIT", "2", "0")
	c.expect("*2\r\n+OK\r\n:2\r\n", "EXEC")
	w.mu.Lock()
	w.members[2].down = true
	w.mu.Unlock()
	c.expect(":1\r\n", "WAIT", "2", "100")
	c.expect("-ERR timeout is negative", "WAIT", "1", "-1")
	c.expect("-ERR WAITAOF cannot be used", "WAITAOF", "1", "1", "0")
	c.expect("*2\r\n:0\r\n:0\r\n", "WAITAOF", "0", "1", "0")
	w.data.spaces[0].Durability = shards.DurabilityFsync
	c.expect("*2\r\n:1\r\n:1\r\n", "WAITAOF", "1", "1", "0")
	c.expect("-ERR value is out of range", "WAITAOF", "2", "1", "0")
}

// severed is a node that reaches no majority: all that it knows may be old.
type severed struct{ *localBackend }

func (s severed) Facts() Facts {
	f := s.localBackend.Facts()
	f.Leaderless = true
	return f
}

func TestClusterFailsWithoutAMajority(t *testing.T) {
	_, addr := startServer(t, severed{newLocalBackend(1, "default")}, Config{})
	if info := dial(t, addr).do("CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:fail") {
		t.Error(info)
	}
}
