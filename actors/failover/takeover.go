package failover

import (
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
}

// What is told again to a new leader, and for how long.
const (
	tellAgain   = 2 * time.Minute
	maxTold     = 4096
	tellTimeout = time.Second
	tellPause   = 50 * time.Millisecond // between tries, while there is no leader or it does not answer
)

// takeoverLimits bound a message of takeovers.
var takeoverLimits = wire.Limits{Depth: 4, Elements: 16 * maxTold}

// message is what goes to the leader: takeovers are told, or its stories are asked for.
type message struct {
	Takeovers []Takeover
	Ask       bool
}

// answer is the reply to Ask: encoded records.
type answer struct{ Records [][]byte }

// TellerConfig says how takeovers reach the leader. All but Log are required.
type TellerConfig struct {
	Self   shards.NodeID
	Leader func() (shards.NodeID, uint64) // who leads, as far as this node knows, and in which term
	Call   func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error)
	Here   func([]Takeover) // tells the Watch of this node
	Log    *slog.Logger
}

// Teller takes what the copies of a node tell of their takeovers to whoever leads. Its methods may be called concurrently.
type Teller struct {
	c      TellerConfig
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{}

	mu   sync.Mutex
	list []told // oldest first
}

type told struct {
	Takeover
	at   time.Time
	term uint64 // of the leader that has it; 0: none
}

// StartTeller begins to tell. The owner calls Close.
func StartTeller(c TellerConfig) (*Teller, error) {
	if c.Self == "" || c.Leader == nil || c.Call == nil || c.Here == nil {
		return nil, errors.New("failover: a teller needs Self, Leader, Call and Here")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	t := &Teller{c: c, wake: make(chan struct{}, 1)}
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
	news := t.news(term)
	switch {
	case len(news) == 0:
		return true
	case leader == "" || term == 0:
		return false
	case leader == t.c.Self:
		t.c.Here(news)
	default:
		ctx, cancel := context.WithTimeout(t.ctx, tellTimeout)
		defer cancel()
		if _, err := t.c.Call(ctx, leader, wire.Marshal(message{Takeovers: news})); err != nil {
			t.c.Log.Debug("the placement leader was not told of takeovers; again soon", "leader", leader, "shards", len(news), "error", err)
			return false
		}
	}
	t.heard(news, term)
	return true
}

// news lists what the leader of a term does not have, and forgets what is old.
func (t *Teller) news(term uint64) (list []Takeover) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = slices.DeleteFunc(t.list, func(x told) bool { return time.Since(x.at) > tellAgain })
	for _, x := range t.list {
		if x.term != term || term == 0 {
			list = append(list, x.Takeover)
		}
	}
	return list
}

func (t *Teller) heard(news []Takeover, term uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.list {
		if slices.Contains(news, t.list[i].Takeover) {
			t.list[i].term = term
		}
	}
}

// decodeMessage reads what another node sent.
func decodeMessage(from shards.NodeID, body []byte) (*message, error) {
	m := &message{}
	if err := wire.Unmarshal(body, takeoverLimits, m); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("failover: what node %s tells: %w", from, err)}
	}
	if len(m.Takeovers) > maxTold {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("failover: node %s tells of %d takeovers; at most %d", from, len(m.Takeovers), maxTold)}
	}
	for i := range m.Takeovers {
		m.Takeovers[i].Node = from // nobody speaks for another
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
