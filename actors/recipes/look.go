package recipes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// What operators see. Everything is read, nothing changed, and nobody waits for it: the methods do not wait for their turn.

// ErrNoSession says that a session has ended, or never was.
var ErrNoSession = errors.New("recipes: there is no such session now")

// SessionView is how long a session has, and what it holds or waits for.
type SessionView struct {
	Session string
	TTL     time.Duration
	Until   time.Time  // then it ends, if it is not renewed
	Held    []HeldView // in order
}

// HeldView is something that a session is attached to.
type HeldView struct {
	Actor virtual.ID
	Token uint64 // of a lock or an election that it holds; 0: it does not, or it is something else
	Ahead int    // of one that it waits for: how many are before it, the one that holds it included
	Keys  int    // of a registry: how many are the session's, at most MaxSessionKeys
	Waits bool   // for a lock, to be elected, or at a barrier
	Err   error  // why it could not be asked
}

// sessionStatus is what a session tells of itself.
func sessionStatus(c *virtual.Reading[session], _ struct{}) (session, error) { return *c.State, nil }

// lineStatus tells where a session is in line.
func lineStatus(c *virtual.Reading[line], name string) (standing, error) {
	at := c.State.find(name)
	if at == 0 {
		return standing{Token: c.State.Token}, nil
	}
	return standing{Ahead: at}, nil
}

// barrierStatus tells whether a session waits.
func barrierStatus(c *virtual.Reading[barrier], name string) (waits bool, err error) {
	for _, s := range c.State.Arrived {
		waits = waits || s == name
	}
	return waits, nil
}

// registryStatus counts the keys of a session.
func registryStatus(c *virtual.Reading[registry], name string) (keys int, err error) {
	for _, err := range c.Scan("s/" + name + "/") {
		if err != nil {
			return 0, err
		}
		keys++
	}
	return keys, nil
}

// asked is how many actors are asked at the same time.
const asked = 32

// LookAt tells how long a session has. ErrNoSession if it has ended. The Held say nothing but Actor: Look asks them, too.
func LookAt(ctx context.Context, h *virtual.Host, name string) (v SessionView, err error) {
	s, err := virtual.Call[struct{}, session](ctx, h, sessionID(name), "status", struct{}{})
	switch {
	case err != nil:
		return v, err
	case !s.Open:
		return v, fmt.Errorf("%w: %q", ErrNoSession, name)
	}
	v = SessionView{Session: name, TTL: time.Duration(s.TTL) * time.Millisecond, Until: time.UnixMilli(s.Until), Held: make([]HeldView, len(s.Attached))}
	for i := range v.Held {
		v.Held[i].Actor = s.Attached[i]
	}
	slices.SortFunc(v.Held, func(a, b HeldView) int { return strings.Compare(a.Actor.String(), b.Actor.String()) })
	return v, nil
}

// Look tells how long a session has, and asks what it is attached to. ErrNoSession if it has ended.
func Look(ctx context.Context, h *virtual.Host, name string) (SessionView, error) {
	v, err := LookAt(ctx, h, name)
	if err != nil {
		return v, err
	}
	var work sync.WaitGroup
	room := make(chan struct{}, asked)
	for i := range v.Held {
		room <- struct{}{}
		work.Go(func() {
			v.Held[i].look(ctx, h, name)
			<-room
		})
	}
	work.Wait()
	return v, nil
}

// look asks one. What is of another kind only hears when the session ends, and says no more.
func (v *HeldView) look(ctx context.Context, h *virtual.Host, name string) {
	switch v.Actor.Kind {
	case KindLock, KindElection:
		var s standing
		s, v.Err = virtual.Call[string, standing](ctx, h, v.Actor, "status", name)
		v.Token, v.Ahead, v.Waits = s.Token, max(s.Ahead, 0), s.Ahead > 0
	case KindBarrier:
		v.Waits, v.Err = virtual.Call[string, bool](ctx, h, v.Actor, "status", name)
	case KindRegistry:
		v.Keys, v.Err = virtual.Call[string, int](ctx, h, v.Actor, "status", name)
	}
}
