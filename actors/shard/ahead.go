package shard

import (
	"sync"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// A write waits for memory longer than for all else that applying it takes: once for the place of its key and once for what is there. Of
// several writes that come one after another the memory is asked for together, and they wait once.
//
//	primary   groups of a round    g1 g2 g3 | g4 ...     keys of the next few works, then these works one by one
//	replica   transactions         t1 ... t16 | t17 ...  decoded some ahead, then applied one by one
//
// Nothing depends on it but time: what is asked for may change before it is used, or not be used at all.

// few is how many transactions are looked ahead: they overlap, and what they ask for stays in the first caches until it is used.
const few = 16

// ahead is which keys the next transactions touch.
type ahead struct {
	keys [2 * few][]byte
	n    int
}

// add takes the keys of a transaction, as far as there is room.
func (a *ahead) add(t *store.Txn) {
	for i := range t.Ops {
		if a.n == len(a.keys) {
			return
		}
		a.keys[a.n] = t.Ops[i].Key
		a.n++
	}
}

// works takes the keys of the next few transactions of a work, from one on.
func (a *ahead) works(w Work, from int) {
	for i := from; i < min(from+few, w.Len()) && a.n < len(a.keys); i++ {
		a.add(w.Txn(i))
	}
}

// ask asks the memory, if there is more than one key: one alone waits no less.
func (a *ahead) ask(s *store.Store) {
	if a.n > 1 {
		s.Prefetch(a.keys[:a.n])
	}
}

// foresee asks for what the first few transactions of each of the next works touch, and says of how many works.
func (s *Shard) foresee(groups []group) int {
	if len(groups) == 1 {
		s.foreseeWork(groups[0].work, 0)
		return 1
	}
	var a ahead
	n := 0
	for ; n < len(groups) && a.n < len(a.keys); n++ {
		a.works(groups[n].work, 0)
	}
	a.ask(s.store)
	return n
}

// foreseeWork is foresee for a work alone, from one of its transactions on.
func (s *Shard) foreseeWork(w Work, from int) {
	if from+1 >= w.Len() && len(w.Txn(from).Ops) == 1 {
		return
	}
	var a ahead
	a.works(w, from)
	a.ask(s.store)
}

// replayer decodes transactions some ahead of their turn.
type replayer struct {
	txns [few]store.Txn
	n    int // decoded and not applied
}

// replayers are shared by all shards, of which there are many and few have something to replay.
var replayers = sync.Pool{New: func() any { return new(replayer) }}

// give returns a replayer whose transactions are all applied.
func (r *replayer) give() {
	for i := range r.txns {
		t := &r.txns[i]
		if cap(t.Ops) > mostKept || cap(t.Guards) > mostKept {
			*t = store.Txn{}
			continue
		}
		clear(t.Ops[:cap(t.Ops)]) // they point into what was replayed
		clear(t.Guards[:cap(t.Guards)])
	}
	replayers.Put(r)
}

// next is the transaction that the store is at once all that is decoded has been applied.
func (r *replayer) next(s *store.Store) shards.SeqNo { return s.Applied() + shards.SeqNo(r.n) + 1 }

// apply applies what is decoded.
func (r *replayer) apply(s *store.Store) {
	var a ahead
	for i := range r.n {
		a.add(&r.txns[i])
	}
	a.ask(s)
	n := r.n
	r.n = 0
	for i := range n {
		s.Apply(s.Applied()+1, &r.txns[i], nil)
	}
}
