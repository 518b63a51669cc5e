package replica

import "testing"

// TestAcceptedLoss: a stale copy was made primary by an operator. A copy that has more, and knows of it only by its snapshot's
// number, must not pass for equal: it needs a snapshot.
func TestAcceptedLoss(t *testing.T) {
	row := Assignment{Term: 4, Version: 9, Primary: 1, Copies: []Peer{{1, true}, {2, false}}, MinInSync: 1}
	for _, term := range []Position{{3, 100}, {0, 100}} {
		stale, err := New(Config{Shard: 9}, Start{Base: Position{2, 80}, Runs: []Position{{2, 81}}, Last: 90})
		if err != nil {
			t.Fatal(err)
		}
		more, err := New(Config{Shard: 9}, Start{Base: term, Last: 100})
		if err != nil {
			t.Fatal(err)
		}
		row.Self = 1
		stale.Configure(row)
		row.Self = 2
		more.Configure(row)
		snapshots := 0
		for range 10 {
			for _, c := range []*Core{stale, more} {
				other := map[*Core]*Core{stale: more, more: stale}[c]
				r := ready(c)
				snapshots += len(r.Snapshots)
				for i := range r.Messages {
					other.Step(&r.Messages[i])
				}
			}
		}
		if snapshots == 0 || more.Committed() != 100 || stale.Status().Peers[0].Phase != "snapshot" {
			t.Errorf("with %v: %d snapshots, %+v", term, snapshots, stale.Status())
		}
		if !more.Welcome(90) {
			t.Errorf("with %v: the snapshot that would make it equal is not welcome", term)
		}
	}
}

// TestLateSnapshot: a copy that has acknowledged more than a snapshot holds does not take it, even when the row has left it
// without a primary since (random world 115264).
func TestLateSnapshot(t *testing.T) {
	c, err := New(Config{Shard: 9}, Start{})
	if err != nil {
		t.Fatal(err)
	}
	row := Assignment{Self: 2, Term: 4, Version: 1, Primary: 1, Copies: []Peer{{1, true}, {2, false}}, MinInSync: 1}
	c.Configure(row)
	c.Step(&Message{Shard: 9, Kind: KindAppend, From: 1, To: 2, Term: 4, Last: Position{4, 20}, Entries: []Entry{{Term: 4, First: 1, Last: 20}}})
	if !c.Welcome(10) {
		t.Error("before it has acknowledged anything, a snapshot is not welcome")
	}
	c.Persisted(ready(c).Write)
	row.Version, row.Primary = 2, 0
	c.Configure(row)
	if c.Welcome(10) || c.Welcome(20) || !c.Welcome(21) {
		t.Errorf("20 are acknowledged; welcome are 10: %v, 20: %v, 21: %v", c.Welcome(10), c.Welcome(20), c.Welcome(21))
	}
}
