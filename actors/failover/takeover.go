package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
	"github.com/troupe-actors/troupe/tracing"
)

// Takeover is what a copy tells that has become its shard's primary. Times are nanoseconds since 1970 by the clock of its node.
type Takeover struct {
	Shard   shards.ShardID
	Term    shards.Term
	Node    shards.NodeID
	Heard   int64 // of its promotion
	Served  int64 // it has what its predecessor left, and takes writes
	Written int64 // the first write of a client was acknowledged; 0: none was yet
	Entries int   // writes that its predecessor left open, and it sent again
	Waited  int   // requests that waited on its node for that

	Write tracing.Carrier `msgpack:"-"` // the span of the first write, if it was traced as a message: told beside, see told

	sent, received int64 // by the clocks of its node and of this one, if it came from another
}

// What is told again to a new leader, and for how long.
const (
	tellAgain   = 2 * time.Minute
	maxTold     = 4096
	tellTimeout = time.Second
	tellPause   = 50 * time.Millisecond // between tries, while there is no leader or it does not answer
)

// takeoverLimits bound a message of takeovers.
var takeoverLimits = wire.Limits{Depth: 5, Elements: 64 * maxTold}

// message is what goes to the leader: takeovers and waits are told, or its stories are asked for.
type message struct {
	Takeovers []Takeover
	Waits     []Felt
	Sent      int64 // by the clock of who sends it, nanoseconds since 1970
	Ask       bool
	Arrivals  []Arrival
}

// traced is a message with the spans of first writes. Releases before do not read it: they are told the message alone.
type traced struct {
	Message message
	Writes  []write
}

// write is the span of the first write of a takeover.
type write struct {
	Shard shards.ShardID
	Term  shards.Term
	Trace tracing.TraceID
	Span  tracing.SpanID
}

// firstOfTraced is the first byte of an encoded traced: an array of two.
const firstOfTraced = 0x92

// encode is the message, with the spans of the first writes in it if there are any, and alone.
func (m *message) encode() (whole, alone []byte) {
	x := traced{Message: *m}
	for i := range m.Takeovers {
		if t := &m.Takeovers[i]; t.Written != 0 && t.Write.Valid() {
			x.Writes = append(x.Writes, write{t.Shard, t.Term, t.Write.Trace, t.Write.Span})
		}
	}
	alone = wire.Marshal(*m)
	if whole = alone; len(x.Writes) > 0 {
		whole = wire.Marshal(x)
	}
	return whole, alone
}

// answer is the reply to Ask: encoded records.
type answer struct{ Records [][]byte }

// TellerConfig says how takeovers reach the leader. All but Log are required.
type TellerConfig struct {
	Self   shards.NodeID
	Leader func() (shards.NodeID, uint64) // who leads, as far as this node knows, and in which term
	Call   func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error)
	Here   func([]Takeover, []Felt, []Arrival) error // tells the Watch of this node
	Log    *slog.Logger
}

// Teller takes what the copies of a node tell of their takeovers to whoever leads. Its methods may be called concurrently.
type Teller struct {
	c      TellerConfig
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{}

	mu       sync.Mutex
	list     []told                       // oldest first
	waits    map[shards.ShardID]*toldWait // what is older than tellAgain goes
	arrivals []toldArrival                // oldest first
	soon     bool                         // Wake will come for the waits
}

type told struct {
	Takeover
	at   time.Time
	term uint64 // of the leader that has it; 0: none
}

type toldWait struct {
	Felt
	term uint64 // of the leader that has it as it is; 0: none
}

// StartTeller begins to tell. The owner calls Close.
func StartTeller(c TellerConfig) (*Teller, error) {
	if c.Self == "" || c.Leader == nil || c.Call == nil || c.Here == nil {
		return nil, errors.New("failover: a teller needs Self, Leader, Call and Here")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	t := &Teller{c: c, wake: make(chan struct{}, 1), waits: map[shards.ShardID]*toldWait{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.done.Go(t.run)
	return t, nil
}

// Close ends the telling. What no leader has heard of stays untold.
func (t *Teller) Close() {
	t.cancel()
	t.done.Wait()
}

// Took notes a takeover, or more about one. It never blocks, and may be called in a shard's turn.
func (t *Teller) Took(takeover Takeover) {
	t.mu.Lock()
	takeover.Node = t.c.Self
	at := slices.IndexFunc(t.list, func(x told) bool { return x.Shard == takeover.Shard })
	if at >= 0 {
		t.list = slices.Delete(t.list, at, at+1)
	}
	if len(t.list) >= maxTold {
		t.list = t.list[1:]
	}
	t.list = append(t.list, told{Takeover: takeover, at: time.Now()})
	t.mu.Unlock()
	t.Wake()
}

// Waited notes that a request to a shard was tried again from a moment on, and has its answer now. It never blocks. Waits are
// summed up by shard; the leader is told a little later, of many at once.
func (t *Teller) Waited(shard shards.ShardID, began, ended time.Time) {
	t.mu.Lock()
	w := t.waits[shard]
	if w == nil {
		if len(t.waits) >= maxTold {
			t.mu.Unlock()
			return
		}
		w = &toldWait{Felt: Felt{Shard: shard, Node: t.c.Self}}
		t.waits[shard] = w
	}
	w.add(began.UnixNano(), ended.UnixNano())
	w.term = 0
	soon := t.soon
	t.soon = true
	t.mu.Unlock()
	if !soon {
		time.AfterFunc(tellPause, t.Wake)
	}
}

// Wake says that another may lead.
func (t *Teller) Wake() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Teller) run() {
	again := time.NewTimer(tellPause)
	defer again.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.wake:
		case <-again.C:
		}
		again.Stop()
		if !t.tell() {
			again.Reset(tellPause)
		}
	}
}

// tell tells the leader what it does not have, and says whether it has everything now.
func (t *Teller) tell() bool {
	leader, term := t.c.Leader()
	m := t.news(term)
	var err error
	switch {
	case len(m.Takeovers)+len(m.Waits)+len(m.Arrivals) == 0:
		return true
	case leader == "" || term == 0:
		return false
	case leader == t.c.Self:
		err = t.c.Here(m.Takeovers, m.Waits, m.Arrivals)
	default:
		err = t.call(leader, &m)
	}
	if err != nil {
		t.c.Log.Debug("the placement leader was not told of takeovers; again soon", "leader", leader, "shards", len(m.Takeovers), "waits", len(m.Waits), "error", err)
		return false
	}
	t.heard(&m, term)
	return true
}

// call tells another node. A release before reads nothing of the spans of writes.
func (t *Teller) call(leader shards.NodeID, m *message) error {
	ctx, cancel := context.WithTimeout(t.ctx, tellTimeout)
	defer cancel()
	whole, alone := m.encode()
	_, err := t.c.Call(ctx, leader, whole)
	var refused *shards.Error
	if len(whole) > len(alone) && errors.As(err, &refused) && refused.Kind == shards.KindInvalid {
		_, err = t.c.Call(ctx, leader, alone)
	}
	return err
}

// news is what the leader of a term does not have. What is old is forgotten.
func (t *Teller) news(term uint64) (m message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.soon = false
	now := time.Now()
	t.list = slices.DeleteFunc(t.list, func(x told) bool { return now.Sub(x.at) > tellAgain })
	for _, x := range t.list {
		if x.term != term || term == 0 {
			m.Takeovers = append(m.Takeovers, x.Takeover)
		}
	}
	t.arrivals = slices.DeleteFunc(t.arrivals, func(x toldArrival) bool { return now.Sub(x.at) > tellAgain })
	for _, x := range t.arrivals {
		if x.term != term || term == 0 {
			m.Arrivals = append(m.Arrivals, x.Arrival)
		}
	}
	for id, w := range t.waits {
		switch {
		case now.UnixNano()-w.Ended > int64(tellAgain):
			delete(t.waits, id)
		case w.term != term || term == 0:
			m.Waits = append(m.Waits, w.Felt)
		}
	}
	slices.SortFunc(m.Waits, func(a, b Felt) int { return cmp.Compare(a.Shard, b.Shard) })
	m.Sent = now.UnixNano()
	return m
}

// heard notes what the leader of a term has by now. What was said anew meanwhile it does not have.
func (t *Teller) heard(m *message, term uint64) {
	takeovers := make(map[Takeover]bool, len(m.Takeovers)) // sets: shards wait for the lock in their turns
	for i := range m.Takeovers {
		takeovers[m.Takeovers[i]] = true
	}
	arrivals := make(map[Arrival]bool, len(m.Arrivals))
	for i := range m.Arrivals {
		arrivals[m.Arrivals[i]] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.list {
		if takeovers[t.list[i].Takeover] {
			t.list[i].term = term
		}
	}
	for i := range t.arrivals {
		if arrivals[t.arrivals[i].Arrival] {
			t.arrivals[i].term = term
		}
	}
	for i := range m.Waits {
		if w := t.waits[m.Waits[i].Shard]; w != nil && w.Felt == m.Waits[i] {
			w.term = term
		}
	}
}

type takeoverKey struct {
	shard shards.ShardID
	term  shards.Term
}

// decodeMessage reads what another node sent.
func decodeMessage(from shards.NodeID, body []byte) (*message, error) {
	var x traced
	m, into := &x.Message, any(&x.Message)
	if len(body) > 0 && body[0] == firstOfTraced {
		into = &x
	}
	if err := wire.Unmarshal(body, takeoverLimits, into); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("failover: what node %s tells: %w", from, err)}
	}
	if n := max(len(m.Takeovers), len(m.Waits), len(m.Arrivals), len(x.Writes)); n > maxTold {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("failover: node %s tells of %d takeovers, waits or arrivals; at most %d", from, n, maxTold)}
	}
	for i := range m.Waits {
		m.Waits[i].Node = from
	}
	for i := range m.Arrivals {
		m.Arrivals[i].By = from
	}
	written := make(map[takeoverKey]tracing.Carrier, len(x.Writes)) // asked by key only
	for _, w := range x.Writes {
		written[takeoverKey{w.Shard, w.Term}] = tracing.Carrier{Trace: w.Trace, Span: w.Span}
	}
	for i := range m.Takeovers {
		takeover := &m.Takeovers[i]
		takeover.Node = from // nobody speaks for another
		takeover.Write = written[takeoverKey{takeover.Shard, takeover.Term}]
	}
	return m, nil
}

// answerLimits bound an answer.
var answerLimits = wire.Limits{Depth: 4, Elements: 4 * maxOwn}

// AskStories is the body of a call that asks the leader for its stories; DecodeStories reads the answer.
func AskStories() []byte { return wire.Marshal(message{Ask: true}) }

// DecodeStories reads the leader's answer to AskStories.
func DecodeStories(body []byte) ([]*tracing.Failover, error) {
	var a answer
	if err := wire.Unmarshal(body, answerLimits, &a); err != nil {
		return nil, fmt.Errorf("failover: the leader's stories: %w", err)
	}
	var list []*tracing.Failover
	for _, record := range a.Records {
		f, err := tracing.DecodeFailover(record)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}
