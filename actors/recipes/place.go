package recipes

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// place is what this process does with a session at one lock, election or barrier. The actor knows the session alone: of two calls that wait
// there, or of one that holds and one that asks again, the one that gives up must not give up for the other.
type place struct {
	asking  int           // calls under way
	held    bool          // one of them has got what it wanted, and nobody has let it go since
	leaving chan struct{} // closed when the last that gave up has said so; nil: none has to
	unsure  bool          // the session was to leave, and the actor has not said that it has: it may be attached still
	failed  int           // calls that have failed: what they wanted may yet come to be
	settled int           // of those that an answer has come behind
}

// call calls the actor of a place for the session. What a call wanted that has failed may yet come to be, as where too few copies are in sync for now: after one
// the answer is kept in the actor's shard, which is a write behind that, and so the last word. Else a lock that was left, as far as anybody knows,
// is held a moment later, and one that was acquired again is let go of.
func call[Req, Resp any](ctx context.Context, h *virtual.Host, s *Session, id virtual.ID, method string, request Req) (reply Resp, err error) {
	failed, doubt := s.doubts(id)
	if !doubt {
		reply, err = virtual.Call[Req, Resp](ctx, h, id, method, request)
	} else if reply, err = virtual.CallOnce[Req, Resp](ctx, h, id, rand.Text(), method, request); err == nil {
		s.settle(id, failed)
	}
	if err != nil {
		s.doubt(id)
	}
	return reply, err
}

// doubts says how many calls have failed at a place, and whether anything of them may yet come to be.
func (s *Session) doubts(id virtual.ID) (failed int, doubt bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[id]
	if p == nil {
		return 0, false
	}
	return p.failed, p.failed > p.settled
}

func (s *Session) doubt(id virtual.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[id]; p != nil {
		p.failed++
	}
}

// settle notes that so many calls which have failed have come to be, or never will.
func (s *Session) settle(id virtual.ID, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[id]; p != nil {
		p.settled = max(p.settled, failed)
	}
}

// at runs a call of the session that asks something of a lock, an election or a barrier, and says whether the session holds it then. When the last
// call fails without that, the session leaves.
func (s *Session) at(ctx context.Context, id virtual.ID, ask func() (held bool, err error)) error {
	p, err := s.come(ctx, id)
	if err != nil {
		return err
	}
	held, err := ask()
	s.mu.Lock()
	p.asking--
	p.held = p.held || held
	leaves := err != nil && p.asking == 0 && !p.held
	if leaves {
		p.leaving, p.unsure = make(chan struct{}), true
	}
	s.tidy(id)
	s.mu.Unlock()
	if leaves {
		s.depart(context.WithoutCancel(ctx), id, p)
	}
	return err
}

// depart has the session leave a place, whose leaving is not nil. What could not be reached is left later.
func (s *Session) depart(ctx context.Context, id virtual.ID, p *place) {
	failed := s.leave(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(p.leaving)
	p.leaving, p.unsure = nil, failed != nil
	if p.unsure {
		s.nudge()
	}
	s.tidy(id)
}

// nudge tells leaveLater that the session may be attached to something that it has given up.
func (s *Session) nudge() {
	select {
	case s.left <- struct{}{}:
	default:
	}
}

// leaveLater leaves what could not be reached when it was to be left: else it would be held, or waited for, until the session is over.
func (s *Session) leaveLater(ctx context.Context) {
	for {
		select {
		case <-s.left:
		case <-s.done:
			return
		case <-ctx.Done():
			return
		}
		for s.leaveUnsure(ctx) {
			if wait(ctx, s.done, farPause) != nil {
				return
			}
		}
	}
}

// leaveUnsure tries to leave what the session may be attached to and does not want, and says whether there is more of it.
func (s *Session) leaveUnsure(ctx context.Context) (more bool) {
	for _, id := range s.unwanted() {
		s.mu.Lock()
		p := s.places[id]
		leaves := p != nil && p.unsure && !p.held && p.asking == 0 && p.leaving == nil
		if leaves {
			p.leaving = make(chan struct{})
		}
		s.mu.Unlock()
		if leaves {
			s.depart(ctx, id, p)
		}
	}
	return len(s.unwanted()) > 0
}

func (s *Session) unwanted() (list []virtual.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, p := range s.places {
		if p.unsure && !p.held {
			list = append(list, id)
		}
	}
	return list
}

// come waits until nobody leaves any more: what is asked must not be undone by that.
func (s *Session) come(ctx context.Context, id virtual.ID) (*place, error) {
	for {
		s.mu.Lock()
		p := s.places[id]
		if p == nil {
			if err := s.room(); err != nil {
				s.mu.Unlock()
				return nil, err
			}
			if s.places == nil {
				s.places = map[virtual.ID]*place{}
			}
			p = &place{}
			s.places[id] = p
		}
		leaving := p.leaving
		if leaving == nil {
			p.asking++
			s.mu.Unlock()
			return p, nil
		}
		s.mu.Unlock()
		select {
		case <-leaving:
		case <-s.done:
			return nil, ErrSessionOver
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// room refuses to have the session attached to one thing more than it may. It is called with the mutex held.
func (s *Session) room() error {
	if n := len(s.places) + len(s.registries); n >= MaxAttached {
		return fmt.Errorf("%w: it has to do with %d locks, elections, barriers and registries", ErrSessionFull, n)
	}
	return nil
}

// puts notes that the session is to have keys in a registry.
func (s *Session) puts(id virtual.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.registries[id] {
		return nil
	}
	if err := s.room(); err != nil {
		return err
	}
	if s.registries == nil {
		s.registries = map[virtual.ID]bool{}
	}
	s.registries[id] = true
	return nil
}

// letGo notes that the session is to hold something no more.
func (s *Session) letGo(id virtual.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[id]; p != nil {
		p.held, p.unsure = false, true
	}
}

// gone notes that the actor has taken that in.
func (s *Session) gone(id virtual.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[id]; p != nil {
		p.unsure = false
		s.tidy(id)
	}
}

// tidy forgets a place where nothing goes on. It is called with the mutex held.
func (s *Session) tidy(id virtual.ID) {
	if p := s.places[id]; p.asking == 0 && !p.held && p.leaving == nil && !p.unsure {
		delete(s.places, id)
	}
}
