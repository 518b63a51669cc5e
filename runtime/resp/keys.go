package resp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// keyRows are the commands on keys whatever they hold.
var keyRows = []command{
	{name: "del", arity: -2, flags: flagWrite | flagFan, first: 1, final: -1, step: 1, group: "generic", since: "1.0.0",
		summary: "Deletes one or more keys.", syntax: "key [key ...]", compile: compileDelete, result: countChanged, finish: finishSum},
	{name: "unlink", arity: -2, flags: flagWrite | flagFast | flagFan, first: 1, final: -1, step: 1, group: "generic", since: "4.0.0",
		summary: "Asynchronously deletes one or more keys.", syntax: "key [key ...]", compile: compileDelete, result: countChanged, finish: finishSum},
	{name: "exists", arity: -2, flags: flagRead | flagFast | flagFan, first: 1, final: -1, step: 1, group: "generic", since: "1.0.0",
		summary: "Determines whether one or more keys exist.", syntax: "key [key ...]", compile: compileCount, result: countFound, finish: finishSum},
	{name: "touch", arity: -2, flags: flagRead | flagFast | flagFan, first: 1, final: -1, step: 1, group: "generic", since: "3.2.1",
		summary: "Returns the number of existing keys out of those specified after updating the time they were last accessed.", syntax: "key [key ...]", compile: compileCount, result: countFound, finish: finishSum},
	{name: "type", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "1.0.0",
		summary: "Determines the type of value stored at a key.", syntax: "key", compile: compileGet, result: resultType},
	{name: "rename", arity: 3, flags: flagWrite, first: 1, final: 2, step: 1, group: "generic", since: "1.0.0",
		summary: "Renames a key and overwrites the destination.", syntax: "key newkey", compile: compileRename, result: resultRename},
	{name: "renamenx", arity: 3, flags: flagWrite | flagFast, first: 1, final: 2, step: 1, group: "generic", since: "1.0.0",
		summary: "Renames a key only when the target key name doesn't exist.", syntax: "key newkey", compile: compileRename, result: resultRename},
	{name: "copy", arity: -3, flags: flagWrite | flagDenyOOM, first: 1, final: 2, step: 1, group: "generic", since: "6.2.0",
		summary: "Copies the value of a key to a new key.", syntax: "source destination [DB destination-db] [REPLACE]", compile: compileCopy, result: resultCopy},
	{name: "dump", arity: 2, flags: flagRead, first: 1, final: 1, step: 1, group: "generic", since: "2.6.0",
		summary: "Returns a serialized representation of the value stored at a key.", syntax: "key", compile: compileGet, result: resultDump, finish: finishDump},
	{name: "restore", arity: -4, flags: flagWrite | flagDenyOOM, first: 1, final: 1, step: 1, group: "generic", since: "2.6.0",
		summary: "Creates a key from the serialized representation of a value.", syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]", compile: compileRestore, result: resultRestore},
	{name: "expire", arity: -3, flags: flagWrite | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "1.0.0",
		summary: "Sets the expiration time of a key in seconds.", syntax: "key seconds [NX | XX | GT | LT]", compile: compileExpire, result: resultDone},
	{name: "pexpire", arity: -3, flags: flagWrite | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "2.6.0",
		summary: "Sets the expiration time of a key in milliseconds.", syntax: "key milliseconds [NX | XX | GT | LT]", compile: compileExpire, result: resultDone},
	{name: "expireat", arity: -3, flags: flagWrite | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "1.2.0",
		summary: "Sets the expiration time of a key to a Unix timestamp.", syntax: "key unix-time-seconds [NX | XX | GT | LT]", compile: compileExpire, result: resultDone},
	{name: "pexpireat", arity: -3, flags: flagWrite | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "2.6.0",
		summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.", syntax: "key unix-time-milliseconds [NX | XX | GT | LT]", compile: compileExpire, result: resultDone},
	{name: "persist", arity: 2, flags: flagWrite | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "2.2.0",
		summary: "Removes the expiration time of a key.", syntax: "key", compile: compilePersist, result: resultDone},
	{name: "ttl", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "1.0.0",
		summary: "Returns the expiration time in seconds of a key.", syntax: "key", compile: compileGet, result: resultTTL},
	{name: "pttl", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "2.6.0",
		summary: "Returns the expiration time in milliseconds of a key.", syntax: "key", compile: compileGet, result: resultTTL},
	{name: "expiretime", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "7.0.0",
		summary: "Returns the expiration time of a key as a Unix timestamp.", syntax: "key", compile: compileGet, result: resultTTL},
	{name: "pexpiretime", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "generic", since: "7.0.0",
		summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.", syntax: "key", compile: compileGet, result: resultTTL},
	{name: "object", arity: -2, flags: flagRead, group: "generic", since: "2.2.3", summary: "A container for object introspection commands.", run: runArity,
		subs: []*command{
			{name: "object|encoding", arity: 3, flags: flagRead, first: 2, final: 2, step: 1, since: "2.2.3", summary: "Returns the internal encoding of a Redis object.", syntax: "key", compile: compileObject, result: resultEncoding},
			{name: "object|refcount", arity: 3, flags: flagRead, first: 2, final: 2, step: 1, since: "2.2.3", summary: "Returns the reference count of a value of a key.", syntax: "key", compile: compileObject, result: resultRefcount},
			{name: "object|idletime", arity: 3, flags: flagRead, first: 2, final: 2, step: 1, since: "2.2.3", summary: "Returns the time since the last access to a Redis object.", syntax: "key", compile: compileLook, result: resultIdleTime},
			{name: "object|freq", arity: 3, flags: flagRead, first: 2, final: 2, step: 1, since: "4.0.0", summary: "Returns the logarithmic access frequency counter of a Redis object.", syntax: "key", compile: compileLook, result: resultFreq},
		}},
	{name: "scan", arity: -2, flags: flagRead | flagBarrier | flagNoMulti, group: "generic", since: "2.8.0",
		summary: "Iterates over the key names in the database.", syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]", run: runScan},
	{name: "keys", arity: 2, flags: flagRead | flagBarrier | flagNoMulti, group: "generic", since: "1.0.0",
		summary: "Returns all key names that match a pattern.", syntax: "pattern", run: runKeys},
	{name: "randomkey", arity: 1, flags: flagRead | flagBarrier | flagNoMulti, group: "generic", since: "1.0.0",
		summary: "Returns a random key name from the database.", run: runRandomKey},
	{name: "dbsize", arity: 1, flags: flagRead | flagFast | flagBarrier | flagNoMulti, group: "server", since: "1.0.0",
		summary: "Returns the number of keys in the database.", run: runDBSize},
	{name: "flushdb", arity: -1, flags: flagWrite | flagBarrier | flagNoMulti, group: "server", since: "1.0.0",
		summary: "Removes all keys from the current database.", syntax: "[ASYNC | SYNC]", run: runFlush},
	{name: "flushall", arity: -1, flags: flagWrite | flagBarrier | flagNoMulti, group: "server", since: "1.0.0",
		summary: "Removes all keys from all databases.", syntax: "[ASYNC | SYNC]", run: runFlush},
}

// runArity answers a container without subcommand.
func runArity(_ *conn, q *request) { q.fail(wrongArity(q.cmd)) }

func compileDelete(q *request) error {
	for _, key := range q.args[1:] {
		q.op(store.Op{Kind: store.OpDelete, Key: key})
	}
	return nil
}

func compileCount(q *request) error {
	for _, key := range q.args[1:] {
		q.op(store.Op{Kind: store.OpGet, Key: key})
	}
	return nil
}

func resultType(q *request, _ int, r *store.Result) {
	if r.Found {
		q.out = append(q.out, "+string\r\n"...)
		return
	}
	q.out = append(q.out, "+none\r\n"...)
}

// compileRename leaves a key that is renamed to itself alone, but tells whether it is there.
func compileRename(q *request) error {
	if bytes.Equal(q.args[1], q.args[2]) {
		return compileGet(q)
	}
	op := store.Op{Kind: store.OpRename, Key: q.args[1], Value: q.args[2]}
	if q.cmd.name == "renamenx" {
		op.If = store.IfAbsent
	}
	q.op(op)
	return nil
}

func resultRename(q *request, i int, r *store.Result) {
	same := q.Txn.Ops[i].Kind == store.OpGet
	switch {
	case same && !r.Found:
		q.fail(errNoKey)
	case r.Err != nil && !errors.Is(r.Err, store.ErrConflict):
		q.fail(r.Err)
	case q.cmd.name == "rename":
		q.out = append(q.out, "+OK\r\n"...)
	default:
		q.out = appendInt(q.out, int64(btoi(r.Err == nil && !same)))
	}
}

func compileCopy(q *request) error {
	op := store.Op{Kind: store.OpCopy, If: store.IfAbsent, Key: q.args[1], Value: q.args[2]}
	for i := 3; i < len(q.args); i++ {
		switch word := upper(q.args[i]); {
		case word == "REPLACE":
			op.If = store.Always
		case word == "DB" && i+1 < len(q.args):
			i++
			if n, ok := parseInt(q.args[i]); !ok {
				return errNotInteger
			} else if n != int64(q.space) {
				return errDB
			}
		default:
			return errSyntax
		}
	}
	if bytes.Equal(q.args[1], q.args[2]) {
		return errSameObject
	}
	q.op(op)
	return nil
}

func resultCopy(q *request, _ int, r *store.Result) {
	switch {
	case r.Err == nil:
		q.out = append(q.out, ":1\r\n"...)
	case errors.Is(r.Err, store.ErrConflict) || errors.Is(r.Err, store.ErrNoKey):
		q.out = append(q.out, ":0\r\n"...)
	default:
		q.fail(r.Err)
	}
}

func compileObject(q *request) error {
	q.op(store.Op{Kind: store.OpGet, Key: q.args[2]})
	return nil
}

// compileLook reads a key without counting that as an access.
func compileLook(q *request) error {
	q.op(store.Op{Kind: store.OpGet, Key: q.args[2], WantOld: true})
	return nil
}

// resultIdleTime replies the seconds since the last access, where the keyspace's eviction policy keeps them.
func resultIdleTime(q *request, _ int, r *store.Result) {
	idle, tracked := r.IdleTime()
	_, counted := r.Frequency()
	switch {
	case !r.Found:
		q.out = appendNull(q.out, q.v3)
	case counted:
		q.fail(errCounted)
	case !tracked:
		q.fail(errNotTracked)
	default:
		q.out = appendInt(q.out, idle/1000)
	}
}

func resultFreq(q *request, _ int, r *store.Result) {
	counter, counted := r.Frequency()
	switch {
	case !r.Found:
		q.out = appendNull(q.out, q.v3)
	case !counted:
		q.fail(errNotCounted)
	default:
		q.out = appendInt(q.out, counter)
	}
}

// resultEncoding tells what Redis would choose for such a value; ours are all stored alike.
func resultEncoding(q *request, _ int, r *store.Result) {
	if !r.Found {
		q.out = appendNull(q.out, q.v3)
		return
	}
	q.out = appendBulk(q.out, encodingOf(r.Value))
}

func encodingOf(value []byte) string {
	if _, ok := parseInt(value); ok {
		return "int"
	}
	if len(value) <= 44 {
		return "embstr"
	}
	return "raw"
}

func resultRefcount(q *request, _ int, r *store.Result) {
	if !r.Found {
		q.out = appendNull(q.out, q.v3)
		return
	}
	q.out = append(q.out, ":1\r\n"...)
}

func runRandomKey(c *conn, q *request) {
	key, ok, err := c.s.backend.RandomKey(c.s.context, c.space, nil)
	switch {
	case err != nil:
		q.fail(err)
	case !ok:
		q.out = appendNull(q.out, q.v3)
	default:
		q.out = appendBulk(q.out, key)
	}
}

func runDBSize(c *conn, q *request) {
	n, err := c.size()
	if err != nil {
		q.fail(err)
		return
	}
	q.out = appendInt(q.out, n)
}

// size counts the keys of the keyspace, or of its shards that have their primary here.
func (c *conn) size() (int64, error) {
	if !c.redirects() {
		return c.s.backend.Count(c.s.context, c.space, 0, shards.Slots-1)
	}
	total := int64(0)
	for _, r := range c.s.backend.Nodes(c.space)[0].Ranges {
		n, err := c.s.backend.Count(c.s.context, c.space, r.First, r.Last)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// runFlush deletes every key, one transaction per shard: of this keyspace, or of all. Whoever follows redirections asks
// every node, and empties here the shards that have their primary here.
func runFlush(c *conn, q *request) {
	if len(q.args) > 2 || len(q.args) == 2 && upper(q.args[1]) != "ASYNC" && upper(q.args[1]) != "SYNC" {
		q.fail(errSyntax)
		return
	}
	for place := range c.s.backend.Keyspaces() {
		if q.cmd.name == "flushall" || place == c.space {
			if err := c.deletePrefix(place); err != nil {
				q.fail(err)
				return
			}
		}
	}
	q.out = appendStatus(q.out, "OK")
}

func (c *conn) deletePrefix(place int) error {
	keyspace := &c.s.backend.Keyspaces()[place]
	var calls []*Call
	for i := range keyspace.Shards {
		if first, _ := keyspace.SlotRange(i); place != c.space || c.looksAt(keyspace, i) {
			calls = append(calls, &Call{Slot: first, Sink: discard{}, Txn: store.Txn{Ops: []store.Op{{Kind: store.OpDeletePrefix}}}})
		}
	}
	c.s.backend.Do(c.s.context, place, calls)
	for _, call := range calls {
		if call.Err != nil {
			return call.Err
		}
	}
	return nil
}

// discard is the sink of calls whose results nobody reads.
type discard struct{}

func (discard) Result(int, *store.Result) {}

// spaceOf finds a keyspace by its place or its name.
func (c *conn) spaceOf(arg []byte) (int, error) {
	all := c.s.backend.Keyspaces()
	if n, err := strconv.Atoi(string(arg)); err == nil {
		if n < 0 || n >= len(all) {
			return 0, errDB
		}
		return n, nil
	}
	for i := range all {
		if all[i].Name == string(arg) {
			return i, nil
		}
	}
	return 0, noSpace(arg, all)
}

// spacesNamed bounds the keyspaces that are named to who asked for one that there is not.
const spacesNamed = 20

func noSpace(arg []byte, all []shards.Keyspace) error {
	var names []string
	for i := range all[:min(spacesNamed, len(all))] {
		names = append(names, all[i].Name)
	}
	if len(all) > spacesNamed {
		names = append(names, "...")
	}
	return replyError(fmt.Sprintf("ERR there is no keyspace %.64q; there are %s", arg, strings.Join(names, ", ")))
}
