package resp

import (
	"bytes"
	"strconv"
)

// scanOptions are the words after SCAN cursor.
type scanOptions struct {
	pattern []byte // nil: all
	prefix  []byte // what every match starts with
	count   int
	other   bool // TYPE asks for something else than strings
}

// maxScanCount bounds COUNT, so that one step holds no shard for long, and maxScanBytes the keys that one step replies with, nearly: a
// step may end with any number of keys.
const (
	maxScanCount = 10000
	maxScanBytes = 1 << 20
)

func parseScan(words [][]byte) (o scanOptions, err error) {
	o.count = 10
	for ; len(words) >= 2; words = words[2:] {
		switch upper(words[0]) {
		case "MATCH":
			if len(words[1]) > maxPattern {
				return o, errPattern
			}
			o.pattern = words[1]
			o.prefix = literalPrefix(words[1])
		case "COUNT":
			n, ok := parseInt(words[1])
			if !ok {
				return o, errNotInteger
			}
			if n < 1 {
				return o, errSyntax
			}
			o.count = int(min(n, maxScanCount))
		case "TYPE":
			o.other = upper(words[1]) != "STRING"
		default:
			return o, errSyntax
		}
	}
	if len(words) > 0 {
		return o, errSyntax
	}
	return o, nil
}

// runScan answers one step. It walks the shards in order, and each in key order, so that every key which is there from the
// first step to the last is returned exactly once.
func runScan(c *conn, q *request) {
	id, err := strconv.ParseUint(string(q.args[1]), 10, 64)
	if err != nil {
		q.fail(errCursor)
		return
	}
	o, err := parseScan(q.args[2:])
	if err != nil {
		q.fail(err)
		return
	}
	shard, after, ok := c.s.cursors.recall(c.space, id)
	if !ok {
		q.fail(errCursor)
		return
	}
	var items []byte
	n := 0
	next, err := c.walk(shard, after, o, func(key []byte) (more bool) {
		items = appendBulk(items, key)
		n++
		return len(items) < maxScanBytes
	})
	if err != nil {
		q.fail(err)
		return
	}
	q.out = appendArray(q.out, 2)
	q.out = appendBulk(q.out, strconv.FormatUint(next, 10))
	q.out = appendArray(q.out, n)
	q.out = append(q.out, items...)
}

// sieve gives the keys that match a pattern (nil: all) to visit, in order. The keys that come when comparing may have taken long wait
// until the shard's turn is over, in which others want to be served.
type sieve struct {
	pattern []byte
	visit   func(key []byte)
	steps   int // that comparing has taken at most
	late    [][]byte
}

// maxTurnSteps are compared within a turn: some 50 ms at most.
const maxTurnSteps = 1 << 24

// take looks at one key of the turn.
func (s *sieve) take(key []byte) {
	if s.steps += len(s.pattern) * len(key); s.steps > maxTurnSteps {
		s.late = append(s.late, bytes.Clone(key))
		return
	}
	if s.pattern == nil || match(s.pattern, key) {
		s.visit(key)
	}
}

// rest looks at those that wait.
func (s *sieve) rest() {
	for _, key := range s.late {
		if match(s.pattern, key) {
			s.visit(key)
		}
	}
}

// walk looks at up to o.count keys from a position on and gives the number of the position behind them; 0 is the end. When visit wants
// no more it still gets those of the same step of the backend.
func (c *conn) walk(shard int, after []byte, o scanOptions, visit func(key []byte) (more bool)) (uint64, error) {
	keyspace := &c.s.backend.Keyspaces()[c.space]
	total := keyspace.Shards
	more := true
	for left := o.count; shard < total; shard, after = shard+1, nil {
		if !c.looksAt(keyspace, shard) {
			continue
		}
		found := sieve{pattern: o.pattern, visit: func(key []byte) { more = visit(key) }}
		next, err := c.s.backend.Scan(c.s.context, c.space, shard, after, o.prefix, left, func(key []byte) {
			left--
			if !o.other {
				found.take(key)
			}
		})
		found.rest()
		if err != nil {
			return 0, err
		}
		if next != nil {
			return c.s.cursors.remember(c.space, shard, next), nil
		}
		if (left <= 0 || !more) && shard+1 < total {
			return c.s.cursors.remember(c.space, shard+1, nil), nil
		}
	}
	return 0, nil
}

// runKeys visits every key in bounded steps, and refuses a reply that grows beyond the limit.
func runKeys(c *conn, q *request) {
	pattern := q.args[1]
	if len(pattern) > maxPattern {
		q.fail(errPattern)
		return
	}
	prefix := literalPrefix(pattern)
	var items []byte
	n := 0
	keyspace := &c.s.backend.Keyspaces()[c.space]
	for shard := range keyspace.Shards {
		if !c.looksAt(keyspace, shard) {
			continue
		}
		for after := []byte(nil); ; {
			found := sieve{pattern: pattern, visit: func(key []byte) {
				items = appendBulk(items, key)
				n++
			}}
			next, err := c.s.backend.Scan(c.s.context, c.space, shard, after, prefix, 1000, found.take)
			found.rest()
			if err == nil {
				err = c.grown(q, int64(len(items)))
			}
			if err != nil {
				q.fail(err)
				return
			}
			if next == nil {
				break
			}
			after = next
		}
	}
	q.out = append(appendArray(q.out, n), items...)
}

// grown counts a reply that is being gathered and is so long by now; the error says that it must not be.
func (c *conn) grown(q *request, size int64) error {
	switch {
	case size > c.s.config.MaxReply:
		return errLongReply
	case !q.budget.take(size - q.counted):
		return errHeld
	}
	q.counted = size
	return nil
}
