package recipes

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// The names of the kinds.
const (
	KindSession  = "session"
	KindLock     = "lock"
	KindElection = "election"
	KindRegistry = "registry"
	KindQueue    = "queue"
	KindBarrier  = "barrier"
)

// Kinds are the kinds of actors that recipes are made of. They should be registered on every node that holds copies of their keyspace.
func Kinds(options ...virtual.Option) []*virtual.Kind {
	return []*virtual.Kind{
		sessionKind(options), lineKind(KindLock, options), lineKind(KindElection, options), registryKind(options), queueKind(options), barrierKind(options),
	}
}

// MaxAttached is how many locks, elections and barriers one session holds or waits at, and registries in which it has put something, whether or
// not that is still there. More are refused: ErrSessionFull.
const MaxAttached = 1000

// mostAttached is what a session's actor takes: what its process has let go of may have to say so yet. Whatever comes after is told that the
// session has ended.
const mostAttached = 2 * MaxAttached

// session is the state of a session's actor. One that has ended, or never was, is the zero value: names are not used again. One that is not Open and has Attached is telling them.
type session struct {
	Open     bool
	TTL      int64        // ms
	Until    int64        // Unix ms: then it ends, unless it is renewed. Moved at most four times in a TTL, so most renewals write nothing
	Attached []virtual.ID // what is told when it ends, in the order in which it came
}

// ended is the method by which a session tells that it has ended; the message is its name.
const ended = "session-ended"

func sessionID(name string) virtual.ID { return virtual.ID{Kind: KindSession, Name: name} }

// Bounds of a session's TTL.
const (
	minTTL = time.Second
	maxTTL = time.Hour
)

func sessionKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[session](KindSession, options...)
	virtual.Handle(k, "open", func(c *virtual.Context[session], ttl time.Duration) (struct{}, error) {
		if ttl < minTTL || ttl > maxTTL {
			return struct{}{}, fmt.Errorf("a session with a TTL of %v; at least %v, at most %v", ttl, minTTL, maxTTL)
		}
		c.State.Open, c.State.TTL = true, ttl.Milliseconds()
		c.State.renew(c.Now())
		return struct{}{}, watch(c)
	})
	virtual.Handle(k, "renew", func(c *virtual.Context[session], _ struct{}) (bool, error) {
		if c.State.Open {
			c.State.renew(c.Now())
		}
		return c.State.Open, nil
	})
	virtual.Handle(k, "close", func(c *virtual.Context[session], _ struct{}) (struct{}, error) { return struct{}{}, end(c) })
	virtual.Handle(k, "attach", func(c *virtual.Context[session], id virtual.ID) (struct{}, error) {
		switch {
		case slices.Contains(c.State.Attached, id):
			return struct{}{}, nil
		case !c.State.Open: // and nothing of it stays
			return struct{}{}, errors.Join(c.Tell(id, ended, c.Self().Name), end(c))
		case len(c.State.Attached) >= mostAttached:
			return struct{}{}, c.Tell(id, ended, c.Self().Name)
		case id.Check(ended) != nil:
			return struct{}{}, id.Check(ended)
		}
		c.State.Attached = append(c.State.Attached, id)
		return struct{}{}, nil
	})
	virtual.Handle(k, "detach", func(c *virtual.Context[session], id virtual.ID) (struct{}, error) {
		c.State.Attached = slices.DeleteFunc(c.State.Attached, func(a virtual.ID) bool { return a == id })
		return struct{}{}, nil
	})
	virtual.Handle(k, "expire", expire)
	virtual.HandleRead(k, "status", sessionStatus)
	return k.Kind
}

// renew moves the end, in quarters of the TTL: it is never nearer than that.
func (s *session) renew(now time.Time) {
	if until := now.UnixMilli() + s.TTL; s.Until < until {
		s.Until = until + s.TTL/4
	}
}

// watch has the session look whether it has ended. A look that comes too early sets the next.
func watch(c *virtual.Context[session]) error {
	wait := max(1, c.State.Until-c.Now().UnixMilli())
	return c.Remind("expire", time.Duration(wait)*time.Millisecond, 0, "expire", c.State.Until)
}

// late is how far behind its time a look comes that tells of the session's own absence.
const late = 500 * time.Millisecond

// expire ends the session if it was not renewed. If its actor was away, since its shard failed over or no node ran, it could not have
// been: then it gets its TTL anew.
func expire(c *virtual.Context[session], due int64) (struct{}, error) {
	now := c.Now()
	switch {
	case !c.State.Open:
		return struct{}{}, end(c)
	case now.Sub(time.UnixMilli(due)) > late:
		c.State.renew(now)
	case c.State.Until <= now.UnixMilli():
		return struct{}{}, end(c)
	}
	return struct{}{}, watch(c)
}

// mostTold is how many are told in one turn that a session has ended.
const mostTold = 500

// end tells all that is attached, some in each turn. Then nothing stays of the session: by when its key goes nobody tries again what was asked of it.
func end(c *virtual.Context[session]) error {
	told := min(len(c.State.Attached), mostTold)
	for _, id := range c.State.Attached[:told] {
		if err := c.Tell(id, ended, c.Self().Name); err != nil {
			return err
		}
	}
	if told == len(c.State.Attached) {
		return c.Clear()
	}
	c.State.Open, c.State.Attached = false, c.State.Attached[told:]
	return c.Remind("expire", 0, 0, "expire", c.Now().UnixMilli())
}

// ErrSessionOver says that a session has ended, or may have: what was held by it is not any more.
var ErrSessionOver = errors.New("recipes: the session is over")

// ErrSessionFull says that a session has to do with as much as one may (MaxAttached): Open another for the rest, or let go of something.
var ErrSessionFull = errors.New("recipes: the session is full")

var errNoSession = errors.New("recipes: without a session nothing is held: Open one, and give it along")

// Session keeps what a process holds for as long as the process lives. Its methods may be called concurrently.
type Session struct {
	host   *virtual.Host
	name   string
	ttl    time.Duration
	done   chan struct{}
	cancel func()
	work   sync.WaitGroup
	left   chan struct{} // holds a value when something is to be left later

	mu         sync.Mutex
	places     map[virtual.ID]*place // where something goes on in this process; nil: nowhere yet
	registries map[virtual.ID]bool   // in which this process has put something
}

// Open begins a session, and renews it until it is closed. ttl is how long it outlives its process: from a second to an hour.
func Open(ctx context.Context, h *virtual.Host, ttl time.Duration) (*Session, error) {
	s := &Session{host: h, name: rand.Text(), ttl: ttl, done: make(chan struct{}), left: make(chan struct{}, 1)}
	begun := time.Now()
	if _, err := virtual.Call[time.Duration, struct{}](ctx, h, sessionID(s.name), "open", ttl); err != nil {
		return nil, err
	}
	renewing, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.work.Go(func() { s.keep(renewing, begun) })
	s.work.Go(func() { s.leaveLater(renewing) })
	return s, nil
}

// Name is unique.
func (s *Session) Name() string { return s.name }

// Done is closed when the session is over, or was not renewed for so long that it may be. Whoever holds something by it stops then.
func (s *Session) Done() <-chan struct{} { return s.done }

// open is an error if nothing can be held by the session.
func (s *Session) open() error {
	switch {
	case s == nil:
		return errNoSession
	case s.Over():
		return ErrSessionOver
	}
	return nil
}

// Over says whether Done is closed.
func (s *Session) Over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// keep renews the session until it is over. sent is when the last renewal that was answered began: the actor counts from later on.
func (s *Session) keep(ctx context.Context, sent time.Time) {
	defer close(s.done)
	tick := time.NewTicker(s.ttl / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		left, cancel := context.WithDeadline(ctx, sent.Add(s.ttl))
		now := time.Now()
		open, err := virtual.Call[struct{}, bool](left, s.host, sessionID(s.name), "renew", struct{}{})
		cancel()
		switch {
		case err == nil && open:
			sent = now
		case err == nil, time.Since(sent) >= s.ttl:
			return
		}
	}
}

// Close ends the session: what is held by it is free at once. Done is closed when Close returns. If Close fails, that happens after
// the TTL.
func (s *Session) Close(ctx context.Context) error {
	s.cancel()
	s.work.Wait()
	_, err := virtual.Call[struct{}, struct{}](ctx, s.host, sessionID(s.name), "close", struct{}{})
	return err
}

// The pauses of one that waits for something to happen.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = 50 * time.Millisecond
	farPause     = time.Second
)

// await asks until the answer is yes, or the session is over. Those that have more others ahead of them ask less often.
func (s *Session) await(ctx context.Context, ask func() (yes bool, ahead int, err error)) error {
	return until(ctx, s.done, ask)
}

// await asks until the answer is yes.
func await(ctx context.Context, ask func() (yes bool, err error)) error {
	return until(ctx, nil, func() (bool, int, error) {
		yes, err := ask()
		return yes, 1, err
	})
}

func until(ctx context.Context, over <-chan struct{}, ask func() (yes bool, ahead int, err error)) error {
	for d := firstPause; ; d = min(2*d, longestPause) {
		yes, ahead, err := ask()
		if yes || err != nil {
			return err
		}
		if err := wait(ctx, over, min(d*time.Duration(max(1, ahead)), farPause)); err != nil {
			return err
		}
	}
}

// wait lets time pass; the error says why less of it has.
func wait(ctx context.Context, over <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-over:
		return ErrSessionOver
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leaveTimeout bounds each attempt of one that gives up waiting to say so.
const leaveTimeout = 5 * time.Second

func (s *Session) leave(ctx context.Context, id virtual.ID) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	_, err := call[string, struct{}](ctx, s.host, s, id, "leave", s.name)
	return err
}
