package shard

import (
	"sync/atomic"

	"github.com/troupe-actors/troupe/shards/store"
)

// Work is what one caller asks of one shard in one turn: transactions that run in order, each as one step.
//
// The shard calls Result inside its turn, once per operation in order, and Fail at most once per transaction, instead of or
// after its results. Both are called on any goroutine, one at a time, and must not block or touch the shard. All that Txn
// points to stays untouched until the Batch that the work was submitted with has been waited for.
type Work interface {
	Len() int
	Txn(i int) *store.Txn
	Result(i, op int, r *store.Result)
	Fail(i int, err error)
}

// Numbered is a work that can be sent again, to another primary too, when nobody knows what came of it. Number is called in the
// turn, before the work's writes are encoded for other copies, and gives them their (client, sequence); it may be called again. A
// shard without other copies does not call it: what such a shard does not know, nobody else does.
type Numbered interface {
	Work
	Number()
}

// Batch lets one caller wait for works on several shards together. The zero value is not ready: use NewBatch. It is
// reusable: Begin, Submit..., Wait.
type Batch struct {
	pending atomic.Int32
	wake    chan struct{}
}

// NewBatch returns a batch that is ready for Begin.
func NewBatch() *Batch { return &Batch{wake: make(chan struct{}, 1)} }

// Begin starts a round of submissions. Every Begin is followed by one Wait.
func (b *Batch) Begin() { b.pending.Store(1) }

// Wait returns when all submitted works have been answered. It cannot be cut short: parked works hold the caller's memory.
func (b *Batch) Wait() {
	if b.pending.Add(-1) != 0 {
		<-b.wake
	}
}

func (b *Batch) park() { b.pending.Add(1) }

func (b *Batch) done() {
	if b.pending.Add(-1) == 0 {
		b.wake <- struct{}{}
	}
}

// housekeeping is the shard's own work: evictions, expiries. Nobody waits for it.
type housekeeping struct {
	txns  []store.Txn
	count *atomic.Int64 // keys that the work has removed
}

func (h *housekeeping) Len() int             { return len(h.txns) }
func (h *housekeeping) Txn(i int) *store.Txn { return &h.txns[i] }

// Result counts: an expiry says in Int how many keys it removed, an eviction in Changed whether it removed its one.
func (h *housekeeping) Result(_, _ int, r *store.Result) {
	if r.Int == 0 && r.Changed {
		r.Int = 1
	}
	h.count.Add(r.Int)
}

// Fail is nothing to tell anybody: what was not removed now is found again at the next occasion.
func (h *housekeeping) Fail(int, error) {}
