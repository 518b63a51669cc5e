package replica

import (
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// proposed makes a primary that has ordered and committed ten entries and has proposed copy 2, which has all of them.
func proposed(t *testing.T) *Core {
	t.Helper()
	c, err := New(Config{Shard: 9, RetryTicks: 5, Memory: true}, Start{})
	if err != nil {
		t.Fatal(err)
	}
	c.Configure(Assignment{Self: 1, Term: 1, Version: 1, Primary: 1, Copies: []Peer{{1, true}, {2, false}}, MinInSync: 1})
	for range 10 {
		if _, err := c.Propose(1, []byte("x"), false); err != nil {
			t.Fatal(err)
		}
		c.Persisted(c.Ready().Write)
	}
	tick(c, 10)
	c.Step(&Message{Shard: 9, Kind: KindAck, From: 2, To: 1, Term: 1, Last: Position{1, 10}, Commit: 10})
	if got := tick(c, 10); len(got) == 0 || !got[0].Add || got[0].Copy != 2 {
		t.Fatalf("proposed %+v", got)
	}
	return c
}

// tick lets so many ticks pass and gives what was proposed in them.
func tick(c *Core, n int) (changes []Change) {
	for range n {
		c.Tick()
		r := c.Ready()
		changes = append(changes, r.InSync...)
		if r.Write != 0 {
			c.Persisted(r.Write)
		}
	}
	return changes
}

// A copy that has lost what it had acknowledged while it is proposed for the in-sync set: the proposal may be carried out yet, and
// is not repeated. What is proposed is its removal, until a row has it under another id.
func TestACopyThatLostSomethingIsNotProposedAgain(t *testing.T) {
	c := proposed(t)
	c.Step(&Message{Shard: 9, Kind: KindHello, From: 2, To: 1, Term: 1, Last: Position{1, 4}})
	got := tick(c, 30)
	if len(got) < 2 {
		t.Fatalf("proposed %+v", got)
	}
	for _, change := range got {
		if change.Add || change.Copy != 2 || change.Reason != "it has lost what it had acknowledged" {
			t.Errorf("proposed %+v", change)
		}
	}
	c.Configure(Assignment{Self: 1, Term: 1, Version: 2, Primary: 1, Copies: []Peer{{1, true}, {3, false}}, MinInSync: 1})
	c.Step(&Message{Shard: 9, Kind: KindAck, From: 3, To: 1, Term: 1, Last: Position{1, 10}, Commit: 10})
	if got := tick(c, 10); len(got) == 0 || !got[0].Add || got[0].Copy != 3 {
		t.Errorf("under its new id it is not proposed: %+v", got)
	}
}

// If every proposal was refused for good it owes nothing, and catches up like any other.
func TestACopyThatLostSomethingAndWasRefusedCatchesUp(t *testing.T) {
	c := proposed(t)
	open := c.peer(2).open
	c.Step(&Message{Shard: 9, Kind: KindHello, From: 2, To: 1, Term: 1, Last: Position{1, 4}})
	for range open {
		c.Refused(Change{Copy: 2, Add: true})
	}
	if _, err := c.Propose(1, []byte("y"), false); err != nil {
		t.Fatal(err)
	}
	c.Persisted(c.Ready().Write)
	if got := c.Committed(); got != 11 {
		t.Errorf("committed %d; nobody is waited for", got)
	}
	if got := tick(c, 10); len(got) != 0 {
		t.Errorf("proposed %+v before it has caught up", got)
	}
	c.Step(&Message{Shard: 9, Kind: KindAck, From: 2, To: 1, Term: 1, Last: Position{1, 11}, Commit: 11})
	if got := tick(c, 10); len(got) == 0 || !got[0].Add || got[0].Copy != shards.CopyID(2) {
		t.Errorf("caught up, and proposed %+v", got)
	}
}

// A copy that falls silent while it is proposed for the in-sync set, when nobody knows what became of the first proposal and each
// further one is refused, as for a copy on a node that was declared dead: writes wait for it no longer than for one that is in
// sync, and go on when a row has it under another id.
func TestAProposedCopyThatFallsSilentIsRemoved(t *testing.T) {
	c := proposed(t)
	if _, err := c.Propose(1, []byte("y"), false); err != nil {
		t.Fatal(err)
	}
	c.Persisted(c.Ready().Write)
	removed := false
	for range c.config.LagTicks + c.config.RetryTicks {
		for _, change := range tick(c, 1) {
			if change.Add {
				c.Refused(change)
			} else {
				removed = change.Copy == 2
			}
		}
	}
	if !removed || c.Committed() != 10 {
		t.Fatalf("its removal is proposed: %v; committed %d", removed, c.Committed())
	}
	c.Configure(Assignment{Self: 1, Term: 1, Version: 2, Primary: 1, Copies: []Peer{{1, true}, {3, false}}, MinInSync: 1})
	if got := c.Committed(); got != 11 {
		t.Errorf("committed %d", got)
	}
}

// What a copy has in its log of the present term, its earlier life may have acknowledged: a snapshot that holds no more does not
// take its place, one that holds more does, and one of another term does in any case.
func TestARestartedCopyKeepsItsWord(t *testing.T) {
	for _, x := range []struct {
		term    shards.Term // of the row
		at      shards.SeqNo
		welcome bool
	}{{7, 212, false}, {7, 209, false}, {7, 213, true}, {8, 100, true}} {
		c, err := New(Config{Shard: 9}, Start{Base: Position{Seq: 209, Term: 5}, Rolling: 1, Runs: []Position{{7, 210}}, Last: 212})
		if err != nil {
			t.Fatal(err)
		}
		c.Configure(Assignment{Self: 27, Term: x.term, Version: 4, Primary: 14, Copies: []Peer{{14, true}, {27, false}}, MinInSync: 1})
		if got := c.Welcome(x.at); got != x.welcome {
			t.Errorf("in term %d a snapshot at %d is welcome: %v", x.term, x.at, got)
		}
	}
}
