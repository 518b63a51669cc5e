package store

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// Options say how a store is kept. The zero value is usable. They have no influence on what the store holds.
type Options struct {
	Access   bool            // note when keys are read and written, 4 bytes a key: what Victim needs for LRU and LFU
	Eviction shards.Eviction // the policy that Access is noted for
	Seed     uint64          // of the chance in LFU counters
}

// Store is the content of one shard. One goroutine at a time uses it and its Watchers.
//
// Invariants:
//  1. seq counts the transactions applied, and those skipped; the version of a key is the seq of the transaction that last changed it.
//  2. now is the highest Txn.Time applied: it never goes back.
//  3. expiring is the number of keys in the tree that have an expiry; those that are due stay in the tree until an
//     ordered delete takes them, and no operation sees them.
//  4. observed says whether watchers, history or slot counters must hear of each change.
//  5. sessions is nil until the first transaction with a client.
type Store struct {
	tree     *radix.Tree
	options  Options
	seq      shards.SeqNo
	now      int64
	rolling  uint64
	expiring int64
	observed bool
	staging  bool // changes go to the overlay

	sessions *sessions
	overlay  overlay
	hub      hub
	slots    *slotCounts
	access   access
	results  results
	scratch  []byte // the value being built by an operation
	keys     batch
}

// New makes an empty store at sequence number 0.
func New(o Options) *Store {
	s := &Store{tree: radix.New(radix.Options{TrackAccess: o.Access}), options: o}
	s.access.random = o.Seed
	return s
}

// Skip has an empty store that nothing was applied to go on after seq: numbers up to it were given in a life that is lost.
func (s *Store) Skip(seq shards.SeqNo) {
	if s.seq != 0 {
		panic(fmt.Sprintf("store: transactions up to %d skipped after %d", seq, s.seq))
	}
	s.seq = seq
}

// Applied is the sequence number of the last transaction; 0 before the first.
func (s *Store) Applied() shards.SeqNo { return s.seq }

// Now is the highest Txn.Time applied, in Unix milliseconds.
func (s *Store) Now() int64 { return s.now }

// Len is the number of keys, those included whose expiry has passed but that no transaction has deleted yet.
func (s *Store) Len() int { return s.tree.Len() }

// Rolling is a hash over all transactions applied and what came of them. Two copies of a shard that differ in it at one
// sequence number have diverged.
func (s *Store) Rolling() uint64 { return s.rolling }

// NextExpiry is a time before which no key expires, in Unix milliseconds; 0 = no key has an expiry.
func (s *Store) NextExpiry() int64 { return s.tree.NextExpiry() }

// Due says that some key may have expired at now, so that the owner should order an OpExpireDue.
func (s *Store) Due(now int64) bool {
	next := s.tree.NextExpiry()
	return next != 0 && next <= s.at(now)
}

// Expires says that a key is there by the store's time, and has expired at now.
func (s *Store) Expires(now int64, key []byte) bool {
	it, found := s.tree.Get(key)
	return found && !s.expired(it.ExpireAt) && it.ExpireAt != 0 && it.ExpireAt <= now
}

// Compact moves at most budget keys towards a denser tree and says whether there is nothing left to do.
func (s *Store) Compact(budget int) (done bool) { return s.tree.Compact(budget) }

// Memory is all bytes that the store holds.
func (s *Store) Memory() int64 { return s.tree.Memory() + s.besides() }

// Needed is Memory without what the tree holds of keys that are gone: what a limit is for.
func (s *Store) Needed() int64 { return s.tree.Needed() + s.besides() }

func (s *Store) besides() int64 { return s.hub.memory() + s.slots.memory() + s.sessions.memory() }

// Stats are the store's figures; cheap to take.
type Stats struct {
	radix.Stats
	Expiring int64 // keys with an expiry
	Watchers int
	History  int64 // bytes of changes kept for watchers, and of slot counters
	Sessions int64 // bytes of what is remembered of transactions that may be sent again
}

// Stats takes the figures.
func (s *Store) Stats() Stats {
	return Stats{
		Stats: s.tree.Stats(), Expiring: s.expiring, Watchers: s.hub.prefixes.Len(), History: s.hub.memory() + s.slots.memory(),
		Sessions: s.sessions.memory(),
	}
}

// Prefetch asks the memory for what transactions on keys are going to touch, so that they wait for it together and not one after another.
// It changes nothing. See radix.Tree.Prefetch.
func (s *Store) Prefetch(keys [][]byte) { s.tree.Prefetch(keys) }

// Apply executes the next transaction: seq must be Applied()+1, else it panics. t.Validate() holds. visit, which may be
// nil, is called once per operation, in order, when the transaction has taken effect or failed; the result and its Value
// are valid only inside it, and it must not touch the store.
func (s *Store) Apply(seq shards.SeqNo, t *Txn, visit func(i int, r *Result)) {
	if seq != s.seq+1 {
		panic(fmt.Sprintf("store: transaction %d applied after %d", seq, s.seq))
	}
	s.seq = seq
	s.now = max(s.now, t.Time)
	switch {
	case t.Client != 0 && s.repeated(t, visit):
	case len(t.Ops) == 1 && len(t.Guards) == 0:
		s.applyOne(t, visit)
	default:
		s.applyMany(t, visit)
	}
	s.trim()
	if s.observed {
		s.announce()
	}
}

// applyOne executes a transaction of one operation, without guards.
func (s *Store) applyOne(t *Txn, visit func(i int, r *Result)) {
	rs := s.results.one[:]
	r := &rs[0]
	*r = Result{}
	s.run(&t.Ops[0], r)
	s.rolling = rollOp(rollTxn(s.rolling, t), &t.Ops[0], r)
	if t.Client != 0 {
		s.sessions.remember(t, rs)
	}
	if visit != nil {
		visit(0, r)
	}
}

// applyMany executes a transaction of several operations, or one with guards.
func (s *Store) applyMany(t *Txn, visit func(i int, r *Result)) {
	rs := s.results.reset(len(t.Ops))
	switch {
	case !s.guarded(t):
		failAll(rs, -1, ErrConflict)
	case t.Atomic:
		s.applyAtomic(t, rs)
	default:
		s.applyInTurn(t, rs)
	}
	h := rollTxn(s.rolling, t)
	for i := range t.Ops {
		h = rollOp(h, &t.Ops[i], &rs[i])
	}
	s.rolling = h
	if t.Client != 0 {
		s.sessions.remember(t, rs)
	}
	if visit != nil {
		for i := range rs {
			visit(i, &rs[i])
		}
	}
}

// applyInTurn executes operations one after another, but those that an OpRequire keeps from it.
func (s *Store) applyInTurn(t *Txn, rs []Result) {
	for i := 0; i < len(t.Ops); i++ {
		o := &t.Ops[i]
		s.run(o, &rs[i])
		s.results.keep(&rs[i])
		if o.Kind == OpRequire && rs[i].Err != nil {
			skipped := int(min(max(o.Int, 0), int64(len(t.Ops)-1-i)))
			failAll(rs[i+1:i+1+skipped], -1, ErrConflict)
			i += skipped
		}
	}
}

// applyAtomic executes operations on the overlay, and the overlay on the tree only if all of them could be done.
func (s *Store) applyAtomic(t *Txn, rs []Result) {
	s.staging = true
	for i := range t.Ops {
		s.run(&t.Ops[i], &rs[i])
		if rs[i].Err != nil {
			s.discard()
			failAll(rs, i, ErrConflict)
			return
		}
		s.results.keep(&rs[i])
	}
	if err := s.commit(); err != nil {
		failAll(rs, -1, err)
	}
}

// guarded says whether all guards hold.
func (s *Store) guarded(t *Txn) bool {
	for i := range t.Guards {
		g := &t.Guards[i]
		it, found := s.find(g.Key)
		if !holds(g.If, g.Version, g.Compare, 0, it, found) {
			return false
		}
	}
	return true
}

// failAll makes every result a failure with err, but that of index spared (-1: none).
func failAll(rs []Result, spared int, err error) {
	for i := range rs {
		if i != spared {
			rs[i] = Result{Err: err}
		}
	}
}

// results holds the results of the transaction being applied, and copies of the values that they show: a view into the
// tree would not outlive the next operation.
type results struct {
	one    [1]Result
	many   []Result
	values []byte
	gather *gather // nil until the first lockstep read: of a thousand shards that are empty it would be a megabyte
}

func (s *results) reset(n int) []Result {
	s.values = s.values[:0]
	if cap(s.many) < n {
		s.many = make([]Result, n)
	}
	s.many = s.many[:n]
	clear(s.many)
	return s.many
}

// keep copies the value of a result out of the tree. When values moves, earlier results go on with its old memory.
func (s *results) keep(r *Result) {
	if r.Value == nil {
		return
	}
	from := len(s.values)
	s.values = append(s.values, r.Value...)
	r.Value = s.values[from:len(s.values):len(s.values)]
}

// keptScratch is how much scratch memory a store keeps between transactions, per use.
const keptScratch = 64 << 10

// trim lets go of scratch memory that a large transaction needed.
func (s *Store) trim() {
	if cap(s.scratch) > keptScratch {
		s.scratch = nil
	}
	if cap(s.results.values) > keptScratch {
		s.results.values = nil
	}
	if cap(s.results.many) > 512 {
		s.results.many = nil
	}
}
