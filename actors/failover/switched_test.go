package failover

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// enforce has another version of a policy come into force, and gives the version of the state at which it did.
func (x *twoOffices) enforce(version uint32) (at uint64) {
	x.step(func() {
		next := *x.state
		next.Version++
		next.PoliciesAt = next.Version
		next.Policies = []cluster.Policy{{Name: "licence", Active: cluster.PolicyUse{Version: version}}}
		x.state, at = &next, next.Version
	})
	return at
}

// plans has a leader make a plan that changes nothing.
func (x *twoOffices) plans(leader *office) {
	leader.watch.Idle(placement.Planned{Term: 3, Plan: &allocator.Plan{Version: x.p.State().Version}, Took: time.Millisecond})
	x.rest()
}

// remembered is the only entry of a switch that the cluster has.
func (x *twoOffices) remembered() (cluster.Drain, *tracing.Failover) {
	x.Helper()
	list := x.p.State().Drains
	if len(list) != 1 {
		x.Fatalf("the cluster remembers %+v", list)
	}
	f := switchOf(&list[0])
	if f == nil {
		x.Fatalf("the cluster remembers %+v", list)
	}
	return list[0], f
}

// A switch is told from the entry that the cluster has of it, once, whatever becomes of who leads.
func TestSwitchIsToldOnce(t *testing.T) {
	for name, change := range map[string]func(x *twoOffices) (by, other *office){
		"nothing happens": func(x *twoOffices) (by, other *office) {
			x.enforce(2)
			if entry, f := x.remembered(); !entry.Open || f.Reason != "licence 2 in force" {
				x.Fatalf("before the plan the cluster remembers %+v", f)
			}
			x.plans(x.first)
			return x.first, x.second
		},
		"the leader goes before its plan": func(x *twoOffices) (by, other *office) {
			x.enforce(2)
			x.p.elect("id3", 4)
			x.rest()
			if open := x.second.watch.Open(); len(open) != 1 || open[0].Detector != "n1" || open[0].Since != x.p.State().Drains[0].At {
				x.Fatalf("who leads next goes on with %+v", open)
			}
			x.plans(x.second)
			return x.second, x.first
		},
		"the leader goes before the entry": func(x *twoOffices) (by, other *office) {
			x.p.deny(errors.New("no quorum"))
			x.enforce(2)
			x.p.deny(nil)
			x.p.elect("id3", 4)
			x.rest()
			x.plans(x.second)
			return x.second, x.first
		},
		"the end is committed and nobody hears of it": func(x *twoOffices) (by, other *office) {
			x.enforce(2)
			x.p.hush(true, false)
			x.plans(x.first)
			x.p.hush(false, false)
			x.p.elect("id3", 4)
			return x.first, x.second
		},
		"the end is lost": func(x *twoOffices) (by, other *office) {
			x.enforce(2)
			x.p.hush(false, true)
			x.plans(x.first)
			x.p.elect("id3", 4)
			x.p.lose()
			x.rest()
			x.plans(x.second)
			return x.second, x.first
		},
		"the beginning is committed and nobody hears of it": func(x *twoOffices) (by, other *office) {
			x.p.hush(true, false)
			x.enforce(2)
			x.p.hush(false, false)
			x.plans(x.first)
			return x.first, x.second
		},
		"who leads next has not run meanwhile": func(x *twoOffices) (by, other *office) {
			x.enforce(2)
			x.second.close()
			x.second = x.p.open(x.T, "id3", "n3", func(shards.NodeID) *office { return nil })
			x.p.elect("id3", 4)
			x.rest()
			x.plans(x.second)
			return x.second, x.first
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTwoOffices(t)
				defer x.close()
				x.rest() // from now on both know what is in force
				by, other := change(x)
				<-time.After(2 * time.Second)
				x.rest()
				told := by.list()
				if len(told) != 1 || len(other.list()) != 0 || told[0].Outcome != tracing.OutcomeDone || len(told[0].Plans) != 1 {
					t.Fatalf("told %+v, and by the other %+v", told, other.list())
				}
				if entry, f := x.remembered(); entry.Open || f.Trace() != told[0].Trace() || f.Since != entry.At || f.Outcome != tracing.OutcomeDone || f.Name != "licence" {
					t.Errorf("in the end the cluster remembers %+v", f)
				}
			})
		})
	}
}

// Where a member cannot read entries of moves, who leads tells a switch by itself, as before.
func TestSwitchBesideAnOldRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		x.rest() // from now on both know what is in force
		x.step(func() {
			next := *x.state
			next.Members = append([]cluster.Member(nil), next.Members...)
			next.Members[0].Format = cluster.FormatBudget
			next.Version++
			x.state = &next
		})
		x.enforce(2)
		x.plans(x.first)
		if a, b := x.first.list(), x.second.list(); len(a) != 1 || len(b) != 0 || len(x.p.State().Drains) != 0 {
			t.Errorf("told %+v, and by the other %+v; the cluster remembers %+v", a, b, x.p.State().Drains)
		}
	})
}

// Whatever happens to leaders, proposals and policies, in the end each switch has been told once.
func TestSwitchesAreToldOnce(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { playSwitches(t, seed) })
	}
}

func playSwitches(t *testing.T, seed uint64) {
	x := newTwoOffices(t)
	defer x.close()
	x.rest() // from now on both know what is in force
	dice := rand.New(rand.NewPCG(seed, 1))
	leader, term, began := x.first, uint64(3), map[uint64]bool{}
	elect := func() {
		term++
		if leader == x.first {
			leader = x.second
			x.p.elect("id3", term)
		} else {
			leader = x.first
			x.p.elect("id1", term)
		}
		x.p.lose() // what was on its way in another term is void
		x.rest()
	}
	for version := uint32(2); version < 12; {
		<-time.After(time.Millisecond) // no two nodes end anything in the same nanosecond of one clock
		switch dice.IntN(8) {
		case 0, 1:
			began[x.enforce(version)] = true
			version++
		case 2, 3:
			x.plans(leader)
		case 4:
			elect()
		case 5:
			x.p.hush(dice.IntN(2) == 0, dice.IntN(2) == 0)
		case 6:
			x.p.hush(false, false)
			x.p.arrive()
			x.rest()
		case 7:
			x.p.arrive() // what is sent again and again without an answer would fill the history
			<-time.After(time.Second)
			x.rest()
		}
	}
	x.p.hush(false, false)
	x.p.arrive()
	for range 3 {
		x.rest()
		x.plans(leader)
		<-time.After(2 * time.Second)
	}
	x.rest()
	count := map[uint64]int{}
	for _, f := range append(x.first.list(), x.second.list()...) {
		count[f.Epoch]++
	}
	for at := range began {
		if count[at] != 1 {
			t.Errorf("seed %d: the switch at version %d was told %d times", seed, at, count[at])
		}
	}
	for _, entry := range x.p.State().Drains {
		if entry.Open {
			t.Errorf("seed %d: entry %d is open", seed, entry.At)
		}
	}
}
