package resp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// The table of Redirect: who gets MOVED, and who is served.
func TestRedirectModes(t *testing.T) {
	for _, mode := range []Redirect{RedirectAuto, RedirectAlways, RedirectNever} {
		w := newWorld(t, 3, 12, Config{Redirect: mode})
		key := w.keyOn(1, "k")
		for _, learn := range [][]string{nil, {"CLUSTER", "SLOTS"}, {"CLUSTER", "SHARDS"}, {"CLUSTER", "NODES"}, {"READONLY"}, {"READWRITE"}, {"ASKING"}, {"CLUSTER", "INFO"}} {
			c := dial(t, w.addrs[0])
			if learn != nil {
				c.do(learn...)
				c.do("PING")
			}
			follows := mode == RedirectAlways || mode == RedirectAuto && learn != nil && learn[len(learn)-1] != "INFO"
			want := "+OK\r\n"
			if follows {
				want = w.moved("MOVED", key, 1)
			}
			t.Run(fmt.Sprint(mode, learn), func(t *testing.T) {
				c.t = t
				c.expect(want, "SET", key, "v")
				if follows {
					c.expect(w.moved("MOVED", key, 1), "WATCH", key)
				} else {
					c.expect("+OK", "WATCH", key)
				}
				c.expect("+RESET", "RESET")
				if mode == RedirectAuto {
					c.expect("+OK", "SET", key, "v") // it has forgotten the map
				}
			})
		}
		if forwarded, _ := w.members[0].counts(); (forwarded == 0) != (mode == RedirectAlways) {
			t.Errorf("%v: %d calls were forwarded", mode, forwarded)
		}
	}
	if _, err := New(newLocalBackend(1, "default"), Config{Redirect: 3}); !errors.Is(err, ErrConfig) {
		t.Errorf("an unknown mode: %v", err)
	}
	for _, mode := range []Redirect{RedirectAuto, RedirectAlways, RedirectNever} {
		var got Redirect
		if text, _ := mode.MarshalText(); got.UnmarshalText(text) != nil || got != mode {
			t.Errorf("%v came back as %v", mode, got)
		}
	}
	if new(Redirect).UnmarshalText([]byte("sometimes")) == nil {
		t.Error("a mode that there is not was read")
	}
}

func TestHandOverIsAnsweredWithAsk(t *testing.T) {
	w := newWorld(t, 3, 12, Config{Redirect: RedirectAlways})
	key := w.keyOn(0, "k")
	w.place(key, func(p *placing) { p.to = 2 })
	from, to := dial(t, w.addrs[0]), dial(t, w.addrs[2])
	from.expect(w.moved("ASK", key, 2), "SET", key, "1")
	to.expect(w.moved("MOVED", key, 0), "SET", key, "1")
	to.expect("+OK", "ASKING")
	to.expect("+OK", "SET", key, "2")
	to.expect(w.moved("MOVED", key, 0), "GET", key) // ASKING is for one command
	to.expect("+OK", "ASKING")
	to.expect("+OK", "MULTI") // or for one transaction
	to.expect("+QUEUED", "GET", key)
	to.expect("+QUEUED", "INCR", key)
	to.expect("*2\r\n$1\r\n2\r\n:3\r\n", "EXEC")
	to.expect(w.moved("MOVED", key, 0), "GET", key)
	w.place(key, func(p *placing) { p.primary, p.to = 2, -1 })
	from.expect(w.moved("MOVED", key, 2), "GET", key)
	to.expect("$1\r\n3\r\n", "GET", key)
}

func TestReadOnlyIsServedByReplicas(t *testing.T) {
	w := newWorld(t, 3, 12, Config{})
	followed, other := w.keyOn(0, "k"), w.keyOn(1, "k")
	dial(t, w.addrs[0]).do("SET", followed, "v")
	c := dial(t, w.addrs[1]) // follows shards of member 0
	c.expect("+OK", "READONLY")
	c.expect("$1\r\nv\r\n", "GET", followed)
	if _, stale := w.members[1].counts(); stale != 1 {
		t.Errorf("%d reads were answered by the replica", stale)
	}
	c.expect("$-1", "GET", other)
	c.expect(w.moved("MOVED", followed, 0), "SET", followed, "x")
	c.expect("+OK", "MULTI")
	c.expect("+QUEUED", "GET", followed)
	c.expect("*1\r\n$1\r\nv\r\n", "EXEC")
	c.expect(w.moved("MOVED", followed, 0), "WATCH", followed) // a version that may be old guards nothing
	c.expect("+OK", "READWRITE")
	c.expect(w.moved("MOVED", followed, 0), "GET", followed)
}

// Redis Cluster refuses a command of another node's while it queues, so that clients find MOVED there.
func TestTransactionsOfAnotherNode(t *testing.T) {
	w := newWorld(t, 3, 12, Config{Redirect: RedirectAlways})
	mine, other := w.keyOn(0, "k"), w.keyOn(1, "k")
	c := dial(t, w.addrs[0])
	c.expect("+OK", "MULTI")
	c.expect("+QUEUED", "PING")
	c.expect(w.moved("MOVED", other, 1), "SET", other, "1")
	c.expect("-EXECABORT", "EXEC")
	c.expect("+OK", "WATCH", mine)
	c.expect("+OK", "MULTI")
	c.expect("+QUEUED", "SET", mine, "1")
	w.place(mine, func(p *placing) { p.primary = 2 }) // moves between queueing and EXEC
	c.expect(w.moved("MOVED", mine, 2), "EXEC")
	c.expect("-ERR EXEC without MULTI", "EXEC")
	c.expect(w.moved("MOVED", mine, 2), "WATCH", mine)
	to := dial(t, w.addrs[2])
	to.expect("$-1", "GET", mine)
}

// A client without a map watches a key, the shard moves to another node, and EXEC holds what WATCH promised there.
func TestWatchAcrossAFailover(t *testing.T) {
	w := newWorld(t, 3, 12, Config{})
	key := w.keyOn(0, "k")
	c, other := dial(t, w.addrs[0]), dial(t, w.addrs[1])
	for _, interfere := range []bool{false, true} {
		c.expect("+OK", "SET", key, "1")
		c.expect("+OK", "WATCH", key)
		w.place(key, func(p *placing) { p.primary = (p.primary + 1) % 3 })
		if interfere {
			other.expect("+OK", "SET", key, "2")
		}
		c.expect("+OK", "MULTI")
		c.expect("+QUEUED", "INCR", key)
		want := "*1\r\n:2\r\n"
		if interfere {
			want = "*-1\r\n"
		}
		c.expect(want, "EXEC")
	}
	c.expect("+OK", "WATCH", key)
	c.expect("+OK", "MULTI")
	c.expect("+QUEUED", "INCR", key)
	w.place(key, func(p *placing) { p.primary = -1 })
	c.expect("-CLUSTERDOWN Hash slot not served", "EXEC") // nothing was done: begin again
	c.expect("-CLUSTERDOWN Hash slot not served", "GET", key)
	w.place(key, func(p *placing) { p.primary = 1 })
	c.expect("$1\r\n2\r\n", "GET", key)
}

func TestCommandsOnNoKey(t *testing.T) {
	w := newWorld(t, 3, 12, Config{})
	whole, part := dial(t, w.addrs[0]), dial(t, w.addrs[0])
	part.do("CLUSTER", "SLOTS")
	mine := 0
	for i := range 60 {
		key := "k" + strconv.Itoa(i)
		whole.expect("+OK", "SET", key, "v")
		mine += btoi(w.table[w.data.spaces[0].ShardOf(shards.SlotOf([]byte(key)))].primary == 0)
	}
	for _, c := range []struct {
		client *client
		want   int
	}{{whole, 60}, {part, mine}} {
		c.client.expect(fmt.Sprintf(":%d\r\n", c.want), "DBSIZE")
		c.client.expect(fmt.Sprintf("*%d\r\n", c.want), "KEYS", "k*")
		if got := strings.Count(c.client.do("SCAN", "0", "COUNT", "1000"), "k"); got != c.want {
			t.Errorf("SCAN gave %d keys, want %d", got, c.want)
		}
	}
	keys := []string{"MGET"}
	for i := range 60 {
		keys = append(keys, "k"+strconv.Itoa(i))
	}
	if got := strings.Count(part.do(keys...), "$1\r\nv\r\n"); got != 60 {
		t.Errorf("MGET over all nodes gave %d values", got)
	}
	part.expect("+OK", "FLUSHDB")
	whole.expect(fmt.Sprintf(":%d\r\n", 60-mine), "DBSIZE")
	part.expect("+OK", "SELECT", "1")
	part.expect("+OK", "SET", w.keyOn(1, "k"), "in another keyspace")
	whole.expect("+OK", "FLUSHALL")
	whole.expect(":0", "DBSIZE")
}

// Shards move all the time while clients count: one kind follows redirections, the other is served by whichever node it
// asks. Each reply is its own command's, in order, and every increment that was answered counts once.
func TestPipelinesWhileShardsMove(t *testing.T) {
	w := newWorld(t, 3, 12, Config{MaxBatch: 7})
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			w.place("k"+strconv.Itoa(i%40), func(p *placing) {
				if p.to < 0 {
					p.to = (p.primary + 1) % 3
				} else {
					p.primary, p.to = p.to, -1
				}
			})
		}
	})
	counts := make([]map[string]int, 4)
	var counting sync.WaitGroup
	for i := range counts {
		counts[i] = map[string]int{}
		counting.Go(func() { countThrough(t, w, i, counts[i]) })
	}
	counting.Wait()
	close(stop)
	moving.Wait()
	c := dial(t, w.addrs[0])
	for i := range 40 {
		key := "k" + strconv.Itoa(i)
		sum := 0
		for _, count := range counts {
			sum += count[key]
		}
		if got := c.do("GET", key); got != fmt.Sprintf("$%d\r\n%d\r\n", len(strconv.Itoa(sum)), sum) {
			t.Errorf("%s is %q, and %d increments were answered", key, got, sum)
		}
	}
}

// countThrough pipelines increments and echoes through one server, repeats elsewhere what it is sent elsewhere for, and
// notes what was answered. Odd clients read the map.
func countThrough(t *testing.T, w *world, number int, done map[string]int) {
	c := dial(t, w.addrs[number%3])
	if number%2 == 1 {
		c.do("CLUSTER", "SLOTS")
	}
	for round := range 60 {
		var text strings.Builder
		for i := range 40 {
			text.WriteString(encode("INCR", "k"+strconv.Itoa(i)) + encode("ECHO", fmt.Sprintf("%d:%d", round, i)))
		}
		c.send(text.String())
		for i := range 40 {
			key, echo := "k"+strconv.Itoa(i), fmt.Sprintf("%d:%d", round, i)
			reply := c.reply()
			switch {
			case reply[0] == ':':
				done[key]++
			case number%2 == 0 || !strings.HasPrefix(reply, "-MOVED ") && !strings.HasPrefix(reply, "-ASK ") && !strings.HasPrefix(reply, "-TRYAGAIN "):
				t.Errorf("client %d: INCR gave %q", number, reply)
			case !strings.HasPrefix(reply, "-TRYAGAIN ") && !strings.Contains(reply, fmt.Sprintf(" %d ", shards.SlotOf([]byte(key)))):
				t.Errorf("client %d: %q is not about %s", number, reply, key)
			}
			if got := c.reply(); got != fmt.Sprintf("$%d\r\n%s\r\n", len(echo), echo) {
				t.Errorf("client %d: ECHO %s gave %q", number, echo, got)
			}
		}
	}
}

// A pipeline in which the client begins to follow redirections, and asks for keys of many nodes in between.
func TestPipelinesKeepTheirReachesApart(t *testing.T) {
	w := newWorld(t, 3, 12, Config{})
	c := dial(t, w.addrs[0])
	mine, other := w.keyOn(0, "k"), w.keyOn(1, "k")
	c.send(encode("SET", other, "1") + encode("READWRITE") + encode("SET", mine, "2") + encode("MGET", mine, other, w.keyOn(2, "k")) + encode("GET", mine) +
		encode("GET", other) + encode("RESET") + encode("GET", other))
	for _, want := range []string{
		"+OK\r\n", "+OK\r\n", "+OK\r\n", "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$-1\r\n", "$1\r\n2\r\n", w.moved("MOVED", other, 1), "+RESET\r\n", "$1\r\n1\r\n",
	} {
		if got := c.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What redirects shall be followed by: the texts that clients for a Redis cluster repeat after a pause.
func TestErrorsThatAreTriedAgain(t *testing.T) {
	b := newLocalBackend(4, "default")
	_, addr := startServer(t, b, Config{})
	c := dial(t, addr)
	for want, err := range map[string]error{
		"-LOADING ":                   &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("shard 3: %w", ErrLoading)},
		"-CLUSTERDOWN because":        &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("because")},
		"-TRYAGAIN the primary of":    &shards.NotPrimaryError{Primary: "n1"},
		"-TRYAGAIN shard 0/0 is":      &HandOverError{To: "n1"},
		"-CLUSTERDOWN Hash slot not ": &shards.NotPrimaryError{},
	} {
		b.fail.Store(&err)
		c.expect(want, "SET", "a", "1")
		c.expect(want, "MGET", "a", "b")
		c.expect("+OK", "MULTI")
		c.expect("+QUEUED", "SET", "a", "1")
		c.expect(want, "EXEC")
	}
}

func TestMessagesReachOtherNodes(t *testing.T) {
	w := newWorld(t, 3, 12, Config{})
	listener, publisher := dial(t, w.addrs[2]), dial(t, w.addrs[0])
	listener.expect("*3\r\n$9\r\nsubscribe", "SUBSCRIBE", "news")
	listener.expect("*3\r\n$10\r\npsubscribe", "PSUBSCRIBE", "n*")
	listener.expect("*3\r\n$10\r\nssubscribe", "SSUBSCRIBE", "news")
	publisher.expect(":0\r\n", "PUBLISH", "news", "one") // nobody listens on this node
	publisher.expect(":0\r\n", "SPUBLISH", "news", "two")
	for _, want := range []string{
		"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n",
		"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$3\r\none\r\n",
		"*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$3\r\ntwo\r\n",
	} {
		if got := listener.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A node that is about to lead a shard waits for its table rather than send the client back where it came from, and one that leads it
// since the moment in which it refused looks again.
func TestShardArrivesWhileItsClientWaits(t *testing.T) {
	for _, at := range []string{"while the node waits", "before it looks whether to wait"} {
		w := newWorld(t, 3, 12, Config{Redirect: RedirectAlways, arrival: time.Minute})
		key, other := w.keyOn(0, "k"), w.keyOn(2, "k")
		c := dial(t, w.addrs[1]) // follows shards of member 0
		asked, moved := make(chan struct{}), &w.table[w.data.spaces[0].ShardOf(shards.SlotOf([]byte(key)))]
		arrive := func() { moved.primary, moved.replicas = 1, []int{0} }
		w.mu.Lock()
		w.members[1].seen = func() {
			if at != "while the node waits" {
				arrive()
			}
			close(asked)
		}
		w.mu.Unlock()
		c.send(encode("SET", key, "1") + encode("GET", other) + encode("INCR", key))
		<-asked
		w.mu.Lock()
		arrive()
		w.mu.Unlock()
		for _, want := range []string{"+OK\r\n", w.moved("MOVED", other, 2), ":2\r\n"} {
			if got := c.reply(); got != want {
				t.Errorf("the table arrives %s: got %q, want %q", at, got, want)
			}
		}
	}
}

// A connection that asked for it hears, with its next reply, which slots have another primary.
func TestConnectionsAreToldOfMoves(t *testing.T) {
	w := newWorld(t, 3, 4, Config{}) // shards of 4096 slots, led by 0 1 2 0
	w.data.now.Store(1000)
	for _, s := range w.servers {
		s.MapChanged()
	}
	c, deaf := dial(t, w.addrs[1]), dial(t, w.addrs[1])
	c.expect("-ERR maintenance notifications need protocol 3", "CLIENT", "MAINT_NOTIFICATIONS", "ON")
	for _, one := range []*client{c, deaf} {
		one.expect("%7", "HELLO", "3")
	}
	c.expect("-ERR syntax", "CLIENT", "MAINT_NOTIFICATIONS", "MAYBE")
	c.expect("+OK", "CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip")
	for _, s := range w.servers {
		s.MapChanged() // nothing has
	}
	c.expect("+PONG", "PING")
	w.mu.Lock()
	w.table[0].primary, w.table[2].primary, w.table[3].replicas = 2, 0, nil
	w.mu.Unlock()
	for _, s := range w.servers {
		s.MapChanged()
	}
	deaf.expect("+PONG", "PING")
	want := fmt.Sprintf(">3\r\n+SMIGRATED\r\n:1000\r\n*2\r\n*3\r\n+%s\r\n+%s\r\n+0-4095\r\n*3\r\n+%s\r\n+%s\r\n+8192-12287\r\n", w.addrs[1], w.addrs[2], w.addrs[1], w.addrs[0])
	if got := c.do("PING"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := c.reply(); got != "+PONG\r\n" {
		t.Errorf("after the notice: %q", got)
	}
	c.expect("+PONG", "PING") // once
	w.mu.Lock()
	w.table[0].primary, w.members[2].down = 0, true
	w.mu.Unlock()
	w.servers[1].MapChanged()
	want = fmt.Sprintf(">3\r\n+SMIGRATED\r\n:1001\r\n*2\r\n*3\r\n+%s\r\n+%s\r\n+0-4095\r\n*3\r\n+%s\r\n+%s\r\n+0-4095\r\n", w.addrs[2], w.addrs[0], w.addrs[1], w.addrs[0])
	if got := c.do("PING"); got != want {
		t.Errorf("after a death: got %q, want %q", got, want)
	}
	if got := c.reply(); got != "+PONG\r\n" {
		t.Errorf("after the notice of a death: %q", got)
	}
	c.expect("+OK", "CLIENT", "MAINT_NOTIFICATIONS", "OFF")
	w.mu.Lock()
	w.table[0].primary = 2
	w.mu.Unlock()
	w.servers[1].MapChanged()
	c.expect("+PONG", "PING")
}

func TestMovedSlots(t *testing.T) {
	nodes := []Node{{ID: "a", Host: "a", Port: 1}, {ID: "b", Host: "b", Port: 2}}
	own := func(first, last shards.Slot, i int) owned { return owned{first: first, last: last, master: &nodes[i]} }
	for name, c := range map[string]struct {
		before, after []owned
		want          string
	}{
		"nothing":           {[]owned{own(0, 9, 0)}, []owned{own(0, 9, 0)}, "[]"},
		"cut in two":        {[]owned{own(0, 9, 0)}, []owned{own(0, 4, 0), own(5, 9, 0)}, "[]"},
		"the end":           {[]owned{own(0, 9, 0)}, []owned{own(0, 4, 0), own(5, 9, 1)}, "[{b:2 5-9}]"},
		"the middle":        {[]owned{own(0, 3, 0), own(4, 4, 1), own(5, 9, 0)}, []owned{own(0, 9, 0)}, "[{a:1 4}]"},
		"both ends":         {[]owned{own(0, 2, 1), own(3, 5, 0), own(6, 9, 1)}, []owned{own(0, 9, 0)}, "[{a:1 0-2,6-9}]"},
		"a primary is back": {[]owned{own(5, 9, 0)}, []owned{own(0, 9, 0)}, "[{a:1 0-4}]"},
		"a primary is lost": {[]owned{own(0, 9, 0)}, []owned{own(5, 9, 0)}, "[]"},
		"exchanged":         {[]owned{own(0, 4, 0), own(5, 9, 1)}, []owned{own(0, 4, 1), own(5, 9, 0)}, "[{b:2 0-4} {a:1 5-9}]"},
	} {
		if got := fmt.Sprint(moved(c.before, c.after)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func BenchmarkMapChanged(b *testing.B) {
	local := newLocalBackend(1000, "default")
	w := &world{data: local, addrs: make([]string, 3)}
	for i := range 1000 {
		w.table = append(w.table, placing{primary: i % 3, to: -1, replicas: []int{(i + 1) % 3}})
	}
	for i := range 3 {
		w.members = append(w.members, &member{localBackend: local, world: w, self: i})
	}
	s, _ := startServer(b, w.members[0], Config{})
	drawn := s.backend.Nodes(0)
	for b.Loop() {
		moved(topologyOf(drawn).ranges, topologyOf(drawn).ranges)
	}
}
