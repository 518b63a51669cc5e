package transport

import (
	"cmp"
	"errors"
	"sync"

	"github.com/troupe-actors/troupe/shards"
)

// judge decides about a node that introduced itself: empty, or one sentence why not. least is the epoch that it must have.
// One that is admitted in a new life ends what is left of the earlier ones.
func (t *Transport) judge(peer Hello, least shards.Epoch) string {
	self := t.self()
	t.mu.Lock()
	newest, home := max(least, t.newest[peer.Node]), ""
	if peer.Epoch == t.newest[peer.Node] {
		home = t.homes[peer.Node]
	}
	t.mu.Unlock()
	if reason := cmp.Or(objection(self, peer, t.config.Oldest, newest), twin(peer, home)); reason != "" {
		return reason
	}
	if err := t.config.Admit(peer); err != nil {
		return err.Error()
	}
	first, reason := t.settles(peer)
	if first {
		t.past(peer.Node, peer.Epoch)
	}
	return reason
}

// settles notes where the newest life of a node is. Of two that introduce themselves at the same time as the same life the second is refused.
func (t *Transport) settles(peer Hello) (first bool, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch newest := t.newest[peer.Node]; {
	case peer.Epoch > newest:
		t.newest[peer.Node], t.homes[peer.Node] = peer.Epoch, peer.Address
		return true, ""
	case peer.Epoch == newest:
		return false, twin(peer, t.homes[peer.Node])
	}
	return false, "" // a later life came meanwhile: it ends this one's streams
}

var errNewerLife = errors.New("transport: a newer life of the node is there")

// past ends what belongs to lives of a node before an epoch.
func (t *Transport) past(node shards.NodeID, epoch shards.Epoch) {
	if l := (*t.links.Load())[node]; l != nil && l.peer.Epoch < epoch {
		l.fail(errNewerLife)
	}
	t.sessions.cut(errNewerLife, func(s *session) bool { return s.peer.Node == node && s.peer.Epoch < epoch })
}

// admit decides about a session whose hello has arrived, and gives it its place if it may stay.
func (t *Transport) admit(in *session) string {
	t.mu.Lock()
	closing := t.closing
	t.mu.Unlock()
	if closing {
		return "node " + naming(t.self()) + " is stopping"
	}
	if in.purpose == visit { // a stranger, perhaps: it asks and leaves no trace
		if reason := objection(t.self(), in.peer, t.config.Oldest, 0); reason != "" {
			return reason
		}
		if err := t.config.Admit(in.peer); err != nil {
			return err.Error()
		}
	} else if reason := t.judge(in.peer, 0); reason != "" {
		return reason
	}
	t.sessions.place(in)
	if in.purpose != visit {
		t.wake(in.peer.Node)
	}
	return ""
}

// sessions are the streams that others opened.
type sessions struct {
	mu      sync.Mutex
	all     map[*session]bool
	current map[sessionKey]*session // the newest of each peer and class
	stopped bool
	running sync.WaitGroup
}

type sessionKey struct {
	node  shards.NodeID
	class Class
}

func (s *sessions) init() {
	s.all, s.current = map[*session]bool{}, map[sessionKey]*session{}
}

// mostSessions bounds the streams that are open at once, introduced or not.
const mostSessions = 4096

func (s *sessions) begin(in *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= mostSessions {
		return false
	}
	s.all[in] = true
	s.running.Add(1)
	return true
}

// introduce records who a session is with.
func (s *sessions) introduce(in *session, peer Hello, purpose Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.peer, in.purpose = peer, purpose
}

func (s *sessions) end(in *session) {
	s.mu.Lock()
	delete(s.all, in)
	key := sessionKey{in.peer.Node, in.purpose}
	if s.current[key] == in {
		delete(s.current, key)
	}
	s.mu.Unlock()
	s.running.Done()
}

// place makes in the stream of its peer and class; the one before it is to be ended by in.
func (s *sessions) place(in *session) {
	if in.purpose == visit {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sessionKey{in.peer.Node, in.purpose}
	in.before = s.current[key]
	s.current[key] = in
	if s.stopped {
		in.cut(ErrClosed)
	}
}

// cut ends the sessions that are chosen, without waiting.
func (s *sessions) cut(cause error, chosen func(*session) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for in := range s.all {
		if chosen(in) {
			in.cut(cause)
		}
	}
}

// stop ends all sessions and waits for them. Those that come later introduce themselves and are rejected.
func (s *sessions) stop() {
	s.mu.Lock()
	s.stopped = true
	running := make([]*session, 0, len(s.all))
	for in := range s.all {
		in.cut(ErrClosed)
		running = append(running, in)
	}
	s.mu.Unlock()
	for _, in := range running {
		<-in.ended
	}
}
