package shard

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
	"github.com/troupe-actors/troupe/tracing"
)

// Config is what a shard needs to run. All fields but Committer and Log are required.
type Config struct {
	ID        shards.ShardID
	Space     *Space     // its keyspace on this node
	Committer *Committer // nil for durability memory
	Log       *wal.Log   // nil for durability memory
	Seed      uint64     // for eviction samples and hashing
	Link      *Link      // nil: the node is alone, and every shard's primary
	Adopt     bool       // with a Link: what is on disk is of a life before the cluster; take it for the copy that the table names
}

// Shard is one copy of a shard. Submit, Stats, View and Watch may be called concurrently.
//
// Invariants, all under the turn:
//
//  1. store.Applied() <= logged for durability fsync; logged <= store.Applied() for interval; both are 0-based counts of
//     transactions.
//  2. The transactions in sealed are logged+1..logged+sealed.count, those in open follow them.
//  3. A parked work is in exactly one round, and leaves it answered.
type Shard struct {
	id        shards.ShardID
	name      string
	space     *Space
	committer *Committer
	log       *wal.Log
	link      *Link
	adopt     bool
	filing    sync.Mutex // held while snapshot files of the shard are written and removed; before the turn

	turn      sync.Mutex // whoever holds it is the actor: it guards all below, once recovered
	recovered bool       // until then store, unsave, logged and saved belong to Recover; guarded by the turn itself
	store     *store.Store
	random    *rand.Rand
	down      error        // why the shard cannot serve; nil while it does
	stuck     error        // why the log refuses growth (interval only); nil while it does not
	open      round        // encoded, not yet taken by the committer
	sealed    round        // being written
	logged    shards.SeqNo // the last transaction in the log
	saved     shards.SeqNo // the last transaction in the newest snapshot file
	unsave    int64        // log bytes since then
	memory    int64        // bytes that the store holds
	needed    int64        // of these, what this shard has added to its keyspace's use
	reads     uint64       // operations since the start
	writes    uint64       // likewise
	part      *part        // nil on a node alone
	lost      bool         // down is because the copy was given up
	listed    bool         // the committer will come by
	savedTerm shards.Term  // term of saved
	watches   map[*Watch]bool
	views     []*View // open, the oldest first
	worker    Work    // whose results visit passes on...
	index     int     // ...and for which transaction
	visit     func(op int, r *store.Result)
	one       store.Result // of the single read that is going on

	due   atomic.Int64 // lower bound of the next expiry in Unix ms; 0 = none. For the ticker
	dirty atomic.Bool  // written since the ticker last looked
	leads atomic.Bool  // this copy is primary, as far as it knows
	quiet atomic.Bool  // the protocol needs no ticks
}

// round is what the committer writes in one append: the encoded transactions and the works that wait for them.
type round struct {
	payload []byte
	count   int
	groups  []group
	traces  []tracing.Carrier // of the works that are traced; nil nearly always
}

// group is one parked work: its transactions are payload[from:to] of its round.
type group struct {
	work     Work
	batch    *Batch
	from, to int
	count    int
	shrinks  bool
}

// ErrStarting is why a shard refuses work before Recover has ended.
var ErrStarting = errors.New("still reading its log; try again")

// ErrClosed is why a shard refuses work after the node began to stop.
var ErrClosed = shards.ErrClosed

// New makes a shard that refuses work until Recover has run.
func New(c Config) *Shard {
	if durable := c.Space.Durability != shards.DurabilityMemory; durable != (c.Log != nil) || durable != (c.Committer != nil) {
		panic(fmt.Sprintf("shard %v: durability %v and log do not match", c.ID, c.Space.Durability))
	}
	s := &Shard{
		id: c.ID, name: c.Space.ShardName(c.ID.Index()), space: c.Space, committer: c.Committer, log: c.Log, link: c.Link, adopt: c.Adopt,
		random: rand.New(rand.NewPCG(c.Seed, uint64(c.ID))),
		store:  store.New(c.Space.storeOptions(c.Seed)),
	}
	s.down = s.unavailable(ErrStarting)
	s.leads.Store(c.Link == nil)
	s.quiet.Store(true)
	s.visit = func(op int, r *store.Result) { s.pass(s.worker, s.index, op, r) }
	return s
}

// ID is the shard's id.
func (s *Shard) ID() shards.ShardID { return s.id }

// Name is the shard's name as operators see it, as in "orders/17".
func (s *Shard) Name() string { return s.name }

// Fail makes the shard refuse all further work with this cause. The first cause stays.
func (s *Shard) Fail(cause error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.down == nil || errors.Is(s.down, ErrStarting) {
		s.down = s.unavailable(cause)
		s.abandon()
	}
}

// abandon answers what waits for other copies: they may not answer any more.
func (s *Shard) abandon() {
	if s.part != nil {
		s.leads.Store(false)
		s.disown()
		s.endAppends(true)
		s.stopStreams()
	}
}

func (s *Shard) unavailable(cause error) error {
	return &shards.Error{Kind: shards.KindUnavailable, Shard: s.name, Err: cause}
}

// Submit runs the work, at now in Unix milliseconds. What can be answered at once has been when it returns; the rest is
// parked and answered before b.Wait returns. b may be nil if nobody waits.
func (s *Shard) Submit(now int64, w Work, b *Batch) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.down != nil {
		failAll(w, s.down)
		return
	}
	writes, grows, err := inspect(w, now)
	if err != nil {
		failAll(w, &shards.Error{Kind: shards.KindInvalid, Shard: s.name, Err: err})
		return
	}
	listed := false // a round has the work
	defer func() {
		if reason := recover(); reason != nil {
			s.broke(reason)
			if !listed {
				failAll(w, s.unknown(errOutcome))
			}
		}
	}()
	if !writes && s.expires(now, w) {
		w, writes = s.ordered(now, w), true
	}
	if s.inCluster() && !s.guard(w, writes, b) {
		return
	}
	switch {
	case !writes:
		s.read(now, w)
		s.vouch(w)
		return
	case grows && !s.admit(now, w):
		return
	case s.parks():
		if listed = s.list(w, b); listed {
			s.move()
		}
	default:
		s.apply(w)
	}
	s.dirty.Store(true)
}

// inspect stamps the time on every transaction, and says whether any writes, and whether any could need more memory. The error is
// about one that could be read neither from a log nor by another copy: it must come into none.
func inspect(w Work, now int64) (writes, grows bool, err error) {
	for i := range w.Len() {
		t := w.Txn(i)
		t.Time = now
		if readOnly(t) {
			continue
		}
		writes = true
		grows = grows || !shrinks(t)
		if err == nil {
			err = t.Validate()
		}
	}
	return writes, grows, err
}

// readOnly says that a transaction needs no order: a guard does, since it speaks of the moment of the writes.
func readOnly(t *store.Txn) bool { return len(t.Guards) == 0 && t.ReadOnly() }

// shrinks says that a transaction cannot make the store larger.
func shrinks(t *store.Txn) bool {
	for i := range t.Ops {
		switch t.Ops[i].Kind {
		case store.OpGet, store.OpDelete, store.OpDeletePrefix, store.OpExpireDue, store.OpEvict:
		default:
			return false
		}
	}
	return true
}

func failAll(w Work, err error) {
	for i := range w.Len() {
		w.Fail(i, err)
	}
}

func (s *Shard) read(now int64, w Work) {
	for i := range w.Len() {
		s.readOne(now, w, i)
	}
}

func (s *Shard) readOne(now int64, w Work, i int) {
	t := w.Txn(i)
	s.reads += uint64(len(t.Ops))
	if len(t.Ops) == 1 {
		s.store.Read(now, &t.Ops[0], &s.one)
		s.pass(w, i, 0, &s.one)
		s.one = store.Result{} // it holds the value
		return
	}
	s.worker, s.index = w, i
	s.store.ReadBatch(now, t.Ops, s.visit)
	s.worker = nil
}

// run executes every transaction of a work in order, at once. Whoever calls it has the first few foreseen.
func (s *Shard) run(w Work) {
	s.worker = w
	for i := range w.Len() {
		if i != 0 && i%few == 0 {
			s.foreseeWork(w, i)
		}
		t := w.Txn(i)
		if readOnly(t) {
			s.readOne(t.Time, w, i)
			s.worker = w
			continue
		}
		s.index = i
		s.writes += uint64(len(t.Ops))
		s.store.Apply(s.store.Applied()+1, t, s.visit)
	}
	s.worker = nil
	if s.part != nil && s.part.reign.virgin {
		s.wrote(w)
	}
	s.settle()
}

// apply is the turn of a write that is acknowledged before it is durable.
func (s *Shard) apply(w Work) {
	if s.space.Durability == shards.DurabilityInterval {
		s.enlist()
		s.open.encode(w)
	}
	s.foreseeWork(w, 0)
	s.run(w)
}

// list puts a write into a round, that is acknowledged when it is durable, or when other copies have it. If it has not it is answered.
func (s *Shard) list(w Work, b *Batch) bool {
	if !s.enter(w, b) {
		return false
	}
	if b != nil {
		b.park()
	}
	return true
}

// enter is list for a work that is parked already.
func (s *Shard) enter(w Work, b *Batch) bool {
	r := &s.open
	if s.postpones() {
		r = &s.part.late
	}
	if s.part != nil && (!s.part.solo || s.part.next != nil) {
		if n, can := w.(Numbered); can {
			n.Number()
		}
	}
	g := r.encode(w)
	g.work, g.batch = w, b
	if g.to-g.from > replica.MaxPayload {
		r.payload, r.count = r.payload[:g.from], r.count-g.count
		failAll(w, &shards.Error{Kind: shards.KindInvalid, Shard: s.name, Err: fmt.Errorf("%w: writes of %d bytes together, at most %d: send fewer at once", store.ErrTooLarge, g.to-g.from, replica.MaxPayload)})
		return false
	}
	r.groups = append(r.groups, g)
	if s.replicated() && s.link.Messages.Busy() {
		s.note(w, r)
	}
	return true
}

// postpones says that writes wait until the row is taken up that comes next.
func (s *Shard) postpones() bool {
	return s.part != nil && s.part.next != nil && s.space.Durability == shards.DurabilityInterval
}

// move sends the open round on its way.
func (s *Shard) move() {
	if s.replicated() {
		s.push()
	} else if !s.postpones() {
		s.enlist()
	}
}

// encode appends the writes of a work to the round.
func (r *round) encode(w Work) group {
	if r.payload == nil {
		r.payload = make([]byte, 0, roomFor(w))
	}
	g := group{from: len(r.payload), shrinks: true}
	for i := range w.Len() {
		t := w.Txn(i)
		if readOnly(t) {
			continue
		}
		r.payload = store.AppendTxn(r.payload, t)
		g.count++
		g.shrinks = g.shrinks && shrinks(t)
	}
	g.to = len(r.payload)
	r.count += g.count
	return g
}

// roomFor is about what the writes of a work take in a round, in bytes, so that one of a single work is neither copied while it grows nor much
// longer than what is in it: copies keep it for some time.
func roomFor(w Work) int {
	size := 0
	for i := range w.Len() {
		t := w.Txn(i)
		size += 32
		for k := range t.Ops {
			size += 10 + len(t.Ops[k].Key) + len(t.Ops[k].Value)
		}
	}
	return size
}

// settle keeps the books after the store has changed.
func (s *Shard) settle() {
	needed := s.store.Needed()
	s.space.used.Add(needed - s.needed)
	s.needed, s.memory = needed, s.store.Memory()
	s.due.Store(s.store.NextExpiry())
}
