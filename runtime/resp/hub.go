package resp

import (
	"sort"
	"sync"
)

// channelKind separates the three name spaces of pub/sub.
type channelKind uint8

const (
	kindChannel channelKind = iota // SUBSCRIBE
	kindPattern                    // PSUBSCRIBE
	kindShard                      // SSUBSCRIBE
	kinds
)

// hub knows who listens to what. Safe for concurrent use; it never waits for a subscriber.
type hub struct {
	mu        sync.RWMutex
	listeners [kinds]map[string]map[*subscriber]struct{}
}

func newHub() *hub {
	h := &hub{}
	for kind := range h.listeners {
		h.listeners[kind] = make(map[string]map[*subscriber]struct{})
	}
	return h
}

func (h *hub) join(s *subscriber, kind channelKind, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.listeners[kind]
	if all[name] == nil {
		all[name] = make(map[*subscriber]struct{})
	}
	all[name][s] = struct{}{}
	s.names[kind][name] = struct{}{}
}

func (h *hub) part(s *subscriber, kind channelKind, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(s, kind, name)
}

func (h *hub) drop(s *subscriber, kind channelKind, name string) {
	delete(s.names[kind], name)
	delete(h.listeners[kind][name], s)
	if len(h.listeners[kind][name]) == 0 {
		delete(h.listeners[kind], name)
	}
}

// leave ends all subscriptions of s.
func (h *hub) leave(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for kind := range s.names {
		for name := range s.names[kind] {
			h.drop(s, channelKind(kind), name)
		}
	}
}

// publish hands a message to everyone who listens, and says to how many.
func (h *hub) publish(kind channelKind, channel, message []byte) int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	word := "message"
	if kind == kindShard {
		word = "smessage"
	}
	n := int64(0)
	var forms [2][]byte // by protocol, made once for all
	for s := range h.listeners[kind][string(channel)] {
		s.offer(message3(&forms, s.v3, word, channel, message))
		n++
	}
	if kind == kindShard {
		return n
	}
	for pattern, listeners := range h.listeners[kindPattern] {
		if !match([]byte(pattern), channel) {
			continue
		}
		var forms [2][]byte
		for s := range listeners {
			s.offer(message3(&forms, s.v3, "pmessage", []byte(pattern), channel, message))
			n++
		}
	}
	return n
}

func message3(forms *[2][]byte, v3 bool, word string, parts ...[]byte) []byte {
	form := &forms[btoi(v3)]
	if *form == nil {
		b := appendBulk(appendPush(nil, len(parts)+1, v3), word)
		for _, part := range parts {
			b = appendBulk(b, part)
		}
		*form = b
	}
	return *form
}

// names lists the channels of one kind that somebody listens to and that match a pattern (nil: all), sorted.
func (h *hub) names(kind channelKind, pattern []byte) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var names []string
	for name := range h.listeners[kind] {
		if pattern == nil || match(pattern, []byte(name)) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (h *hub) count(kind channelKind, name string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.listeners[kind][name])
}

// subscriber is a connection that listens. Its goroutine writes the messages, so that publishers never wait; what it has not
// written yet is bounded, and a client beyond the bound is disconnected, as with Redis' client-output-buffer-limit.
type subscriber struct {
	c     *conn
	v3    bool                       // guarded by the hub
	names [kinds]map[string]struct{} // guarded by the hub for writing; read by the connection's goroutine

	mu     sync.Mutex
	ready  *sync.Cond
	queue  [][]byte
	bytes  int64
	held   bool // the connection is amid a reply: messages wait for its end
	ended  bool
	exited chan struct{}
}

func newSubscriber(c *conn) *subscriber {
	s := &subscriber{c: c, v3: c.v3, exited: make(chan struct{})}
	for kind := range s.names {
		s.names[kind] = make(map[string]struct{})
	}
	s.ready = sync.NewCond(&s.mu)
	go s.deliver()
	return s
}

// count is the number of subscriptions. Only the connection's own goroutine adds any, and only it asks.
func (s *subscriber) count() int {
	return len(s.names[kindChannel]) + len(s.names[kindPattern]) + len(s.names[kindShard])
}

// offer queues a message, or disconnects a client that is too slow.
func (s *subscriber) offer(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.bytes += int64(len(message))
	if s.bytes > s.c.s.config.MaxQueue {
		s.ended, s.queue = true, nil
		_ = s.c.nc.Close() // its goroutine ends with the failed read
	} else {
		s.queue = append(s.queue, message)
	}
	s.ready.Signal()
}

// hold keeps messages back until release, so that a confirmation comes before the first message.
func (s *subscriber) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
}

func (s *subscriber) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	s.ready.Signal()
}

// end stops the goroutine and waits for it.
func (s *subscriber) end() {
	s.mu.Lock()
	s.ended = true
	s.ready.Signal()
	s.mu.Unlock()
	<-s.exited
}

func (s *subscriber) deliver() {
	defer close(s.exited)
	var out []byte
	for {
		messages, ok := s.take()
		if !ok {
			return
		}
		out = out[:0]
		for _, m := range messages {
			out = append(out, m...)
		}
		if s.c.send(out) != nil {
			_ = s.c.nc.Close() // its goroutine ends with the failed read
			return
		}
		s.sent(int64(len(out)))
		if cap(out) > flushSize {
			out = nil
		}
	}
}

// take waits for messages. At most a flush's worth is taken at once; bytes go down when they are written.
func (s *subscriber) take() (messages [][]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && (s.held || len(s.queue) == 0) {
		s.ready.Wait()
	}
	n, size := 0, 0
	for n < len(s.queue) && size < flushSize {
		size += len(s.queue[n])
		n++
	}
	messages = s.queue[:n:n]
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	return messages, !s.ended
}

func (s *subscriber) sent(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= n
}
