package transport

import (
	"context"
	"math"
	"sync"
	"time"
)

// calls are the calls on their way over one link.
type calls struct {
	mu      sync.Mutex
	last    uint64 // id
	pending map[uint64]*call
	ended   bool
	spare   sync.Pool // of *call; the link's own, since a channel made in one synctest bubble may not be used in another
}

// call waits for one answer. It is reused.
type call struct {
	done   chan struct{} // receives once the two below are set
	answer []byte
	err    error
}

// begin registers a call and names it. nil: the link has ended. The lane hears how many there are.
func (c *calls) begin(lane *lane) (uint64, *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, nil
	}
	waiting, reused := c.spare.Get().(*call)
	if !reused {
		waiting = &call{done: make(chan struct{}, 1)}
	}
	c.last++
	c.pending[c.last] = waiting
	lane.share(len(c.pending))
	return c.last, waiting
}

// remove forgets a call; false if it is being answered at this moment.
func (c *calls) remove(id uint64) (*call, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, ok := c.pending[id]
	delete(c.pending, id)
	return waiting, ok
}

// answer ends a call; one that nobody waits for any more is dropped.
func (c *calls) answer(id uint64, body []byte, err error) {
	if waiting, ok := c.remove(id); ok {
		waiting.answer, waiting.err = body, err
		waiting.done <- struct{}{}
	}
}

// end fails all calls, now and later.
func (c *calls) end(err error) {
	c.mu.Lock()
	pending := c.pending
	c.pending, c.ended = nil, true
	c.mu.Unlock()
	for _, waiting := range pending {
		waiting.err = err
		waiting.done <- struct{}{}
	}
}

// result takes what a call that is done brought, and keeps the call for reuse.
func (c *calls) result(done *call) ([]byte, error) {
	answer, err := done.answer, done.err
	done.answer, done.err = nil, nil
	c.spare.Put(done)
	return answer, err
}

// call sends a request over the link and waits for its answer.
func (l *link) call(ctx context.Context, kind Kind, body []byte) ([]byte, error) {
	if len(body) > l.t.config.MaxBody {
		return nil, ErrTooLarge
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lane := l.lanes[Call]
	id, waiting := l.calls.begin(lane)
	if waiting == nil {
		return nil, ErrNoPeer
	}
	request := frame{form: formRequest, kind: kind, id: id, budget: budget(ctx), body: body}
	if m := l.t.config.Messages; m.Busy() {
		l.carry(&request, m.Carried(ctx))
	}
	if err := lane.await(ctx, &request); err != nil {
		if _, unanswered := l.calls.remove(id); !unanswered {
			<-waiting.done // the link's end was quicker
		}
		l.calls.result(waiting)
		return nil, err
	}
	over := ctx.Done()
	if over == nil { // to look at one channel costs much less than at two
		<-waiting.done
		return l.calls.result(waiting)
	}
	select {
	case <-waiting.done:
		return l.calls.result(waiting)
	case <-over:
	}
	if _, unanswered := l.calls.remove(id); !unanswered {
		<-waiting.done
		return l.calls.result(waiting)
	}
	l.calls.result(waiting)
	lane.post(&frame{form: formCancel, id: id})
	return nil, ctx.Err()
}

// budget is how many milliseconds a call has left, at least 1; 0: it has no deadline.
func budget(ctx context.Context) uint32 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	left := (time.Until(deadline) + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(left, 1), math.MaxUint32))
}
