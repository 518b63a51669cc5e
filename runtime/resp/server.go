package resp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/runtime/socket"
)

// Server speaks the Redis protocol to clients. Its methods may be called concurrently.
type Server struct {
	backend   Backend
	messenger Messenger // the backend, if it is one
	config    Config
	context   context.Context // of all calls to the backend; ends when Close gives up waiting
	cancel    context.CancelFunc
	hub       *hub
	cursors   *cursorTable
	slow      slowness
	moves     moves
	pauses    pauses
	pool      *pool
	relieved  uint64                // of the pool's refusals, those that the sweep has seen
	paused    atomic.Pointer[pause] // nil: no CLIENT PAUSE, or one that has ended

	commands atomic.Int64 // answered since the start
	pace     atomic.Int64 // commands in the last second
	accepted atomic.Int64
	refused  atomic.Int64
	nextID   atomic.Int64
	browsers atomic.Int64 // when one was last warned of, Unix nanoseconds

	mu        sync.Mutex
	conns     map[int64]*conn
	listeners map[net.Listener]struct{}
	closed    bool
	working   sync.WaitGroup // connections and the sweep
	stop      chan struct{}  // closed by Close; ends the sweep
}

// ErrClosed is returned by Serve after Close.
var ErrClosed = errors.New("resp: server closed")

var noDeadline time.Time

// New makes a server; nothing runs before Serve. The error wraps ErrConfig.
func New(backend Backend, config Config) (*Server, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		backend: backend, config: config, pool: &pool{limit: config.MaxMemory}, cursors: newCursorTable(config.MaxCursors),
		conns: make(map[int64]*conn), listeners: make(map[net.Listener]struct{}), stop: make(chan struct{}),
	}
	s.hub = newHub(s.pool)
	s.messenger, _ = backend.(Messenger)
	s.context, s.cancel = context.WithCancel(context.Background())
	s.working.Go(s.sweep)
	return s, nil
}

// Serve accepts connections until Close, and then returns ErrClosed. It closes the listener. An error of Accept other than a
// lack of file descriptors ends it.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.listen(l) {
		return ErrClosed
	}
	defer s.forget(l)
	pause := time.Millisecond
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = time.Millisecond
			s.accept(nc)
			continue
		}
		if s.isClosed() {
			return ErrClosed
		}
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return fmt.Errorf("resp: accept: %w", err)
		}
		s.config.Logger.Warn("cannot accept a connection", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.stop:
		}
		pause = min(2*pause, time.Second)
	}
}

// Load is how many connections are open, and how many commands were answered since the start.
func (s *Server) Load() (connections int64, commands uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.conns)), uint64(s.commands.Load())
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.listeners[l] = struct{}{}
	}
	return !s.closed
}

func (s *Server) forget(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// accept starts serving a connection, or tells it why not.
func (s *Server) accept(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: s.config.KeepAlive, Interval: s.config.KeepAlive / 3, Count: 3}) // a hint
	}
	direct := socket.Direct(nc)
	if s.config.TLS != nil {
		direct = tls.Server(direct, s.config.TLS) // which makes the handshake with the first read or write
	}
	c := &conn{s: s, nc: direct, id: s.nextID.Add(1), authed: s.config.Password == "", account: account{pool: s.pool}}
	c.kept.account, c.names.account = &c.account, &c.account
	c.facts.set(nc, time.Now())
	if err := s.register(c); err != nil {
		s.refused.Add(1)
		if s.config.TLS == nil { // a handshake would let whoever is refused hold up those that are not
			_ = nc.SetWriteDeadline(time.Now().Add(time.Second)) // the connection ends in any case
			_, _ = nc.Write(appendError(nil, err.Error()))
		}
		_ = nc.Close()
		return
	}
	s.accepted.Add(1)
	go c.serve()
}

func (s *Server) register(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errShuttingDown
	case len(s.conns) >= s.config.MaxClients:
		return errMaxClients
	}
	s.conns[c.id] = c
	s.working.Add(1)
	return nil
}

// end is the last act of a connection's goroutine.
func (c *conn) end() {
	if cause := recover(); cause != nil {
		c.s.config.Logger.Error("a connection failed", "client", c.id, "panic", cause, "stack", string(debug.Stack()))
	}
	_ = c.nc.Close() // nothing can be done about a socket that does not close
	if c.sub != nil {
		c.s.hub.leave(c.sub)
		c.sub.end()
	}
	c.account.close()
	c.account.leave(len(c.in.buf))
	c.s.mu.Lock()
	delete(c.s.conns, c.id)
	c.s.mu.Unlock()
	c.s.working.Done()
}

// Close stops accepting, lets every connection answer what it has read, and closes them. When ctx ends first, it cuts off
// what is still under way, whose outcome its client does not learn, and returns the context's error.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	for l := range s.listeners {
		_ = l.Close() // Serve reports
	}
	for _, c := range s.conns {
		c.finish()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.working.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	for _, c := range s.snapshot() {
		_ = c.nc.Close() // its goroutine reports
	}
	<-done
	return fmt.Errorf("resp: close: %w", ctx.Err())
}

// finish makes a connection end after the commands that it has read.
func (c *conn) finish() {
	c.closing.Store(true)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // a socket that fails here has ended already
}

// snapshot is the connections of this moment.
func (s *Server) snapshot() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		all = append(all, c)
	}
	return all
}
