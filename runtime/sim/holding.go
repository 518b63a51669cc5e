package sim

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// holding is one copy of a shard: the shell of replica.Core, with the store that it feeds.
type holding struct {
	c          *copies
	shard      shards.ShardID
	copy       shards.CopyID
	durability shards.Durability
	memory     bool
	store      *store.Store
	core       *replica.Core
	opened     bool // has said so
	touched    bool // since the last check
	failed     bool
	row        *cluster.Shard
	minInSync  int
	alone      alone

	reign  shards.Term // the term in which this copy is primary; 0: it is not
	gather []work      // not proposed yet
	rounds []round2    // proposed, not applied
	reads  []work      // that wait until the reign has caught up with what it took over
	saved  shards.SeqNo
	hand   *recovery.HandOver
	open   int // hand-overs of this reign that were proposed, and may be carried out
	sends  []*sending
	stream uint64 // number of the last one
	target *recovery.Target
	loader *store.Loader
}

// work is a client's transaction and whom to tell; round2 is what was proposed as one entry.
type work struct {
	q       *request
	answer  func(response)
	results []store.Result
	at      int64 // when it came, by the clock of this node
}

// take notes the result of an operation.
func (k *work) take(r *store.Result) {
	kept := *r
	kept.Value = bytes.Clone(r.Value)
	k.results = append(k.results, kept)
}

type round2 struct {
	first, last shards.SeqNo
	works       []work
}

// maxRounds is how many entries a primary has under way before it gathers.
const maxRounds = 4

var errUnavailable = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("the shard cannot answer now")}

var errUnknown = &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the primary was deposed")}

// mine is this copy as the row has it.
func (h *holding) mine() *cluster.Copy {
	if c := h.row.Copy(h.copy); c != nil {
		return c
	}
	return &cluster.Copy{}
}

// configure tells the core what the row says.
func (h *holding) configure(row *cluster.Shard, mine *cluster.Copy, minInSync int) {
	if h.row != nil && row.Version < h.row.Version {
		return
	}
	next := &adoption{row, mine, minInSync}
	if h.alone.solo && (!h.lone(row, minInSync) || row.Term != h.core.Term()) {
		h.alone.next = next
		h.endAlone()
		return
	}
	h.adopt(next)
}

// adopt hands a row to the core.
func (h *holding) adopt(next *adoption) {
	row := next.row
	h.row, h.minInSync = row, next.minInSync
	a := replica.Assignment{Self: next.mine.ID, Term: row.Term, Version: row.Version, Primary: row.Primary, MinInSync: next.minInSync}
	for _, c := range row.Copies {
		a.Copies = append(a.Copies, replica.Peer{ID: c.ID, InSync: c.InSync})
	}
	h.core.Configure(a)
	h.drive()
}

func (h *holding) step(m *replica.Message) {
	if h.alone.solo {
		return
	}
	h.core.Step(m)
	h.drive()
}

func (h *holding) tick(ticks, lag int) {
	if !h.alone.solo {
		h.core.LagAfter(lag)
		h.core.Tick()
	}
	h.target.Tick()
	for _, s := range h.sends {
		s.source.Tick()
	}
	h.drive()
	if ticks%32 == int(h.shard)%32 {
		h.save()
	}
	h.handOver()
	if ticks%expireTicks == int(h.shard)%expireTicks {
		h.expire()
	}
}

// drive carries out what the core wants.
func (h *holding) drive() {
	if !h.touched {
		h.touched = true
		h.c.touched = append(h.c.touched, h)
	}
	h.welcome(!h.mine().InSync)
	for !h.failed && (h.driveStreams() || h.core.HasReady()) {
		ready := h.core.Ready()
		h.write(&ready)
		for i := range ready.Messages {
			h.send(&ready.Messages[i])
		}
		if ready.Commit != 0 {
			h.apply(ready.Commit)
		}
		if h.failed {
			return
		}
		for _, f := range ready.Fetch {
			h.fetch(f)
		}
		for _, change := range ready.InSync {
			h.propose(change)
		}
		for _, to := range ready.Snapshots {
			h.snapshot(to)
		}
		if ready.Fenced != 0 {
			h.fence()
		}
		if ready.Diverged != nil {
			h.c.p.n.w.Fail(invariantEqual, "shard %v: %s says that it has diverged: %+v", h.shard, h.c.p.n.ID, *ready.Diverged)
		}
	}
	h.settle()
}

// settle notices a new reign, and lets go on what waited.
func (h *holding) settle() {
	if h.failed {
		return
	}
	if h.core.Role() != replica.RolePrimary {
		if h.reign != 0 || len(h.rounds)+len(h.gather)+len(h.reads) > 0 {
			h.fence()
		}
		return
	}
	if h.reign != h.core.Term() {
		h.fence()
		h.reign, h.open = h.core.Term(), 0
		h.c.p.n.w.reigns(h.c.p.n, h.shard, h.reign, h.copy)
	}
	if h.core.Caught() && len(h.reads) > 0 {
		reads := h.reads
		h.reads = nil
		for _, r := range reads {
			h.read(r)
		}
	}
	h.beginAlone()
	h.seal()
}

func (h *holding) write(ready *replica.Ready) {
	if ready.Write == 0 || h.memory {
		return
	}
	number, core := ready.Write, h.core
	h.alone.wrote = number
	h.c.log.write(task{
		shard: h.shard, truncate: ready.Truncate, entries: ready.Append, sync: h.durability == shards.DurabilityFsync,
		done: func() {
			if h.core == core && !h.failed {
				core.Persisted(number)
				h.alone.stored = number
				h.drive()
			}
		},
	})
}

func (h *holding) send(m *replica.Message) {
	if to := h.nodeOf(m.To); to != nil {
		h.c.p.send(to, classReplicate, "replica", replica.Append(nil, m))
	}
}

// nodeOf finds the node of a copy by the row.
func (h *holding) nodeOf(copy shards.CopyID) *Node {
	if c := h.row.Copy(copy); c != nil {
		return h.c.p.n.w.nodeByID(c.Node)
	}
	return nil
}

// apply feeds the store with what is committed: from memory, or after a restart from the log.
func (h *holding) apply(commit shards.SeqNo) {
	from := h.store.Applied() + 1
	entries, ok := h.core.Entries(from, commit)
	if !ok {
		entries = nil
		err := h.c.p.n.disk.ReadFrom(h.shard, from, func(r wal.Record) error {
			if r.First <= commit {
				entries = append(entries, replica.Entry{Term: r.Term, First: r.First, Last: r.Last, Payload: bytes.Clone(r.Payload)})
			}
			return nil
		})
		if err != nil {
			h.damaged(err)
			return
		}
	}
	for i := range entries {
		if e := &entries[i]; e.First >= from && e.Last <= commit {
			h.applyEntry(e)
		}
	}
	if h.store.Applied() != commit {
		h.c.p.n.w.Fail(invariantKept, "shard %v: %s has to apply up to %d, and has entries up to %d", h.shard, h.c.p.n.ID, commit, h.store.Applied())
		return
	}
	h.core.Applied(commit, h.store.Rolling())
}

func (h *holding) applyEntry(e *replica.Entry) {
	var t store.Txn
	rest := e.Payload
	for seq := e.First; seq <= e.Last; seq++ {
		var err error
		if rest, err = store.DecodeTxn(rest, &t); err != nil {
			h.c.p.n.w.Fail(invariantEqual, "shard %v: %s cannot read transaction %d: %v", h.shard, h.c.p.n.ID, seq, err)
			return
		}
		h.applyTxn(seq, &t, h.workAt(seq))
	}
	for len(h.rounds) > 0 && h.rounds[0].last <= e.Last {
		h.rounds = h.rounds[1:]
	}
}

// applyTxn applies a transaction, and answers who waits for it, if anybody does.
func (h *holding) applyTxn(seq shards.SeqNo, t *store.Txn, work *work) {
	w, done := h.c.p.n.w, true
	if h.c.p.n.bug(BugOwnTime) {
		t.Time = h.c.p.n.wall()
	}
	if h.c.p.n.bug(BugApplyTwice) {
		t.Client, t.Seq = 0, 0
	}
	h.store.Apply(seq, t, func(_ int, r *store.Result) {
		done = done && r.Err == nil
		if work != nil {
			work.take(r)
		}
	})
	if first := w.applied(h.c.p.n, h.shard, seq, h.store.Rolling()); first && done {
		w.acts.applied(w, t)
	}
	if work != nil {
		h.acknowledge(work, seq)
	}
}

// workAt finds who waits for a transaction.
func (h *holding) workAt(seq shards.SeqNo) *work {
	for i := range h.rounds {
		if r := &h.rounds[i]; r.first <= seq && seq <= r.last {
			return &r.works[seq-r.first]
		}
	}
	return nil
}

func (h *holding) acknowledge(k *work, seq shards.SeqNo) {
	h.c.p.n.w.acknowledged(h.c.p.n, h.row, h.reign, seq)
	k.answer(response{results: k.results, seq: seq})
}

// leads gives the term in which this copy is primary, if what it holds is all that was acknowledged: no successor can have begun.
func (h *holding) leads() (shards.Term, bool) {
	return h.reign, h.reign != 0 && !h.failed && h.core.Role() == replica.RolePrimary && h.current() && h.c.p.member.leased()
}

// current says that what this primary holds is all that has been acknowledged.
func (h *holding) current() bool { return h.alone.solo || h.core.Caught() && h.open == 0 }

// request takes a client's transaction.
func (h *holding) request(k work) {
	if h.core.Role() != replica.RolePrimary {
		k.answer(response{err: h.elsewhere()})
		return
	}
	k.at = h.c.p.n.wall()
	if k.q.txn.ReadOnly() {
		h.read(k)
		return
	}
	if err := h.core.Writable(); err != nil {
		k.answer(response{err: errUnavailable})
		return
	}
	h.gather = append(h.gather, k)
	h.seal()
	h.drive()
}

func (h *holding) elsewhere() error {
	e := &shards.NotPrimaryError{Shard: h.shard, Term: h.core.Term()}
	if h.row != nil {
		if c := h.row.PrimaryCopy(); c != nil {
			e.Primary = c.Node
		}
	}
	return e
}

// read answers at once from what is applied: under a lease that is looked at after the read was done.
func (h *holding) read(k work) {
	if !h.alone.solo && !h.core.Caught() && !h.c.p.n.bug(BugReadBeforeTail) {
		h.reads = append(h.reads, k)
		return
	}
	if h.uncertain(&k) && !h.c.p.n.bug(BugReadByClock) {
		h.gather = append(h.gather, k)
		h.seal()
		h.drive()
		return
	}
	k.results = nil
	for i := range k.q.txn.Ops {
		var r store.Result
		h.store.Read(k.at, &k.q.txn.Ops[i], &r)
		k.take(&r)
	}
	if !h.c.p.member.leased() && !h.c.p.n.bug(BugReadWithoutLease) || h.open > 0 && !h.alone.solo && !h.c.p.n.bug(BugReadWhileMoving) {
		k.answer(response{err: errUnavailable})
		return
	}
	h.c.p.n.w.read(h.c.p.n, h.shard, h.reign, h.store.Applied(), k.q.told)
	k.answer(response{results: k.results})
}

// seal proposes what has gathered as one entry.
func (h *holding) seal() {
	if h.alone.solo {
		h.sealAlone()
		return
	}
	if len(h.gather) == 0 || len(h.rounds) >= maxRounds || !h.core.Room() {
		return
	}
	works := h.gather
	h.gather = nil
	var payload []byte
	for i := range works {
		t := works[i].q.txn
		t.Time = works[i].at
		payload = store.AppendTxn(payload, &t)
	}
	e, err := h.core.Propose(len(works), payload, false)
	if err != nil {
		for _, k := range works {
			k.answer(response{err: errUnavailable})
		}
		return
	}
	h.rounds = append(h.rounds, round2{first: e.First, last: e.Last, works: works})
	if h.c.p.n.bug(BugAckBeforeReplicate) {
		for i := range works {
			k := works[i]
			if op := &k.q.txn.Ops[0]; len(k.q.txn.Ops) == 1 && op.Kind == store.OpSet && op.If == store.Always {
				k.take(&store.Result{})
				h.acknowledge(&k, e.First+shards.SeqNo(i))
			}
		}
	}
	h.drive()
}

// fence ends a reign: nobody knows what becomes of what was proposed.
func (h *holding) fence() {
	h.reign, h.open, h.hand = 0, 0, nil
	h.stopSending("the reign is over")
	for _, r := range h.rounds {
		for _, k := range r.works {
			k.answer(response{err: errUnknown})
		}
	}
	for _, k := range append(h.gather, h.reads...) {
		k.answer(response{err: h.elsewhere()})
	}
	h.rounds, h.gather, h.reads = nil, nil, nil
	h.abandon()
}

func (h *holding) stop(reason string) {
	h.c.p.n.w.Note("%s stops copy %d of shard %v: %s", h.c.p.n.ID, h.copy, h.shard, reason)
	h.fence()
	h.failed = true
}

// damaged gives the copy up.
func (h *holding) damaged(err error) {
	h.stop(err.Error())
	h.c.drop(h.shard)
	h.c.fail(h.shard, h.copy, err.Error())
}

// propose asks the metadata group for a change of the in-sync set. Without a lease no copy is accused: a node that hears
// nobody would take all others out of the set before it is itself found dead.
func (h *holding) propose(change replica.Change) {
	if !change.Add && !h.c.p.member.leased() {
		return
	}
	command := &cluster.InSync{Shard: h.shard, Term: h.core.Term(), Primary: h.copy, Reason: change.Reason}
	if change.Add {
		command.Add = []shards.CopyID{change.Copy}
	} else {
		command.Remove = []shards.CopyID{change.Copy}
	}
	core := h.core
	h.c.propose(&cluster.Command{InSync: command}, func(o *cluster.Outcome) {
		if o != nil && o.Err != nil && h.core == core && !h.failed {
			core.Refused(change)
			h.drive()
		}
	})
}

// fetch reads for the core what has left memory.
func (h *holding) fetch(f replica.Fetch) {
	var entries []replica.Entry
	size := 0
	stop := errors.New("enough")
	err := h.c.p.n.disk.ReadFrom(h.shard, f.From, func(r wal.Record) error {
		if r.First > f.Through {
			return stop
		}
		entries = append(entries, replica.Entry{Term: r.Term, First: r.First, Last: r.Last, Payload: bytes.Clone(r.Payload), Shrinks: r.Shrinks})
		if size += len(r.Payload); size >= f.Bytes {
			return stop
		}
		return nil
	})
	switch {
	case len(entries) > 0 && entries[0].First == f.From && (err == nil || errors.Is(err, stop)):
		h.core.Fetched(f.To, entries)
	case err == nil || errors.Is(err, stop) || errors.Is(err, wal.ErrTruncated):
		h.core.Missing(f.To)
	default:
		h.damaged(fmt.Errorf("read the log for copy %d: %w", f.To, err))
	}
}
