package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A call's context behaves as one of package context, whenever it is asked for what: each of these is played with Done and children asked for before
// the end, after it, and never.
func TestCallContext(t *testing.T) {
	const limit = time.Second // what ends then has ended a moment later
	ends := []struct {
		name     string
		deadline time.Duration
		end      func(c *callContext, session context.CancelFunc)
		want     error
	}{
		{"caller waits no more", 0, func(c *callContext, _ context.CancelFunc) { c.end() }, context.Canceled},
		{"twice", 0, func(c *callContext, session context.CancelFunc) { c.end(); session(); c.end() }, context.Canceled},
		{"session", 0, func(_ *callContext, session context.CancelFunc) { session() }, context.Canceled},
		{"deadline", limit, func(*callContext, context.CancelFunc) { <-time.After(limit + 1) }, context.DeadlineExceeded},
		{"before the deadline", limit, func(c *callContext, _ context.CancelFunc) { c.end(); <-time.After(limit + 1) }, context.Canceled},
		{"after the deadline", limit, func(c *callContext, session context.CancelFunc) {
			<-time.After(limit + 1)
			_ = c.Err()
			c.end()
			session()
		}, context.DeadlineExceeded},
	}
	for _, e := range ends {
		for _, early := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				session, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "kept"))
				defer cancel()
				c := &callContext{session: session}
				if e.deadline > 0 {
					c.deadline = time.Now().Add(e.deadline)
				}
				if at, has := c.Deadline(); has != (e.deadline > 0) || !at.Equal(c.deadline) {
					t.Errorf("%s: deadline %v, %v", e.name, at, has)
				}
				var child context.Context
				heard := make(chan struct{})
				if early {
					inside, release := context.WithCancel(c)
					defer release()
					child = inside
					defer context.AfterFunc(c, func() { close(heard) })()
					synctest.Wait()
					if c.Err() != nil || child.Err() != nil {
						t.Errorf("%s: ended at once", e.name)
					}
				}
				e.end(c, cancel)
				synctest.Wait()
				if !early {
					inside, release := context.WithCancel(c)
					defer release()
					child = inside
					close(heard)
				}
				if !errors.Is(c.Err(), e.want) || !errors.Is(child.Err(), e.want) || c.Value(key{}) != "kept" {
					t.Errorf("%s, asked before %v: %v, its child %v, value %v", e.name, early, c.Err(), child.Err(), c.Value(key{}))
				}
				<-c.Done()
				<-heard
			})
		}
	}
}
