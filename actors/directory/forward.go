package directory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wire"
	"github.com/troupe-actors/troupe/tracing"
)

// Work travels as one call of transport.KindForward, in msgpack:
//
//	request   93 shard stale [txn ...]        the transactions of one work, as store.AppendTxns writes them
//	          94 shard stale within [txn ...]  likewise, for a stale read that is bounded: nanoseconds
//	answer    [ outcome ... ]                 one for each transaction, as store.AppendResults writes it
//
// A work that fails as a whole is an error of the call, with its kind, and with the primary where that is known.

// errNoPrimary is why nothing could be sent.
var errNoPrimary = errors.New("the shard has no primary now; one of its in-sync copies must come back or be promoted")

// errAlone is why a node without others cannot send.
var errAlone = errors.New("the shard's primary is on another node, and this one listens for no peers: give it --peer")

// forward sends an attempt to where the table has the shard's primary, and delivers the answer.
func (d *Directory) forward(ctx context.Context, a *attempt) {
	to, err := d.destination(a)
	if err != nil {
		a.Fail(0, err)
		return
	}
	d.number(a)
	d.forwards.Add(1)
	if a.span != nil {
		ctx = a.span.Carrier().Context(ctx)
	}
	var body []byte
	if a.task.Stale {
		body, err = d.callCopy(ctx, a.task.Shard, to, request(a))
	} else {
		body, err = d.callLeader(ctx, a.task.Shard, to, transport.KindForward, request(a))
	}
	if err != nil {
		a.Fail(0, callError(err))
		return
	}
	if err := deliver(body, a); err != nil {
		a.Fail(0, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: fmt.Errorf("node %s answered what this one cannot read: %w", to, err)})
	}
}

// whereElse is the node to send a shard's work to.
func (d *Directory) whereElse(id shards.ShardID) (shards.NodeID, error) {
	state := d.config.State()
	to, _ := primaryOf(state, id)
	return d.reach(state, id, to)
}

// reach is a node that is to be asked, or why it cannot be.
func (d *Directory) reach(state *cluster.State, id shards.ShardID, to shards.NodeID) (shards.NodeID, error) {
	switch {
	case d.open.Err() != nil:
		return "", d.unavailable(state, id, shard.ErrClosed)
	case to == "":
		return "", d.unavailable(state, id, errNoPrimary)
	case to == d.config.Self: // its copy is not built yet, or does not know its role
		return "", d.unavailable(state, id, shard.ErrStarting)
	case d.config.Remote == nil:
		return "", d.unavailable(state, id, errAlone)
	}
	return to, nil
}

func (d *Directory) unavailable(state *cluster.State, id shards.ShardID, why error) error {
	return &shards.Error{Kind: shards.KindUnavailable, Shard: state.ShardName(id), Err: why}
}

// callError gives a failed call the kind that tells a client what to do. Errors that the other side answered have theirs.
func callError(err error) error {
	switch {
	case errors.Is(err, transport.ErrNoPeer), errors.Is(err, transport.ErrFull):
		return &shards.Error{Kind: shards.KindUnavailable, Err: err}
	case errors.Is(err, transport.ErrClosed):
		return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: fmt.Errorf("%w: %w", shard.ErrClosed, err)}
	case errors.Is(err, transport.ErrTooLarge):
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	case errors.Is(err, transport.ErrPeerGone), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: err}
	}
	return err
}

// number gives the writes of an attempt their (client, sequence), once: a repetition must carry the same.
func (d *Directory) number(a *attempt) {
	if a.numbered {
		return
	}
	a.numbered = true
	var counter *atomic.Uint64
	for i := range a.Len() {
		t := a.Txn(i)
		if t.ReadOnly() && len(t.Guards) == 0 {
			continue
		}
		if counter == nil {
			counter = d.counter(a.task.Shard)
		}
		t.Client, t.Seq = d.config.Client, counter.Add(1)
	}
}

// counter numbers the writes to one shard: without gaps, so that a shard remembers as many of them as it can.
func (d *Directory) counter(id shards.ShardID) *atomic.Uint64 {
	if known, ok := d.writes.Load(id); ok {
		return known.(*atomic.Uint64)
	}
	made, _ := d.writes.LoadOrStore(id, new(atomic.Uint64))
	return made.(*atomic.Uint64)
}

func request(a *attempt) []byte {
	e := wire.NewEncoder(nil)
	if a.task.Within > 0 {
		e.Array(4)
		e.Uint(uint64(a.task.Shard))
		e.Bool(a.task.Stale)
		e.Uint(uint64(a.task.Within))
	} else {
		e.Array(3)
		e.Uint(uint64(a.task.Shard))
		e.Bool(a.task.Stale)
	}
	return store.AppendTxns(e.Buffer(), a.Len(), a.Txn)
}

// deliver hands an answer's results to the work. Nothing is delivered of an answer that is malformed at its start.
func deliver(body []byte, a *attempt) error {
	d := wire.NewDecoder(body)
	n := d.Array()
	if err := d.Err(); err != nil {
		return err
	}
	if n != a.Len() {
		return fmt.Errorf("%w: %d outcomes of %d transactions", wire.ErrMalformed, n, a.Len())
	}
	rest := d.Rest()
	var results []store.Result
	for i := range n {
		var failure, err error
		results, failure, rest, err = store.DecodeOutcome(rest, results)
		switch {
		case err != nil:
			return err
		case failure != nil:
			a.task.Work.Fail(i, failure)
			continue
		case len(results) != len(a.Txn(i).Ops):
			return fmt.Errorf("%w: %d results of %d operations", wire.ErrMalformed, len(results), len(a.Txn(i).Ops))
		}
		for op := range results {
			a.Result(i, op, &results[op])
		}
	}
	return nil
}

// Serve answers a call of transport.KindForward: it does another node's work on the copy here. The errors have kinds.
func (d *Directory) Serve(ctx context.Context, body []byte) ([]byte, error) {
	s := servings.Get().(*serving)
	defer s.release()
	if err := s.decode(body); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	local, err := d.copyHere(s.shard)
	if err != nil {
		return nil, err
	}
	s.begin(ctx, d)
	s.batch.Begin()
	if s.stale {
		d.readStale(d.config.Clock().UnixMilli(), local, s, s.within)
	} else {
		local.Submit(d.config.Clock().UnixMilli(), s, s.batch)
	}
	s.batch.Wait()
	s.span.End(s.err)
	if s.err != nil {
		return nil, s.err
	}
	return s.answer(), nil
}

// serving is another node's work while it is done here; it implements shard.Work. It is kept for the next.
type serving struct {
	shard    shards.ShardID
	stale    bool
	within   time.Duration // of a stale read
	txns     []store.Txn
	outcomes [][]byte
	batch    *shard.Batch
	err      error
	span     *tracing.Active // nil unless it is traced
}

var servings = sync.Pool{New: func() any { return &serving{batch: shard.NewBatch()} }}

func (s *serving) decode(body []byte) (err error) {
	d := wire.NewDecoder(body)
	parts := d.Array()
	if parts != 3 && parts != 4 && d.Err() == nil {
		d.Refuse("a forwarded work has 3 parts, or 4")
	}
	id := d.Uint()
	if id > 1<<32-1 {
		d.Refuse("a shard's id has 32 bits")
	}
	s.shard, s.stale, s.within = shards.ShardID(id), d.Bool(), 0
	if parts == 4 {
		within := d.Uint()
		if within > math.MaxInt64 || !s.stale {
			d.Refuse("a bound of what is not stale, or of centuries")
		}
		s.within = time.Duration(within)
	}
	if err := d.Err(); err != nil {
		return err
	}
	var rest []byte
	if s.txns, rest, err = store.DecodeTxns(d.Rest(), s.txns[:0]); err != nil {
		return err
	}
	if len(rest) != 0 {
		return fmt.Errorf("%w: %d bytes after a forwarded work", wire.ErrMalformed, len(rest))
	}
	s.outcomes = append(s.outcomes[:0], make([][]byte, len(s.txns))...)
	return nil
}

func (s *serving) Len() int             { return len(s.txns) }
func (s *serving) Txn(i int) *store.Txn { return &s.txns[i] }

func (s *serving) Result(i, op int, r *store.Result) {
	if op == 0 {
		s.outcomes[i] = store.BeginResults(nil, len(s.txns[i].Ops))
	}
	s.outcomes[i] = store.AppendResult(s.outcomes[i], r)
}

func (s *serving) Fail(_ int, err error) { s.err = err }

func (s *serving) answer() []byte {
	size := 5
	for _, o := range s.outcomes {
		size += len(o) + 1
	}
	e := wire.NewEncoder(make([]byte, 0, size))
	e.Array(len(s.outcomes))
	out := e.Buffer()
	for _, o := range s.outcomes {
		if o == nil { // a transaction without operations
			o = store.BeginResults(nil, 0)
		}
		out = append(out, o...)
	}
	return out
}

// keptTxns bounds what a serving keeps.
const keptTxns = 256

func (s *serving) release() {
	if cap(s.txns) > keptTxns {
		s.txns = nil
	}
	clear(s.outcomes)
	s.err, s.span = nil, nil
	servings.Put(s)
}
