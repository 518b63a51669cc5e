package resp

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// line describes one client as CLIENT LIST does. cmd is what it does, or did last. Of sizes tot-mem alone is told: all that the client
// holds beyond what is free. The others are there since clients want them to be, as redis-py does.
func (c *conn) line(now time.Time, cmd *command) string {
	multi := c.queued.Load() - 1
	f := &c.facts
	f.mu.Lock()
	defer f.mu.Unlock()
	flags := ""
	for _, mark := range []struct {
		yes  bool
		word string
	}{{f.listens != [kinds]int{}, "P"}, {multi >= 0, "x"}, {f.readonly, "r"}} {
		if mark.yes {
			flags += mark.word
		}
	}
	if flags == "" {
		flags = "N"
	}
	name := "NULL"
	if cmd != nil {
		name = cmd.name
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=0 name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=%d events=r cmd=%s user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
		c.id, f.remote, f.local, f.name, int64(now.Sub(f.since).Seconds()), c.idle.Load(), flags, f.space,
		f.listens[kindChannel], f.listens[kindPattern], f.listens[kindShard], multi, c.account.held.Load(), name, 2+btoi(f.v3), f.library, f.version)
}

func runClientInfo(c *conn, q *request) { q.out = appendText(q.out, c.line(time.Now(), q.cmd), q.v3) }

// clientTypes are what TYPE may ask for: whether clients are of it, and of those whether they listen. Nodes do not speak to each other
// as clients do, so that there are neither masters nor replicas among them.
var clientTypes = map[string]struct{ are, listen bool }{
	"NORMAL": {true, false}, "PUBSUB": {true, true}, "MASTER": {}, "REPLICA": {}, "SLAVE": {},
}

func clientType(word []byte) (string, error) {
	kind := upper(word)
	if _, known := clientTypes[kind]; !known {
		return "", replyError("ERR Unknown client type '" + clip(word, 128) + "'")
	}
	return kind, nil
}

// isOf says whether a client is of a type.
func (c *conn) isOf(kind string) bool {
	t := clientTypes[kind]
	return t.are && t.listen == c.facts.isListening()
}

func runClientList(c *conn, q *request) {
	wanted, kind := map[int64]bool(nil), ""
	words := q.args[2:]
	switch {
	case len(words) == 2 && upper(words[0]) == "TYPE":
		var err error
		if kind, err = clientType(words[1]); err != nil {
			q.fail(err)
			return
		}
	case len(words) >= 2 && upper(words[0]) == "ID":
		wanted = map[int64]bool{}
		for _, word := range words[1:] {
			id, ok := parseInt(word)
			if !ok {
				q.fail(replyError("ERR Invalid client ID"))
				return
			}
			wanted[id] = true
		}
	case len(words) > 0:
		q.fail(errSyntax)
		return
	}
	clients := c.s.snapshot()
	sort.Slice(clients, func(i, j int) bool { return clients[i].id < clients[j].id })
	var text strings.Builder
	now := time.Now()
	for _, other := range clients {
		switch {
		case wanted != nil && !wanted[other.id] || kind != "" && !other.isOf(kind):
		case other == c:
			text.WriteString(c.line(now, q.cmd))
		default:
			text.WriteString(other.line(now, other.latest.Load()))
		}
	}
	q.out = appendText(q.out, text.String(), q.v3)
}

// killFilter is what CLIENT KILL asks for. The old form, an address alone, replies OK or an error; the new one a count.
type killFilter struct {
	id            int64
	kind          string
	remote, local string
	keepMe        bool
	old           bool
}

func parseKill(words [][]byte) (k killFilter, err error) {
	if len(words) == 1 {
		return killFilter{remote: string(words[0]), old: true}, nil
	}
	k.keepMe = true
	if len(words)%2 != 0 {
		return k, errSyntax
	}
	for ; err == nil && len(words) > 0; words = words[2:] {
		err = k.add(upper(words[0]), words[1])
	}
	return k, err
}

func (k *killFilter) add(word string, value []byte) (err error) {
	switch yes := upper(value); word {
	case "ID":
		var ok bool
		if k.id, ok = parseInt(value); !ok || k.id < 1 {
			return replyError("ERR client-id should be greater than 0")
		}
	case "TYPE":
		k.kind, err = clientType(value)
	case "USER":
		if string(value) != "default" { // there is no other
			return replyError("ERR No such user '" + clip(value, 128) + "'")
		}
	case "ADDR":
		k.remote = string(value)
	case "LADDR":
		k.local = string(value)
	case "SKIPME":
		if k.keepMe = yes == "YES"; yes != "YES" && yes != "NO" {
			return errSyntax
		}
	default:
		return errSyntax
	}
	return err
}

func (k *killFilter) hits(c *conn) bool {
	if k.kind != "" && !c.isOf(k.kind) {
		return false
	}
	c.facts.mu.Lock()
	defer c.facts.mu.Unlock()
	return (k.id == 0 || k.id == c.id) && (k.remote == "" || k.remote == c.facts.remote) && (k.local == "" || k.local == c.facts.local)
}

func runClientKill(c *conn, q *request) {
	k, err := parseKill(q.args[2:])
	if err != nil {
		q.fail(err)
		return
	}
	n := int64(0)
	for _, other := range c.s.snapshot() {
		switch {
		case !k.hits(other) || other == c && k.keepMe:
			continue
		case other == c:
			c.quit = true
		default:
			_ = other.nc.Close() // its goroutine ends with the failed read
		}
		n++
	}
	switch {
	case !k.old:
		q.out = appendInt(q.out, n)
	case n == 0:
		q.fail(replyError("ERR No such client"))
	default:
		q.out = appendStatus(q.out, "OK")
	}
}
