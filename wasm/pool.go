package wasm

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is the answer of a Pool that has been closed.
var ErrClosed = errors.New("wasm: closed")

// A Pool lends instances of one module, each to one caller at a time. Instances are made when they are wanted, up to the
// size; the one that came back last goes out first, since its memory is warm. One that trapped does not come back.
//
// Invariants: lent instances are at most the size; an idle instance has not trapped; after Close and the return of the
// last caller there is none left, and the module is closed.
type Pool struct {
	module *Module
	host   Host
	ready  func(*Instance) error
	slots  chan struct{} // one for each instance that may be lent

	mu     sync.Mutex
	idle   []*Instance
	least  int // of idle, since Trim was called last
	lent   int
	closed bool
	counts Counts
}

// Counts says what a Pool has done so far.
type Counts struct {
	Made    uint64 // instances made
	Dropped uint64 // of these, those that trapped
	Idle    int    // instances that wait
}

// NewPool lends at most size instances of the module at once, and owns the module from now on. Each new instance is given to ready
// (nil for nothing) before its first caller: the place to configure it.
func NewPool(m *Module, host Host, size int, ready func(*Instance) error) *Pool {
	return &Pool{module: m, host: host, ready: ready, slots: make(chan struct{}, max(size, 1))}
}

// Module is what the instances are made of.
func (p *Pool) Module() *Module { return p.module }

// Do calls f with an instance that nobody else has, and waits for one if all are out. What f keeps of the guest's memory is
// no longer its own when f returns.
func (p *Pool) Do(ctx context.Context, f func(*Instance) error) error {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer func() { <-p.slots }()
	i, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.give(i)
	return f(i)
}

// take lends an idle instance or a new one.
func (p *Pool) take(ctx context.Context) (*Instance, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	p.lent++
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.least = min(p.least, n-1)
		p.mu.Unlock()
		return i, nil
	}
	p.counts.Made++
	p.least = 0
	p.mu.Unlock()
	i, err := p.module.Instantiate(ctx, p.host)
	if err == nil && p.ready != nil {
		if err = p.ready(i); err != nil {
			_ = i.Close()
		}
	}
	if err != nil {
		p.mu.Lock()
		p.counts.Dropped++
		p.left()
		p.mu.Unlock()
		return nil, err
	}
	return i, nil
}

// give takes an instance back, or buries it.
func (p *Pool) give(i *Instance) {
	p.mu.Lock()
	keep := i.Trapped() == nil && !p.closed
	if keep {
		p.idle = append(p.idle, i)
	} else if i.Trapped() != nil {
		p.counts.Dropped++
	}
	p.mu.Unlock()
	if !keep {
		_ = i.Close()
	}
	p.mu.Lock()
	p.left()
	p.mu.Unlock()
}

// left notes that a caller has gone; the last one out of a closed pool closes the module.
func (p *Pool) left() {
	p.lent--
	if p.closed && p.lent == 0 {
		_ = p.module.Close()
	}
}

// Counts says what the pool has done so far.
func (p *Pool) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts
	c.Idle = len(p.idle)
	return c
}

// Trim closes the instances that nobody has needed since it was called last.
func (p *Pool) Trim() {
	p.mu.Lock()
	unused := p.idle[:p.least]
	p.idle = append([]*Instance(nil), p.idle[p.least:]...)
	p.least = len(p.idle)
	p.mu.Unlock()
	for _, i := range unused {
		_ = i.Close() // nobody asks it any more
	}
}

// Close lets nobody in any more. Callers who are inside finish; the last of them takes the module along.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle, p.least = nil, 0
	var err error
	for _, i := range idle {
		err = errors.Join(err, i.Close())
	}
	if p.lent == 0 {
		err = errors.Join(err, p.module.Close())
	}
	return err
}
