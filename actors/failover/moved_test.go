package failover

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/tracing"
)

// swap has a leader plan that a replica goes elsewhere for balance, and tell of that.
func (x *twoOffices) swap(leader *office, index int) {
	var d *placement.Planned
	x.step(func() { d = x.stage.swap(index, allocator.Balance) })
	leader.watch.Planned(*d)
	x.rest()
}

// arrive has the copies that are on their way come in sync, and those go whose place they take.
func (x *twoOffices) arrive() {
	x.step(func() {
		x.settle()
		x.clear()
	})
	<-time.After(2 * time.Second)
	x.rest()
}

// kept is the only story of moves that the cluster remembers.
func (x *twoOffices) kept() (cluster.Drain, *tracing.Failover) {
	x.Helper()
	list := x.p.State().Drains
	if len(list) != 1 || list[0].Node != "" {
		x.Fatalf("the cluster remembers %+v", list)
	}
	f, err := tracing.DecodeFailover(list[0].Record)
	if err != nil {
		x.Fatal(err)
	}
	return list[0], f
}

// Moves that go on while the leader changes are one trace, with what both leaders planned, told once and remembered by the cluster.
func TestMovesOutliveTheirLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.swap(x.first, 0)
		if entry, f := x.kept(); !entry.Open || len(f.Plans) != 1 || len(f.Shards) != 1 {
			t.Fatalf("in the middle the cluster remembers %+v", f)
		}
		began := x.first.watch.Open()[0]
		<-time.After(time.Second)
		x.p.elect("id3", 4)
		x.rest()
		if open := x.second.watch.Open(); len(open) != 1 || open[0].Trace() != began.Trace() || open[0].Declared != began.Declared || open[0].Detector != "n1" {
			t.Fatalf("who leads next goes on with %+v", open)
		}
		x.swap(x.second, 1)
		x.arrive()
		told := x.second.list()
		if len(told) != 1 || len(x.first.list()) != 0 || told[0].Outcome != tracing.OutcomeDone || told[0].Trace() != began.Trace() || told[0].Name != "rebalance" {
			t.Fatalf("the leader told %+v, the one before %v", told, x.first.list())
		}
		if f := told[0]; len(f.Shards) != 2 || len(f.Plans) != 2 || f.Plans[0].By != "n1" || f.Plans[1].By != "n3" || len(f.Elections) != 1 || !f.Elections[0].Resume {
			t.Errorf("of both reigns it says %+v, %+v, %+v", f.Shards, f.Plans, f.Elections)
		}
		if entry, f := x.kept(); entry.Open || f.Trace() != began.Trace() || f.Outcome != tracing.OutcomeDone {
			t.Errorf("in the end the cluster remembers %+v", f)
		}
	})
}

// Moves that come to nothing under another leader than began them end with that.
func TestMovesThatFailUnderAnotherLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.swap(x.first, 0)
		x.p.elect("id3", 4)
		x.rest()
		x.failOne()
		<-time.After(2 * time.Second)
		x.rest()
		if told := x.second.list(); len(told) != 1 || told[0].Outcome != tracing.OutcomeGivenUp || len(x.first.list()) != 0 {
			t.Fatalf("the leader told %+v, the one before %v", told, x.first.list())
		}
	})
}

// What was planned in a leader's last moment, before the cluster had an entry of it, his successor finds in the table.
func TestMovesThatWereNotToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.p.deny(errors.New("no quorum"))
		x.swap(x.first, 0)
		if n := len(x.p.State().Drains); n != 0 {
			t.Fatalf("without a quorum the cluster has %d entries", n)
		}
		x.p.deny(nil)
		x.p.elect("id3", 4)
		x.rest()
		if entry, f := x.kept(); !entry.Open || len(f.Shards) != 1 || f.Reason != unknownMoves {
			t.Fatalf("who leads next begins %+v", f)
		}
		x.arrive()
		if told := x.second.list(); len(told) != 1 || len(x.first.list()) != 0 || told[0].Outcome != tracing.OutcomeDone || !told[0].Shards[0].Serving() {
			t.Errorf("the leader told %+v, the one before %v", told, x.first.list())
		}
	})
}

// A beginning of which nobody knows whether it was committed is looked for before it is tried again; one that was taken too late is closed
// without a word.
func TestMovesWhoseBeginningIsInDoubt(t *testing.T) {
	for name, lost := range map[string]bool{"committed": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTwoOffices(t)
				defer x.close()
				x.p.hush(!lost, lost)
				x.swap(x.first, 0)
				x.p.hush(false, false)
				<-time.After(time.Minute)
				x.rest()
				x.p.arrive()
				x.rest()
				x.arrive()
				told := x.first.list()
				if len(told) != 1 || told[0].Outcome != tracing.OutcomeDone || len(told[0].Plans) != 1 {
					t.Fatalf("told %+v", told)
				}
				entries := x.p.State().Drains
				for _, e := range entries {
					if e.Open || len(e.Record) == 0 == (e.At == told[0].Since) {
						t.Errorf("of %d entries one is %+v", len(entries), e)
					}
				}
				if want := map[bool]int{false: 1, true: 2}[lost]; len(entries) != want {
					t.Errorf("%d entries", len(entries))
				}
			})
		})
	}
}

// Whoever leads next ends moves whose leader could not, and one of the two tells of them.
func TestMovesWhoseEndIsInDoubt(t *testing.T) {
	for name, lost := range map[string]bool{"committed": false, "lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTwoOffices(t)
				defer x.close()
				x.swap(x.first, 0)
				x.p.hush(!lost, lost)
				x.arrive()
				x.p.elect("id3", 4)
				x.p.lose()
				<-time.After(time.Minute)
				x.rest()
				<-time.After(arrivalWait) // no primary tells of the copy
				x.rest()
				by, other := x.first, x.second
				if lost {
					by, other = other, by
				}
				if a, b := by.list(), other.list(); len(a) != 1 || len(b) != 0 || a[0].Outcome != tracing.OutcomeDone {
					t.Errorf("told %v, and by the other %v", a, b)
				}
				if entry, _ := x.kept(); entry.Open {
					t.Errorf("the cluster remembers %+v", entry)
				}
			})
		})
	}
}
