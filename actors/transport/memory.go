package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/troupe-actors/troupe/shards"
)

// Network is a network in memory: its transports behave as those over gRPC do, and lines between two of them can be slow,
// lossy or cut, each direction by itself. It has no socket and reads time from package time only, so that it can be used
// inside a testing/synctest bubble. Its methods may be called concurrently.
type Network struct {
	mu     sync.Mutex
	random *rand.Rand
	nodes  map[string]*memory // by address
	lines  map[line]*fault
	conns  map[*memoryConn]bool
	names  int
}

// line is one direction between two nodes.
type line struct{ from, to shards.NodeID }

// fault is what is wrong with a line. The zero value is a perfect one.
type fault struct {
	least, most time.Duration
	loss        float64
	cut         bool
	healed      chan struct{} // closed when a cut ends
}

// NewNetwork makes a perfect network. Its chance begins with seed 1; see Seed.
func NewNetwork() *Network {
	n := &Network{nodes: map[string]*memory{}, lines: map[line]*fault{}, conns: map[*memoryConn]bool{}}
	n.Seed(1)
	return n
}

// Seed begins the chance of delays and losses anew.
func (n *Network) Seed(seed uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.random = rand.New(rand.NewPCG(seed, 0))
}

// Join adds a node. Its Config is as for Listen, but TLS is not used, and any text may be its address; an empty one is chosen.
func (n *Network) Join(c Config) (*Transport, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.Listen == "" {
		n.names++
		c.Listen = fmt.Sprintf("memory:%d", n.names)
	}
	if n.nodes[c.Listen] != nil {
		return nil, fmt.Errorf("transport: listen %s: address already in use", c.Listen)
	}
	if c.Self.Address == "" {
		c.Self.Address = c.Advertise(c.Listen)
	}
	t := newTransport(c)
	m := &memory{network: n, t: t, addr: c.Listen}
	t.carrier = m
	n.nodes[c.Listen] = m
	return t, nil
}

// Delay sets how long a message from one node to another is on its way: between least and most, in order.
func (n *Network) Delay(from, to shards.NodeID, least, most time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.line(from, to)
	f.least, f.most = least, max(least, most)
}

// Lose sets the chance, 0 to 1, that a message, a request or an answer from one node to another is lost, as if a
// connection had broken at that moment and been made again.
func (n *Network) Lose(from, to shards.NodeID, chance float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line(from, to).loss = chance
}

// Cut stops everything from one node to another: it vanishes, and nobody is told. Cut both directions for a full cut.
func (n *Network) Cut(from, to shards.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f := n.line(from, to); !f.cut {
		f.cut, f.healed = true, make(chan struct{})
	}
}

// Heal ends a cut of this direction. Connections that were there meanwhile break, since what they carried has holes.
func (n *Network) Heal(from, to shards.NodeID) {
	n.mu.Lock()
	f := n.line(from, to)
	was := f.cut
	if was {
		f.cut = false
		close(f.healed)
	}
	n.mu.Unlock()
	if was {
		n.Break(from, to)
	}
}

// Break ends the connections that two nodes have with each other; both notice at once.
func (n *Network) Break(a, b shards.NodeID) {
	n.mu.Lock()
	var broken []*memoryConn
	for c := range n.conns {
		if c.from == a && c.to == b || c.from == b && c.to == a {
			broken = append(broken, c)
		}
	}
	n.mu.Unlock()
	for _, c := range broken {
		c.close()
	}
}

// line is the fault of a direction. Under mu.
func (n *Network) line(from, to shards.NodeID) *fault {
	f := n.lines[line{from, to}]
	if f == nil {
		f = &fault{}
		n.lines[line{from, to}] = f
	}
	return f
}

// passage is what happens to a message that leaves now: its delay, or that it vanishes.
func (n *Network) passage(from, to shards.NodeID) (delay time.Duration, vanishes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.lines[line{from, to}]
	if f == nil {
		return 0, false
	}
	delay = f.least
	if f.most > f.least {
		delay += time.Duration(n.random.Int64N(int64(f.most - f.least)))
	}
	return delay, f.cut
}

// loses draws whether a frame is lost.
func (n *Network) loses(from, to shards.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.lines[line{from, to}]
	return f != nil && f.loss > 0 && n.random.Float64() < f.loss
}

// passable waits until neither direction between two nodes is cut: a connection needs both.
func (n *Network) passable(ctx context.Context, a, b shards.NodeID) error {
	for {
		n.mu.Lock()
		var healed chan struct{}
		for _, l := range []line{{a, b}, {b, a}} {
			if f := n.lines[l]; f != nil && f.cut {
				healed = f.healed
			}
		}
		n.mu.Unlock()
		if healed == nil {
			return nil
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// memory is the carrier of one node of a Network.
type memory struct {
	network *Network
	t       *Transport
	addr    string
	running sync.WaitGroup // streams that were opened to this node
	stopped bool           // under the network's mu
}

var errStopped = errors.New("transport: the node stopped")

func (m *memory) address() string { return m.addr }

func (m *memory) node() shards.NodeID { return m.t.config.Self.Node }

func (m *memory) dial(ctx context.Context, addr string) (conn, error) {
	n := m.network
	n.mu.Lock()
	target := n.nodes[addr]
	n.mu.Unlock()
	if target == nil {
		return nil, fmt.Errorf("%w: nobody has the address %s", ErrRefused, addr)
	}
	if err := n.passable(ctx, m.node(), target.node()); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes[addr] != target {
		return nil, fmt.Errorf("%w: nobody has the address %s", ErrRefused, addr)
	}
	c := &memoryConn{network: n, dialer: m, target: target, from: m.node(), to: target.node(), over: make(chan struct{})}
	n.conns[c] = true
	return c, nil
}

// stop ends all connections of this node.
func (m *memory) stop() {
	n := m.network
	n.mu.Lock()
	m.stopped = true
	var mine []*memoryConn
	for c := range n.conns {
		if c.dialer == m || c.target == m {
			mine = append(mine, c)
		}
	}
	n.mu.Unlock()
	for _, c := range mine {
		c.close()
	}
	m.running.Wait()
}

func (m *memory) release() error {
	n := m.network
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nodes, m.addr)
	return nil
}

// memoryConn is one connection between two nodes of a Network.
type memoryConn struct {
	network        *Network
	dialer, target *memory
	from, to       shards.NodeID
	once           sync.Once
	over           chan struct{} // closed when it is broken
}

func (c *memoryConn) open() (stream, error) {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	select {
	case <-c.over:
		return nil, io.EOF
	default:
	}
	if c.target.stopped {
		return nil, errStopped
	}
	there, back := newPipe(), newPipe()
	ours := &memoryStream{conn: c, out: there, in: back, from: c.from, to: c.to}
	theirs := &memoryStream{conn: c, out: back, in: there, from: c.to, to: c.from}
	c.target.running.Add(1)
	go func() {
		defer c.target.running.Done()
		if errors.Is(c.target.t.accept(theirs, c.dialer.addr), ErrClosed) {
			back.why = ErrLeft
		}
		back.end()
		there.end()
	}()
	return ours, nil
}

func (c *memoryConn) close() {
	c.once.Do(func() {
		c.network.mu.Lock()
		delete(c.network.conns, c)
		c.network.mu.Unlock()
		close(c.over)
	})
}

// memoryStream is one end of a stream: a pipe each way.
type memoryStream struct {
	conn     *memoryConn
	out, in  *pipe
	from, to shards.NodeID
}

func (s *memoryStream) send(message mem.BufferSlice) error {
	text := message.Materialize()
	message.Free()
	delay, vanishes := s.conn.network.passage(s.from, s.to)
	select {
	case <-s.conn.over:
		return io.EOF
	default:
	}
	if vanishes {
		return nil
	}
	return s.out.put(text, time.Now().Add(delay))
}

func (s *memoryStream) recv() (mem.BufferSlice, error) {
	text, err := s.in.get(s.conn.over)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(text)}, nil
}

// lost draws whether the frame in hand got lost on its way here.
func (s *memoryStream) lost() bool { return s.conn.network.loses(s.to, s.from) }

// pipe holds what is on its way in one direction.
type pipe struct {
	mu    sync.Mutex
	queue []parcel
	last  time.Time     // when the last parcel arrives: none overtakes it
	more  chan struct{} // holds one when the queue is not empty
	ended chan struct{} // closed by end
	why   error         // what readers find at the end instead of io.EOF; set before end
	once  sync.Once
}

type parcel struct {
	text []byte
	at   time.Time
}

func newPipe() *pipe { return &pipe{more: make(chan struct{}, 1), ended: make(chan struct{})} }

func (p *pipe) end() { p.once.Do(func() { close(p.ended) }) }

func (p *pipe) put(text []byte, at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return io.EOF
	default:
	}
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	p.queue = append(p.queue, parcel{text, at})
	select {
	case p.more <- struct{}{}:
	default:
	}
	return nil
}

// get waits for the next parcel to arrive. What is on its way when the connection breaks is lost; what arrived before
// the other side ended the stream is not.
func (p *pipe) get(broken <-chan struct{}) ([]byte, error) {
	for {
		p.mu.Lock()
		var next parcel
		found := len(p.queue) > 0
		if found {
			next = p.queue[0]
		}
		wait := time.Until(next.at)
		if found && wait <= 0 {
			p.queue = p.queue[1:]
			p.mu.Unlock()
			return next.text, nil
		}
		p.mu.Unlock()
		if err := p.pause(broken, found, wait); err != nil {
			return nil, err
		}
	}
}

func (p *pipe) pause(broken <-chan struct{}, found bool, wait time.Duration) error {
	var arrives <-chan time.Time
	ended := p.ended
	if found {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		arrives, ended = timer.C, nil
	}
	select {
	case <-arrives:
	case <-p.more:
	case <-ended:
		return p.over()
	case <-broken:
		return io.EOF
	}
	return nil
}

// over is what a reader finds where the stream has ended: nil if something arrived before that, and after the reader had looked.
func (p *pipe) over() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) > 0 {
		return nil
	}
	return cmp.Or(p.why, io.EOF)
}
