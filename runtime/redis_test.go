package runtime

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// trio starts three members of one cluster in memory, with Redis listeners.
func trio(t *testing.T, redirect string) (nodes []*Node) {
	t.Helper()
	for i := range 3 {
		c := Config{
			Name: fmt.Sprint("n", i+1), Peer: "127.0.0.1:0", RESP: "127.0.0.1:0", Dev: true, Host: fmt.Sprint("h", i), Redirect: redirect,
			Keyspaces: []shards.Keyspace{{Name: "default", Durability: shards.DurabilityMemory, Shards: 6, Replicas: 1}},
		}
		if i > 0 {
			c.Join, c.Keyspaces = []string{nodes[0].PeerAddr()}, nil
		}
		nodes = append(nodes, start(t, c))
	}
	return nodes
}

// client is a Redis client that gives each reply on one line.
type client struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

func speak(t *testing.T, n *Node) *client {
	t.Helper()
	nc, err := net.Dial("tcp", n.RESPAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t, nc, bufio.NewReader(nc)}
}

func (c *client) do(words ...string) string {
	c.t.Helper()
	text := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c.nc, text); err != nil {
		c.t.Fatal(err)
	}
	return c.reply()
}

func (c *client) reply() string {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Minute)) // a socket that fails here fails in the read
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	line = strings.TrimSpace(line)
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '$':
		if n < 0 {
			return "nil"
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, text); err != nil {
			c.t.Fatal(err)
		}
		return string(text[:n])
	case '*', '>', '%':
		var parts []string
		if line[0] == '%' {
			n *= 2
		}
		for range n {
			parts = append(parts, c.reply())
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return line[1:]
}

// eventually asks until the answer is what it must become.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); !holds(); <-again.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// spread waits until the shards of a keyspace are led by more nodes than one, and every one has its replica.
func spread(t *testing.T, nodes []*Node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "every shard is led, followed, and not all by one node", func() bool {
			drawn := newRedis(n).Nodes(0)
			leaders, slots := 0, 0
			for i := range drawn {
				for _, r := range drawn[i].Ranges {
					if len(r.Replicas) > 0 {
						slots += int(r.Last-r.First) + 1
					}
				}
				if len(drawn[i].Ranges) > 0 {
					leaders++
				}
			}
			return leaders == 3 && slots == shards.Slots
		})
	}
}

// elsewhere is a key whose shard node n does not lead.
func elsewhere(n *Node) (key, leader string) {
	r := newRedis(n)
	for i := 0; ; i++ {
		key := "k" + strconv.Itoa(i)
		if leader, here := r.Primary(0, shards.SlotOf([]byte(key))); !here && leader != "" {
			return key, leader
		}
	}
}

func TestRedisClientsOfACluster(t *testing.T) {
	nodes := trio(t, RedirectAuto)
	spread(t, nodes)
	plain, mapped := speak(t, nodes[0]), speak(t, nodes[0])
	key, leader := elsewhere(nodes[0])
	if got := plain.do("SET", key, "v"); got != "OK" {
		t.Errorf("a forwarded SET gave %q", got)
	}
	if got := speak(t, nodes[2]).do("GET", key); got != "v" {
		t.Errorf("another node read %q", got)
	}
	if got := plain.do("WAIT", "1", "0"); got != "1" {
		t.Errorf("WAIT gave %q", got)
	}
	mapped.do("CLUSTER", "SLOTS")
	eventually(t, "a client that knows the slots is sent to the key's leader", func() bool { // which may change: shards are still being spread
		key, leader = elsewhere(nodes[0])
		at := ""
		for _, n := range nodes {
			if string(n.id.Node) == leader {
				at = n.RESPAddr()
			}
		}
		return mapped.do("SET", key, "v") == fmt.Sprintf("MOVED %d %s", shards.SlotOf([]byte(key)), at)
	})
	if got := plain.do("SET", key, "v"); got != "OK" {
		t.Errorf("a forwarded SET gave %q", got)
	}
	mapped.do("READONLY")
	if got := mapped.do("GET", key); got != "v" && got != "nil" && !strings.HasPrefix(got, "MOVED ") { // a replica may be behind
		t.Errorf("GET after READONLY gave %q", got)
	}
	if info := plain.do("CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") || !strings.Contains(info, "cluster_size:3") {
		t.Errorf("CLUSTER INFO: %s", info)
	}
	if role := plain.do("ROLE"); !strings.HasPrefix(role, "[master ") {
		t.Errorf("ROLE: %s", role)
	}

	listener := speak(t, nodes[1])
	listener.do("SUBSCRIBE", "news")
	if got := plain.do("PUBLISH", "news", "hello"); got != "0" { // nobody listens on this node
		t.Errorf("PUBLISH gave %q", got)
	}
	if got := listener.reply(); got != "[message news hello]" {
		t.Errorf("the subscriber of another node got %q", got)
	}
}

// A client that asked for it is told when a node leaves its shards to others.
func TestRedisClientsHearOfMoves(t *testing.T) {
	nodes := trio(t, RedirectNever)
	spread(t, nodes)
	c := speak(t, nodes[0])
	c.do("HELLO", "3")
	if got := c.do("CLIENT", "MAINT_NOTIFICATIONS", "ON"); got != "OK" {
		t.Fatalf("MAINT_NOTIFICATIONS gave %q", got)
	}
	if err := nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a notice before a reply", func() bool {
		got := c.do("PING")
		if got == "PONG" {
			return false
		}
		if !strings.HasPrefix(got, "[SMIGRATED ") || !strings.Contains(got, "["+nodes[0].RESPAddr()+" ") || c.reply() != "PONG" {
			t.Fatalf("the notice is %q", got)
		}
		return true
	})
}
