package liveness

import (
	"math/rand/v2"
	"testing"
)

const (
	ms    = int64(1e6)
	lease = 1500 * ms
)

func TestLeaseEnd(t *testing.T) {
	for _, c := range []struct {
		g    Grant
		ppm  int64
		want int64
	}{
		{Grant{Sent: 1000 * ms, Lease: lease}, 0, 2500 * ms},
		{Grant{Sent: 1000 * ms, Age: 200 * ms, Lease: lease}, 0, 2300 * ms},
		{Grant{Sent: 1000 * ms, Age: 500 * ms, Lease: lease}, 1000, 1999 * ms}, // one second less a thousandth
		{Grant{Sent: 1000 * ms, Age: lease - 1, Lease: lease}, 1000, 1000 * ms},
		{Grant{Sent: 1000 * ms, Age: lease, Lease: lease}, 1000, 1000 * ms},
		{Grant{Sent: 1000 * ms, Age: 1 << 62, Lease: lease}, 1000, 1000 * ms},
		{Grant{Sent: 0, Lease: MaxLease}, 100_000, MaxLease / 10 * 9},
	} {
		if got := leaseEnd(c.g, c.ppm); got != c.want {
			t.Errorf("leaseEnd(%+v, %d) = %d, want %d", c.g, c.ppm, got, c.want)
		}
	}
}

func TestAge(t *testing.T) {
	for _, c := range []struct {
		now, confirmed, age int64
		ok                  bool
	}{
		{now: 5000 * ms, confirmed: 4900 * ms, age: 100 * ms, ok: true},
		{now: 5000 * ms, confirmed: 5000 * ms, ok: true},
		{now: 5000 * ms, confirmed: 3501 * ms, age: 1499 * ms, ok: true},
		{now: 5000 * ms, confirmed: 3500 * ms}, // a lease ago: nothing is left to grant
		{now: 5000 * ms, confirmed: 0},         // never
		{now: 100 * ms, confirmed: 0},          // never, and it is early
		{now: 5000 * ms, confirmed: 5001 * ms}, // from the future
	} {
		age, ok := Age(c.now, c.confirmed, lease)
		if ok != c.ok || ok && age != c.age {
			t.Errorf("Age(%d, %d) = %d, %v", c.now, c.confirmed, age, ok)
		}
	}
}

func holderWith(sent ...int64) *Holder {
	h := NewHolder(0)
	for _, m := range sent {
		h.Sent(m)
	}
	return h
}

func TestALeaseRefusesWhatProvesNothing(t *testing.T) {
	for name, g := range map[string]Grant{
		"sent before the first":    {Sent: 99 * ms, Lease: lease, Term: 5},
		"sent after the last":      {Sent: 301 * ms, Lease: lease, Term: 5},
		"of an older term":         {Sent: 300 * ms, Lease: lease, Term: 4},
		"of a negative age":        {Sent: 300 * ms, Age: -1, Lease: lease, Term: 5},
		"without a lease":          {Sent: 300 * ms, Term: 5},
		"of an unbounded lease":    {Sent: 300 * ms, Lease: MaxLease + 1, Term: 5},
		"of no time left":          {Sent: 300 * ms, Age: lease, Lease: lease, Term: 5},
		"overtaken by a later one": {Sent: 150 * ms, Lease: lease, Term: 5},
	} {
		h := holderWith(100*ms, 200*ms, 300*ms)
		if !h.Granted(Grant{Sent: 200 * ms, Lease: lease, Term: 5}) {
			t.Fatal("the first grant is refused")
		}
		if h.Granted(g) || h.Until() != 1700*ms || h.Term() != 5 {
			t.Errorf("a reply %s counts: until %d, term %d", name, h.Until(), h.Term())
		}
	}
	if h := NewHolder(0); h.Granted(Grant{Sent: 0, Lease: lease}) || h.Valid(0) {
		t.Error("a lease without a heartbeat")
	}
}

func TestALeaseIsValidUntilItsEnd(t *testing.T) {
	h := holderWith(100 * ms)
	if h.Valid(100 * ms) {
		t.Error("valid before the first grant")
	}
	h.Granted(Grant{Sent: 100 * ms, Age: 50 * ms, Lease: lease, Term: 1})
	for now, want := range map[int64]bool{100 * ms: true, 1549 * ms: true, 1550*ms - 1: true, 1550 * ms: false, 1 << 60: false} {
		if h.Valid(now) != want {
			t.Errorf("at %d: valid %v", now, !want)
		}
	}
}

// TestReorderedRepliesNeverShorten: whatever the order of the replies, the lease ends at the latest end that any of those
// gives which are not of an older term than one before.
func TestReorderedRepliesNeverShorten(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		h, grants := NewHolder(500), []Grant(nil)
		for i := range int64(30) {
			h.Sent(i * 250 * ms)
			grants = append(grants, Grant{Sent: i * 250 * ms, Age: r.Int64N(lease), Lease: lease, Term: uint64(1 + i/10)})
		}
		r.Shuffle(len(grants), func(i, j int) { grants[i], grants[j] = grants[j], grants[i] })
		end, term := int64(0), uint64(0)
		for _, g := range grants {
			if g.Term >= term {
				end, term = max(end, leaseEnd(g, 500)), g.Term
			}
			h.Granted(g)
			if h.Until() != end || h.Term() != term {
				t.Fatalf("until %d in term %d, want %d in %d", h.Until(), h.Term(), end, term)
			}
		}
	}
}

func TestRevoke(t *testing.T) {
	h := holderWith(100*ms, 200*ms)
	h.Granted(Grant{Sent: 100 * ms, Lease: lease, Term: 3})
	h.Revoke()
	if h.Valid(100*ms) || h.Granted(Grant{Sent: 200 * ms, Lease: lease, Term: 3}) {
		t.Error("a lease after it was revoked, by a reply that was under way")
	}
	h.Sent(300 * ms)
	if h.Granted(Grant{Sent: 200 * ms, Lease: lease, Term: 3}) {
		t.Error("the reply to a heartbeat of the life before counts")
	}
	if h.Granted(Grant{Sent: 300 * ms, Lease: lease, Term: 2}) || !h.Granted(Grant{Sent: 300 * ms, Lease: lease, Term: 3}) {
		t.Error("the term is forgotten, or the next life gets no lease")
	}
}
