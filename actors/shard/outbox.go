package shard

import (
	"cmp"
	"errors"
	"sync"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// ErrBusy is Sender's answer when the receiver takes no more at present.
var ErrBusy = errors.New("the receiver takes no more at present")

// outbox keeps what a node would not take at once, in order. What the copies may have under way bounds it: their windows.
type outbox struct {
	mu     sync.Mutex
	bodies [][]byte // the first is being sent by a goroutine, if there is any
}

// send hands over a body, now or in its turn. One that waits leaves its trace behind.
func (l *Link) send(to shards.NodeID, body []byte, from tracing.Carrier) {
	known, ok := l.boxes.Load(to)
	if !ok {
		known, _ = l.boxes.LoadOrStore(to, new(outbox))
	}
	o := known.(*outbox)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.bodies) > 0 {
		o.bodies = append(o.bodies, body)
		return
	}
	if !errors.Is(l.sendNow(to, body, from), ErrBusy) {
		return
	}
	o.bodies = append(o.bodies, body)
	l.streams.Go(func() { l.drain(to, o) })
}

func (l *Link) sendNow(to shards.NodeID, body []byte, from tracing.Carrier) error {
	if traced, can := l.Sender.(TracedSender); can && from.Valid() {
		return traced.SendTraced(to, body, from)
	}
	return l.Sender.Send(to, body)
}

// drain sends what has gathered. When the node is gone it is dropped: the copies send again what is not answered.
func (l *Link) drain(to shards.NodeID, o *outbox) {
	for {
		o.mu.Lock()
		if len(o.bodies) == 0 {
			o.bodies = nil
			o.mu.Unlock()
			return
		}
		body := o.bodies[0]
		o.mu.Unlock()
		err := l.Sender.SendWait(l.context, to, body)
		o.mu.Lock()
		o.bodies[0] = nil
		o.bodies = o.bodies[1:]
		if err != nil {
			o.bodies = o.bodies[:0]
		}
		o.mu.Unlock()
	}
}

// Up says that a node can be reached again: what it has not answered is sent at once, not when patience ends.
func (l *Link) Up(node shards.NodeID, all []*Shard) {
	for _, s := range all {
		s.peerUp(node)
	}
}

func (s *Shard) peerUp(node shards.NodeID) {
	if s.quiet.Load() && s.leads.Load() {
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	defer s.contain()
	p := s.part
	if p == nil || s.down != nil || p.solo {
		return
	}
	for _, c := range p.row.Copies {
		if c.Node == node {
			p.core.Reached(c.ID)
		}
	}
	s.carryOut()
}

// Pace says what all snapshots on their way may send in a tick together, in bytes, and for how many ticks a copy in sync may owe its
// primary an acknowledgement. 0 stands for what the LinkConfig says. It holds from the next tick on.
func (l *Link) Pace(bytes int64, lag int) {
	l.pace.Store(bytes)
	l.lag.Store(int64(lag))
}

// leastShare is what each snapshot may send in a tick in any case.
const leastShare = 16 << 10

// shared is what each of the snapshots on their way may send in a tick, once so many more begin: together no more than one alone.
func (l *Link) shared(more int32) int {
	all := cmp.Or(l.pace.Load(), int64(l.Recovery.BytesPerTick), 2<<20)
	return int(max(all/int64(max(l.sending.Load()+more, 1)), leastShare))
}
