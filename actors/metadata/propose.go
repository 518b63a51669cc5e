package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Between two tries to reach the leader, in case nothing happens in between that is worth one.
const (
	leastPause = 5 * time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// Propose makes a command part of the state, from any member: it goes to the leader, again if the lead changes, and is applied
// once. When Propose returns without an error the command is applied, and State shows it unless ctx has ended; Outcome tells
// what it did, and Outcome.Err why it changed nothing.
//
// It tries until ctx ends. Then the error is a *shards.Error: KindUnavailable if the command is in nobody's log,
// KindOutcomeUnknown if it may be, and may still be applied. KindInvalid: it can never be proposed.
func (g *Group) Propose(ctx context.Context, command *cluster.Command) (cluster.Outcome, error) {
	if err := g.State().Readable(command); err != nil { // a leader of an older release could not even say so
		return cluster.Outcome{}, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	p := Proposal{ID: ProposalID{Proposer: g.config.Self.Raft, Epoch: g.config.Self.Epoch, Sequence: g.sequence.Add(1)}, Command: command}
	here := &waiter{heard: make(chan answer, 1)}
	if err := g.ask(ctx, func(*Core) { g.loop.waiting[p.ID] = append(g.loop.waiting[p.ID], here) }); err != nil {
		return cluster.Outcome{}, unavailable(err)
	}
	since := max(1, g.Status().Applied)
	changed, stop := g.Watch()
	defer stop()
	for pause, tried := leastPause, false; ; pause = min(2*pause, mostPause) {
		a, err := g.try(ctx, p, here, changed)
		switch a.verdict {
		case verdictApplied:
			return settle(a.applied)
		case verdictRefused:
			g.leave(p.ID)
			return cluster.Outcome{}, &shards.Error{Kind: shards.KindInvalid, Err: errors.New(a.text)}
		case verdictBusy:
			err = errors.New(cmp.Or(a.text, ErrBusy.Error())) // a leader of an older release does not say why
		case verdictUnknown:
			tried, p.Since = true, since
		}
		if err = g.lull(ctx, changed, pause, here, err); err != nil {
			g.leave(p.ID)
			if tried {
				return cluster.Outcome{}, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: err}
			}
			return cluster.Outcome{}, unavailable(err)
		}
	}
}

func unavailable(cause error) error {
	return &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("the metadata group takes no command: %w", cause)}
}

func settle(a Applied) (cluster.Outcome, error) {
	if a.Forgotten {
		return cluster.Outcome{}, ErrForgotten
	}
	return a.Outcome, nil
}

// leave stops to wait for a command here.
func (g *Group) leave(id ProposalID) {
	g.ask(context.Background(), func(*Core) { delete(g.loop.waiting, id) }) // the loop ends: so does the waiting
}

// lull lets some time pass before the next try, less if something happens. The error is why there is none: ctx, or the Group's
// end, with what went wrong last.
func (g *Group) lull(ctx context.Context, changed <-chan struct{}, pause time.Duration, here *waiter, last error) error {
	timer := time.NewTimer(pause/2 + rand.N(pause))
	defer timer.Stop()
	select {
	case a := <-here.heard:
		here.heard <- a // the next try finds it
		return nil
	case <-changed:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if last == nil {
			last = errors.New("it has no leader that this node knows of")
		}
		return fmt.Errorf("%w; %w", last, ctx.Err())
	case <-g.done:
		return ErrClosed
	}
}

// try proposes once, to whoever leads as far as this node knows, and gives up when another one does. verdictElsewhere: to nobody.
func (g *Group) try(ctx context.Context, p Proposal, here *waiter, changed <-chan struct{}) (answer, error) {
	leader, _ := g.Leader()
	switch leader {
	case "":
		return g.hear(here, answer{verdict: verdictElsewhere}), nil
	case g.config.Self.ID:
		return g.submit(ctx, p, here)
	}
	patient, cancel := context.WithTimeout(ctx, g.config.Patience)
	defer cancel()
	called := make(chan struct{})
	var body []byte
	var failed error
	go func() {
		defer close(called)
		body, failed = g.config.Wire.Call(patient, leader, transport.KindCommand, encodeProposal(&p))
	}()
	for waiting := true; waiting; {
		select {
		case a := <-here.heard:
			cancel()
			<-called
			return a, nil
		case <-changed:
			if now, _ := g.Leader(); now != leader {
				cancel()
			}
		case <-called:
			waiting = false
		}
	}
	a, err := judge(body, failed)
	if a.verdict != verdictApplied {
		return g.hear(here, a), err
	}
	select { // it is in the log: until it is applied here too
	case a := <-here.heard:
		return a, nil
	case <-ctx.Done():
	case <-g.done:
	}
	return a, nil
}

// judge reads the answer of a leader, or what its absence means.
func judge(body []byte, err error) (answer, error) {
	switch {
	case errors.Is(err, transport.ErrNoPeer) || errors.Is(err, transport.ErrTooLarge):
		return answer{verdict: verdictElsewhere}, err
	case err != nil:
		return answer{verdict: verdictUnknown}, err
	}
	a, err := decodeAnswer(body)
	if err != nil {
		return answer{verdict: verdictUnknown}, err
	}
	if a.verdict == verdictUnknown {
		return a, errors.New("the leader lost its lead")
	}
	return a, nil
}

// hear prefers what this node has heard itself.
func (g *Group) hear(here *waiter, a answer) answer {
	select {
	case heard := <-here.heard:
		return heard
	default:
		return a
	}
}

// submit proposes at this node, which leads, and waits for what becomes of it. here, if not nil, waits already.
func (g *Group) submit(ctx context.Context, p Proposal, here *waiter) (answer, error) {
	w := &waiter{heard: make(chan answer, 1)}
	known := answer{}
	err := g.ask(ctx, func(c *Core) { known = g.loop.propose(c, &p, w) })
	switch {
	case err != nil:
		return answer{verdict: verdictElsewhere}, err
	case known.verdict == verdictApplied && here != nil:
		return g.hear(here, known), nil
	case known.verdict != 0:
		return known, nil
	}
	var local chan answer
	if here != nil {
		local = here.heard
	}
	select {
	case a := <-w.heard:
		return a, nil
	case a := <-local:
		return a, nil
	case <-ctx.Done():
		return answer{verdict: verdictUnknown}, ctx.Err()
	case <-g.done:
		return answer{verdict: verdictUnknown}, ErrClosed
	}
}

// propose puts a command into the log, and w among those who wait. A verdict tells at once.
func (l *loop) propose(c *Core, p *Proposal, w *waiter) answer {
	if a, known := c.Outcome(p.ID); known {
		return answer{verdict: verdictApplied, applied: a}
	}
	if s := c.State(); s.Cluster != "" && s.MemberByRaft(p.ID.Proposer) == nil { // it was forgotten a moment ago: what it is told it hears when it tries again
		return answer{verdict: verdictElsewhere}
	}
	switch err := c.Propose(*p); {
	case err == nil:
		w.term = c.Lead().Term
		l.waiting[p.ID] = append(l.waiting[p.ID], w)
		return answer{}
	case errors.Is(err, ErrNotLeader):
		return answer{verdict: verdictElsewhere, leader: l.group.Status().Leader}
	case errors.Is(err, ErrBusy):
		return answer{verdict: verdictBusy, text: err.Error()}
	default:
		return answer{verdict: verdictRefused, text: err.Error()}
	}
}

// Barrier returns once State shows everything that was committed anywhere before the call. At the leader it renews Confirmed.
func (g *Group) Barrier(ctx context.Context) error {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		confirmed := make(chan struct{}, 1)
		round := uint64(0)
		err := g.ask(ctx, func(c *Core) {
			now := time.Now()
			round = c.ReadIndex()
			g.loop.barriers[round] = confirmed
			if c.Lead().Number == g.config.Self.Raft {
				g.loop.issued[round] = now
			}
		})
		if err != nil {
			return unavailable(err)
		}
		patience := time.NewTimer(g.config.Patience)
		select {
		case _, ok := <-confirmed:
			patience.Stop()
			if ok {
				return nil
			}
		case <-patience.C:
		case <-ctx.Done():
		case <-g.done:
			return unavailable(ErrClosed)
		}
		patience.Stop()
		g.ask(context.Background(), func(*Core) { delete(g.loop.barriers, round) })
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return unavailable(fmt.Errorf("no quorum has confirmed the leader: %w", ctx.Err()))
		}
	}
}

// Confirmed is when the newest round of ReadIndex began that a quorum has confirmed: at that moment nobody else led. It is on
// this process's monotonic clock. The leader begins a round with each heartbeat; zero if this node does not lead, or has not
// applied an entry of its own term.
func (g *Group) Confirmed() time.Time {
	if t := g.confirmed.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// LeaderGone takes the proof that the leader's life has ended in that epoch: its connection broke and its address refuses, or
// a newer life answers there. The node then votes for others without waiting for the election timeout, and stands itself. It
// returns at once.
func (g *Group) LeaderGone(node shards.NodeID, epoch shards.Epoch) {
	select {
	case g.gone <- life{node, epoch}:
	default: // so many proofs at once are of the same death
	}
}

// ErrNoSuccessor says that there is no other voter to hand the lead to.
var ErrNoSuccessor = errors.New("metadata: no other voter is there to lead the metadata group")

// Transfer hands the lead to another voter, and returns once another node leads, or at once if this one does not. A node calls
// it before it stops. ErrNoSuccessor if nobody can take it.
func (g *Group) Transfer(ctx context.Context) error {
	for {
		leads, found := false, false
		err := g.ask(ctx, func(c *Core) {
			if leads = c.Lead().Number == g.config.Self.Raft; leads {
				_, found = c.Transfer()
			}
		})
		switch {
		case err != nil || !leads:
			return err
		case !found:
			return ErrNoSuccessor
		}
		again, cancel := context.WithTimeout(ctx, g.config.Patience)
		err = g.Wait(again, func(_ *cluster.State, s Status) bool { return s.Leader != "" && s.Leader != g.config.Self.ID })
		cancel()
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return err
		}
	}
}

// changeVoters proposes voters, from a goroutine of its own.
func (g *Group) changeVoters(voters []uint64) {
	ctx, cancel := context.WithTimeout(g.ctx, g.config.Patience)
	defer cancel()
	outcome, err := g.Propose(ctx, &cluster.Command{Voters: &cluster.VotersChange{Voters: voters}})
	if err == nil {
		err = outcome.Error()
	}
	if err != nil {
		g.config.Logger.Warn("change the voters", "voters", voters, "error", err)
	} else {
		g.config.Logger.Info("the metadata group gets other voters", "voters", voters)
	}
	g.ask(g.ctx, func(*Core) { g.loop.voters.proposed = false })
}
