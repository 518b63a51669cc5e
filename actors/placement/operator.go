package placement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Kind is what an operator wants. The names are those of the HTTP API.
type Kind string

// The kinds. The last two lose acknowledged writes: whoever asks has been asked whether that is accepted.
const (
	Move            Kind = "move"             // the copy on From goes to To
	Cancel          Kind = "cancel"           // the copy on From, which recovers, or takes another's place, or is being replaced, stays as it was
	Promote         Kind = "promote"          // the in-sync copy on To becomes primary, by a hand-over where there is a primary
	AllocateReplica Kind = "allocate_replica" // a copy that is missing is put on To
	AllocateStale   Kind = "allocate_stale"   // the copy on To, which is not in sync, becomes the only one in sync
	AllocateEmpty   Kind = "allocate_empty"   // the shard begins empty on To
)

// Wish is one command of an operator.
type Wish struct {
	Kind     Kind
	Shard    shards.ShardID
	From, To shards.NodeID
}

// MaxWishes bounds the commands of one Request.
const MaxWishes = 1000

// Request asks for a look now, with commands first.
type Request struct {
	Wishes      []Wish
	DryRun      bool // plan, and commit nothing
	RetryFailed bool // forget how often copies have failed
}

// Answer is what became of a Request.
type Answer struct {
	Version uint64              // of the state after it; of a dry run: of the state that it was planned on
	Rows    []cluster.RowChange // what was done, or would be: the commands' first
	Denied  []Denied
	Waiting []Waiting // copies that are wanted and for which nothing is done yet
}

// Denied says why a command is not carried out.
type Denied struct {
	Wish        int                  // place in Request.Wishes
	Reason      string               // a sentence
	Explanation policies.Explanation // of the deciders; without words if the state itself refuses
}

// Waiting says what a copy waits for.
type Waiting struct {
	Shard   shards.ShardID
	Verdict policies.Verdict // THROTTLE or NO
	Reason  string
}

// reroute carries out a request on the node that leads. Commands are committed first, in one step, then a look follows.
func (p *Placement) reroute(ctx context.Context, r *Request) (*Answer, error) {
	e := p.c.Members.Evidence()
	if !e.Leading {
		return nil, errNotHere
	}
	a, err := p.wish(r, e)
	if err != nil {
		return nil, err
	}
	if r.DryRun {
		return a, nil
	}
	if len(a.Rows) > 0 {
		began := time.Now()
		p.orders.Add(1) // a plan may answer it before this goroutine goes on...
		outcome, err := p.c.Group.ProposeIn(ctx, e.Term, &cluster.Command{Reroute: &cluster.Reroute{Rows: a.Rows}})
		p.orders.Add(1) // ...and one may have been made between the first and the commit
		switch {
		case err != nil:
			return nil, err
		case outcome.Err != nil:
			return nil, outcome.Err
		}
		p.c.Asked(Planned{Term: e.Term, Plan: p.wished(a), Outcome: outcome, Commit: time.Since(began)})
		a.leave(r, outcome.Rows)
		a.Version = outcome.Version
	}
	operator := make(chan *allocator.Plan, 1)
	select {
	case p.asked <- operator:
		if plan := <-operator; plan != nil {
			a.add(plan)
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.ctx.Done():
		return nil, errNotHere
	}
	a.Version = max(a.Version, p.c.Group.State().Version)
	return a, nil
}

// wished is an operator's moves as a plan.
func (p *Placement) wished(a *Answer) *allocator.Plan {
	plan, state := &allocator.Plan{Version: a.Version, Rows: a.Rows}, p.c.Group.State()
	for _, r := range a.Rows {
		for _, m := range r.Moves {
			plan.Decisions = append(plan.Decisions, allocator.Decision{Shard: r.Shard, Name: state.ShardName(r.Shard), Verdict: policies.Yes, Move: m, Reason: m.Reason})
		}
	}
	return plan
}

// wish turns a request's commands into moves, and of a dry run makes the plan that would follow.
func (p *Placement) wish(r *Request, e *member.Evidence) (*Answer, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	s := p.c.Group.State()
	m := p.desk.sit(s)
	defer p.drain(m)
	if m.pending {
		return nil, errPending
	}
	w := wishing{in: p.weigh(s, e, m), deaf: m.deaf(), trial: s.Try(), moves: map[shards.ShardID][]cluster.Move{}}
	w.all(r)
	a := &Answer{Version: s.Version, Rows: w.rows(), Denied: w.denied}
	if r.DryRun {
		w.in.State, _ = s.Apply(&cluster.Command{Reroute: &cluster.Reroute{Rows: a.Rows}})
		a.add(allocator.Make(w.in))
	}
	return a, nil
}

// add joins a plan to the answer.
func (a *Answer) add(plan *allocator.Plan) {
	a.Rows = append(a.Rows, plan.Rows...)
	for _, d := range plan.Decisions {
		if d.Move.Kind == 0 {
			a.Waiting = append(a.Waiting, Waiting{Shard: d.Shard, Verdict: d.Verdict, Reason: d.Reason})
		}
	}
}

// leave takes out the rows that came too late, and denies what they were to do.
func (a *Answer) leave(r *Request, left []cluster.RowOutcome) {
	for _, row := range left {
		a.Rows = slices.DeleteFunc(a.Rows, func(c cluster.RowChange) bool { return c.Shard == row.Shard })
		for i, wish := range r.Wishes {
			if wish.Shard == row.Shard && !slices.ContainsFunc(a.Denied, func(d Denied) bool { return d.Wish == i }) {
				a.Denied = append(a.Denied, Denied{Wish: i, Reason: row.Err.Text + "; look, and ask again"})
			}
		}
	}
}

// wishing turns commands into moves, each tried on what those before it did.
type wishing struct {
	in     allocator.Input
	deaf   string // why a policy in force is not asked; empty if all are
	trial  *cluster.Trial
	moves  map[shards.ShardID][]cluster.Move // only asked by key; rows sorts
	denied []Denied
}

func (w *wishing) all(r *Request) {
	for i, wish := range r.Wishes {
		if i >= MaxWishes {
			w.deny(i, fmt.Sprintf("at most %d commands at a time", MaxWishes))
			return
		}
		w.one(i, &wish)
	}
	if !r.RetryFailed {
		return
	}
	for i := range w.in.State.Shards {
		if s := &w.in.State.Shards[i]; s.Failures > 0 {
			w.do(&cluster.Move{Kind: cluster.MoveRetry, Reason: "an operator has failed copies tried again"}, s.ID)
		}
	}
}

func (w *wishing) deny(i int, reason string) {
	w.denied = append(w.denied, Denied{Wish: i, Reason: reason})
}

func (w *wishing) one(i int, wish *Wish) {
	s := w.trial.State()
	r := s.Shard(wish.Shard)
	if r == nil {
		w.deny(i, fmt.Sprintf("there is no shard %v", wish.Shard))
		return
	}
	m, reason := w.resolve(wish, s, r)
	if reason != "" {
		w.deny(i, reason)
		return
	}
	if wish.Kind == Move && w.deaf != "" { // all others mend something, which may not be able to wait for another leader
		w.deny(i, w.deaf+": it could be against the move; have another node lead")
		return
	}
	m.Reason = fmt.Sprintf("an operator asked for %s", wish.Kind)
	if wish.Kind == Move || wish.Kind == Promote || wish.Kind == AllocateReplica {
		in := w.in
		in.State = s
		e, err := allocator.Permit(in, wish.Shard, m)
		if err != nil {
			w.deny(i, err.Error())
			return
		}
		if e.Verdict == policies.No {
			w.denied = append(w.denied, Denied{Wish: i, Reason: e.Decisive().Reason + w.offer(&in, wish, m), Explanation: e})
			return
		}
	}
	if err := w.do(m, wish.Shard); err != nil {
		w.deny(i, err.Error())
	}
}

// offer says what the operator can have instead, or nothing.
func (w *wishing) offer(in *allocator.Input, wish *Wish, m *cluster.Move) string {
	if o, err := allocator.Counter(*in, wish.Shard, m); err == nil && o != nil && o.String() != "" {
		return "; " + o.String()
	}
	return ""
}

func (w *wishing) do(m *cluster.Move, id shards.ShardID) error {
	if err := w.trial.Move(id, m); err != nil {
		return err
	}
	w.moves[id] = append(w.moves[id], *m)
	return nil
}

// resolve finds the move that a wish means, or a sentence that says why there is none.
func (w *wishing) resolve(wish *Wish, s *cluster.State, r *cluster.Shard) (*cluster.Move, string) {
	name := s.ShardName(r.ID)
	from, to := r.CopyOn(wish.From), r.CopyOn(wish.To)
	switch wish.Kind {
	case Move:
		if from == nil {
			return nil, fmt.Sprintf("shard %s has no copy on node %s", name, s.NodeName(wish.From))
		}
		return &cluster.Move{Kind: cluster.MoveAllocate, Node: wish.To, Source: from.ID}, ""
	case Cancel:
		return w.cancel(wish, s, r)
	case AllocateReplica:
		if wanted := s.Keyspace(r.ID.Keyspace()).Copies(); r.Lasting() >= wanted {
			return nil, fmt.Sprintf("shard %s has all of its %d copies; raise the keyspace's replicas to have more", name, wanted)
		}
		return &cluster.Move{Kind: cluster.MoveAllocate, Node: wish.To}, ""
	case AllocateEmpty:
		return &cluster.Move{Kind: cluster.MoveEmpty, Node: wish.To}, ""
	case Promote, AllocateStale:
		if to == nil {
			return nil, fmt.Sprintf("shard %s has no copy on node %s", name, s.NodeName(wish.To))
		}
	default:
		return nil, fmt.Sprintf("there is no command %q", wish.Kind)
	}
	kind := cluster.MoveStale
	if wish.Kind == Promote {
		if kind = cluster.MovePromote; r.Primary != 0 {
			kind = cluster.MoveHandTo
		}
		if to.ID == r.Primary && r.HandTo == 0 {
			return nil, fmt.Sprintf("copy c%d on node %s leads shard %s already", to.ID, s.NodeName(wish.To), name)
		}
	}
	return &cluster.Move{Kind: kind, Copy: to.ID}, ""
}

// cancel drops a copy that recovers or is to take another's place; named by either of the two.
func (w *wishing) cancel(wish *Wish, s *cluster.State, r *cluster.Shard) (*cluster.Move, string) {
	c := r.CopyOn(wish.From)
	name := s.ShardName(r.ID)
	if c == nil {
		return nil, fmt.Sprintf("shard %s has no copy on node %s", name, s.NodeName(wish.From))
	}
	for i := range r.Copies {
		if r.Copies[i].Source == c.ID {
			c = &r.Copies[i]
			break
		}
	}
	switch {
	case c.ID >= w.in.State.NextCopy:
		return nil, fmt.Sprintf("the copy of shard %s on node %s is only begun by this request", name, s.NodeName(c.Node))
	case c.InSync && c.Source == 0:
		return nil, fmt.Sprintf("copy c%d of shard %s on node %s is in sync and does not move: there is nothing to cancel", c.ID, name, s.NodeName(wish.From))
	}
	return &cluster.Move{Kind: cluster.MoveDrop, Copy: c.ID}, ""
}

// rows are the moves as one command has them.
func (w *wishing) rows() (out []cluster.RowChange) {
	for i := range w.in.State.Shards {
		r := &w.in.State.Shards[i]
		if moves := w.moves[r.ID]; len(moves) > 0 {
			out = append(out, cluster.RowChange{Shard: r.ID, Base: r.Version, Moves: moves})
		}
	}
	return out
}
