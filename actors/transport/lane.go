package transport

import (
	"context"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/mem"
)

// stream carries messages both ways, in order, until it ends.
type stream interface {
	// send takes a message over. One goroutine at a time. It may block while much is on its way.
	send(message mem.BufferSlice) error
	// recv waits for a message, which the caller frees. One goroutine at a time.
	recv() (mem.BufferSlice, error)
}

// lane is the sending half of one stream: it spends the credit that the receiver granted, and gathers frames into messages.
// All methods may be called concurrently.
//
//	post ─► queue ─┬─ idle: sent at once, by whoever posted, unless gather is set
//	               └─ else: by drain, which takes all that has gathered as one message
//
// Invariants, under mu:
//
//  1. Bytes posted and not yet granted back are at most window, or a quarter more, or one message longer than that.
//  2. While sending is set exactly one goroutine is on its way to take the queue; while it is not the queue is empty.
//  3. A waiter is in line only while it cannot be afforded, and nobody passes it.
type lane struct {
	stream stream
	window int
	broken func(error) // tells the owner that the stream failed
	silent func() bool // isolation: what is posted vanishes
	gather atomic.Bool // many post at the same time: let those who are about to share one message

	mu      sync.Mutex
	credit  int // what may be posted yet; below zero after a long message
	queue   []part
	queued  int // bytes in queue
	sending bool
	running bool          // drain has been started
	wake    chan struct{} // drain's; holds one
	ended   bool
	line    []*waiter
	gone    chan struct{} // closed with ended
	drains  sync.WaitGroup

	unwritten atomic.Int64 // bytes given to the stream that have not reached the socket's buffer
	pools     [2]written   // what frees bodies, and what frees buffers
}

// part is a piece of a message: frames, or the body that belongs to the head at the end of the part before.
type part struct {
	buffer *[]byte
	pooled bool
	open   bool // ends with a head whose body is the next part
}

// waiter is a message that waits for credit.
type waiter struct {
	need   int
	ready  chan struct{} // closed, under mu, when the credit has been taken
	served bool
}

const (
	copyBytes    = 4 << 10   // bodies up to here are copied behind their head
	messageBytes = 256 << 10 // a message is closed when it has so many
	directBytes  = 32 << 10  // with less than this unwritten a stream does not block
)

func newLane(s stream, window int, broken func(error)) *lane {
	l := &lane{stream: s, window: window, credit: window, broken: broken, silent: never, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	l.pools = [2]written{{lane: l}, {lane: l, pooled: true}}
	return l
}

func never() bool { return false }

// crowd is how many calls are under way, from which on what they send is gathered. Fewer would wait for each other in vain.
const crowd = 8

// share says how many are about to post.
func (l *lane) share(users int) {
	if many := users >= crowd; l.gather.Load() != many {
		l.gather.Store(many)
	}
}

// open sets the window that the receiver granted. Nothing has been posted before.
func (l *lane) open(window int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window, l.credit = window, window
}

// sizeOf is what a message costs, heads included.
func sizeOf(f *frame) int {
	chunks := max(1, (len(f.body)+chunkBytes-1)/chunkBytes)
	return chunks*f.form.headSize() + len(f.body)
}

// affords says whether so many bytes may be posted. What is longer than the credit goes when the stream is nearly idle: the
// receiver grants by quarters of the window.
func (l *lane) affords(size int) bool {
	return size <= l.credit || l.credit >= l.window-l.window/4
}

// post sends a frame if there is credit, else it gives ErrFull; it takes the body over. ErrNoPeer: the stream has ended.
func (l *lane) post(f *frame) error {
	size := sizeOf(f)
	l.mu.Lock()
	switch {
	case l.ended:
		l.mu.Unlock()
		return ErrNoPeer
	case !f.form.charged():
	case len(l.line) > 0 || !l.affords(size):
		l.mu.Unlock()
		return ErrFull
	default:
		l.credit -= size
	}
	l.load(f)
	l.depart()
	return nil
}

// await is post that waits for credit, in line.
func (l *lane) await(ctx context.Context, f *frame) error {
	size := sizeOf(f)
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return ErrNoPeer
	}
	if len(l.line) == 0 && l.affords(size) {
		l.credit -= size
		l.load(f)
		l.depart()
		return nil
	}
	w := &waiter{need: size, ready: make(chan struct{})}
	l.line = append(l.line, w)
	l.mu.Unlock()
	select {
	case <-w.ready:
	case <-l.gone:
		return ErrNoPeer
	case <-ctx.Done():
		l.leave(w)
		return ctx.Err()
	}
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return ErrNoPeer
	}
	l.load(f)
	l.depart()
	return nil
}

// leave takes a waiter out of the line, or gives back what it was served.
func (l *lane) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.served {
		l.credit += w.need
	}
	for i, other := range l.line {
		if other == w {
			l.line = append(l.line[:i], l.line[i+1:]...)
			break
		}
	}
	l.serve()
}

// granted adds credit. A receiver that grants more than it took does not widen the window.
func (l *lane) granted(bytes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.credit = min(l.window, l.credit+int(min(bytes, mostBody)))
	l.serve()
}

// serve lets those at the head of the line go who can be afforded.
func (l *lane) serve() {
	for len(l.line) > 0 && l.affords(l.line[0].need) {
		w := l.line[0]
		l.line = l.line[1:]
		l.credit -= w.need
		w.served = true
		close(w.ready)
	}
}

// load puts a frame, in chunks if need be, at the end of the queue. Under mu.
func (l *lane) load(f *frame) {
	if l.silent() {
		return
	}
	for body := f.body; ; body = body[chunkBytes:] {
		part, more := body, len(body) > chunkBytes
		if more {
			part = body[:chunkBytes:chunkBytes]
		}
		head := frame{form: f.form, more: more, traced: f.traced, kind: f.kind, id: f.id, budget: f.budget}
		l.loadChunk(&head, part)
		if !more {
			return
		}
	}
}

func (l *lane) loadChunk(head *frame, body []byte) {
	size := head.form.headSize()
	inline := len(body) <= copyBytes
	if inline {
		size += len(body)
	}
	tail := l.tail(size)
	*tail.buffer = head.appendHead(*tail.buffer, len(body))
	l.queued += head.form.headSize() + len(body)
	if inline {
		*tail.buffer = append(*tail.buffer, body...)
		return
	}
	tail.open = true
	own := body // and not body, which would be on the heap for those that are copied, too
	l.queue = append(l.queue, part{buffer: &own})
}

// tail is a part with room for size bytes more, at the end of the queue.
func (l *lane) tail(size int) *part {
	if n := len(l.queue); n > 0 {
		last := &l.queue[n-1]
		if last.pooled && cap(*last.buffer)-len(*last.buffer) >= size {
			return last
		}
	}
	room := copyBytes
	if l.queued > 0 || size > room {
		room = flatBytes
	}
	buffer := mem.DefaultBufferPool().Get(room)
	*buffer = (*buffer)[:0]
	l.queue = append(l.queue, part{buffer: buffer, pooled: true})
	return &l.queue[len(l.queue)-1]
}

// depart sees to it that the queue leaves. It is called under mu, and unlocks. A short queue of an idle stream is sent here
// and now: the stream takes so much without blocking, and waking another goroutine would cost more than the sending.
func (l *lane) depart() {
	if l.sending || len(l.queue) == 0 {
		l.mu.Unlock()
		return
	}
	l.sending = true
	if !l.gather.Load() && l.queued <= directBytes && l.unwritten.Load() == 0 {
		message := l.take()
		l.mu.Unlock()
		if err := l.stream.send(message); err != nil {
			l.broken(err)
		}
		l.mu.Lock()
		if len(l.queue) == 0 || l.ended {
			l.sending = false
			l.mu.Unlock()
			return
		}
	}
	if !l.running && !l.ended {
		l.running = true
		l.drains.Go(l.drain)
	}
	l.mu.Unlock()
	l.wake <- struct{}{} // it has taken the last one, since it has emptied the queue
}

// drain sends whenever it is woken, until the queue is empty, and ends with the lane. It is one goroutine for all of the lane's
// life: a new one each time would have to grow its stack again.
func (l *lane) drain() {
	for {
		select {
		case <-l.wake:
		case <-l.gone:
			return
		}
		for l.drainOnce() {
		}
	}
}

// drainOnce sends one message, and says whether there may be more.
func (l *lane) drainOnce() bool {
	goruntime.Gosched() // those who are about to post join this message
	l.mu.Lock()
	if len(l.queue) == 0 || l.ended {
		l.sending = false
		l.mu.Unlock()
		return false
	}
	message := l.take()
	l.mu.Unlock()
	if err := l.stream.send(message); err != nil {
		l.broken(err)
	}
	return true
}

// take makes the next message of whole frames. Under mu.
func (l *lane) take() mem.BufferSlice {
	n, bytes := 0, 0
	for n < len(l.queue) && (bytes < messageBytes || l.queue[n-1].open) {
		bytes += len(*l.queue[n].buffer)
		n++
	}
	message := make(mem.BufferSlice, n)
	for i, p := range l.queue[:n] {
		pool := &l.pools[0]
		if p.pooled {
			pool = &l.pools[1]
		}
		message[i] = mem.NewBuffer(p.buffer, pool)
	}
	l.queued -= bytes
	l.unwritten.Add(int64(bytes))
	if n == len(l.queue) {
		clear(l.queue)
		l.queue = l.queue[:0]
	} else {
		l.queue = append([]part(nil), l.queue[n:]...)
	}
	return message
}

// end lets everyone go who waits here, and drops what is queued.
func (l *lane) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		l.queue, l.queued, l.line = nil, 0, nil
		close(l.gone)
	}
}

// written hears when the stream has no more use for a buffer.
type written struct {
	lane   *lane
	pooled bool
}

// Get is never called: nobody asks this pool for a buffer.
func (w *written) Get(length int) *[]byte { return mem.DefaultBufferPool().Get(length) }

// Put is called by whoever frees the buffer last.
func (w *written) Put(buffer *[]byte) {
	w.lane.unwritten.Add(-int64(len(*buffer)))
	if w.pooled {
		mem.DefaultBufferPool().Put(buffer)
	}
}
