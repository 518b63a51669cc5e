package recipes

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// barrier is the state of a barrier's actor.
type barrier struct {
	Generation uint64 // how often it has opened
	Arrived    []string
}

// MaxParties bounds how many meet at a barrier.
const MaxParties = 1000

// arrival is a session that comes.
type arrival struct {
	Session string
	Parties int
}

// passage says which generation an arrival belongs to, and whether it has opened.
type passage struct {
	Generation uint64
	Open       bool
}

func barrierKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[barrier](KindBarrier, options...)
	virtual.Handle(k, "arrive", func(c *virtual.Context[barrier], a arrival) (passage, error) {
		if a.Parties < 1 || a.Parties > MaxParties {
			return passage{}, fmt.Errorf("a barrier for %d; at least 1, at most %d", a.Parties, MaxParties)
		}
		p := passage{Generation: c.State.Generation}
		known := slices.Contains(c.State.Arrived, a.Session)
		if !known {
			c.State.Arrived = append(c.State.Arrived, a.Session)
		}
		if len(c.State.Arrived) >= a.Parties {
			for _, name := range c.State.Arrived {
				if name == a.Session && !known {
					continue // it was not attached yet
				}
				if err := c.Tell(sessionID(name), "detach", c.Self()); err != nil {
					return p, err
				}
			}
			c.State.Generation++
			c.State.Arrived, p.Open = nil, true
			return p, nil
		}
		if known {
			return p, nil
		}
		return p, c.Tell(sessionID(a.Session), "attach", c.Self())
	})
	virtual.Handle(k, ended, func(c *virtual.Context[barrier], name string) (struct{}, error) {
		c.State.remove(name)
		return struct{}{}, nil
	})
	virtual.Handle(k, "leave", func(c *virtual.Context[barrier], name string) (struct{}, error) {
		if !c.State.remove(name) {
			return struct{}{}, nil
		}
		return struct{}{}, c.Tell(sessionID(name), "detach", c.Self())
	})
	virtual.HandleRead(k, "status", barrierStatus)
	virtual.Handle(k, "look", func(c *virtual.Context[barrier], _ struct{}) (passage, error) {
		return passage{Generation: c.State.Generation}, nil
	})
	return k.Kind
}

func (b *barrier) remove(session string) bool {
	at := slices.Index(b.Arrived, session)
	if at >= 0 {
		b.Arrived = slices.Delete(b.Arrived, at, at+1)
	}
	return at >= 0
}

// Barrier is where some wait for each other, again and again.
type Barrier struct {
	host *virtual.Host
	id   virtual.ID
}

// NewBarrier names a barrier.
func NewBarrier(h *virtual.Host, name string) Barrier {
	return Barrier{h, virtual.ID{Kind: KindBarrier, Name: name}}
}

// Wait returns when so many sessions wait here, and says how often the barrier had opened before. All should name the same number.
// One whose session ends, or whose ctx does, is not counted any more; a session that waits here twice counts once, until both have given up.
func (b Barrier) Wait(ctx context.Context, s *Session, parties int) (generation uint64, err error) {
	if err := cmp.Or(s.open(), virtual.CheckText("name", b.id.Name)); err != nil {
		return 0, err
	}
	err = s.at(ctx, b.id, func() (bool, error) {
		p, err := call[arrival, passage](ctx, b.host, s, b.id, "arrive", arrival{s.name, parties})
		generation = p.Generation
		if err != nil || p.Open {
			return false, err
		}
		return false, s.await(ctx, func() (bool, int, error) {
			now, err := virtual.Call[struct{}, passage](ctx, b.host, b.id, "look", struct{}{})
			return now.Generation > generation, 1, err
		})
	})
	if err != nil {
		return 0, err
	}
	return generation, nil
}
