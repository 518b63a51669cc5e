package virtual

import (
	"context"
	"errors"
)

// A Turn ends with its handler: what the handler has done is committed then, and what a goroutine that it has left behind does with the Turn would
// be in no commit. It is refused, as well as that can be known: whoever uses a Turn while its handler returns has a race.

// errOver says that the handler has returned.
var errOver = errors.New("virtual: the handler has returned, and this is not done: a Context is good until then. The handler waits for its goroutines, or they use the Host (Host.Tell, Host.Call)")

// used is why the Turn cannot be used any more; nil: it can.
func (t *Turn) used() error {
	if t.over.Load() {
		return errOver
	}
	return nil
}

// late says whether the Turn cannot be used any more, in the log: whoever asked has no error to look at.
func (t *Turn) late(what string) bool {
	if !t.over.Load() {
		return false
	}
	t.host.c.Log.Error("an actor's Context was used when its handler had returned; this is not done", "call", what, "actor", t.self.String(), "method", t.m.Method)
	return true
}

// noContext is what Context gives when the handler has returned.
var noContext = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errOver)
	return ctx
}()
