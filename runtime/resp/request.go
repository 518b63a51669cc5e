package resp

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// request is one command on its way from the parser to its reply. It is the Sink of its own call: results become reply
// bytes inside the shard's turn, possibly on another goroutine, and touch nothing but this request and the atomic budget.
type request struct {
	Call
	cmd      *command
	args     [][]byte // the name first; views into the read buffer
	now      int64    // Unix milliseconds, one reading per batch
	space    int      // the keyspace
	v3       bool     // protocol 3
	silent   bool     // CLIENT REPLY OFF or SKIP
	state    requestState
	part     bool // of a command over several slots
	reread   bool // nothing after it in its batch writes, so it may be asked again
	deferred bool // over the budget: not formatted, to be asked again
	budget   *budget
	out      []byte // the reply
	counted  int64  // of it, by the budget
	sum      int64  // for replies that count
	ends     []int  // in a part of a fanned-out command: where each item of out ends
	fan      *fan   // the parts of a command over several slots
	inline   [1]store.Op
}

// Command is the command's name, for traces.
func (q *request) Command() string { return strings.ToUpper(q.cmd.name) }

type requestState uint8

const (
	stateAnswered requestState = iota // out is the reply
	stateCalling                      // the backend has been, or will be, asked
	stateFanned                       // its parts are asked instead
)

// budget bounds the value bytes that one batch may collect.
type budget struct {
	used  atomic.Int64
	soft  int64 // beyond it, reads that may be asked again are put off
	hard  int64 // for one reply; beyond it, the reply is an error
	first *request

	account *account
	tally   *tally
}

// tally is what the replies of a batch are together, those of its transactions too, and what was taken of the account for them.
type tally struct{ sum, taken atomic.Int64 }

// take counts n bytes of replies more, or refuses them.
func (b *budget) take(n int64) bool {
	sum := b.tally.sum.Add(n)
	more := beyond(sum) - beyond(sum-n)
	if more == 0 {
		return true
	}
	if !b.account.take(more, beyond(sum)) {
		b.tally.sum.Add(-n)
		return false
	}
	b.tally.taken.Add(more)
	return true
}

// force counts what cannot be refused.
func (b *budget) force(n int64) {
	sum := b.tally.sum.Add(n)
	if more := beyond(sum) - beyond(sum-n); more != 0 {
		b.account.force(more)
		b.tally.taken.Add(more)
	}
}

// reset begins anew: what was collected is on its way.
func (b *budget) reset() {
	if b.used.Load() != 0 { // a load costs much less than a store
		b.used.Store(0)
	}
	if b.tally != nil && b.tally.sum.Load() != 0 {
		b.tally.sum.Store(0)
	}
	if b.tally != nil && b.tally.taken.Load() != 0 {
		b.account.give(b.tally.taken.Swap(0))
	}
}

// sparse is the size from which a value counts against soft and hard; smaller ones are bounded by the number of commands.
const sparse = 1 << 10

func (q *request) reset(cmd *command, args [][]byte) {
	q.Slot, q.Reach, q.Err, q.Next, q.Shard = 0, 0, nil, nil, 0
	q.Sink = q
	if q.Txn.Ops == nil {
		q.Txn.Ops = q.inline[:0]
	}
	q.Txn.Ops, q.Txn.Guards, q.Txn.Atomic = q.Txn.Ops[:0], nil, false
	q.Txn.Client, q.Txn.Seq = 0, 0
	q.cmd, q.args, q.out, q.ends, q.fan = cmd, args, q.out[:0], q.ends[:0], nil
	q.state, q.sum, q.counted = stateAnswered, 0, 0
	q.silent, q.part, q.reread, q.deferred = false, false, false, false
}

// release drops what would keep a read buffer or a large reply alive.
func (q *request) release() {
	q.args, q.Call, q.fan, q.cmd = nil, Call{}, nil, nil
	q.inline[0] = store.Op{}
	if cap(q.out) > 1<<10 {
		q.out = nil
	}
}

// op appends an operation to the request's transaction.
func (q *request) op(op store.Op) { q.Txn.Ops = append(q.Txn.Ops, op) }

func (q *request) last(i int) bool { return i == len(q.Txn.Ops)-1 }

// fail makes the reply an error.
func (q *request) fail(err error) { q.out = appendError(q.out[:0], errorText(err)) }

// Result formats one result. A panic in it would take the shard down, so it ends here and becomes an error reply. The first
// operation's begins the reply, also when the call is run again.
func (q *request) Result(i int, r *store.Result) {
	defer q.contain()
	if i == 0 {
		q.out, q.ends, q.sum, q.counted, q.Err, q.deferred = q.out[:0], q.ends[:0], 0, 0, nil, false
	}
	q.cmd.result(q, i, r)
}

func (q *request) contain() {
	if cause := recover(); cause != nil {
		q.Err = &panicError{cause}
	}
}

// bulk appends a value to the reply, unless the budget is used up.
func (q *request) bulk(value []byte) {
	if q.afford(int64(len(value))) {
		q.counted += int64(len(value))
		q.out = appendBulk(q.out, value)
	}
}

func (q *request) afford(n int64) bool {
	if q.Err != nil || q.deferred {
		return false
	}
	if q.cmd.flags&flagGives != 0 { // the value is nowhere else any more
		q.budget.force(n)
		return true
	}
	used := int64(0)
	if n >= sparse || len(q.out) >= sparse {
		used = q.budget.used.Add(n)
	}
	switch {
	case q.reread && q != q.budget.first && used > q.budget.soft:
		q.deferred = true
	case int64(len(q.out))+n > q.budget.hard, !q.reread && used > q.budget.hard:
		q.Err = errLongReply
	case q.budget.take(n):
		return true
	case q.reread && q != q.budget.first:
		q.deferred = true
	default:
		q.Err = errHeld
	}
	return false
}

// settle counts what is not counted yet of a reply that is complete. One for which there is no room, here or in the pool, becomes an
// error; but not one that is given, nor several in one, as SUBSCRIBE's, nor one no longer than an error: that may tell what was done.
func (q *request) settle(room int64) {
	n := int64(len(q.out)) - q.counted
	switch {
	case q.cmd.flags&(flagGives|flagListening) != 0 || len(q.out) <= len(errHeld)+len("-\r\n"):
	case int64(len(q.out)) > room:
		q.out = appendError(nil, string(errLongReply))
	case n <= 0: // LCS gives back room, which is never refused
	case q.budget.take(n):
		return
	default:
		q.out = appendError(nil, string(errHeld))
	}
	q.budget.force(int64(len(q.out)) - q.counted)
}

// holds is the size of the reply, or of its parts.
func (q *request) holds() int64 {
	size := int64(len(q.out))
	if q.fan != nil {
		for _, part := range q.fan.parts {
			size += int64(len(part.out))
		}
	}
	return size
}

// finish completes the reply after the backend has answered.
func (q *request) finish() {
	if q.state == stateFanned {
		q.fan.merge(q)
		return
	}
	if q.state == stateCalling && q.Err != nil {
		q.fail(q.Err)
		return
	}
	if q.state == stateCalling && q.cmd.finish != nil {
		q.cmd.finish(q)
	}
}

// batch is the commands of one read. Batches are pooled by the server, so that an idle connection has none.
type batch struct {
	requests []*request // all ever made; the first used ones belong to this batch
	used     int
	args     [][]byte
	calls    []*Call
	budget   budget
	tally    tally // of the connection's account
	out      []byte
}

var batches = sync.Pool{New: func() any { return new(batch) }}

const keptRequests = 64 // by a pooled batch

func (b *batch) add(cmd *command, args [][]byte) *request {
	if b.used == len(b.requests) {
		b.requests = append(b.requests, &request{budget: &b.budget})
	}
	q := b.requests[b.used]
	b.used++
	q.reset(cmd, args)
	return q
}

// clear makes room for the next commands of the same connection.
func (b *batch) clear() {
	b.used = 0
	b.args, b.calls = b.args[:0], b.calls[:0]
	b.budget.reset()
	b.budget.first = nil
}

// release returns the batch to the pool without references to the connection's memory.
func (b *batch) release() {
	b.clear()
	for _, q := range b.requests {
		if q.cmd != nil {
			q.release()
		}
	}
	b.budget.account, b.budget.tally = nil, nil
	clear(b.args[:cap(b.args)])
	clear(b.calls[:cap(b.calls)])
	if len(b.requests) > keptRequests {
		clear(b.requests[keptRequests:])
		b.requests = b.requests[:keptRequests]
	}
	if cap(b.args) > 16*keptRequests {
		b.args = nil
	}
	if cap(b.out) > 2*flushSize {
		b.out = nil
	}
	batches.Put(b)
}

// ask puts a request whose transaction is ready among the calls.
func (b *batch) ask(q *request, slot shards.Slot) {
	q.Slot = slot
	q.state = stateCalling
	b.calls = append(b.calls, &q.Call)
}
