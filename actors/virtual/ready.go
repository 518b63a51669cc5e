package virtual

import (
	"context"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// ReadyWhen has messages wait, on the node where their actor lives, until that node can have the kind handle them: its code is being
// compiled, say. f says whether it can: nil if so, and else what is closed when f is to be asked again, and what messages wait for, in
// words. It must not block, and may be called concurrently.
//
// A message waits as long as its caller does, and no longer than this node leads the shard: else it goes where that is led now. Of those of
// one kind 16 times as many wait on a node as its Mailbox has room for; one more is refused as busy. What actors send, and reminders, do
// not wait: they come again.
func ReadyWhen(f func() (again <-chan struct{}, reason string)) Option {
	return func(k *Kind) { k.unready = f }
}

// mailboxesUnready bounds the messages that wait for one kind on a node, in mailboxes: they are for many actors, and in none of theirs.
const mailboxesUnready = 16

// untilReady returns when the kind can handle messages, or with why this one waits no more: nobody has handled it then.
func (h *Host) untilReady(ctx context.Context, k *Kind, m *message, shard shards.ShardID, span *tracing.Active) error {
	if k.unready == nil {
		return nil
	}
	for told := false; ; told = true {
		again, reason := k.unready()
		switch {
		case again == nil:
			return nil
		case m.chore():
			return failed(m.To, m.Method, codeUnready, reason)
		case h.ctx.Err() != nil:
			return errClosed
		case ctx.Err() != nil:
			return &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("virtual: %s: %w", reason, ctx.Err())}
		case !h.c.Storage.Leads(shard):
			return &shards.NotPrimaryError{Shard: shard}
		}
		if !told {
			span.Event("waits until its kind is ready here")
			defer k.waiting.Add(-1)
			if n, most := k.waiting.Add(1), int64(k.mailbox)*mailboxesUnready; n > most {
				h.c.Figures.Rejected(k.name, overload)
				return failed(m.To, m.Method, CodeBusy, fmt.Sprintf("%d messages wait until its kind is ready on the node where it lives; that is the limit: %s", most, reason))
			}
		}
		if !h.awaitAny(ctx, again) {
			return errClosed
		}
	}
}

// lookAgain is how long awaitAny waits at most: what follows from a change of the cluster state may come a moment after it, without another.
const lookAgain = 100 * time.Millisecond

// awaitAny returns when again is closed, the cluster state has changed, or ctx ends, and after lookAgain; false if the host is closed.
func (h *Host) awaitAny(ctx context.Context, again <-chan struct{}) bool {
	wait, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	watched := h.start(func() {
		defer cancel()
		select {
		case <-again:
		case <-wait.Done():
		case <-h.ctx.Done():
		}
	})
	if watched {
		h.c.Storage.Await(wait)
	}
	return watched
}
