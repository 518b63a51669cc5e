package replica

import (
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// A copy comes back with most of the log, in answers that overtake each other: while the primary reads for it from the log,
// it acknowledges that it has some of that already. What was read is then of no use, and the copy must not wait for ever.
func TestFetchedEntriesThatAreNotNeededAnyMore(t *testing.T) {
	c := lagging(t, 20, 5)
	asked := ready(c)
	if len(asked.Fetch) != 1 || asked.Fetch[0].From != 6 {
		t.Fatalf("the primary asks for %+v, want what follows 5", asked.Fetch)
	}
	c.Step(&Message{Shard: 9, Kind: KindAck, From: 2, To: 1, Term: 1, Last: Position{1, 10}})
	ready(c)
	c.Fetched(2, logged(6, 10))
	asked = ready(c)
	if len(asked.Fetch) != 1 || asked.Fetch[0].From != 11 {
		t.Fatalf("after what is not needed any more it asks for %+v, want what follows 10", asked.Fetch)
	}
	c.Fetched(2, logged(11, 20))
	if r := ready(c); len(r.Messages) != 1 || len(r.Messages[0].Entries) != 1 {
		t.Fatalf("it sends %+v, want 11 to 20", r.Messages)
	}
	c.Step(&Message{Shard: 9, Kind: KindAck, From: 2, To: 1, Term: 1, Last: Position{1, 20}})
	if r := ready(c); len(r.InSync) != 1 || !r.InSync[0].Add {
		t.Fatalf("the copy has all there is, and is not proposed: %+v", r)
	}
}

// What a copy lacks are many small entries, more than a message may have: they come in several, each of which can be read.
func TestManySmallEntriesAreFetched(t *testing.T) {
	const last = 3*MaxEntries + 5
	c := lagging(t, last, 0)
	has := shards.SeqNo(0)
	for r := ready(c); has < last; r = ready(c) {
		for _, f := range r.Fetch {
			var entries []Entry
			for n := f.From; n <= f.Through; n++ {
				entries = append(entries, logged(n, n)...)
			}
			c.Fetched(2, entries)
		}
		if r = ready(c); len(r.Messages) == 0 {
			t.Fatalf("nothing more comes after %d of %d", has, last)
		}
		for i := range r.Messages {
			if err := Decode(Append(nil, &r.Messages[i]), func(m *Message) {
				for _, e := range m.Entries {
					has = e.Last
				}
			}); err != nil {
				t.Fatalf("after %d of %d: %v", has, last, err)
			}
		}
		c.Step(&Message{Shard: 9, Kind: KindAck, From: 2, To: 1, Term: 1, Last: Position{1, has}})
	}
}

// An entry that no message takes, of an older log, keeps nobody waiting: the copy gets a snapshot.
func TestTooLargeEntryIsNotSent(t *testing.T) {
	c := lagging(t, 20, 5)
	if asked := ready(c); len(asked.Fetch) != 1 {
		t.Fatalf("the primary asks for %+v", asked.Fetch)
	}
	large := Entry{Term: 1, First: 8, Last: 8, Payload: make([]byte, MaxPayload+1)}
	c.Fetched(2, append(logged(6, 7), large))
	if r := ready(c); len(r.Messages) != 1 || len(r.Messages[0].Entries) != 1 || len(r.Snapshots) != 0 || len(r.Fetch) != 1 || r.Fetch[0].From != 8 {
		t.Fatalf("of what comes before it are sent %d messages, and then it asks for %+v", len(r.Messages), r.Fetch)
	}
	c.Fetched(2, []Entry{large})
	if r := ready(c); len(r.Messages) != 0 || len(r.Snapshots) != 1 || r.Snapshots[0] != 2 {
		t.Errorf("it sends %d messages, and snapshots to %v", len(r.Messages), r.Snapshots)
	}
}

// lagging is a primary whose log ends at last, and which has heard from copy 2, not in sync, that it has everything up to has.
func lagging(t *testing.T, last, has shards.SeqNo) *Core {
	t.Helper()
	c, err := New(Config{Shard: 9, HistoryBytes: 1}, Start{Base: Position{1, 0}, Runs: []Position{{1, 1}}, Last: last})
	if err != nil {
		t.Fatal(err)
	}
	c.Configure(Assignment{Self: 1, Term: 1, Version: 1, Primary: 1, Copies: []Peer{{1, true}, {2, false}}, MinInSync: 1})
	ready(c)
	c.Step(&Message{Shard: 9, Kind: KindHello, From: 2, To: 1, Term: 1, Last: Position{1, has}})
	return c
}

// ready takes what the core wants, as a shell does that applies and commits at once.
func ready(c *Core) Ready {
	r := c.Ready()
	if r.Commit != 0 {
		c.Applied(r.Commit, uint64(r.Commit))
	}
	return r
}

// logged is one entry as it stands in the log.
func logged(first, last shards.SeqNo) []Entry {
	return []Entry{{Term: 1, First: first, Last: last, Payload: []byte("x")}}
}

// A copy that owes an acknowledgement is given up after LagTicks, which may change meanwhile: the next tick goes by the new number.
func TestLagIsChanged(t *testing.T) {
	given := func(after ...int) (ticks int) {
		c, err := New(Config{Shard: 9}, Start{Base: Position{1, 0}, Runs: []Position{{1, 1}}, Last: 5})
		if err != nil {
			t.Fatal(err)
		}
		c.Configure(Assignment{Self: 1, Term: 1, Version: 1, Primary: 1, Copies: []Peer{{1, true}, {2, true}}, MinInSync: 1})
		for ticks < 1000 {
			if r := ready(c); len(r.InSync) > 0 {
				return ticks
			}
			if ticks < len(after) {
				c.LagAfter(after[ticks])
			}
			c.Tick()
			ticks++
		}
		return -1
	}
	standard := given()
	if got := given(0, 0); got != standard || standard < 0 {
		t.Errorf("given up after %d ticks, and after %d where nothing was changed", got, standard)
	}
	if got := given(60); got != standard+30 {
		t.Errorf("with 30 ticks more: after %d, and %d without", got, standard)
	}
	if got := given(60, 60, 60, 60, 10); got != standard-20 {
		t.Errorf("with 20 ticks less in the end: after %d, and %d without", got, standard)
	}
}
