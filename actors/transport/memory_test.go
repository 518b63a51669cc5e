package transport

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test on a network in memory with a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, n *Network, l land)) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		test(t, n, land{n.Join, ""})
	})
}

// later lets the bubble's clock go on.
func later(d time.Duration) { <-time.After(d) }

func TestDelayIsExactAndKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network, l land) {
		a, b := pair(t, l)
		n.Delay("a", "b", 10*time.Millisecond, 10*time.Millisecond)
		n.Delay("b", "a", 30*time.Millisecond, 30*time.Millisecond)
		began := time.Now()
		if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 40*time.Millisecond {
			t.Errorf("a call over a line of 10 ms there and 30 ms back took %v", took)
		}
		n.Delay("a", "b", 0, 50*time.Millisecond)
		for i := range 1000 {
			if err := a.Send("b", Control, KindRaft, []byte(strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
		for i, got := range b.received(t, 1000) {
			if got != strconv.Itoa(i) {
				t.Fatalf("message %d arrived in place %d", i, i)
			}
		}
	})
}

func TestLossIsSeeded(t *testing.T) {
	survivors := func(seed uint64) (got []string) {
		bubble(t, func(t *testing.T, n *Network, l land) {
			a, b := pair(t, l)
			n.Seed(seed)
			n.Lose("a", "b", 0.5)
			for i := range 100 {
				a.Send("b", Control, KindRaft, []byte(strconv.Itoa(i)))
			}
			synctest.Wait()
			n.Lose("a", "b", 0)
			got = append(got, b.received(t, 1)...)
			if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
				t.Errorf("losses broke the connection: %v", err)
			}
		})
		return got
	}
	first, again, other := survivors(7), survivors(7), survivors(8)
	if len(first) < 25 || len(first) > 75 {
		t.Errorf("%d of 100 arrived at a loss of one half", len(first))
	}
	if !equal(first, again) || equal(first, other) {
		t.Errorf("seed 7 gave %v and %v, seed 8 gave %v", first, again, other)
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestOneWayCut(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network, l land) {
		a, b := pair(t, l)
		n.Cut("a", "b")
		a.Send("b", Control, KindRaft, []byte("lost"))
		b.Send("a", Control, KindRaft, []byte("arrives"))
		a.received(t, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := b.Call(ctx, "a", KindQuery, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call whose answer is cut off: %v", err)
		}
		if _, err := b.Probe(ctx, a.Address()); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("a probe through a cut: %v", err)
		}
		n.Heal("a", "b")
		for _, x := range []*node{a, b} {
			if down, up := x.next(t), x.next(t); down.Up || !up.Up {
				t.Fatalf("%+v, %+v", down, up)
			}
		}
		a.Send("b", Control, KindRaft, []byte("healed"))
		if got := b.received(t, 1); got[0] != "healed" {
			t.Errorf("got %q", got)
		}
	})
}

func TestBreakIsNoticedByBothAndMended(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network, l land) {
		a, b := pair(t, l)
		for range 3 {
			n.Break("b", "a")
			for _, x := range []*node{a, b} {
				if down, up := x.next(t), x.next(t); down.Up || down.Cause == nil || !up.Up {
					t.Fatalf("%+v, %+v", down, up)
				}
			}
		}
		synctest.Wait()
		if len(a.changes)+len(b.changes) != 0 {
			t.Error("a transition was told twice")
		}
	})
}

// Redials are quick at first, since a process that restarts is missed, and rare later.
func TestRedialsSlowDown(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network, l land) {
		a := l.start(t, "a", 1)
		a.SetPeers([]Address{{"b", 1, "nowhere"}})
		synctest.Wait()
		if a.log.count("nobody listens there") != 1 {
			t.Error("the first dial waited for something")
		}
		later(time.Minute)
		b := l.start(t, "b", 1, func(c *Config) { c.Listen = "nowhere" })
		restarted := time.Now()
		if c := a.next(t); !c.Up {
			t.Fatalf("%+v", c)
		}
		if took := time.Since(restarted); took > mostPause {
			t.Errorf("found again after %v", took)
		}
		later(steady)
		b.Close()
		if c := a.next(t); c.Up {
			t.Fatalf("%+v", c)
		}
		restarted = time.Now()
		l.start(t, "b", 2, func(c *Config) { c.Listen = "nowhere" })
		if c := a.next(t); !c.Up {
			t.Fatalf("%+v", c)
		}
		if took := time.Since(restarted); took > leastPause {
			t.Errorf("a quick restart was noticed after %v", took)
		}
		if n := a.log.count("cannot reach a peer"); n > 2 {
			t.Errorf("%d lines about it in the log", n)
		}
	})
}

// A peer that dials us is there: whoever waits to redial it does so now.
func TestBeingDialedEndsThePause(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network, l land) {
		a := l.start(t, "a", 1)
		a.SetPeers([]Address{{"b", 1, "b's"}})
		later(time.Minute)
		b := l.start(t, "b", 1, func(c *Config) { c.Listen = "b's" })
		began := time.Now()
		b.up(t, a)
		if c := a.next(t); !c.Up || time.Since(began) != 0 {
			t.Errorf("%+v after %v", c, time.Since(began))
		}
	})
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network, l land) {
		a, b := l.start(t, "a", 1), l.start(t, "b", 1)
		n.Cut("b", "a")
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := a.Probe(ctx, b.Address()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != defaultTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestAddressIsTakenOnce(t *testing.T) {
	n := NewNetwork()
	l := land{n.Join, ""}
	l.start(t, "a", 1, func(c *Config) { c.Listen = "x" })
	if _, err := l.try("b", 1, func(c *Config) { c.Listen = "x" }); err == nil {
		t.Error("two nodes at one address")
	}
	for _, bad := range []func(*Config){
		func(c *Config) { c.Self.Node = "" },
		func(c *Config) { c.Receive = nil },
		func(c *Config) { c.Window = 1 },
		func(c *Config) { c.MaxBody = mostBody + 1 },
		func(c *Config) { c.Serving = -1 },
	} {
		if _, err := l.try("c", 1, bad); err == nil {
			t.Errorf("taken: %T", bad)
		}
	}
}

// What arrives between a reader's look at a stream and its waiting is there when the stream ends in the same moment: a node that refuses another says why
// and hangs up at once.
func TestEndOvertakesNothing(t *testing.T) {
	for range 100 {
		p := newPipe()
		if err := p.put([]byte("why"), time.Now()); err != nil {
			t.Fatal(err)
		}
		p.end()
		if err := p.pause(nil, false, 0); err != nil {
			t.Fatalf("a reader that waits finds %v, and not what has arrived", err)
		}
		if text, err := p.get(nil); err != nil || string(text) != "why" {
			t.Fatalf("%q, %v", text, err)
		}
		if _, err := p.get(nil); !errors.Is(err, io.EOF) {
			t.Fatalf("after it comes %v", err)
		}
	}
}
