package transport

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// peer keeps the connection to one node: it dials until it is told to end.
//
//	dialing ──shaken hands──► up ──broken, hung up──► dialing
//	   ▲  │ failed                                       │
//	   └──┴─ 20 ms .. 1 s, jittered, less if the peer ◄──┘
//	         dials us meanwhile
type peer struct {
	t      *Transport
	addr   Address
	kick   chan struct{} // holds one: dial now
	ctx    context.Context
	cancel context.CancelFunc
	dead   chan struct{} // closed when run has returned
	after  *peer         // the one for the same node that it replaces
}

const (
	leastPause = 20 * time.Millisecond
	mostPause  = time.Second
	steady     = time.Second // a connection that lived so long was no accident
)

var errHungUp = errors.New("transport: not a peer any more")

// SetPeers says whom to keep connected from now on; everyone else is hung up, also those who dialed us and are no longer in
// the list. A peer with another address, or a higher epoch than the one that is connected, is dialed anew. This node itself is
// left out. The last address of a node counts. It returns at once.
func (t *Transport) SetPeers(peers []Address) {
	wanted := map[shards.NodeID]Address{}
	for _, a := range peers {
		if a.Node != t.config.Self.Node {
			wanted[a.Node] = a
		}
	}
	var gone []shards.NodeID
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return
	}
	for node, p := range t.peers {
		if _, stays := wanted[node]; !stays {
			p.cancel()
			gone = append(gone, node)
		}
	}
	for node, a := range wanted {
		p := t.peers[node]
		if p != nil && p.ctx.Err() == nil && p.addr.Addr == a.Addr && p.serves(a.Epoch) {
			continue
		}
		if p != nil {
			p.cancel()
		}
		t.peers[node] = t.keep(a, p)
	}
	t.mu.Unlock()
	if len(gone) > 0 {
		t.sessions.cut(errHungUp, func(s *session) bool { return slices.Contains(gone, s.peer.Node) && s.purpose != visit })
	}
}

// keep starts a peer, which waits for the end of the one that it replaces. Under mu.
func (t *Transport) keep(a Address, after *peer) *peer {
	p := &peer{t: t, addr: a, kick: make(chan struct{}, 1), dead: make(chan struct{}), after: after}
	p.ctx, p.cancel = context.WithCancel(t.ctx)
	t.running.Add(1)
	go func() {
		defer t.running.Done()
		defer close(p.dead)
		if p.after != nil {
			<-p.after.dead
			p.after = nil
		}
		p.run()
		t.lost(p)
	}()
	return p
}

// serves says whether what the peer is connected to, or dials, is of this epoch or a later one.
func (p *peer) serves(epoch shards.Epoch) bool {
	if l := (*p.t.links.Load())[p.addr.Node]; l != nil {
		return l.peer.Epoch >= epoch
	}
	return p.addr.Epoch >= epoch
}

// lost takes an ended peer out of the table, if nobody has replaced it.
func (t *Transport) lost(p *peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.peers[p.addr.Node] == p {
		delete(t.peers, p.addr.Node)
	}
}

// wake lets a peer that pauses dial now: it has just dialed us.
func (t *Transport) wake(node shards.NodeID) {
	t.mu.Lock()
	p := t.peers[node]
	t.mu.Unlock()
	if p != nil {
		select {
		case p.kick <- struct{}{}:
		default:
		}
	}
}

func (p *peer) run() {
	pause := leastPause
	for p.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(p.ctx, p.t.config.Timeout)
		l, err := p.t.connect(ctx, p.addr.Addr, &p.addr)
		cancel()
		switch {
		case p.ctx.Err() != nil:
			if err == nil {
				l.fail(errHungUp)
				l.wait()
			}
			return
		case err != nil:
			p.t.noteAs(note{"cannot reach a peer", string(p.addr.Node), cause(err, timeless(err))}, slog.LevelInfo, cause(err, err.Error()), p.addr.Addr)
		default:
			p.t.forget(string(p.addr.Node))
			if began := time.Now(); p.use(l) || time.Since(began) >= steady {
				pause = leastPause
			}
		}
		if !p.rest(pause) {
			pause = min(2*pause, mostPause)
		}
	}
}

// use keeps a link until it ends, and says whether a newer life of the peer ended it.
func (p *peer) use(l *link) (newer bool) {
	t := p.t
	t.publish(p.addr.Node, l)
	t.config.Changed(Change{Node: p.addr.Node, Epoch: l.peer.Epoch, Up: true})
	select {
	case <-l.done:
	case <-p.ctx.Done():
		l.fail(errHungUp)
	}
	t.publish(p.addr.Node, nil)
	t.config.Changed(Change{Node: p.addr.Node, Epoch: l.peer.Epoch, Cause: l.cause})
	l.wait()
	return errors.Is(l.cause, errNewerLife)
}

// rest waits between half of a pause and all of it; true: somebody had a reason to go on earlier.
func (p *peer) rest(pause time.Duration) (woken bool) {
	timer := time.NewTimer(pause/2 + rand.N(pause/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-p.kick:
		return true
	case <-p.ctx.Done():
		return true
	}
}

// cause is what an error with this text comes down to, without its near end, which differs at each attempt.
func cause(err error, text string) string {
	var rejected *RejectedError
	switch {
	case errors.As(err, &rejected):
		return rejected.Reason
	case errors.Is(err, ErrRefused):
		return "nobody listens there"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return ownPort.ReplaceAllString(text, "")
}

// ownPort is the near end of a connection in the text of an error: another at each attempt.
var ownPort = regexp.MustCompile(`\S+->`)
