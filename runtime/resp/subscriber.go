package resp

import (
	"errors"
	"sync"
)

// subscriber is a connection that listens. All that such a connection sends goes through one queue, so that messages,
// confirmations and replies keep their order:
//
//	publishers ──offer──┐
//	                    ├─► queue ─► deliver (a goroutine of its own) ─► socket
//	connection ──reply──┘
//
// Publishers never wait: what a client has not taken is bounded, and beyond the bound it is disconnected, as with Redis'
// client-output-buffer-limit. Replies wait until they are written.
type subscriber struct {
	c     *conn
	v3    bool                       // guarded by the hub
	names [kinds]map[string]struct{} // written under the hub's lock, by the connection's goroutine, which alone reads it without

	mu     sync.Mutex
	ready  *sync.Cond // something was queued, or the end has come
	taken  *sync.Cond // something was written, or the end has come
	queue  []message
	bytes  int64 // of offered messages that are not written yet
	ended  bool
	exited chan struct{}
}

type message struct {
	data    []byte
	parcel  *parcel // of an offered one, which counts against the bound
	written *bool   // of a reply: set when it is on its way
}

var errEnded = errors.New("resp: the subscriber has ended")

func newSubscriber(c *conn) *subscriber {
	s := &subscriber{c: c, v3: c.v3, exited: make(chan struct{})}
	for kind := range s.names {
		s.names[kind] = make(map[string]struct{})
	}
	s.ready, s.taken = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	go s.deliver()
	return s
}

// count is the number of subscriptions.
func (s *subscriber) count() int { return s.tally(kindChannel) + s.tally(kindShard) }

// tally is the number that a confirmation tells: shard channels are counted apart.
func (s *subscriber) tally(kind channelKind) int {
	if kind == kindShard {
		return len(s.names[kindShard])
	}
	return len(s.names[kindChannel]) + len(s.names[kindPattern])
}

// offer queues a message, or disconnects a client that is too slow: beyond its own bound, or with anything much while
// all connections together hold what they may.
func (s *subscriber) offer(p *parcel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.bytes += int64(len(p.data))
	if s.bytes > s.c.s.config.MaxQueue || s.bytes > freeBytes && p.pool.full() {
		s.finish()
		return
	}
	p.hold()
	s.queue = append(s.queue, message{data: p.data, parcel: p})
	s.ready.Signal()
}

// reply queues bytes and waits until they are written.
func (s *subscriber) reply(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	written := false
	s.queue = append(s.queue, message{data: data, written: &written})
	s.ready.Signal()
	for !written && !s.ended {
		s.taken.Wait()
	}
	if !written {
		return errEnded
	}
	return nil
}

// finish cuts the client off; its goroutines end with the failed read and write. The lock is held.
func (s *subscriber) finish() {
	letGo(s.queue)
	s.ended, s.queue = true, nil
	_ = s.c.nc.Close() // nothing can be done about a socket that does not close
	s.ready.Broadcast()
	s.taken.Broadcast()
}

// end stops the goroutine and waits for it.
func (s *subscriber) end() {
	s.mu.Lock()
	s.finish()
	s.mu.Unlock()
	<-s.exited
}

func (s *subscriber) deliver() {
	defer close(s.exited)
	var out []byte
	for messages := s.take(); messages != nil; messages = s.take() {
		out = out[:0]
		var err error
		for _, m := range messages {
			if len(m.data) < flushSize/2 {
				out = append(out, m.data...)
				continue
			}
			err = errors.Join(err, s.c.send(out), s.c.send(m.data))
			out = out[:0]
		}
		err = errors.Join(err, s.c.send(out))
		letGo(messages)
		if err != nil {
			s.mu.Lock()
			s.finish()
			s.mu.Unlock()
			return
		}
		s.sent(messages)
	}
}

// take waits for messages and takes about a flush's worth; nil is the end.
func (s *subscriber) take() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && len(s.queue) == 0 {
		s.ready.Wait()
	}
	n, size := 0, 0
	for n < len(s.queue) && size < flushSize {
		size += len(s.queue[n].data)
		n++
	}
	messages := s.queue[:n:n]
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil
	}
	if s.ended {
		return nil
	}
	return messages
}

// letGo says that messages are on their way, or never will be.
func letGo(all []message) {
	for i := range all {
		if p := all[i].parcel; p != nil {
			p.letGo()
		}
	}
}

func (s *subscriber) sent(messages []message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		if m.parcel != nil {
			s.bytes -= int64(len(m.data))
		} else {
			*m.written = true
		}
	}
	s.taken.Broadcast()
}
