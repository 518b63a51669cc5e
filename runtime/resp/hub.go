package resp

import (
	"maps"
	"slices"
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
	pool      *pool // of the messages that wait
}

func newHub(p *pool) *hub {
	h := &hub{pool: p}
	for kind := range h.listeners {
		h.listeners[kind] = make(map[string]map[*subscriber]struct{})
	}
	return h
}

// join adds a subscription and queues its confirmation, before which no message of it can come.
func (h *hub) join(s *subscriber, kind channelKind, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.listeners[kind]
	if all[name] == nil {
		all[name] = make(map[*subscriber]struct{})
	}
	all[name][s] = struct{}{}
	s.names[kind][name] = struct{}{}
	h.confirm(s, confirmation(joined[kind], &name, s.tally(kind), s.v3))
}

// part ends a subscription and queues the confirmation, after which no message of it can come. A nil name ends nothing,
// and is told so.
func (h *hub) part(s *subscriber, kind channelKind, name *string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name != nil {
		h.drop(s, kind, *name)
	}
	h.confirm(s, confirmation(parted[kind], name, s.tally(kind), s.v3))
}

func (h *hub) confirm(s *subscriber, data []byte) {
	p := newParcel(h.pool, data)
	s.offer(p)
	p.letGo()
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

// maxLockedName bounds the names that are matching with patterns under the lock; with longer ones everybody would wait too long.
const maxLockedName = 4 << 10

// publish hands a message to everyone who listens, and says to how many.
func (h *hub) publish(kind channelKind, channel, message []byte) int64 {
	var matching map[string]bool // the patterns that match, found without the lock; nil: they are short to find
	if kind == kindChannel && len(channel) > maxLockedName {
		matching = h.compare(channel)
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	word := "message"
	if kind == kindShard {
		word = "smessage"
	}
	n := int64(0)
	var made forms
	defer made.letGo()
	for s := range h.listeners[kind][string(channel)] {
		s.offer(made.form(h.pool, s.v3, word, channel, message))
		n++
	}
	if kind == kindShard {
		return n
	}
	for pattern, listeners := range h.listeners[kindPattern] {
		if matching != nil && !matching[pattern] || matching == nil && !match([]byte(pattern), channel) {
			continue
		}
		var made forms
		for s := range listeners {
			s.offer(made.form(h.pool, s.v3, "pmessage", []byte(pattern), channel, message))
			n++
		}
		made.letGo()
	}
	return n
}

// compare says which patterns match a channel. One that somebody begins to listen to meanwhile is not among them.
func (h *hub) compare(channel []byte) map[string]bool {
	matching := make(map[string]bool)
	for _, pattern := range h.listened(kindPattern) {
		if match([]byte(pattern), channel) {
			matching[pattern] = true
		}
	}
	return matching
}

// forms are one message by protocol, each made once for all.
type forms [2]*parcel

func (f *forms) form(p *pool, v3 bool, word string, parts ...[]byte) *parcel {
	form := &f[btoi(v3)]
	if *form == nil {
		b := appendBulk(appendPush(nil, len(parts)+1, v3), word)
		for _, part := range parts {
			b = appendBulk(b, part)
		}
		*form = newParcel(p, b)
	}
	return *form
}

func (f *forms) letGo() {
	for _, form := range f {
		if form != nil {
			form.letGo()
		}
	}
}

// names lists the channels of one kind that somebody listens to and that match a pattern (nil: all), sorted.
func (h *hub) names(kind channelKind, pattern []byte) []string {
	names := h.listened(kind)
	if pattern != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return !match(pattern, []byte(name)) })
	}
	slices.Sort(names)
	return names
}

// listened is what somebody listens to, in no order.
func (h *hub) listened(kind channelKind) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.AppendSeq(make([]string, 0, len(h.listeners[kind])), maps.Keys(h.listeners[kind]))
}

func (h *hub) count(kind channelKind, name string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.listeners[kind][name])
}
