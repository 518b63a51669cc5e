package store

import (
	"bytes"
	"unsafe"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// Watcher follows the changes of the keys under a prefix. It is used under the same exclusion as its store. What Next
// returns is never written again, and may be kept.
//
//	Watch(from 40) ──► history of the store holds 41.. ? ──yes──► 41, 42, ...
//	                              │ no
//	                              ▼
//	                          Resync at 57: look at a snapshot taken now; what follows is 58, 59, ...
type Watcher struct {
	// OnReady, if set, is called at the end of the transaction that gives an empty watcher something to read. It must not
	// touch the store.
	OnReady func()

	store    *Store
	handle   radix.Handle
	queue    changes
	capacity int
	resync   bool
	ready    bool // there is something to read, and the owner knows
	closed   bool
}

// Bounds of what is kept for watchers.
const (
	historyChanges  = 1024     // recent changes of a store, for watchers that come back
	historyBytes    = 1 << 20  // their keys and values
	watcherBytes    = 16 << 20 // keys and values that wait for one watcher; a single change may exceed it
	watcherCapacity = 1024     // changes that wait for a watcher that does not say
)

// Watch follows the keys that start with prefix. from is the last transaction that the caller has seen: changes after it
// follow; 0 means from now on. If they are no longer (or not yet) known, the first change is a ChangeResync. capacity bounds
// the changes that wait to be read (0 or less: 1024); what would exceed it, or 16 MiB of keys and values, is replaced by
// one ChangeResync. The store keeps a history of recent changes from the first Watch on, until nobody has watched for as
// many changes as it holds.
func (s *Store) Watch(prefix []byte, from shards.SeqNo, capacity int) *Watcher {
	if from == 0 {
		from = s.seq
	}
	if capacity <= 0 {
		capacity = watcherCapacity
	}
	if !s.hub.recording {
		s.hub.recording, s.hub.base = true, s.seq
		s.observe()
	}
	w := &Watcher{store: s, capacity: capacity}
	if from > s.seq || from < s.hub.base {
		w.resync = true
	} else {
		s.hub.replay(w, prefix, from)
	}
	w.ready = w.resync || w.queue.len() > 0
	w.handle = s.hub.prefixes.Add(prefix, w)
	return w
}

// Next takes the oldest change that waits; ok is false if there is none. The Seq of a ChangeResync is the store's at this
// moment: the changes that follow are those after it.
func (w *Watcher) Next() (c Change, ok bool) {
	switch {
	case w.resync:
		w.resync, w.ready = false, false
		return Change{Kind: ChangeResync, Seq: w.store.seq}, true
	case w.queue.len() == 0:
		return Change{}, false
	}
	c = w.queue.pop()
	w.store.hub.waiting -= c.size()
	w.ready = w.queue.len() > 0
	return c, true
}

// Close ends the watch. A closed watcher has nothing to read; closing it again does nothing.
func (w *Watcher) Close() {
	if w.closed {
		return
	}
	w.drop()
	w.closed, w.resync, w.ready = true, false, false
	w.store.hub.prefixes.Remove(w.handle)
	w.store.hub.unwatched = 0
}

// push queues a change and has the owner called if it was not yet.
func (w *Watcher) push(c Change) {
	w.enqueue(c)
	if !w.ready {
		w.ready = true
		w.store.hub.fresh = append(w.store.hub.fresh, w)
	}
}

// enqueue queues a change, or marks the watcher for resync when that is one too many.
func (w *Watcher) enqueue(c Change) {
	if w.resync {
		return
	}
	if n := w.queue.len(); n >= w.capacity || n > 0 && w.queue.bytes+c.size() > watcherBytes {
		w.drop()
		w.resync = true
		return
	}
	w.queue.push(c)
	w.store.hub.waiting += c.size()
}

// drop empties the queue.
func (w *Watcher) drop() {
	w.store.hub.waiting -= w.queue.bytes
	w.queue = changes{}
}

// observe says again whether somebody must hear of each change.
func (s *Store) observe() { s.observed = s.hub.recording || s.slots != nil }

// hub is where changes go.
type hub struct {
	prefixes  radix.Watchers[*Watcher]
	recording bool
	base      shards.SeqNo // history holds every change after it
	history   changes
	waiting   int64      // bytes in the watchers' queues; those that history holds as well count twice
	unwatched int        // changes since the last watcher left
	fresh     []*Watcher // those that the present transaction gave something to read
}

// note copies a change once, for history and watchers together.
func (h *hub) note(c Change) {
	own := make([]byte, len(c.Key)+len(c.Value))
	n := copy(own, c.Key)
	copy(own[n:], c.Value)
	c.Key = own[:n:n]
	if c.Kind == ChangePut {
		c.Value = own[n:]
	}
	h.history.push(c)
	for h.history.len() > historyChanges || h.history.bytes > historyBytes {
		h.base = h.history.pop().Seq
	}
	if h.prefixes.Len() == 0 {
		h.unwatched++
		return
	}
	h.prefixes.Walk(c.Key, func(w *Watcher) { w.push(c) })
}

// replay gives a new watcher what has happened after from.
func (h *hub) replay(w *Watcher, prefix []byte, from shards.SeqNo) {
	for _, c := range h.history.list[h.history.head:] {
		if c.Seq > from && bytes.HasPrefix(c.Key, prefix) {
			w.enqueue(c)
		}
	}
}

// announce calls those that have something to read since this transaction.
func (s *Store) announce() {
	h := &s.hub
	for i, w := range h.fresh {
		h.fresh[i] = nil
		if w.OnReady != nil {
			w.OnReady()
		}
	}
	h.fresh = h.fresh[:0]
	if h.unwatched > historyChanges {
		h.recording, h.history, h.unwatched = false, changes{}, 0
		s.observe()
	}
}

func (h *hub) memory() int64 {
	return h.history.bytes + h.waiting + int64(cap(h.history.list))*changeBytes
}

// changeBytes is the size of a Change.
const changeBytes = int64(unsafe.Sizeof(Change{}))

// changes is a queue.
type changes struct {
	list  []Change
	head  int
	bytes int64
}

func (q *changes) len() int { return len(q.list) - q.head }

func (q *changes) push(c Change) {
	q.list = append(q.list, c)
	q.bytes += c.size()
}

func (q *changes) pop() Change {
	c := q.list[q.head]
	q.list[q.head] = Change{}
	q.bytes -= c.size()
	if q.head++; q.head*2 >= len(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	return c
}

func (c *Change) size() int64 { return int64(len(c.Key) + len(c.Value)) }
