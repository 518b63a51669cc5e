package metadata

import (
	"context"
	"errors"
	"sync"
	"time"
)

// mostPatience bounds how long one address may take to say who it is.
const mostPatience = 10 * time.Second

// rounds asks addresses who they are, again and again.
//
//	round 1   a ──answer   b ────────────►| not yet     Config.Patience: a round lasts no longer
//	          b ─ given up, its next try may take twice as long
//	round 2   a ──answer   b ──────────────────►|
//	round 3   a ──answer   b ───────answer               asked in round 2
//
// A machine under load may need more than Config.Patience for a handshake and an answer, each time: so an address that has not answered in time is
// given twice as long the next time, and does not hold the others up meanwhile.
type rounds struct {
	group  *Group
	ctx    context.Context
	cancel context.CancelFunc
	asking sync.WaitGroup
	by     map[string]*asked // by address
}

// asked is an address that rounds asks.
type asked struct {
	patience time.Duration
	begun    time.Time
	answer   chan finding // of the try that has begun then; nil: it was heard
	heard    finding
}

// newRounds begins to ask. close ends it.
func (g *Group) newRounds(ctx context.Context) *rounds {
	r := &rounds{group: g, by: map[string]*asked{}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

func (r *rounds) close() {
	r.cancel()
	r.asking.Wait()
}

var errSlow = errors.New("no answer yet")

// ask gives what each address answers, within Config.Patience; errSlow where that is not over.
func (r *rounds) ask(addresses []string) []finding {
	for _, address := range addresses {
		r.begin(address)
	}
	limit, stop := context.WithTimeout(r.ctx, r.group.config.Patience)
	defer stop()
	found := make([]finding, len(addresses))
	for i, address := range addresses {
		found[i] = r.hear(limit, address)
	}
	return found
}

// begin asks an address, unless the last answer is still waited for, or nobody has heard it yet. Who was too late has longer.
func (r *rounds) begin(address string) {
	a, least := r.by[address], r.group.config.Patience
	if a == nil {
		a = &asked{patience: least}
		r.by[address] = a
	}
	if a.answer != nil {
		select {
		case f := <-a.answer:
			switch {
			case f.late:
				a.patience = min(2*a.patience, mostPatience)
			case time.Since(a.begun) <= mostPatience:
				a.answer <- f
				return
			}
		default:
			return
		}
	}
	answer, patience, begun := make(chan finding, 1), a.patience, time.Now()
	a.answer, a.begun = answer, begun
	r.asking.Go(func() {
		f := r.group.discover(r.ctx, address, patience)
		f.late = f.err != nil && time.Since(begun) >= least
		answer <- f
	})
}

// hear waits for an answer.
func (r *rounds) hear(ctx context.Context, address string) finding {
	a := r.by[address]
	if a.answer == nil { // the address is named twice
		return a.heard
	}
	select {
	case <-ctx.Done():
		select {
		case f := <-a.answer:
			return a.took(f, r.group.config.Patience)
		default:
			return finding{address: address, err: errSlow}
		}
	case f := <-a.answer:
		return a.took(f, r.group.config.Patience)
	}
}

// took notes an answer that was heard.
func (a *asked) took(f finding, patience time.Duration) finding {
	if f.late { // what comes of that is up to begin
		a.answer <- f
		return f
	}
	a.answer, a.heard, a.patience = nil, f, patience
	return f
}
