package resp

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// moves tells clients that shards have another primary now, so that they read the map again at once, and not when a
// connection fails or a minute is over. It is the SMIGRATED push of Redis' maintenance notifications: a client that understands
// it says CLIENT MAINT_NOTIFICATIONS ON on each connection (go-redis does so by itself), and gets with its next reply
//
//	>3  +SMIGRATED  :1764088000123  *1  *3  +n1:7400  +n2:7400  +0-5460,7000
//	                 │                       │          └ who leads them now, and which slots
//	                 │                       └ the node that the connection is with: go-redis looks at no other line
//	                 └ number of the notice: many connections bring the same one
//
// The same lines come once more with each node that is declared dead in the first place: node-redis then gives the commands that wait in
// its connection to that node to the new primary. They waited until it asked for the map by itself, 5 s later.
//
// The zero value is ready. Its methods may be called concurrently.
type moves struct {
	number atomic.Int64 // of the last notice; 0: none yet

	mu      sync.Mutex
	leaders []owned // of the map that the last notice was made of
	told    []target
}

// target is a node and the slots that it leads since the last notice.
type target struct{ at, slots string }

// MapChanged looks whether shards have another primary than at the last call, and if so has the connections told that asked
// for it. Whoever has the Backend's Nodes change calls it. It does not wait.
func (s *Server) MapChanged() {
	t := topologyOf(s.backend.Nodes(0))
	m := &s.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.leaders
	m.leaders = t.ranges
	if before == nil {
		return
	}
	if moved := moved(before, t.ranges); moved != nil {
		m.told = moved
		m.number.Store(max(m.number.Load()+1, s.backend.Now())) // clients pass over numbers that they know, also of an earlier life
	}
}

// moved lists the slots that have a master in after, and had another or none in before, by that master.
func moved(before, after []owned) (all []target) {
	slots := make(map[string][]string)
	var order []string
	note := func(master *Node, first, last int) {
		at := fmt.Sprintf("%s:%d", master.Host, master.Port)
		if slots[at] == nil {
			order = append(order, at)
		}
		text := fmt.Sprint(first)
		if last > first {
			text = fmt.Sprintf("%d-%d", first, last)
		}
		slots[at] = append(slots[at], text)
	}
	old := 0 // the first range of before that does not end before the one of after: both are ascending
	for _, now := range after {
		next := int(now.first)
		for old < len(before) && before[old].last < now.first {
			old++
		}
		for _, was := range before[old:] {
			if was.first > now.last {
				break
			}
			low, high := max(int(was.first), int(now.first)), min(int(was.last), int(now.last))
			if was.master.ID != now.master.ID {
				continue
			}
			if next < low {
				note(now.master, next, low-1)
			}
			next = high + 1
		}
		if next <= int(now.last) {
			note(now.master, next, int(now.last))
		}
	}
	for _, at := range order {
		all = append(all, target{at, strings.Join(slots[at], ",")})
	}
	return all
}

// tellMoves puts the newest notice before the connection's next reply, if it has not had it.
func (c *conn) tellMoves(b *batch) {
	number := c.s.moves.number.Load()
	if !c.notices || c.noticed == number || !c.v3 || c.replies == replyOff {
		return
	}
	c.noticed = number
	from := sources(c.s.backend.Nodes(0))
	m := &c.s.moves
	m.mu.Lock()
	told := slices.Clone(m.told)
	m.mu.Unlock()
	out := appendInt(appendStatus(appendPush(b.out, 3, true), "SMIGRATED"), number)
	out = appendArray(out, len(from)*len(told))
	for _, source := range from {
		for _, one := range told {
			out = appendStatus(appendStatus(appendStatus(appendArray(out, 3), source), one.at), one.slots)
		}
	}
	b.out = out
}

// sources are the nodes that a notice speaks of as those which led the slots: the ones that died, and last the one that tells it.
func sources(nodes []Node) (all []string) {
	for i := range nodes[1:] {
		if n := &nodes[1+i]; n.Down && n.Port != 0 {
			all = append(all, fmt.Sprintf("%s:%d", n.Host, n.Port))
		}
	}
	return append(all, fmt.Sprintf("%s:%d", nodes[0].Host, nodes[0].Port))
}

// runMaintNotifications takes the type of endpoint that the client would like and gives it host and port as everywhere.
func runMaintNotifications(c *conn, q *request) {
	on := upper(q.args[2]) == "ON"
	typed := len(q.args) == 5 && upper(q.args[3]) == "MOVING-ENDPOINT-TYPE"
	switch {
	case !on && upper(q.args[2]) != "OFF", on && len(q.args) != 3 && !typed, !on && len(q.args) != 3:
		q.fail(errSyntax)
	case on && !c.v3:
		q.fail(replyError("ERR maintenance notifications need protocol 3: say HELLO 3 first"))
	default:
		c.notices, c.noticed = on, c.s.moves.number.Load()
		q.out = appendStatus(q.out, "OK")
	}
}
