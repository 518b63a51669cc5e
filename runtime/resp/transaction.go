package resp

import (
	"errors"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// transactionRows are MULTI and its kin.
var transactionRows = []command{
	{name: "multi", arity: 1, flags: flagFast | flagLoading | flagStale | flagImmediate, group: "transactions", since: "1.2.0", summary: "Starts a transaction.", run: runMulti},
	{name: "exec", arity: 1, flags: flagLoading | flagStale | flagImmediate | flagBarrier, group: "transactions", since: "1.2.0", summary: "Executes all commands in a transaction.", run: runExec},
	{name: "discard", arity: 1, flags: flagFast | flagLoading | flagStale | flagImmediate, group: "transactions", since: "2.0.0", summary: "Discards a transaction.", run: runDiscard},
	{name: "watch", arity: -2, flags: flagFast | flagLoading | flagStale | flagImmediate | flagBarrier, first: 1, final: -1, step: 1, group: "transactions", since: "2.2.0",
		summary: "Monitors changes to keys to determine the execution of a transaction.", syntax: "key [key ...]", run: runWatch},
	{name: "unwatch", arity: 1, flags: flagFast | flagLoading | flagStale, group: "transactions", since: "2.2.0", summary: "Forgets about watched keys of a transaction.", run: runUnwatch},
}

// transaction is what MULTI has queued. EXEC makes one store.Txn of it, so all its keys must share a slot:
//
//	MULTI  SET a 1  PING  INCR a  EXEC   ->   Txn{Guards: watched versions, Ops: [GET probe] SET a 1, INCR a}
//	                                          replies: *3  +OK  +PONG  :2
type transaction struct {
	queued []queued
	bytes  int64 // of what is queued and watched
	failed bool  // a command was refused while queueing
	writes bool
	asked  bool // ASKING came before MULTI
}

type queued struct {
	cmd  *command
	args [][]byte // copies
}

// watched is a key whose version must not have changed when EXEC runs.
type watched struct {
	key     []byte
	version uint64
}

func runMulti(c *conn, q *request) {
	if c.tx != nil {
		q.fail(errNested)
		return
	}
	c.tx = &transaction{asked: q.Reach&ReachAsked != 0, bytes: watchedBytes(c.watched)}
	q.out = appendStatus(q.out, "OK")
}

func runDiscard(c *conn, q *request) {
	if c.tx == nil {
		q.fail(errDiscardAlone)
		return
	}
	c.tx, c.watched = nil, nil
	q.out = appendStatus(q.out, "OK")
}

func runUnwatch(c *conn, q *request) {
	c.watched = nil
	q.out = appendStatus(q.out, "OK")
}

func asked(yes bool) Reach {
	if yes {
		return ReachAsked
	}
	return 0
}

// enqueue copies a command, since the read buffer will be used again before EXEC.
func (c *conn) enqueue(b *batch, cmd *command, args [][]byte) {
	size := c.tx.bytes
	for _, arg := range args {
		size += int64(len(arg)) + keptCost
	}
	if size > c.s.config.MaxRequest || len(c.tx.queued) >= store.MaxOps {
		c.decline(b, errLongQueue)
		return
	}
	if !c.kept.resize(size) {
		c.decline(b, errHeld)
		return
	}
	c.tx.bytes = size
	kept := make([][]byte, len(args))
	for i, arg := range args {
		kept[i] = append([]byte{}, arg...)
	}
	if cmd.compile != nil {
		slot, same := cmd.slot(args)
		err := error(errCrossSlot)
		if same {
			err = c.elsewhere(c.reach(cmd)|asked(c.tx.asked), slot)
		}
		if err != nil {
			c.decline(b, err)
			return
		}
	}
	c.tx.writes = c.tx.writes || cmd.flags&flagWrite != 0
	c.tx.queued = append(c.tx.queued, queued{cmd, kept})
	q := c.request(b, &nothing, nil)
	q.out = appendStatus(q.out, "QUEUED")
}

// runWatch reads the versions of keys.
func runWatch(c *conn, q *request) {
	if c.tx != nil {
		q.fail(errWatchInside)
		return
	}
	slot, same := q.cmd.slot(q.args)
	if !same || len(c.watched) > 0 && shards.SlotOf(c.watched[0].key) != slot {
		q.fail(errCrossSlot)
		return
	}
	if len(c.watched)+len(q.args) > store.MaxOps/2 {
		q.fail(errManyKeys)
		return
	}
	size := watchedBytes(c.watched)
	for _, key := range q.args[1:] {
		size += int64(len(key)) + keptCost
	}
	if size > c.s.config.MaxRequest {
		q.fail(errManyKeys)
		return
	}
	if !c.kept.resize(size) {
		q.fail(errHeld)
		return
	}
	call := &Call{Slot: slot, Reach: q.Reach &^ ReachStale}
	versions := make(versionSink, len(q.args)-1)
	call.Sink = versions
	for _, key := range q.args[1:] {
		if len(key) > store.MaxKey {
			q.fail(errLongKey)
			return
		}
		call.Txn.Ops = append(call.Txn.Ops, store.Op{Kind: store.OpGet, Key: key})
	}
	if c.do([]*Call{call}); call.Err != nil {
		q.fail(c.redirection(call.Reach, slot, call.Err))
		return
	}
	for i, key := range q.args[1:] {
		c.watched = append(c.watched, watched{append([]byte{}, key...), versions[i]})
	}
	q.out = appendStatus(q.out, "OK")
}

// keptCost is what an argument costs that is kept, beside its bytes.
const keptCost = 64

func watchedBytes(all []watched) (size int64) {
	for i := range all {
		size += int64(len(all[i].key)) + keptCost
	}
	return size
}

type versionSink []uint64

func (v versionSink) Result(i int, r *store.Result) {
	v[i] = 0
	if r.Found {
		v[i] = r.Version
	}
}

// execution is the sink of EXEC's transaction: it hands each result to the command that it belongs to.
type execution struct {
	requests []*request // one per queued command
	owner    []*request // of each operation; nil: the probe that tells whether the guards held
	first    []int      // place of the owner's first operation
	conflict bool
}

// Result formats a result into its command's own reply.
func (e *execution) Result(i int, r *store.Result) {
	q := e.owner[i]
	if q == nil {
		e.conflict = errors.Is(r.Err, store.ErrConflict)
		return
	}
	if !e.conflict {
		q.Result(i-e.first[i], r)
	}
}

func runExec(c *conn, q *request) {
	tx, guards := c.tx, c.watched
	if tx == nil {
		q.fail(errExecAlone)
		return
	}
	c.tx, c.watched = nil, nil
	if tx.failed {
		q.fail(errAborted)
		return
	}
	e := &execution{}
	call, err := c.assemble(e, tx, guards)
	if err == nil && len(call.Txn.Ops) > 0 {
		call.Reach = q.Reach | asked(tx.asked)
		if tx.writes || len(guards) > 0 {
			call.Reach &^= ReachStale
			c.wrote = 1 + int(call.Slot)
		}
		c.do([]*Call{call})
		err = c.redirection(call.Reach, call.Slot, call.Err)
	}
	switch {
	case err != nil:
		q.fail(err)
	case e.conflict:
		q.out = appendNullArray(q.out, c.v3)
	default:
		c.replyExec(q, e)
	}
}

// assemble compiles the queued commands into one call. A command that does not compile fails alone, as in Redis.
func (c *conn) assemble(e *execution, tx *transaction, guards []watched) (*Call, error) {
	call := &Call{Sink: e}
	slot := -1
	for _, w := range guards {
		slot = int(shards.SlotOf(w.key))
		call.Txn.Guards = append(call.Txn.Guards, store.Guard{If: store.IfVersion, Key: w.key, Version: w.version})
	}
	if len(guards) > 0 {
		call.Txn.Ops = append(call.Txn.Ops, store.Op{Kind: store.OpGet, Key: guards[0].key})
		e.owner, e.first = append(e.owner, nil), append(e.first, 0)
	}
	shared := &budget{soft: c.s.config.MaxReply, hard: c.s.config.MaxReply, account: &c.account, tally: &c.batch.tally}
	for _, queued := range tx.queued {
		r := &request{budget: shared}
		r.reset(queued.cmd, queued.args)
		r.now, r.v3, r.space = c.now, c.v3, c.space
		e.requests = append(e.requests, r)
		if queued.cmd.compile == nil {
			continue
		}
		own, _ := queued.cmd.slot(queued.args)
		if slot >= 0 && int(own) != slot {
			return nil, errCrossSlot
		}
		slot = int(own)
		if err := c.compileQueued(r); err != nil {
			r.fail(err)
			continue
		}
		for range r.Txn.Ops {
			e.owner, e.first = append(e.owner, r), append(e.first, len(call.Txn.Ops))
		}
		call.Txn.Ops = append(call.Txn.Ops, r.Txn.Ops...)
	}
	if len(call.Txn.Ops) > store.MaxOps {
		return nil, errLongQueue
	}
	call.Slot = shards.Slot(max(slot, 0))
	return call, nil
}

// compileQueued compiles one queued command. The all-or-nothing of MSETNX must not undo its neighbours as well, so that its
// conditions come first, and keep only its own operations from being done.
func (c *conn) compileQueued(r *request) error {
	if err := checkKeys(r); err != nil {
		return err
	}
	if err := r.cmd.compile(r); err != nil {
		r.Txn.Ops = r.Txn.Ops[:0]
		return err
	}
	if r.Txn.Atomic {
		requireFirst(&r.Txn)
	}
	r.state = stateCalling
	return nil
}

// requireFirst turns an atomic transaction of conditional writes into conditions and unconditional writes.
func requireFirst(t *store.Txn) {
	n := len(t.Ops)
	ops := make([]store.Op, 0, 2*n)
	for i := range t.Ops {
		if t.Ops[i].If != store.Always {
			ops = append(ops, store.Op{Kind: store.OpRequire, If: t.Ops[i].If, Key: t.Ops[i].Key})
		}
	}
	for i := range ops {
		ops[i].Int = int64(len(ops) - 1 - i + n)
	}
	for _, op := range t.Ops {
		op.If = store.Always
		ops = append(ops, op)
	}
	t.Ops, t.Atomic = ops, false
}

// replyExec runs the queued commands that are not on keys and lists all replies.
func (c *conn) replyExec(q *request, e *execution) {
	q.out = appendArray(q.out, len(e.requests))
	for _, r := range e.requests {
		if r.cmd.run != nil {
			r.cmd.run(c, r)
		}
		r.finish()
		r.settle(c.s.config.MaxReply - int64(len(q.out)))
		q.out = append(q.out, r.out...)
		r.out = nil
	}
}
