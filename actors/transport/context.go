package transport

import (
	"context"
	"sync"
	"time"
)

// callContext is the context of a call that is served: it ends with its session's, at its deadline, and when nobody waits for the call any more.
// Most calls are answered before anybody asks for more than Err. So it is no context of package context until then, which the session's would have
// to know of.
type callContext struct {
	session  context.Context
	deadline time.Time // zero: none

	mu     sync.Mutex
	over   error           // canceled
	inner  context.Context // made when somebody asks for more; what is asked of it then is asked of this one
	cancel context.CancelFunc
}

// Deadline is the call's.
func (c *callContext) Deadline() (time.Time, bool) {
	if theirs, has := c.session.Deadline(); has && (c.deadline.IsZero() || theirs.Before(c.deadline)) {
		return theirs, true
	}
	return c.deadline, !c.deadline.IsZero()
}

// Done is closed when the context ends.
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.whole().Done()
}

// whole makes the inner context. The caller holds the lock.
func (c *callContext) whole() context.Context {
	if c.inner != nil {
		return c.inner
	}
	if c.deadline.IsZero() || c.over != nil {
		c.inner, c.cancel = context.WithCancel(c.session)
	} else {
		c.inner, c.cancel = context.WithDeadline(c.session, c.deadline)
	}
	if c.over != nil {
		c.cancel()
	}
	return c.inner
}

// Err is why the context has ended; nil while it has not.
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return c.inner.Err()
	case c.over != nil:
		return c.over
	case c.session.Err() != nil:
		return c.session.Err()
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return c.whole().Err() // so that it has ended for good
	}
	return nil
}

// Value is the session's. Package context finds by it what Done belongs to.
func (c *callContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.session.Value(key)
}

// end ends the context, unless it has ended.
func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		c.cancel()
	} else if c.over == nil && c.session.Err() == nil {
		c.over = context.Canceled
	}
}
