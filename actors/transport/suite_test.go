package transport

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// land is where a test's nodes live: every test of the suite runs over sockets and over memory.
type land struct {
	join func(Config) (*Transport, error)
	free string // address for a node that does not care
}

func lands(t *testing.T, test func(t *testing.T, l land)) {
	t.Run("grpc", func(t *testing.T) { test(t, land{Listen, "127.0.0.1:0"}) })
	t.Run("memory", func(t *testing.T) { test(t, land{NewNetwork().Join, ""}) })
}

// node is a transport with what it received.
type node struct {
	*Transport
	changes chan Change
	log     *lines

	mu      sync.Mutex
	got     []string
	arrived chan struct{} // holds one after something was received
}

// lines collects log lines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

// start joins a node called id, with whatever the test changes in its configuration.
func (l land) start(t *testing.T, id shards.NodeID, epoch shards.Epoch, change ...func(*Config)) *node {
	t.Helper()
	n, err := l.try(id, epoch, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func (l land) try(id shards.NodeID, epoch shards.Epoch, change ...func(*Config)) (*node, error) {
	n := &node{changes: make(chan Change, 1024), arrived: make(chan struct{}, 1), log: &lines{}}
	c := Config{
		Self:    Hello{Format: 1, Cluster: "c", Node: id, Epoch: epoch},
		Listen:  l.free,
		Log:     slog.New(slog.NewTextHandler(n.log, nil)),
		Receive: func(_ Hello, _ Class, _ Kind, body []byte) { n.keep(string(body)) },
		Serve: func(_ context.Context, _ Hello, _ Kind, body []byte) ([]byte, error) {
			return append([]byte("echo "), body...), nil
		},
		Changed: func(c Change) { n.changes <- c },
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	n.Transport, err = l.join(c)
	return n, err
}

func (n *node) keep(text string) {
	n.mu.Lock()
	n.got = append(n.got, text)
	n.mu.Unlock()
	select {
	case n.arrived <- struct{}{}:
	default:
	}
}

// received waits until so many messages have arrived.
func (n *node) received(t *testing.T, count int) []string {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		n.mu.Lock()
		got := n.got
		n.mu.Unlock()
		if len(got) >= count {
			return got
		}
		select {
		case <-n.arrived:
		case <-limit:
			t.Fatalf("%d messages arrived, want %d", len(got), count)
		}
	}
}

// next waits for the next change of a connection.
func (n *node) next(t *testing.T) Change {
	t.Helper()
	select {
	case c := <-n.changes:
		return c
	case <-time.After(time.Minute):
		t.Fatalf("no change of any connection\n%s", n.log.text.String())
		panic("unreachable")
	}
}

func (n *node) up(t *testing.T, peers ...*node) {
	t.Helper()
	var list []Address
	missing := 0
	for _, p := range peers {
		list = append(list, Address{p.config.Self.Node, p.config.Self.Epoch, p.Address()})
		if (*n.links.Load())[p.config.Self.Node] == nil {
			missing++
		}
	}
	n.SetPeers(list)
	for range missing {
		if c := n.next(t); !c.Up {
			t.Fatalf("%+v, want it up", c)
		}
	}
}

func pair(t *testing.T, l land, change ...func(*Config)) (a, b *node) {
	a, b = l.start(t, "a", 1, change...), l.start(t, "b", 1, change...)
	a.up(t, b)
	b.up(t, a)
	return a, b
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
