package virtual

import (
	"context"
	"sync"
	"time"
)

// places is what the other nodes have told of kinds that are not registered here: in which keyspace their actors live.
type places struct {
	mu    sync.Mutex
	kinds map[string]*place
}

type place struct {
	told     chan struct{} // closed when they have: then the rest stands
	keyspace string        // empty: no node that answered knows the kind
	until    time.Time     // then they are asked again
}

// How long it is believed that a kind lives somewhere, and that nobody knows it; and how many kinds are remembered.
const (
	placeKept   = 10 * time.Second
	placeless   = time.Second
	placesBound = 1024
)

// keyspaceOf is where the actors of a kind live, as far as this node knows by now. Of one that it knows nothing of it is taken to be the default.
func (h *Host) keyspaceOf(kind string) string {
	if k := h.kind(kind); k != nil {
		return k.keyspace
	}
	h.places.mu.Lock()
	defer h.places.mu.Unlock()
	if p := h.places.kinds[kind]; p != nil {
		select {
		case <-p.told:
			if p.keyspace != "" {
				return p.keyspace
			}
		default:
		}
	}
	return defaultKeyspace
}

// findKeyspace is keyspaceOf when the other nodes have been asked for a kind that is not registered here, or with ctx.
func (h *Host) findKeyspace(ctx context.Context, kind string) string {
	if h.c.KeyspaceOf != nil && h.kind(kind) == nil {
		select {
		case <-h.asked(kind).told:
		case <-ctx.Done():
		}
	}
	return h.keyspaceOf(kind)
}

// asked has the other nodes asked for a kind, unless they have been lately.
func (h *Host) asked(kind string) *place {
	h.places.mu.Lock()
	defer h.places.mu.Unlock()
	if p := h.places.kinds[kind]; p != nil {
		select {
		case <-p.told:
			if time.Now().Before(p.until) {
				return p
			}
		default:
			return p
		}
	}
	if len(h.places.kinds) >= placesBound {
		clear(h.places.kinds) // whoever waits for one has it
	}
	p := &place{told: make(chan struct{})}
	h.places.kinds[kind] = p
	ask := func() {
		p.keyspace = h.c.KeyspaceOf(h.ctx, kind)
		kept := placeKept
		if p.keyspace == "" {
			kept = placeless
		}
		p.until = time.Now().Add(kept)
		close(p.told)
	}
	if !h.start(ask) {
		close(p.told) // the host is closed: nothing is asked any more
	}
	return p
}
