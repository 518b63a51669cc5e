package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// Hello is how two nodes introduce themselves when a stream opens, both ways.
type Hello struct {
	Format  uint32 // of the wire, as the node speaks it at present: a new release goes on with the old one until all have it
	Cluster string // id of its cluster; empty while it has none
	Node    shards.NodeID
	Epoch   shards.Epoch
	Name    string // for people
	Address string // host:port where it listens for peers
	Release string // for people
}

// Address says where a peer is to be found. A peer that answers with a higher Epoch is taken, with a lower one not.
type Address struct {
	Node  shards.NodeID
	Epoch shards.Epoch
	Addr  string // host:port
}

// Change is one change of the connection to a peer that SetPeers named.
type Change struct {
	Node  shards.NodeID
	Epoch shards.Epoch // of the life that was reached, from its Hello
	Up    bool
	Cause error // why it broke; nil when Up
}

// Config says how a transport listens, whom it admits and what it does with what arrives. Self, Receive, Serve and, for
// Listen, the address are required.
type Config struct {
	Self   Hello       // Address is filled if empty: with what Advertise makes of the listener's
	Oldest uint32      // lowest format of a peer that this node still speaks, up to Self.Format; default: all
	Listen string      // host:port; port 0 takes a free one. For Network.Join it may be any name, and is chosen if empty
	TLS    *tls.Config // nil: no encryption. Else TLS 1.3, both sides show certificates; see secure for what is read when
	Log    *slog.Logger

	// Advertise makes of the address that was bound the one under which others reach this node. nil: it is the same.
	Advertise func(bound string) string

	// Admit is asked about every node that introduces itself, dialed or dialing, after the checks that need no knowledge:
	// another cluster, a format from the future or from before Oldest, an epoch below one seen before. An error is its refusal: one sentence,
	// which the other side gets to read. nil admits all. It may be called from any goroutine.
	Admit func(peer Hello) error

	// Receive takes a one-way message: in order per peer and class, on that stream's reader, which reads nothing more until
	// it returns. The body is the receiver's to keep.
	Receive func(peer Hello, class Class, kind Kind, body []byte)

	// ReceiveTraced takes in Receive's place a message that was sent by SendTraced. nil: Receive takes it.
	ReceiveTraced func(peer Hello, class Class, kind Kind, body []byte, from tracing.Carrier)

	// Messages says whether calls are traced, by their context. nil: they are not.
	Messages *tracing.Messages

	// Serve answers a call, on a goroutine of its own; ctx ends when the caller's does, when its connection breaks and when
	// the transport is drained, and has the caller's span if it is traced. The body is Serve's to keep. A panic becomes an error of the call, and
	// so does the end of the goroutine. Nobody waits for a call of KindActor that goes on though its ctx has ended; for others Close does.
	Serve func(ctx context.Context, peer Hello, kind Kind, body []byte) ([]byte, error)

	// Changed tells that the connection to a peer was made or has broken: once for each, in order for one peer, from that
	// peer's own goroutine, which does nothing else meanwhile. nil: nobody wants to know.
	Changed func(Change)

	// Refused says whether an error of a dial means that nobody listens at a reachable address. The default knows what
	// package net answers on Unix and Windows.
	Refused func(error) bool

	// Socket makes of a connection that was dialed or accepted the one that is used, below TLS: some systems have cheaper ways
	// than net's. It should end when what was sent is not acknowledged for silence; gRPC sees to that itself if it is given
	// the connection as it was. nil: it is.
	Socket func(c net.Conn, silence time.Duration) net.Conn

	Window  int           // bytes that a sender may have on its way per peer and class; default 8 MiB, at least 64 KiB
	MaxBody int           // bytes of one message; default 128 MiB
	Serving int           // calls of one peer that are served at the same time; default 1024; more wait, within Window
	Timeout time.Duration // for a dial and its handshake together; default 5 s
}

const (
	defaultWindow  = 8 << 20
	leastWindow    = 64 << 10
	defaultBody    = 128 << 20
	mostBody       = 1 << 30
	defaultServing = 1024
	defaultTimeout = 5 * time.Second
)

// validate fills the defaults and names the first field that cannot be used.
func (c *Config) validate() error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Advertise == nil {
		c.Advertise = func(bound string) string { return bound }
	}
	if c.Admit == nil {
		c.Admit = func(Hello) error { return nil }
	}
	if c.Socket == nil {
		c.Socket = func(c net.Conn, _ time.Duration) net.Conn { return c }
	}
	if c.Changed == nil {
		c.Changed = func(Change) {}
	}
	if c.Refused == nil {
		c.Refused = refused
	}
	fill(&c.Window, defaultWindow)
	fill(&c.MaxBody, defaultBody)
	fill(&c.Serving, defaultServing)
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	switch {
	case c.Oldest > c.Self.Format:
		return fmt.Errorf("transport: Oldest is %d, and Self.Format %d: a node speaks its own format", c.Oldest, c.Self.Format)
	case c.Self.Node == "":
		return errors.New("transport: Self.Node is empty; every node has an id")
	case c.Receive == nil || c.Serve == nil:
		return errors.New("transport: Receive and Serve are required")
	case c.Window < leastWindow:
		return fmt.Errorf("transport: a window of %d bytes; must be at least %d", c.Window, leastWindow)
	case c.MaxBody < 1 || c.MaxBody > mostBody:
		return fmt.Errorf("transport: bodies of at most %d bytes; must be 1 to %d", c.MaxBody, mostBody)
	case c.Serving < 1 || c.Timeout < 0:
		return fmt.Errorf("transport: %d calls at once, a timeout of %v; both must be positive", c.Serving, c.Timeout)
	}
	return nil
}

func fill(value *int, fallback int) {
	if *value == 0 {
		*value = fallback
	}
}
