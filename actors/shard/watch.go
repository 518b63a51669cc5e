package shard

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Watch follows the changes of keys under a prefix in some shards of a keyspace. One goroutine reads it. Changes of one
// shard come in order; there is no order between shards.
type Watch struct {
	shards   []*Shard
	watchers []*store.Watcher
	ready    chan struct{}

	mu    sync.Mutex
	dirty []int // places in shards that have something to read
	lost  error // why the watch can go on no more
}

// errExchanged is why a watch ends whose shard's content has been exchanged: what it saw last is still the place to go on from.
var errExchanged = errors.New("the copy's content was exchanged for a snapshot: follow again from the last change seen")

// Change is a change together with the index of its shard.
type Change struct {
	store.Change
	Shard int
}

// NewWatch starts to follow the keys with this prefix. from gives, for a shard's index, the transaction after which to
// begin; 0 means from now on. capacity bounds the changes kept per shard for a slow reader; one that falls behind gets a
// ChangeResync in place of what it missed. The error is that of the first shard that cannot serve.
func NewWatch(all []*Shard, prefix []byte, from func(index int) shards.SeqNo, capacity int) (*Watch, error) {
	w := &Watch{shards: all, ready: make(chan struct{}, 1)}
	prefix = bytes.Clone(prefix)
	for i, s := range all {
		if err := w.add(i, s, prefix, from(s.id.Index()), capacity); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

func (w *Watch) add(i int, s *Shard, prefix []byte, from shards.SeqNo, capacity int) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	inner := s.store.Watch(prefix, from, capacity)
	inner.OnReady = func() { w.nudge(i) }
	w.watchers = append(w.watchers, inner)
	if s.watches == nil {
		s.watches = map[*Watch]bool{}
	}
	s.watches[w] = true
	w.nudge(i) // there may be history to read
	return nil
}

// nudge is called in the shard's turn when there is something to read.
func (w *Watch) nudge(i int) {
	w.mu.Lock()
	w.dirty = append(w.dirty, i)
	w.mu.Unlock()
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// endWatches ends the watches of a store that is about to be exchanged. Called in the turn.
func (s *Shard) endWatches() {
	for w := range s.watches {
		w.mu.Lock()
		w.lost = s.unavailable(errExchanged)
		w.mu.Unlock()
		select {
		case w.ready <- struct{}{}:
		default:
		}
	}
	s.watches = nil
}

// Next appends the changes that have come to dst, waiting for at least one. Keys and values are the caller's. The error is
// that of ctx, or of KindUnavailable when the watch can go on no more.
func (w *Watch) Next(ctx context.Context, dst []Change) ([]Change, error) {
	before := len(dst)
	for len(dst) == before {
		select {
		case <-ctx.Done():
			return dst, ctx.Err()
		case <-w.ready:
		}
		w.mu.Lock()
		dirty, lost := w.dirty, w.lost
		w.dirty = nil
		w.mu.Unlock()
		if lost != nil {
			return dst, lost
		}
		for _, i := range dirty {
			dst = w.drain(i, dst)
		}
	}
	return dst, nil
}

func (w *Watch) drain(i int, dst []Change) []Change {
	s := w.shards[i]
	s.turn.Lock()
	defer s.turn.Unlock()
	for {
		change, ok := w.watchers[i].Next()
		if !ok {
			return dst
		}
		change.Key, change.Value = bytes.Clone(change.Key), bytes.Clone(change.Value)
		dst = append(dst, Change{Change: change, Shard: s.id.Index()})
	}
}

// Close ends the watch.
func (w *Watch) Close() {
	for i, inner := range w.watchers {
		w.shards[i].turn.Lock()
		delete(w.shards[i].watches, w)
		inner.Close()
		w.shards[i].turn.Unlock()
	}
}
