package harness

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
)

// Firewall stands before the members of a cluster, and drops what comes and goes over the connections that one of them opened to another:
//
//	n1 ── opens ──► 127.0.0.2:P  Firewall ──► 127.0.0.1:P  where n2 listens, and says that it listens on 127.0.0.2:P
//
// It is what a filter does that goes by who opened a connection, and what no node can do by itself: in the other direction, over the connections
// that n2 opened to n1, all passes. Nothing is refused and nothing breaks; once the filter is gone, connections that have lost something end.
// Who opened one is known by its first message, which has the node's id. Its methods may be called from any goroutine.
type Firewall struct {
	mu      sync.Mutex
	ids     map[string]string // names of members by their ids
	dropped map[[2]string]bool
	flows   map[*flow]bool
	lost    int // connections that have lost something since all was healed
	closed  bool

	listeners []net.Listener
	running   sync.WaitGroup
}

// flow is a connection through the firewall. What is below ends is guarded by the firewall's lock.
type flow struct {
	ends [2]net.Conn // of who opened it, and to the member

	to   string
	head []byte // what was said first, until it is known who says it
	from string // "" until then
	lost bool   // something was dropped
}

// headBytes are the first of a connection: the introduction is among them.
const headBytes = 4096

// The addresses of a machine with a firewall: where others find its members, and where those listen. The first exists beside the second on Linux and
// Windows, and elsewhere if somebody has made it.
const (
	outside = "127.0.0.2"
	inside  = "127.0.0.1"
)

// NewFirewall puts a firewall before members that have not started yet.
func NewFirewall(c *Cluster) (*Firewall, error) {
	w := &Firewall{dropped: map[[2]string]bool{}, flows: map[*flow]bool{}}
	for _, m := range c.Members {
		l, err := net.Listen("tcp", strings.Replace(m.Config.Peer, inside, outside, 1))
		if err != nil {
			w.Close()
			return nil, err
		}
		w.listeners = append(w.listeners, l)
		w.running.Go(func() { w.accept(l, m.Name, m.Config.Peer) })
	}
	for _, m := range c.Members {
		for _, address := range []*string{&m.Config.RESP, &m.Config.HTTP} {
			*address = strings.Replace(*address, inside, outside, 1)
		}
		args := []string{"--advertise", outside}
		for _, arg := range m.Config.Args {
			args = append(args, strings.ReplaceAll(arg, inside, outside))
		}
		m.Config.Args = args
	}
	return w, nil
}

// Know learns the ids of the members, which they have once they run: all at once, since a node also speaks of others. Before that nothing is dropped.
func (w *Firewall) Know(ctx context.Context, c *Cluster) error {
	ids := map[string]string{}
	for _, m := range c.Members {
		s, err := m.Standing(ctx, m.Name)
		if err != nil {
			return err
		}
		ids[s.ID] = m.Name
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = ids
	return nil
}

// Drop has all vanish that goes over connections that one member opened, or opens, to another.
func (w *Firewall) Drop(from, to *Member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped[[2]string{from.Name, to.Name}] = true
}

// Heal drops nothing any more.
func (w *Firewall) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.dropped)
	w.lost = 0
	for f := range w.flows {
		if f.lost {
			f.end()
		}
	}
}

// Close ends all connections, and waits for that.
func (w *Firewall) Close() {
	w.mu.Lock()
	w.closed = true
	for _, l := range w.listeners {
		l.Close()
	}
	for f := range w.flows {
		f.end()
	}
	w.mu.Unlock()
	w.running.Wait()
}

// Lost says how many connections have lost something since the last Heal. Nodes may have given them up, and opened others.
func (w *Firewall) Lost() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func (w *Firewall) accept(l net.Listener, to, address string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // it was closed
		}
		behind, err := net.Dial("tcp", address)
		if err != nil { // nobody listens there: so it shall look from outside
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			continue
		}
		f := &flow{ends: [2]net.Conn{conn, behind}, to: to}
		w.mu.Lock()
		w.flows[f] = true
		if w.closed {
			f.end()
		}
		w.mu.Unlock()
		w.running.Go(func() { w.carry(f) })
	}
}

// carry takes what is said in both directions to the other end, until one of them ends.
func (w *Firewall) carry(f *flow) {
	var back sync.WaitGroup
	back.Go(func() { w.pass(f, 1) })
	w.pass(f, 0)
	back.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.flows, f)
}

func (w *Firewall) pass(f *flow, from int) {
	defer f.end()
	buffer := make([]byte, 64<<10)
	for {
		n, err := f.ends[from].Read(buffer)
		if n > 0 && w.passes(f, from, buffer[:n]) {
			if _, failed := f.ends[1-from].Write(buffer[:n]); failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// passes says whether what was read goes on to the other end.
func (w *Firewall) passes(f *flow, from int, text []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from == 0 && f.from == "" && len(f.head) < headBytes {
		f.head = append(f.head, text...)
	}
	if f.from == "" {
		f.from = w.says(f.head)
	}
	if !f.lost && w.dropped[[2]string{f.from, f.to}] {
		f.lost = true
		w.lost++
	}
	return !f.lost // what comes after a hole is nothing
}

// says finds the first name in what a node says first.
func (w *Firewall) says(head []byte) (name string) {
	first := len(head)
	for id, member := range w.ids {
		if at := bytes.Index(head, []byte(id)); at >= 0 && at < first {
			first, name = at, member
		}
	}
	return name
}

func (f *flow) end() {
	for _, c := range f.ends {
		c.Close()
	}
}
