package placement

import (
	"context"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// errNotHere: a request reached a node that does not lead.
var errNotHere = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("placement: this node does not lead; ask again when a leader is known")}

// errPending: what is in force cannot be asked yet.
var errPending = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("placement: the leader has just begun and still compiles the policies that are in force; ask again")}

// Reroute has the placement leader, whichever node that is, carry out a request.
func (p *Placement) Reroute(ctx context.Context, r Request) (*Answer, error) {
	if p.c.Members.Evidence().Leading {
		return p.reroute(ctx, &r)
	}
	a := &answer{}
	if err := p.forward(ctx, &question{Reroute: &r}, a); err != nil {
		return nil, err
	}
	return a.Reroute, nil
}

// Explain has the placement leader say why a shard is where it is, and where it could be.
func (p *Placement) Explain(ctx context.Context, shard shards.ShardID) (*allocator.Explanation, error) {
	if p.c.Members.Evidence().Leading {
		return p.explain(shard)
	}
	a := &answer{}
	if err := p.forward(ctx, &question{Explain: true, Shard: shard}, a); err != nil {
		return nil, err
	}
	return a.Explain, nil
}

func (p *Placement) explain(shard shards.ShardID) (*allocator.Explanation, error) {
	e := p.c.Members.Evidence()
	if !e.Leading {
		return nil, errNotHere
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	s := p.c.Group.State()
	m := p.desk.sit(s)
	defer p.drain(m)
	x, err := allocator.Explain(p.weigh(s, e, m), shard)
	if err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if deaf := m.deaf(); deaf != "" { // the answers are those of the others alone
		x.Decisions = append(x.Decisions, allocator.Decision{Shard: shard, Name: x.Name, Verdict: policies.Throttle, Reason: deaf})
	}
	return x, nil
}

// question is a request on its way to the leader.
type question struct {
	Reroute *Request
	Explain bool
	Shard   shards.ShardID
	News    *Question
	Losses  bool
}

// answer is what comes back.
type answer struct {
	Reroute *Answer
	Explain *allocator.Explanation
	News    *News
	Losses  *Losses
}

func (q *question) parts() (n int) {
	for _, set := range []bool{q.Reroute != nil, q.Explain, q.News != nil, q.Losses} {
		if set {
			n++
		}
	}
	return n
}

// limits bound what is decoded: an answer holds a plan of a large cluster at most.
var limits = wire.Limits{Depth: 12, Elements: 4 << 20}

func (p *Placement) forward(ctx context.Context, q *question, a *answer) error {
	body, err := p.ask(ctx, wire.Marshal(*q))
	if err != nil {
		return err
	}
	if err := wire.Unmarshal(body, limits, a); err != nil {
		return fmt.Errorf("placement: the leader's answer: %w", err)
	}
	if (q.Reroute != nil) != (a.Reroute != nil) || q.Explain != (a.Explain != nil) || (q.News != nil) != (a.News != nil) || q.Losses != (a.Losses != nil) {
		return errors.New("placement: the leader answered another question")
	}
	return nil
}

// ask has the leader answer.
func (p *Placement) ask(ctx context.Context, body []byte) ([]byte, error) {
	leader, _ := p.c.Group.Leader()
	if leader == "" || leader == p.c.Self || p.c.Call == nil {
		return nil, errNotHere
	}
	return p.c.Call(ctx, leader, body)
}

// Serve answers another node's question, where this node leads.
func (p *Placement) Serve(ctx context.Context, body []byte) ([]byte, error) {
	if found, err := p.serveAudition(body); found != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return wire.Marshal(*found), nil
	}
	q := &question{}
	if err := wire.Unmarshal(body, limits, q); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	a := answer{}
	var err error
	switch {
	case q.parts() != 1:
		err = &shards.Error{Kind: shards.KindInvalid, Err: errors.New("placement: a question is a reroute, an explanation, one for news or one for losses")}
	case q.Reroute != nil:
		a.Reroute, err = p.reroute(ctx, q.Reroute)
	case q.Explain:
		a.Explain, err = p.explain(q.Shard)
	case q.Losses:
		a.Losses, err = p.losses()
	default:
		a.News, err = p.news(ctx, q.News)
	}
	if err != nil {
		return nil, err
	}
	return wire.Marshal(a), nil
}
