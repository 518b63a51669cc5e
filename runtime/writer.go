package runtime

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// WriterOptions bound a Writer. The zero value is usable.
type WriterOptions struct {
	// Linger is how long a write waits for others of its shard before the batch is sent. Default 1 ms.
	Linger time.Duration

	// BatchOps and BatchBytes end a batch before Linger has passed, as do Flush, Close, and a write for which there is no room. Default 256
	// operations, 256 KiB of keys and values.
	BatchOps   int
	BatchBytes int

	// MaxPending bounds the operations that have been taken and not reported yet; whoever writes more waits. Default 65,536.
	MaxPending int
}

func (o *WriterOptions) validate() error {
	setDefault(&o.Linger, time.Millisecond)
	setDefault(&o.BatchOps, 256)
	setDefault(&o.BatchBytes, 256<<10)
	setDefault(&o.MaxPending, 1<<16)
	if o.Linger < 0 || o.BatchOps < 1 || o.BatchOps > store.MaxOps || o.BatchBytes < 1 || o.MaxPending < 1 {
		return invalid("writer %+v: linger and bounds must be positive, a batch at most %d operations", *o, store.MaxOps)
	}
	return nil
}

// Writer writes without waiting for each result. It keeps a queue per shard and sends one batch of it at a time, so that writes
// of one key take effect in the order in which they were given, across failovers and retries. What it has taken is never
// dropped: each write is reported, once, with its outcome. Its methods may be called concurrently; the order between
// concurrent calls is theirs to agree on.
//
//	Write ──► queue of the shard ──full, or Linger──► batch ──► primary ──► reports, in order ──► next batch
//	  └ waits while MaxPending are not reported
type Writer struct {
	store   *Store
	options WriterOptions
	room    chan struct{} // holds a value for each operation that is pending

	mu      sync.Mutex
	queues  map[int]*writerQueue   // by shard's index: those with something to do
	idle    *sync.Cond             // signalled when nothing is pending
	answers map[int][]*writerBatch // by shard's index: to be reported, by a goroutine of their own
	pending int
	waiting int // for what lingers to be sent: Flush, Close, and Writes for which there is no room
	closed  bool
	sending sync.WaitGroup
}

// writerQueue is what waits for one shard. A goroutine serves it from its first operation until it is empty.
type writerQueue struct {
	ops   []queuedWrite
	bytes int
	full  chan struct{} // holds a value when a batch need not linger
}

type queuedWrite struct {
	op     store.Op
	report func(Outcome, error)
}

// ErrWriterClosed says that a Writer takes no more.
var ErrWriterClosed = errors.New("runtime: the writer is closed")

// Writer makes a Writer on this keyspace. The error wraps ErrConfig.
func (s *Store) Writer(o WriterOptions) (*Writer, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	w := &Writer{store: s, options: o, room: make(chan struct{}, o.MaxPending), queues: map[int]*writerQueue{}, answers: map[int][]*writerBatch{}}
	w.idle = sync.NewCond(&w.mu)
	return w, nil
}

// Write takes one operation, made with Put, Delete or Increment, and returns; it waits only while too many are pending. report,
// which may be nil, is called once with what came of it, from another goroutine: it must be quick, since what waits to be reported is
// not pending any more, and may write again, but not wait for the Writer (Flush, Close), which waits for it. The
// key's and the value's bytes must not be changed before that. The error says that the operation was not taken: ctx has
// ended, the Writer is closed, or the operation is none (KindInvalid).
func (w *Writer) Write(ctx context.Context, op Op, report func(Outcome, error)) error {
	a := ask{txn: store.Txn{Ops: []store.Op{w.store.node.inner(&op)}}}
	slot, err := a.check()
	if op.op.Kind == 0 && op.guard.If != 0 {
		err = errors.New("a condition alone is nothing to write: use Batch")
	} else if refused := op.check(); refused != nil {
		err = refused
	}
	if err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if err := w.makeRoom(ctx); err != nil {
		return err
	}
	if !w.enqueue(w.store.space.ShardOf(slot), queuedWrite{a.txn.Ops[0], report}) {
		<-w.room
		return ErrWriterClosed
	}
	return nil
}

// makeRoom waits until one more may be pending, and has what lingers sent meanwhile.
func (w *Writer) makeRoom(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case w.room <- struct{}{}:
		return nil
	default:
	}
	w.mu.Lock()
	w.hurry()
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.waiting--
		w.mu.Unlock()
	}()
	select {
	case w.room <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hurry has nothing linger until waiting is lowered again. It is called with the mutex held.
func (w *Writer) hurry() {
	w.waiting++
	for _, q := range w.queues {
		q.hurry()
	}
}

func (w *Writer) enqueue(index int, q queuedWrite) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.pending++
	queue := w.queues[index]
	if queue == nil {
		queue = &writerQueue{full: make(chan struct{}, 1)}
		w.queues[index] = queue
		w.sending.Go(func() { w.send(index, queue) })
	}
	queue.ops = append(queue.ops, q)
	queue.bytes += len(q.op.Key) + len(q.op.Value)
	if len(queue.ops) >= w.options.BatchOps || queue.bytes >= w.options.BatchBytes || w.waiting > 0 {
		queue.hurry()
	}
	return true
}

func (q *writerQueue) hurry() {
	select {
	case q.full <- struct{}{}:
	default:
	}
}

// send serves a queue until it is empty.
func (w *Writer) send(index int, q *writerQueue) {
	wait := time.NewTimer(w.options.Linger)
	defer wait.Stop()
	batch := shard.NewBatch()
	for {
		select {
		case <-q.full:
		case <-wait.C:
		}
		b := w.take(index, q)
		if b == nil {
			return
		}
		task := directory.Task{Shard: w.store.space.id(index), Work: b}
		ctx, span := w.store.enter(context.Background(), "writer batch")
		w.store.node.directory.Do(ctx, []directory.Task{task}, batch)
		span.End(errors.Join(b.errs...))
		w.answered(index, b)
		wait.Reset(w.options.Linger)
	}
}

// take is the next batch; nil if there is nothing more, and the queue is given up then.
func (w *Writer) take(index int, q *writerQueue) *writerBatch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(q.ops) == 0 {
		delete(w.queues, index)
		return nil
	}
	n, bytes := 0, 0
	for n < len(q.ops) && n < w.options.BatchOps && (n == 0 || bytes < w.options.BatchBytes) {
		size := len(q.ops[n].op.Key) + len(q.ops[n].op.Value)
		if n > 0 && bytes+size > store.MaxTxn {
			break // together they would be refused
		}
		bytes += size
		n++
	}
	b := &writerBatch{writes: q.ops[:n:n], txns: make([]store.Txn, n), outcomes: make([]Outcome, n), errs: make([]error, n)}
	for i := range b.writes {
		b.txns[i].Ops = []store.Op{b.writes[i].op}
	}
	q.ops, q.bytes = append([]queuedWrite(nil), q.ops[n:]...), q.bytes-bytes
	if len(q.ops) >= w.options.BatchOps || q.bytes >= w.options.BatchBytes || w.waiting > 0 || w.closed {
		q.hurry()
	}
	return b
}

// answered makes room for others, and has a batch reported behind those of its shard that are not yet: a report that writes again
// may have to wait for room, so nobody who makes some may wait for it.
func (w *Writer) answered(index int, b *writerBatch) {
	for range b.writes {
		<-w.room
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before, reporting := w.answers[index]
	w.answers[index] = append(before, b)
	if !reporting {
		w.sending.Go(func() { w.report(index) })
	}
}

// report reports a shard's batches until there is none.
func (w *Writer) report(index int) {
	for {
		w.mu.Lock()
		if len(w.answers[index]) == 0 {
			delete(w.answers, index)
			w.mu.Unlock()
			return
		}
		b := w.answers[index][0]
		w.answers[index] = w.answers[index][1:]
		w.mu.Unlock()
		b.report()
		w.mu.Lock()
		if w.pending -= len(b.writes); w.pending == 0 {
			w.idle.Broadcast()
		}
		w.mu.Unlock()
	}
}

// Flush sends what waits, and returns when nothing is pending, or with ctx's error.
func (w *Writer) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.idle.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurry()
	defer func() { w.waiting-- }()
	for w.pending > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.idle.Wait()
	}
	return nil
}

// Close takes no more, sends what waits, and returns when everything has been reported, or with ctx's error.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	if err := w.Flush(ctx); err != nil {
		return err
	}
	w.sending.Wait()
	return nil
}

// writerBatch is what is sent together; it implements shard.Work.
type writerBatch struct {
	writes   []queuedWrite
	txns     []store.Txn
	outcomes []Outcome
	errs     []error
}

func (b *writerBatch) Len() int              { return len(b.txns) }
func (b *writerBatch) Txn(i int) *store.Txn  { return &b.txns[i] }
func (b *writerBatch) Fail(i int, err error) { b.errs[i] = err }

func (b *writerBatch) Result(i, _ int, r *store.Result) {
	b.outcomes[i] = Outcome{Version: r.Version, Changed: r.Changed, Int: r.Int}
	b.errs[i] = nil
	if r.Err != nil {
		b.errs[i] = &keyError{outcomeError(r.Err), string(b.writes[i].op.Key)}
	}
}

func (b *writerBatch) report() {
	for i := range b.writes {
		if report := b.writes[i].report; report != nil {
			report(b.outcomes[i], b.errs[i])
		}
	}
}
