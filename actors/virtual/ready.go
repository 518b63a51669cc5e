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
	again, reason := k.unready()
	switch {
	case again == nil:
		return nil
	case m.chore():
		return failed(m.To, m.Method, codeUnready, reason)
	}
	span.Event("waits until its kind is ready here")
	defer k.waiting.Add(-1)
	if n, most := k.waiting.Add(1), int64(k.mailbox)*mailboxesUnready; n > most {
		h.c.Figures.Rejected(k.name, overload)
		return failed(m.To, m.Method, CodeBusy, fmt.Sprintf("%d messages wait until its kind is ready on the node where it lives; that is the limit: %s", most, reason))
	}
	p := h.watch(shard)
	if p == nil {
		return errClosed
	}
	defer h.vigil.leave(p)
	look := time.NewTicker(lookAgain) // what is waited for may have been given up for something else that is there
	defer look.Stop()
	for again != nil {
		select {
		case <-again:
			again, _ = k.unready()
		case <-look.C:
			again, _ = k.unready()
		case <-p.lost:
			return &shards.NotPrimaryError{Shard: shard}
		case <-ctx.Done():
			if again, reason = k.unready(); again == nil {
				return nil
			}
			return &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("virtual: %s: %w", reason, ctx.Err())}
		case <-h.ctx.Done():
			return errClosed
		}
	}
	return nil
}
