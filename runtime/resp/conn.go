package resp

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// Buffer sizes in bytes. An idle connection holds idleBuffer; a busy one reads into busyBuffer or, for a long command, into
// what that needs. Replies are written when flushSize has gathered, in pieces of at most pieceSize.
const (
	idleBuffer = 512
	busyBuffer = 16 << 10
	flushSize  = 64 << 10
	pieceSize  = 256 << 10
)

// conn is one client. Its fields belong to the goroutine that serves it, unless they are atomic or said to be guarded.
type conn struct {
	id      int64
	s       *Server
	nc      net.Conn
	in      parser
	v3      bool
	authed  bool
	quit    bool  // close when what is answered has been written
	lost    error // the socket failed
	replies replyMode
	space   int   // the keyspace, as in SELECT
	wrote   int   // slot of its last write in this keyspace, plus 1; 0: none
	now     int64 // of the commands at work, Unix milliseconds
	batch   *batch
	recent  recent
	tx      *transaction
	watched []watched
	sub     *subscriber // nil until the first subscription
	asides  aside

	mapReader bool // has asked for the map of the cluster: see Redirect
	readonly  bool // READONLY: a replica will do for reads
	notices   bool // wants to hear of moves
	noticed   int64

	idle atomic.Int64 // seconds without a read; set by the sweep

	writing sync.Mutex    // held while bytes go to the socket, by the server or by the subscriber's goroutine
	writes  atomic.Uint64 // odd while a write is under way; changes with its progress; read by the sweep
	reads   atomic.Uint64 // counts reads; read by the sweep
	closing atomic.Bool   // do not read any more
	facts   clientFacts   // guarded by its own lock: what CLIENT LIST tells
	swept   sweepMemory   // belongs to the sweep
	account account       // of all that it holds
	kept    holding       // MULTI and WATCH
	names   holding       // subscriptions
	busy    atomic.Bool   // commands are at work
	midway  atomic.Bool   // its client has begun what is not at its end: a command, or MULTI or WATCH

	at     *command                // what it does, or did last
	latest atomic.Pointer[command] // the same at the end of a turn, for CLIENT LIST
	queued atomic.Int64            // commands behind MULTI, plus 1; 0: there is no MULTI
}

// aside is what CLIENT REPLY SKIP and ASKING leave for the command after them.
type aside struct{ skipNext, asked bool }

type replyMode uint8

const (
	replyOn replyMode = iota
	replyOff
)

// serve runs the connection until either side ends it. A panic ends this connection only.
func (c *conn) serve() {
	defer c.end()
	c.in = parser{buf: make([]byte, idleBuffer), limits: &c.s.config, held: holding{account: &c.account}}
	for c.lost == nil && !c.quit {
		if err := c.read(); err != nil && !c.resume(err) {
			return
		}
	}
}

// feeder is a connection that costs less where it hands over all that comes, and not a read at a time.
type feeder interface {
	Feed(room func() []byte, took func(n int) bool) error
}

// read reads and serves, once at least. The error is the socket's.
func (c *conn) read() error {
	if f, can := c.nc.(feeder); can {
		return f.Feed(c.room, c.took)
	}
	n, err := c.nc.Read(c.room())
	if n > 0 {
		c.took(n)
	}
	return err
}

// room is where the next bytes go.
func (c *conn) room() []byte {
	c.in.strict = !c.authed
	return c.in.room(idleBuffer / 2)
}

// took serves what has been read, and says whether to read on.
func (c *conn) took(n int) bool {
	c.in.tail += n
	c.reads.Add(1)
	c.turn()
	c.adapt()
	return c.lost == nil && !c.quit
}

// resume says whether to go on after a failed read. The sweep uses a read deadline to wake a connection, either because it
// shall end or because it has been idle and may give up its buffer.
func (c *conn) resume(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	_ = c.nc.SetReadDeadline(noDeadline) // a socket that fails here fails in the next read as well
	if c.in.idle() && len(c.in.buf) > idleBuffer {
		c.in.reset(idleBuffer)
	}
	return !c.closing.Load()
}

// adapt grows the buffer of a client whose read filled it, so that a pipeline is read, run and answered in one piece, and
// gives up a very large one as soon as it is empty.
func (c *conn) adapt() {
	switch size := len(c.in.buf); {
	case size < busyBuffer && c.in.tail == size:
		c.in.grow(busyBuffer)
	case (size > 64*busyBuffer || c.in.held.size > 64*busyBuffer) && c.in.idle():
		c.in.reset(busyBuffer)
	}
}

// turn handles every complete command that has been read, and writes the replies.
func (c *conn) turn() {
	c.busy.Store(true)
	defer c.busy.Store(false)
	b := batches.Get().(*batch)
	b.budget.account, b.budget.tally = &c.account, &b.tally
	b.budget.soft, b.budget.hard = c.s.config.BatchReply, c.s.config.MaxReply
	c.batch, c.now = b, c.s.backend.Now()
	c.tellMoves(b)
	commands := int64(0)
	for c.lost == nil && !c.quit {
		from := len(b.args)
		args, ok, err := c.in.next(b.args)
		if err == errHeld {
			c.decline(b, err)
			continue
		}
		if err != nil {
			c.refuse(b, err)
			break
		}
		if !ok {
			break
		}
		b.args = args
		commands++
		c.dispatch(b, args[from:len(args):len(args)])
		c.in.strict = !c.authed
		if b.used >= c.s.config.MaxBatch {
			c.execute(b)
		}
	}
	c.execute(b)
	c.flush(b)
	c.s.commands.Add(commands)
	c.batch = nil
	b.release()
	if c.tx == nil && c.watched == nil {
		c.kept.must(0)
	}
	c.tell()
}

// tell leaves for other goroutines how the connection stands at the end of a turn. A load costs much less than a store.
func (c *conn) tell() {
	if begun := c.kept.size > 0 || !c.in.idle(); begun != c.midway.Load() {
		c.midway.Store(begun)
	}
	if c.at != c.latest.Load() {
		c.latest.Store(c.at)
	}
	queued := int64(0)
	if c.tx != nil {
		queued = 1 + int64(len(c.tx.queued))
	}
	if queued != c.queued.Load() {
		c.queued.Store(queued)
	}
}

// decline answers a command with an error before it does anything, and spoils the transaction that it is part of.
func (c *conn) decline(b *batch, err error) {
	if c.tx != nil {
		c.tx.failed = true
	}
	c.answer(b, err)
}

// abort refuses an EXEC and gives up the transaction: its client takes it for over.
func (c *conn) abort(b *batch, err error) {
	c.tx, c.watched = nil, nil
	c.answer(b, replyError("EXECABORT Transaction discarded because of: "+strings.TrimPrefix(errorText(err), "ERR ")))
}

// refuse answers a breach of the protocol and ends the connection.
func (c *conn) refuse(b *batch, err error) {
	c.answer(b, replyError("ERR "+err.Error()))
	c.quit = true
}

func (c *conn) request(b *batch, cmd *command, args [][]byte) *request {
	q := b.add(cmd, args)
	q.now, q.v3, q.space = c.now, c.v3, c.space
	q.silent = c.replies == replyOff || c.asides.skipNext
	q.Reach = c.reach(cmd)
	c.asides = aside{}
	return q
}

// answer replies with an error without running anything.
func (c *conn) answer(b *batch, err error) { c.request(b, &nothing, nil).fail(err) }

// nothing is the command of a reply that belongs to none.
var nothing = command{}

// dispatch checks one command and runs it, queues it, or puts it among the batch's calls.
func (c *conn) dispatch(b *batch, args [][]byte) {
	cmd, err := c.recent.find(args)
	if cmd == nil && fromBrowser(args[0]) {
		c.hangUp()
		return
	}
	c.at = cmd
	if err == nil {
		err = c.admit(cmd)
	}
	if err == nil && c.s.paused.Load() != nil {
		args = c.await(b, cmd, args)
	}
	switch {
	case err != nil && cmd != nil && cmd.name == "exec":
		c.abort(b, err)
	case err != nil:
		c.decline(b, err)
	case c.tx != nil && cmd.flags&flagImmediate == 0:
		c.enqueue(b, cmd, args)
	case cmd.compile != nil:
		apart := c.goesApart(cmd, args)
		if apart {
			c.execute(b)
		}
		c.prepare(b, c.request(b, cmd, args))
		if apart {
			c.execute(b)
		}
	default:
		if cmd.flags&flagBarrier != 0 {
			c.execute(b)
		}
		q := c.request(b, cmd, args)
		c.run(q)
		if cmd.flags&flagImmediate == 0 {
			q.settle(c.s.config.MaxReply)
		}
	}
}

// run runs a command on no key.
func (c *conn) run(q *request) {
	if q.cmd.flags&flagFast != 0 {
		q.cmd.run(c, q)
		return
	}
	begun := time.Now()
	q.cmd.run(c, q)
	c.watchRun(q, begun)
}

// goesApart says that a command's calls may go farther than those of its neighbours, and must not share a batch with them: a
// backend may treat the calls of one shard alike.
func (c *conn) goesApart(cmd *command, args [][]byte) bool {
	if cmd.flags&flagFan == 0 || !c.redirects() {
		return false
	}
	_, same := cmd.slot(args)
	return !same
}

// admit says whether the connection may run a command in its present state.
func (c *conn) admit(cmd *command) error {
	switch {
	case !c.authed && cmd.flags&flagNoAuth == 0:
		return errNoAuth
	case c.sub != nil && !c.v3 && cmd.flags&flagListening == 0 && c.sub.count() > 0:
		return replyError("ERR Can't execute '" + cmd.name + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context")
	case c.tx != nil && cmd.flags&flagNoMulti != 0:
		return errNotInside
	}
	return nil
}

// prepare compiles a command on keys and puts it among the batch's calls.
func (c *conn) prepare(b *batch, q *request) {
	if err := checkKeys(q); err != nil {
		q.fail(err)
		return
	}
	slot, same := q.cmd.slot(q.args)
	if !same {
		if q.cmd.flags&flagFan == 0 {
			q.fail(errCrossSlot)
			return
		}
		c.spread(b, q)
		return
	}
	if err := q.cmd.compile(q); err != nil {
		q.fail(err)
		return
	}
	if len(q.Txn.Ops) > store.MaxOps {
		q.fail(errManyKeys)
		return
	}
	if len(q.Txn.Ops) > 0 {
		b.ask(q, slot)
	}
	if q.cmd.flags&flagWrite != 0 {
		c.wrote = 1 + int(slot)
	}
}

func checkKeys(q *request) error {
	if q.cmd.final == q.cmd.first {
		if len(q.args[q.cmd.first]) > store.MaxKey {
			return errLongKey
		}
		return nil
	}
	var err error
	q.cmd.keys(q.args, func(i int) {
		if len(q.args[i]) > store.MaxKey {
			err = errLongKey
		}
	})
	return err
}

// execute has the backend answer the batch's calls, moves all replies to the output in order, and empties the batch.
func (c *conn) execute(b *batch) {
	for i := b.used - 1; i >= 0 && b.requests[i].cmd.flags&flagWrite == 0; i-- {
		b.requests[i].reread = b.requests[i].state == stateCalling
	}
	if len(b.calls) > 0 {
		b.budget.first = b.requests[0]
		begun := time.Now()
		c.do(b.calls)
		c.watchBatch(b, begun)
		c.now = c.s.backend.Now() // the wait may have been long: times in what comes after it count from here
	}
	for i, q := range b.requests[:b.used] {
		if q.deferred {
			c.flush(b)
			c.again(b, i)
		}
		if q.Err != nil {
			q.Err = c.redirection(q.Reach, q.Slot, q.Err)
		}
		q.finish()
		if !q.silent {
			c.emit(b, q)
		}
	}
	b.clear()
}

// again asks for the reads from place i on that were put off because the budget was used up. Nothing after the first of them
// writes, so the answers are as good as the first ones would have been.
func (c *conn) again(b *batch, i int) {
	b.calls = b.calls[:0]
	b.budget.reset()
	b.budget.first = b.requests[i]
	for _, q := range b.requests[i:b.used] {
		if !q.deferred { // its reply waits for those
			b.budget.force(q.holds())
		}
	}
	for _, q := range b.requests[i:b.used] {
		if q.deferred {
			q.deferred, q.out, q.sum, q.counted = false, q.out[:0], 0, 0
			q.Txn.Ops = q.Txn.Ops[:0]
			if err := q.cmd.compile(q); err != nil {
				panic("resp: a command compiled once and not twice: " + err.Error())
			}
			q.Next, q.Shard = nil, 0
			b.calls = append(b.calls, &q.Call)
		}
	}
	c.do(b.calls)
}

// emit moves one reply to the output. A long one is written from where it is.
func (c *conn) emit(b *batch, q *request) {
	if q.Err != nil {
		c.report(q)
	}
	if len(q.out) < flushSize/2 {
		b.out = append(b.out, q.out...)
		if len(b.out) >= flushSize {
			c.flush(b)
		}
		return
	}
	c.flush(b)
	c.write(q.out)
	q.out = nil
}

// report logs a defect; other failures are the client's to handle.
func (c *conn) report(q *request) {
	var broken *panicError
	if errors.As(q.Err, &broken) {
		c.s.config.Logger.Error("a reply could not be formatted", "command", q.cmd.name, "error", broken)
	}
}

func (c *conn) flush(b *batch) {
	if len(b.out) > 0 {
		c.write(b.out)
		b.out = b.out[:0]
	}
}

// write sends bytes for the connection's own goroutine.
func (c *conn) write(p []byte) {
	switch {
	case c.lost != nil:
	case c.sub != nil:
		c.lost = c.sub.reply(p)
	default:
		c.lost = c.send(p)
	}
}

// send writes in pieces, so that the sweep sees progress. A client that takes nothing blocks it until the sweep closes the
// socket; nothing more is read from that client meanwhile.
func (c *conn) send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.writes.Add(1)
	defer c.writes.Add(1)
	for len(p) > 0 {
		n, err := c.nc.Write(p[:min(len(p), pieceSize)])
		if err != nil {
			return err
		}
		p = p[n:]
		c.writes.Add(2)
	}
	return nil
}
