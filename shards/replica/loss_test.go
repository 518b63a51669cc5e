package replica

import (
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// The last in-sync copy of a keyspace that does not fsync lost its newest writes, and leads again: a copy that had committed
// and applied them is ahead of its primary. Nothing but a snapshot makes them equal.
func TestCopyAheadOfItsPrimary(t *testing.T) {
	for name, last := range map[string]Position{"it lost some": {5, 205}, "it lost all": {}} {
		c, err := New(Config{Shard: 9}, Start{Base: Position{Seq: 209}, Rolling: 1, Runs: []Position{{5, 210}}, Last: 212})
		if err != nil {
			t.Fatal(err)
		}
		c.Configure(Assignment{Self: 27, Term: 7, Version: 4, Primary: 14, Copies: []Peer{{14, true}, {27, false}}, MinInSync: 1})
		c.Ready()
		c.Step(&Message{Shard: 9, Kind: KindSync, From: 14, To: 27, Term: 7, Prev: last, Last: last})
		out := c.Ready().Messages
		if len(out) != 1 || out[0].Kind != KindRefuse || !out[0].Reset {
			t.Fatalf("%s: answered %+v, want a refusal that asks for a snapshot", name, out)
		}
		if !c.Welcome(last.Seq) {
			t.Fatalf("%s: the snapshot is not welcome", name)
		}
		c.Restored(last, 2, 7)
		c.Step(&Message{Shard: 9, Kind: KindSync, From: 14, To: 27, Term: 7, Prev: last, Last: last})
		out = c.Ready().Messages
		if n := len(out); n == 0 || out[n-1].Kind != KindAck || out[n-1].Last.Seq != last.Seq {
			t.Fatalf("%s: answered %+v after the snapshot, want an acknowledgement of %v", name, out, last)
		}
		if c.Committed() != last.Seq || c.Term() != shards.Term(7) {
			t.Fatalf("%s: committed %d in term %d", name, c.Committed(), c.Term())
		}
	}
}
