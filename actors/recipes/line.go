package recipes

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// line is the state of a lock's or an election's actor. The first claim holds. Token rises whenever another claim becomes the first.
type line struct {
	Token  uint64
	Claims []claim
}

// claim is one that holds, or waits.
type claim struct {
	Session string
	Value   string `json:",omitempty"`
}

// MaxWaiting is how many may wait for a lock, or stand for election.
const MaxWaiting = 1000

// standing tells a claim where it is: it holds if Token is not 0.
type standing struct {
	Token uint64
	Ahead int
}

// claiming is a claim on its way.
type claiming struct {
	Session, Value string
	Try            bool // do not wait in line
}

// Holder is who holds a lock, or leads.
type Holder struct {
	Session string // empty: nobody
	Value   string // what a candidate said of itself
	Token   uint64 // the fencing token, or the term
	Waiting int
}

func lineKind(kind string, options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[line](kind, options...)
	virtual.Handle(k, "claim", func(c *virtual.Context[line], r claiming) (standing, error) {
		at := c.State.find(r.Session)
		switch {
		case at == 0:
			return standing{Token: c.State.Token}, nil
		case at > 0 || r.Try && len(c.State.Claims) > 0:
			return standing{Ahead: max(at, 1)}, nil
		case len(c.State.Claims) > MaxWaiting:
			return standing{}, fmt.Errorf("%d wait for %s; that is the most", MaxWaiting, c.Self())
		}
		c.State.Claims = append(c.State.Claims, claim{Session: r.Session, Value: r.Value})
		s := standing{Ahead: len(c.State.Claims) - 1}
		if s.Ahead == 0 {
			c.State.Token++
			s.Token = c.State.Token
		}
		return s, c.Tell(sessionID(r.Session), "attach", c.Self())
	})
	virtual.Handle(k, "leave", func(c *virtual.Context[line], name string) (struct{}, error) {
		if !c.State.remove(name) {
			return struct{}{}, nil
		}
		return struct{}{}, c.Tell(sessionID(name), "detach", c.Self())
	})
	virtual.Handle(k, ended, func(c *virtual.Context[line], name string) (struct{}, error) {
		c.State.remove(name)
		return struct{}{}, nil
	})
	virtual.HandleRead(k, "status", lineStatus)
	virtual.Handle(k, "look", func(c *virtual.Context[line], _ struct{}) (h Holder, err error) {
		if len(c.State.Claims) == 0 {
			return Holder{Token: c.State.Token}, nil
		}
		first := c.State.Claims[0]
		return Holder{first.Session, first.Value, c.State.Token, len(c.State.Claims) - 1}, nil
	})
	return k.Kind
}

func (l *line) find(session string) int {
	return slices.IndexFunc(l.Claims, func(c claim) bool { return c.Session == session })
}

func (l *line) remove(session string) bool {
	at := l.find(session)
	if at < 0 {
		return false
	}
	l.Claims = slices.Delete(l.Claims, at, at+1)
	if at == 0 && len(l.Claims) > 0 {
		l.Token++
	}
	return true
}

// enter waits in line until the session holds.
func enter(ctx context.Context, h *virtual.Host, id virtual.ID, s *Session, value string) (token uint64, err error) {
	if err := cmp.Or(s.open(), virtual.CheckText("name", id.Name), virtual.CheckText("value", value)); err != nil {
		return 0, err
	}
	err = s.at(ctx, id, func() (bool, error) {
		err := s.await(ctx, func() (bool, int, error) {
			if s.Over() {
				return false, 0, ErrSessionOver
			}
			st, err := call[claiming, standing](ctx, h, s, id, "claim", claiming{Session: s.name, Value: value})
			token = st.Token
			return token > 0, st.Ahead, err
		})
		return err == nil, err
	})
	if err != nil {
		return 0, err
	}
	return token, nil
}

func leave(ctx context.Context, h *virtual.Host, id virtual.ID, s *Session) error {
	if s == nil {
		return errNoSession
	}
	s.letGo(id)
	_, err := call[string, struct{}](ctx, h, s, id, "leave", s.name)
	if err == nil {
		s.gone(id)
	} else {
		s.nudge()
	}
	return err
}

// Lock is held by one session at a time. It is there as soon as somebody asks for it.
type Lock struct {
	host *virtual.Host
	id   virtual.ID
}

// NewLock names a lock.
func NewLock(h *virtual.Host, name string) Lock {
	return Lock{h, virtual.ID{Kind: KindLock, Name: name}}
}

// Acquire waits until the session holds the lock, first come, first served, and gives the fencing token: greater than those of all
// that held it before. A session that holds it already gets the same token again. After an error the session neither holds the lock nor
// waits for it, but by other calls: what one got stays, and those that wait go on. Where the lock cannot be told of that, it is as soon as it can. Error: ErrSessionOver, ErrSessionFull, that of ctx, or the actor's.
func (l Lock) Acquire(ctx context.Context, s *Session) (token uint64, err error) {
	return enter(ctx, l.host, l.id, s, "")
}

// TryAcquire takes the lock if it is free; token 0: it is not. Errors are as for Acquire.
func (l Lock) TryAcquire(ctx context.Context, s *Session) (token uint64, err error) {
	if err := cmp.Or(s.open(), virtual.CheckText("name", l.id.Name)); err != nil {
		return 0, err
	}
	err = s.at(ctx, l.id, func() (bool, error) {
		st, err := call[claiming, standing](ctx, l.host, s, l.id, "claim", claiming{Session: s.name, Try: true})
		token = st.Token
		return err == nil && token > 0, err
	})
	return token, err
}

// Release lets the next one have it. That the session does not hold it is no error. After an error it is let go of as soon as the lock can be reached,
// unless the session acquires it again before.
func (l Lock) Release(ctx context.Context, s *Session) error { return leave(ctx, l.host, l.id, s) }

// Holder is who holds the lock now.
func (l Lock) Holder(ctx context.Context) (Holder, error) {
	return virtual.Call[struct{}, Holder](ctx, l.host, l.id, "look", struct{}{})
}

// Election finds one leader among those that stand for it.
type Election struct {
	host *virtual.Host
	id   virtual.ID
}

// NewElection names an election.
func NewElection(h *virtual.Host, name string) Election {
	return Election{h, virtual.ID{Kind: KindElection, Name: name}}
}

// Campaign waits until the session leads, and gives its term, greater than all before. value is what others are to know of the
// leader, such as its address, and stays what the session said first. The leader leads until it resigns or its session is over: see
// Session.Done. Errors are as for Lock.Acquire.
func (e Election) Campaign(ctx context.Context, s *Session, value string) (term uint64, err error) {
	return enter(ctx, e.host, e.id, s, value)
}

// Resign has the next one lead.
func (e Election) Resign(ctx context.Context, s *Session) error { return leave(ctx, e.host, e.id, s) }

// Leader is who leads now. Its Session is empty if nobody does.
func (e Election) Leader(ctx context.Context) (Holder, error) {
	return virtual.Call[struct{}, Holder](ctx, e.host, e.id, "look", struct{}{})
}

// Next waits until somebody leads in a later term.
func (e Election) Next(ctx context.Context, term uint64) (h Holder, err error) {
	err = await(ctx, func() (bool, error) {
		h, err = e.Leader(ctx)
		return h.Session != "" && h.Token > term, err
	})
	return h, err
}
