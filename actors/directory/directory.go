package directory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// Remote reaches other nodes; transport.Transport is one.
type Remote interface {
	Call(ctx context.Context, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error)
}

// Config is what a directory needs. All fields but Remote and Patience are required.
type Config struct {
	Self   shards.NodeID
	Client uint64 // this life of this node as a writer: chosen at random, never 0
	State  func() *cluster.State
	Await  func(ctx context.Context, version uint64) error // returns when State().Version is above version, or with ctx
	Local  func(shards.ShardID) *shard.Shard               // the copy on this node, or nil
	Remote Remote                                          // nil: there are no other nodes

	// Patience is how long a piece of work is tried while its shard has no primary that answers, from its first try on, if its
	// context does not end before; at least a fifth of it is left after the first try. Default 5 s.
	Patience time.Duration

	// Behind is how long ago State was surely all that the cluster had agreed on. It bounds stale reads. nil: it always is.
	Behind func() time.Duration

	Messages *tracing.Messages // nil: no work is traced

	// Clock is the time at which work is ordered and read, by which keys expire. nil: time.Now.
	Clock func() time.Time

	// Waited is told of each piece of work that was tried again, once it has its answer or is given up. It is quick. nil: nobody
	// wants to know.
	Waited func(id shards.ShardID, began, ended time.Time)
}

// Directory routes work. Its methods may be called concurrently.
type Directory struct {
	config   Config
	writes   sync.Map  // ShardID -> *atomic.Uint64, the last number given to a write
	attempts sync.Pool // of *attempts
	flights  flights
	forwards atomic.Int64
	retries  atomic.Int64
	newest   atomic.Pointer[edict]
	open     context.Context // ends with Close
	close    context.CancelFunc
}

// New makes a directory.
func New(c Config) *Directory {
	if c.Patience == 0 {
		c.Patience = 5 * time.Second
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	d := &Directory{
		config: c, attempts: sync.Pool{New: func() any { return new(attempts) }},
		flights: flights{all: map[*flight]struct{}{}},
	}
	d.open, d.close = context.WithCancel(context.Background())
	return d
}

// Close ends all trying again, and watches, and sends nothing more to other nodes: this one stops. Work for shards that it leads is still answered, as
// well as one try can. The errors of other work wrap shard.ErrClosed, but of work that is for this node only, and finds its shard led elsewhere.
func (d *Directory) Close() { d.close() }

// patient is ctx for as long as work is tried whose first try began then.
func (d *Directory) patient(ctx context.Context, began time.Time) (context.Context, context.CancelFunc) {
	left := max(time.Until(began.Add(d.config.Patience)), d.config.Patience/5)
	ctx, cancel := context.WithTimeout(ctx, left)
	stop := context.AfterFunc(d.open, cancel)
	return ctx, func() { stop(); cancel() }
}

// Task is work for one shard. The directory answers it as a shard does: every Result, or Fail for each transaction.
type Task struct {
	Shard shards.ShardID
	Work  shard.Work
	Stale bool // reads may be served by any copy in sync, and say nothing of the latest writes

	// Within bounds what a stale read may lack: nothing that was acknowledged longer before it. 0: it may lack whatever the copy does.
	Within time.Duration
	Here   bool // only by this node: if its shard is led elsewhere, the failure is a *shards.NotPrimaryError that says where
}

// Figures count what the directory has done since the start.
type Figures struct {
	Forwards int64 // pieces of work sent to other nodes
	Retries  int64 // pieces of work tried again
}

// Figures takes a look.
func (d *Directory) Figures() Figures { return Figures{d.forwards.Load(), d.retries.Load()} }

// Do runs tasks for different shards at once and returns when each has been answered. b is ready for Begin, and is used
// only until Do returns. The end of ctx ends the trying again, not what is under way on this node.
func (d *Directory) Do(ctx context.Context, tasks []Task, b *shard.Batch) {
	as := d.attempts.Get().(*attempts)
	as.reset(d, tasks)
	left := as.all
	began := d.try(ctx, left, b)
	if left = unanswered(left); len(left) > 0 {
		d.again(ctx, left, b, began)
	}
	as.release()
	d.attempts.Put(as)
}

// again tries what failed until it is answered, cannot be, or patience ends. The first try began when began says.
func (d *Directory) again(ctx context.Context, left []*attempt, b *shard.Batch, began time.Time) {
	ctx, cancel := d.patient(ctx, began)
	defer cancel()
	for pause := firstPause; len(left) > 0; pause = min(2*pause, longestPause) {
		left = d.keepHopeful(ctx, left, began)
		if len(left) == 0 {
			return
		}
		d.rest(ctx, pause)
		d.retries.Add(int64(len(left)))
		d.try(ctx, left, b)
		for _, a := range left {
			if a.err == nil {
				d.waited(a.task.Shard, began)
			}
		}
		left = unanswered(left)
	}
}

// waited tells that work was tried again and has its answer.
func (d *Directory) waited(id shards.ShardID, began time.Time) {
	if d.config.Waited != nil {
		d.config.Waited(id, began, time.Now())
	}
}

// The pauses between tries. A newer table ends one at once.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 100 * time.Millisecond
)

// rest waits for a newer table, for a jittered pause at most.
func (d *Directory) rest(ctx context.Context, pause time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, pause/2+rand.N(pause))
	defer cancel()
	// Whether the table changed or the time ran out, the next step is the same: look again.
	_ = d.config.Await(ctx, d.config.State().Version)
}

// ErrGivenUp is in the errors of work that was tried for as long as the node is patient, or its caller.
var ErrGivenUp = errors.New("given up after trying again")

// keepHopeful answers those that trying again cannot help, and gives the others, ready for it.
func (d *Directory) keepHopeful(ctx context.Context, left []*attempt, began time.Time) []*attempt {
	kept := left[:0]
	for _, a := range left {
		if kindOf(a.err) == shards.KindOutcomeUnknown && !reads(a) {
			a.unsure = a.err
		}
		switch {
		case !a.mayRepeat() || a.task.Here && kindOf(a.err) == shards.KindNotPrimary:
			a.answer(a.verdict())
		case ctx.Err() != nil:
			a.answer(d.outOfTime(a.aged(a.verdict()), reads(a)))
			d.waited(a.task.Shard, began)
		default:
			a.err = nil
			kept = append(kept, a)
		}
	}
	return kept
}

// outOfTime says why trying again has ended, and keeps the kind: it tells the caller what to do.
func (d *Directory) outOfTime(err error, read bool) error {
	kind := kindOf(err)
	switch {
	case kind == shards.KindNotPrimary: // nobody is told to go elsewhere by a node that has just tried to
		kind = shards.KindUnavailable
	case kind == shards.KindOutcomeUnknown && read: // nothing of it can have happened
		kind = shards.KindUnavailable
	}
	why := ErrGivenUp
	if d.open.Err() != nil {
		why = shard.ErrClosed
	}
	return &shards.Error{Kind: kind, Err: fmt.Errorf("%w: %w", why, err)}
}

// try runs each attempt once: those of shards led from here on this goroutine, the others beside them. It returns when it began.
func (d *Directory) try(ctx context.Context, list []*attempt, b *shard.Batch) (began time.Time) {
	began = time.Now()
	now := d.config.Clock().UnixMilli()
	b.Begin()
	var others []*attempt
	edict, trace, traced := d.edict(), tracing.Carrier{}, d.config.Messages.Busy()
	if traced {
		trace = d.config.Messages.Carried(ctx)
		traced = trace.Valid()
	}
	for _, a := range list {
		if a.err = edict.work(a); a.err != nil {
			continue
		}
		if local := d.here(a); local != nil {
			if traced {
				d.begin(trace, a, tracing.Internal, verb(a))
			}
			d.submit(now, local, a, b)
			continue
		}
		if a.task.Here {
			a.err = d.elsewhere(a.task.Shard)
			continue
		}
		if traced {
			d.begin(trace, a, tracing.Client, "forward")
		}
		others = append(others, a)
	}
	if len(others) > 0 {
		d.forwardAll(ctx, others)
	}
	b.Wait()
	if traced {
		endAll(list)
	}
	return began
}

// forwardAll sends all of them at once.
func (d *Directory) forwardAll(ctx context.Context, list []*attempt) {
	var earlier sync.WaitGroup
	for _, a := range list[1:] {
		earlier.Go(func() { d.forward(ctx, a) })
	}
	d.forward(ctx, list[0]) // one, often the only, needs no goroutine
	earlier.Wait()
}

// ours says that the table has a shard's primary here. If the copy here does not lead it says why better than the table can.
func (d *Directory) ours(id shards.ShardID) bool {
	node, _ := primaryOf(d.config.State(), id)
	return node == d.config.Self
}

// elsewhere is the refusal of work that only this node may do, and that is not its own.
func (d *Directory) elsewhere(id shards.ShardID) error {
	if node, term := primaryOf(d.config.State(), id); node != "" && node != d.config.Self {
		return &shards.NotPrimaryError{Shard: id, Primary: node, Term: term}
	}
	_, err := d.whereElse(id)
	return err
}

func (d *Directory) submit(now int64, local *shard.Shard, a *attempt, b *shard.Batch) {
	if a.task.Stale {
		d.readStale(now, local, a, a.task.Within)
		return
	}
	local.Submit(now, a, b)
}

// primaryOf is the node of a shard's primary and its term; "" if there is none.
func primaryOf(state *cluster.State, id shards.ShardID) (shards.NodeID, shards.Term) {
	row := state.Shard(id)
	if row == nil {
		return "", 0
	}
	if c := row.PrimaryCopy(); c != nil {
		return c.Node, row.Term
	}
	return "", row.Term
}

// kindOf is the kind in an error's chain.
func kindOf(err error) shards.ErrorKind {
	var kinded interface{ ErrorKind() shards.ErrorKind }
	if errors.As(err, &kinded) {
		return kinded.ErrorKind()
	}
	return shards.KindUnknown
}
