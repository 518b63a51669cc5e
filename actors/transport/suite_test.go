package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	limit := time.After(20 * time.Second)
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
	case <-time.After(20 * time.Second):
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestMessagesAndCalls(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		for i, class := range []Class{Control, Replicate, Bulk} {
			if err := a.Send("b", class, KindRaft, []byte(class.String())); err != nil {
				t.Fatal(err)
			}
			if got := b.received(t, i+1)[i]; got != class.String() {
				t.Fatalf("got %q", got)
			}
		}
		answer, err := b.Call(soon(t), "a", KindQuery, []byte("hello"))
		if err != nil || string(answer) != "echo hello" {
			t.Fatalf("%q, %v", answer, err)
		}
		if _, err := a.Call(soon(t), "nobody", KindQuery, nil); !errors.Is(err, ErrNoPeer) {
			t.Fatalf("call to a stranger: %v", err)
		}
		if err := a.Send("nobody", Control, KindRaft, nil); !errors.Is(err, ErrNoPeer) {
			t.Fatalf("message to a stranger: %v", err)
		}
	})
}

func TestErrorsArriveTyped(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		problems := []error{
			&shards.NotPrimaryError{Shard: shards.NewShardID(2, 17), Primary: "c", Term: 9},
			fmt.Errorf("route: %w", &shards.NotPrimaryError{Shard: 5, Term: 1}),
			&shards.Error{Kind: shards.KindConflict, Shard: "orders/17", Err: errors.New("version 4, not 3")},
			errors.New("something else"),
		}
		a, _ := pair(t, l, func(c *Config) {
			c.Serve = func(_ context.Context, _ Hello, _ Kind, body []byte) ([]byte, error) {
				if body[0] == 'p' {
					panic("a broken invariant")
				}
				return nil, problems[body[0]]
			}
		})
		for i, want := range problems {
			_, err := a.Call(soon(t), "b", KindForward, []byte{byte(i)})
			var elsewhere, wanted *shards.NotPrimaryError
			if errors.As(want, &wanted) {
				if !errors.As(err, &elsewhere) || *elsewhere != *wanted {
					t.Errorf("%v arrived as %#v", want, err)
				}
				continue
			}
			var e *shards.Error
			if !errors.As(err, &e) || err.Error() != want.Error() {
				t.Errorf("%v arrived as %v", want, err)
			}
			if i == 2 && (e.Kind != shards.KindConflict || e.Shard != "orders/17") {
				t.Errorf("%+v", e)
			}
		}
		if _, err := a.Call(soon(t), "b", KindForward, []byte("p")); err == nil || !strings.Contains(err.Error(), "a broken invariant") {
			t.Errorf("a panic arrived as %v", err)
		}
		if _, err := a.Call(soon(t), "b", KindForward, []byte{3}); err == nil || !strings.Contains(err.Error(), "something else") {
			t.Errorf("after the panic: %v", err)
		}
	})
}

// A burst of 20,000 messages of 8 KiB is what the actor library's own remote loses whole.
func TestBurstArrivesWholeAndInOrder(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		const count, size = 20_000, 8 << 10
		var mu sync.Mutex
		next, done := uint32(0), make(chan error, 1)
		a, _ := pair(t, l, func(c *Config) {
			c.Receive = func(_ Hello, _ Class, _ Kind, body []byte) {
				mu.Lock()
				defer mu.Unlock()
				n := binary.LittleEndian.Uint32(body)
				if len(body) != size || n != next || body[size-1] != byte(n) {
					done <- fmt.Errorf("message %d of %d bytes arrived when %d was due", n, len(body), next)
				}
				if next++; next == count {
					done <- nil
				}
			}
		})
		full := 0
		for i := range uint32(count) {
			body := make([]byte, size)
			binary.LittleEndian.PutUint32(body, i)
			body[size-1] = byte(i)
			err := a.Send("b", Replicate, KindReplicate, body)
			if errors.Is(err, ErrFull) {
				full++
				err = a.SendWait(soon(t), "b", Replicate, KindReplicate, body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(60 * time.Second):
			t.Fatalf("%d of %d arrived", next, count)
		}
		t.Logf("credit was used up %d times", full)
	})
}

func TestLargeBodiesAreSplit(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l, func(c *Config) { c.Window, c.MaxBody = leastWindow, 5<<20 })
		for i, size := range []int{copyBytes, copyBytes + 1, flatBytes + 1, chunkBytes, chunkBytes + 1, 3*chunkBytes + 7, 5 << 20} {
			body := bytes.Repeat([]byte{byte(i), 7, byte(size)}, size/3+1)[:size]
			if err := a.SendWait(soon(t), "b", Bulk, KindRecover, bytes.Clone(body)); err != nil {
				t.Fatal(err)
			}
			if got := b.received(t, i+1)[i]; got != string(body) {
				t.Fatalf("%d bytes arrived as %d others", size, len(got))
			}
			if i < 6 {
				answer, err := a.Call(soon(t), "b", KindForward, bytes.Clone(body))
				if err != nil || string(answer) != "echo "+string(body) {
					t.Fatalf("a call of %d bytes: %d bytes, %v", size, len(answer), err)
				}
			}
		}
		if err := a.SendWait(soon(t), "b", Bulk, KindRecover, make([]byte, 5<<20+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("one byte more: %v", err)
		}
		if _, err := a.Call(soon(t), "b", KindForward, make([]byte, 5<<20)); err == nil || !strings.Contains(err.Error(), "more than the") {
			t.Errorf("an answer that is too long: %v", err)
		}
	})
}

// A peer that takes less than this node sends throws the rest away, and goes on.
func TestReceiverBoundsBodies(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a := l.start(t, "a", 1)
		b := l.start(t, "b", 1, func(c *Config) { c.MaxBody = 2 << 20 })
		a.up(t, b)
		if err := a.SendWait(soon(t), "b", Bulk, KindRecover, make([]byte, 3<<20)); err != nil {
			t.Fatal(err)
		}
		if err := a.SendWait(soon(t), "b", Bulk, KindRecover, []byte("after")); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t, 1); got[0] != "after" || b.Counts().TooLong != 1 {
			t.Fatalf("%d bytes arrived; %+v", len(got[0]), b.Counts())
		}
		var e *shards.Error
		if _, err := a.Call(soon(t), "b", KindForward, make([]byte, 3<<20)); !errors.As(err, &e) || e.Kind != shards.KindInvalid {
			t.Fatalf("a request that is too long: %v", err)
		}
	})
}

func TestStuckReceiverStopsItsClassOnly(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		release := make(chan struct{})
		a, b := pair(t, l, func(c *Config) {
			c.Window = leastWindow
			c.Receive = func(_ Hello, class Class, _ Kind, _ []byte) {
				if class == Replicate {
					<-release
				}
			}
		})
		defer close(release)
		c := l.start(t, "c", 1)
		a.up(t, b, c)
		sent := 0
		for ; ; sent++ {
			err := a.Send("b", Replicate, KindReplicate, make([]byte, 1000))
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil || sent > 2*leastWindow/1000 {
				t.Fatalf("after %d messages: %v", sent, err)
			}
		}
		if err := a.SendWait(past(), "b", Replicate, KindReplicate, make([]byte, 1000)); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting for credit: %v", err)
		}
		for range 3 * leastWindow / 1000 {
			if err := a.SendWait(soon(t), "b", Bulk, KindRecover, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if err := a.SendWait(soon(t), "c", Replicate, KindReplicate, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
			t.Errorf("a call beside it: %v", err)
		}
	})
}

func past() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestCancelAndDeadlineTravel(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		ended := make(chan error, 1)
		began := make(chan time.Duration, 1)
		a, _ := pair(t, l, func(c *Config) {
			c.Serve = func(ctx context.Context, _ Hello, _ Kind, _ []byte) ([]byte, error) {
				deadline, _ := ctx.Deadline()
				began <- time.Until(deadline)
				<-ctx.Done()
				ended <- ctx.Err()
				return nil, ctx.Err()
			}
		})
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-began; cancel() }()
		if _, err := a.Call(ctx, "b", KindForward, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled call: %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the server saw %v", err)
		}
		ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := a.Call(ctx, "b", KindForward, nil); err == nil {
			t.Error("a call after its deadline ended without an error")
		}
		if left := <-began; left <= 0 || left > 60*time.Millisecond {
			t.Errorf("%v were left at the server", left)
		}
		<-ended
	})
}

func TestCallsFailAtOnceWhenThePeerDies(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		const calls = 100
		began := make(chan struct{}, calls)
		a, b := pair(t, l, func(c *Config) {
			c.Serve = func(ctx context.Context, _ Hello, _ Kind, _ []byte) ([]byte, error) {
				began <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		failed := make(chan error, calls)
		for range calls {
			go func() {
				_, err := a.Call(soon(t), "b", KindForward, nil)
				failed <- err
			}()
		}
		for range calls {
			<-began
		}
		died := time.Now()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for range calls {
			if err := <-failed; !errors.Is(err, ErrPeerGone) {
				t.Fatalf("a call in flight: %v", err)
			}
		}
		if took := time.Since(died); took > 50*time.Millisecond && !testing.Short() {
			t.Errorf("the last failed after %v", took)
		}
		if c := a.next(t); c.Up || c.Node != "b" || c.Epoch != 1 || c.Cause == nil {
			t.Errorf("change: %+v", c)
		}
		if _, err := a.Call(soon(t), "b", KindForward, nil); !errors.Is(err, ErrNoPeer) {
			t.Errorf("a call afterwards: %v", err)
		}
		if _, err := a.Probe(soon(t), b.Address()); !errors.Is(err, ErrRefused) {
			t.Errorf("probe of the closed port: %v", err)
		}
	})
}

func TestServingIsBounded(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		var mu sync.Mutex
		active, most := 0, 0
		step := make(chan struct{})
		a, _ := pair(t, l, func(c *Config) {
			c.Serving = 3
			c.Serve = func(context.Context, Hello, Kind, []byte) ([]byte, error) {
				mu.Lock()
				active++
				most = max(most, active)
				mu.Unlock()
				<-step
				mu.Lock()
				active--
				mu.Unlock()
				return nil, nil
			}
		})
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := a.Call(soon(t), "b", KindForward, nil); err != nil {
					t.Error(err)
				}
			})
		}
		for range 20 {
			step <- struct{}{}
		}
		calls.Wait()
		if most > 3 {
			t.Errorf("%d were served at once, want 3 at most", most)
		}
	})
}

func TestRestartAtTheSameAddress(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a := l.start(t, "a", 1)
		b := l.start(t, "b", 1)
		a.up(t, b)
		b.Close()
		if c := a.next(t); c.Up {
			t.Fatalf("%+v", c)
		}
		again := l.start(t, "b", 2, func(c *Config) { c.Listen = b.Address() })
		if c := a.next(t); !c.Up || c.Epoch != 2 {
			t.Fatalf("%+v, want epoch 2 up", c)
		}
		if err := a.Send("b", Control, KindRaft, []byte("x")); err != nil {
			t.Fatal(err)
		}
		again.received(t, 1)
	})
}

func TestSetPeersHangsUp(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		a.SetPeers(nil)
		if c := a.next(t); c.Up || c.Node != "b" {
			t.Fatalf("%+v", c)
		}
		if err := a.Send("b", Control, KindRaft, nil); !errors.Is(err, ErrNoPeer) {
			t.Errorf("after hanging up: %v", err)
		}
		if c := b.next(t); c.Up { // its own connection to a was hung up as well...
			t.Fatalf("%+v", c)
		}
		if c := b.next(t); !c.Up { // ...and made again, since a admits it
			t.Fatalf("%+v", c)
		}
		a.up(t, b)
	})
}

func TestRefusals(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		b := l.start(t, "b", 5, func(c *Config) {
			c.Admit = func(peer Hello) error {
				if peer.Name == "mallory" {
					return errors.New("mallory is not welcome")
				}
				return nil
			}
		})
		old := l.start(t, "x", 2)
		b.up(t, old)
		for _, c := range []struct {
			why    string
			change func(*Config)
			want   string
		}{
			{"another cluster", func(c *Config) { c.Self.Cluster = "other" }, "belongs to cluster other"},
			{"a format from the future", func(c *Config) { c.Self.Format = 2 }, "speaks format 2"},
			{"an epoch that is past", func(c *Config) { c.Self.Node, c.Self.Epoch = "x", 1 }, "epoch 1 of node x is past"},
			{"its own id in another life", func(c *Config) { c.Self.Node, c.Self.Epoch = "b", 9 }, "used twice"},
			{"what Admit says", func(c *Config) { c.Self.Name = "mallory" }, "mallory is not welcome"},
		} {
			t.Run(c.why, func(t *testing.T) {
				a := l.start(t, "a", 1, c.change)
				a.SetPeers([]Address{{"b", 0, b.Address()}})
				for a.log.count(c.want) == 0 && a.config.Self.Node != "b" {
					select {
					case c := <-a.changes:
						t.Fatalf("%+v", c)
					case <-time.After(time.Millisecond):
					}
				}
				_, err := a.Probe(soon(t), b.Address())
				if c.why == "an epoch that is past" { // a visit may tell of any life
					if err != nil {
						t.Error(err)
					}
				} else if !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("probe: %v", err)
				}
				for range 3 {
					a.Probe(soon(t), b.Address())
				}
				if n := b.log.count(c.want); n != 1 {
					t.Errorf("logged %d times", n)
				}
			})
		}
	})
}

func TestWrongNodeAtAnAddress(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := l.start(t, "a", 1), l.start(t, "b", 1)
		a.SetPeers([]Address{{"c", 1, b.Address()}})
		for a.log.count("node c was expected there, node b answers") == 0 {
			select {
			case c := <-a.changes:
				t.Fatalf("%+v", c)
			case <-time.After(time.Millisecond):
			}
		}
	})
}

func TestVisits(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a := l.start(t, "a", 1, func(c *Config) { c.Self.Cluster = "" })
		b := l.start(t, "b", 1)
		hello, err := a.Probe(soon(t), b.Address())
		if err != nil || hello.Node != "b" || hello.Cluster != "c" || hello.Address != b.Address() {
			t.Fatalf("%+v, %v", hello, err)
		}
		hello, answer, err := a.CallAddress(soon(t), b.Address(), KindJoin, []byte("let me in"))
		if err != nil || hello.Node != "b" || string(answer) != "echo let me in" {
			t.Fatalf("%+v, %q, %v", hello, answer, err)
		}
		if hello, err := a.Probe(soon(t), a.Address()); err != nil || hello.Node != "a" {
			t.Fatalf("of itself: %+v, %v", hello, err)
		}
		a.SetCluster("other")
		if _, err := a.Probe(soon(t), b.Address()); !errors.Is(err, ErrRejected) {
			t.Fatalf("as a member of another cluster: %v", err)
		}
	})
}

// A drained node is told from a dead one: it refuses to talk, and not the connection.
func TestDrainKeepsThePort(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		b.Drain()
		if c := a.next(t); c.Up {
			t.Fatalf("%+v", c)
		}
		if _, err := a.Probe(soon(t), b.Address()); errors.Is(err, ErrRefused) || !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), "is stopping") {
			t.Fatalf("probe of a drained node: %v", err)
		}
		if err := b.Send("a", Control, KindRaft, nil); !errors.Is(err, ErrNoPeer) {
			t.Errorf("a drained node sends: %v", err)
		}
		if _, err := b.Probe(soon(t), a.Address()); !errors.Is(err, ErrClosed) {
			t.Errorf("a drained node probes: %v", err)
		}
		b.Close()
		if _, err := a.Probe(soon(t), b.Address()); !errors.Is(err, ErrRefused) {
			t.Fatalf("probe of a closed node: %v", err)
		}
	})
}

func TestUnknownKinds(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		if err := a.Send("b", Control, 200, []byte("?")); err != nil {
			t.Fatal(err)
		}
		var e *shards.Error
		if _, err := a.Call(soon(t), "b", 201, nil); !errors.As(err, &e) || e.Kind != shards.KindInvalid {
			t.Fatalf("an unknown call: %v", err)
		}
		if err := a.Send("b", Control, KindRaft, []byte("known")); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t, 1); got[0] != "known" || b.Counts().Unknown != 2 {
			t.Fatalf("%q; %+v", got, b.Counts())
		}
	})
}

func TestIsolate(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l, func(c *Config) { c.Timeout = 300 * time.Millisecond })
		b.Isolate([]shards.NodeID{"a"}, false)
		if err := a.Send("b", Control, KindRaft, []byte("lost")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := a.Call(ctx, "b", KindQuery, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a call into a one-way cut: %v", err)
		}
		if err := b.Send("a", Control, KindRaft, []byte("one way")); err != nil {
			t.Fatal(err)
		}
		a.received(t, 1)
		if _, err := b.Probe(soon(t), a.Address()); errors.Is(err, ErrRefused) || err == nil {
			t.Fatalf("a probe through a cut: %v", err)
		}
		b.Isolate([]shards.NodeID{"a"}, true)
		if err := b.Send("a", Control, KindRaft, []byte("lost too")); err != nil {
			t.Fatal(err)
		}
		if len(a.changes)+len(b.changes) != 0 {
			t.Fatal("a cut broke a connection")
		}
		b.Isolate(nil, false)
		for _, n := range []*node{a, b} {
			if down, up := n.next(t), n.next(t); down.Up || !up.Up {
				t.Fatalf("after the cut: %+v, %+v", down, up)
			}
		}
		a.Send("b", Control, KindRaft, []byte("again"))
		if got := b.received(t, 1); got[0] != "again" {
			t.Fatalf("got %q", got)
		}
		if got := a.received(t, 1); len(got) != 1 || got[0] != "one way" {
			t.Fatalf("got %q", got)
		}
	})
}
