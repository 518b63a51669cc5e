package transport

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

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

// Two releases with nothing in common refuse each other whoever dials, and both sides say why.
func TestFormatsWithNothingInCommon(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		old := l.start(t, "old", 1)
		young := l.start(t, "young", 1, func(c *Config) { c.Self.Format, c.Oldest = 3, 2 })
		for _, c := range []struct {
			from, to *node
			want     string
		}{
			{old, young, "node (unnamed) speaks format 3 of the wire, node old up to 1: upgrade node old first"},
			{young, old, "node (unnamed) speaks format 3 of the wire, node old up to 1: upgrade node old first"},
		} {
			_, err := c.from.Probe(soon(t), c.to.Address())
			if !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s to %s: %v", c.from.config.Self.Node, c.to.config.Self.Node, err)
			}
		}
		if want := "node old speaks format 1 of the wire, node young from 2 to 3: upgrade node old first"; young.log.count(want) != 1 {
			t.Errorf("what the younger logs is not %q", want)
		}
	})
}

func TestRefusals(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		b := l.start(t, "b", 5, func(c *Config) {
			c.Oldest = 1
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
			{"a format from the future", func(c *Config) { c.Self.Format = 2 }, "speaks format 2 of the wire, node b up to 1: upgrade node b first"},
			{"a format from before", func(c *Config) { c.Self.Format = 0 }, "upgrade node a first"},
			{"an epoch that is past", func(c *Config) { c.Self.Node, c.Self.Epoch = "x", 1 }, "epoch 1 of node x is past"},
			{"its own id in another life", func(c *Config) { c.Self.Node, c.Self.Epoch = "b", 9 }, "used twice"},
			{"another's epoch at another address", func(c *Config) { c.Self.Node, c.Self.Epoch = "x", 2 }, "node x runs with epoch 2 at " + old.Address() + ", and says here that it is at "},
			{"its own id in its own life", func(c *Config) { c.Self.Node, c.Self.Epoch = "b", 5 }, "node b runs with epoch 5 here and 5 there; is a data folder used twice?"},
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
				if c.why == "an epoch that is past" || c.why == "another's epoch at another address" { // a visit may tell of any life
					if err != nil {
						t.Error(err)
					}
				} else if !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("probe: %v", err)
				}
				for range 3 {
					a.Probe(soon(t), b.Address())
				}
				for limit := soon(t); b.log.count(c.want) == 0 && limit.Err() == nil; { // whoever is refused may know of it first
					<-time.After(time.Millisecond)
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
