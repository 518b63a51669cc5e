package admin

import (
	"net"
	"sync"
	"sync/atomic"
)

// room bounds what runs and what is held at once.
type room struct {
	requests, streams chan struct{}
	bytes             atomic.Int64 // of large values in flight
	maxBytes          int64
	refused           atomic.Uint64
}

func newRoom(c *ServerConfig) room {
	return room{requests: make(chan struct{}, c.MaxRequests), streams: make(chan struct{}, c.MaxStreams), maxBytes: c.MaxBytes}
}

// enter takes a place, or fails at once: a queue would only make everybody late.
func (r *room) enter(stream bool) (leave func(), err error) {
	places, what := r.requests, "requests"
	if stream {
		places, what = r.streams, "scans, watches and uploads"
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		r.refused.Add(1)
		return nil, busy("%d %s are running, which is the limit; repeat after a pause", cap(places), what)
	}
}

// smallHold is how many bytes a request may hold without being counted.
const smallHold = 64 << 10

// hold counts the large buffers of one request. It grows to the largest size asked for. One goroutine at a time.
type hold struct {
	room *room
	size int64
}

// reach makes the hold at least size bytes, or fails if the server would then hold more than it may.
func (h *hold) reach(size int) error {
	more := int64(size) - h.size
	if size <= smallHold || more <= 0 {
		return nil
	}
	if h.room.bytes.Add(more) > h.room.maxBytes {
		h.room.bytes.Add(-more)
		h.room.refused.Add(1)
		return busy("values of %d bytes in all are in flight, which is the limit; repeat after a pause", h.room.maxBytes)
	}
	h.size += more
	return nil
}

func (h *hold) release() {
	h.room.bytes.Add(-h.size)
	h.size = 0
}

// boundListener closes connections beyond max as soon as they are accepted: a full server should say so at once, and the
// listen queue is no place to wait.
func boundListener(l net.Listener, max int) net.Listener {
	return &bounded{Listener: l, places: make(chan struct{}, max)}
}

type bounded struct {
	net.Listener
	places chan struct{}
}

// Accept waits for a connection for which there is a place.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.places <- struct{}{}:
			return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-b.places })}, nil
		default:
			conn.Close()
		}
	}
}

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	leave func()
}

// Close closes the connection, once or more.
func (p *placed) Close() error {
	defer p.leave()
	return p.Conn.Close()
}
