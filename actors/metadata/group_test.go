package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

func sorted(list []uint64) []uint64 { slices.Sort(list); return list }

func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		h := n.build("n1").start()
		begun := time.Now()
		h.waitJoined()
		h.set(time.Second, "a", "1")
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("a cluster of one took %v to begin", took)
		}
		if err := h.group.Barrier(n.within(time.Second)); err != nil {
			t.Error(err)
		}
		if since := time.Since(h.group.Confirmed()); since > time.Second {
			t.Errorf("confirmed %v ago", since)
		}
		id := h.group.State().Cluster
		h.kill()
		h.start().waitJoined()
		if s := h.group.State(); s.Cluster != id || s.Setting("test.a") != "1" || s.Members[0].Epoch != 2 {
			t.Errorf("after a restart the state is %+v", s)
		}
	})
}

func TestForwardedProposals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 4, 3)
		var all sync.WaitGroup
		for _, h := range n.houses {
			for i := range 20 {
				all.Go(func() { h.set(5*time.Second, fmt.Sprintf("%s.%d", h.name, i), "x") })
			}
		}
		all.Wait()
		for _, h := range n.houses {
			if err := h.group.Barrier(n.within(time.Second)); err != nil {
				t.Fatal(err)
			}
			if got := len(h.group.State().Settings); got != 80 {
				t.Errorf("node %s has %d settings after a barrier, want 80", h.name, got)
			}
		}
		refused, err := n.houses["n4"].group.Propose(n.within(time.Second), &cluster.Command{Voters: &cluster.VotersChange{}})
		if err != nil || !errors.Is(refused.Error(), &cluster.Refusal{Why: cluster.WhyInvalid}) {
			t.Errorf("no voters at all: %v, %v", refused.Err, err)
		}
	})
}

// A leader whose process is killed breaks its connections and refuses new ones: the others elect in tens of milliseconds.
func TestLeaderKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		for round := range 8 {
			leader := n.houses["n1"].waitLeader(5 * time.Second)
			other := n.houses["n2"]
			if leader == other {
				other = n.houses["n3"]
			}
			killed := time.Now()
			leader.kill()
			other.set(5*time.Second, "round", fmt.Sprint(round))
			if took := time.Since(killed); took > 250*time.Millisecond {
				t.Errorf("round %d: the first command after the leader's death took %v", round, took)
			}
			leader.start().waitJoined()
			for _, h := range n.houses {
				h.waitLeader(5 * time.Second)
			}
		}
	})
}

// Each time without a leader is told once, by whoever knew of none: not the beginning, when none had been.
func TestTimesWithoutALeaderAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		others := n.others(leader)
		leader.kill()
		others[0].set(5*time.Second, "a", "1")
		for _, h := range others {
			h.waitLeader(5 * time.Second)
			synctest.Wait()
			if lag := h.group.ApplyLag(); h.group.committed.Load() == 0 || lag != 0 {
				t.Errorf("node %s knows that %d is committed, and has yet to apply %d", h.name, h.group.committed.Load(), lag)
			}
		}
		for _, h := range others {
			h.kill()
			if len(h.mends) != 1 || h.mends[0] <= 0 || h.mends[0] > 250*time.Millisecond {
				t.Errorf("node %s tells of %v without a leader", h.name, h.mends)
			}
		}
		if leader.mends != nil {
			t.Errorf("who led tells of %v without a leader", leader.mends)
		}
	})
}

// One that is cut off is not missed, leads no longer after a while, and comes back without an election.
func TestMinority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		old := n.houses["n1"].waitLeader(5 * time.Second)
		cut := func(on bool) {
			for _, h := range n.houses {
				if h != old {
					n.cut(old, h, on)
				}
			}
		}
		cut(true)
		var other *house
		for _, h := range n.houses {
			if h != old {
				other = h
			}
		}
		other.wait(5*time.Second, "another leader", func(_ *cluster.State, s Status) bool { return s.Leader != "" && s.Leader != idOf(old.name) })
		other.set(5*time.Second, "a", "1")
		old.wait(5*time.Second, "no leader", func(_ *cluster.State, s Status) bool { return s.Leader == "" })
		if at := old.group.Confirmed(); !at.IsZero() {
			t.Errorf("a deposed leader still says that it was confirmed at %v", at)
		}
		_, err := old.group.Propose(n.within(time.Second), setting("b", "2"))
		var typed *shards.Error
		if !errors.As(err, &typed) || typed.Kind != shards.KindUnavailable {
			t.Errorf("a command in the minority: %v", err)
		}
		if err := old.group.Barrier(n.within(time.Second)); err == nil {
			t.Error("a barrier in the minority")
		}
		_, term := other.group.Leader()
		cut(false)
		old.wait(20*time.Second, "the others' state", func(s *cluster.State, now Status) bool { return s.Setting("test.a") == "1" && now.Leader != "" })
		if _, now := old.group.Leader(); now != term {
			t.Errorf("term %d became %d when the third came back", term, now)
		}
	})
}

// What is under way when the leader is cut off ends with one outcome, and is applied once.
func TestLeadLostUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		old := n.houses["n1"].waitLeader(5 * time.Second)
		for _, h := range n.houses {
			if h != old {
				n.cut(old, h, true)
			}
		}
		outcomes := make(chan error, 1)
		go func() {
			_, err := old.group.Propose(n.within(2*time.Second), setting("a", "1"))
			outcomes <- err
		}()
		var typed *shards.Error
		if err := <-outcomes; !errors.As(err, &typed) || typed.Kind != shards.KindOutcomeUnknown {
			t.Errorf("a command in the log of a leader that lost its lead: %v", err)
		}
		go func() {
			outcome, err := old.group.Propose(n.within(20*time.Second), setting("b", "2"))
			outcomes <- errors.Join(err, outcome.Error())
		}()
		synctest.Wait()
		for _, h := range n.houses {
			if h != old {
				n.cut(old, h, false)
			}
		}
		if err := <-outcomes; err != nil {
			t.Errorf("a command that waited for the network: %v", err)
		}
	})
}

// A node that was away longer than the log remembers gets a snapshot, also a large one.
func TestCatchUpBySnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		first := n.build("n1")
		first.every = 20
		first.start().waitJoined()
		second := n.build("n2")
		second.join = func() []string { return []string{"at-n1"} }
		second.start().waitJoined()
		second.kill()
		text := make([]byte, cluster.MaxValue)
		for i := range text {
			text[i] = 'x'
		}
		for i := range 200 {
			first.set(5*time.Second, fmt.Sprint(i), string(text))
		}
		second.start().waitJoined()
		second.agrees(10*time.Second, first)
		if got := len(second.group.State().Settings); got != 200 {
			t.Errorf("%d settings after the snapshot, want 200", got)
		}
		second.set(5*time.Second, "after", "1")
	})
}

func TestVotersOneThreeFiveThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 5, 1)
		for _, names := range [][]string{{"n1", "n2", "n3"}, {"n1", "n2", "n3", "n4", "n5"}, {"n3", "n4", "n5"}, {"n2"}} {
			n.houses["n3"].vote(names...)
			for _, h := range n.houses {
				h.voters(20*time.Second, len(names))
			}
			leader := n.houses["n1"].waitLeader(5 * time.Second)
			if !slices.Contains(names, leader.name) {
				t.Errorf("node %s leads voters %v", leader.name, names)
			}
			n.houses["n5"].set(5*time.Second, "voters", fmt.Sprint(names))
			for _, h := range n.houses {
				if votes := h.group.Status().Votes; votes != slices.Contains(names, h.name) {
					t.Errorf("node %s votes: %v, wanted voters are %v", h.name, votes, names)
				}
			}
		}
	})
}

// With Alive the leader keeps the right number of voters by itself.
func TestVotersFollowTheLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		for i := range 4 {
			h := n.build(fmt.Sprintf("n%d", i+1))
			h.alive = func(id shards.NodeID) bool { return n.byID(id).taken.Load() != nil }
			if i > 0 {
				h.join = func() []string { return []string{"at-n1"} }
			}
			h.start().waitJoined()
		}
		first := n.houses["n1"]
		first.voters(20*time.Second, 3)
		dead := n.houses["n2"]
		if !dead.group.Status().Votes {
			dead = n.houses["n3"]
		}
		dead.kill()
		number := dead.number
		first.wait(20*time.Second, "another voter", func(s *cluster.State, now Status) bool {
			return len(now.Voters) == 3 && !slices.Contains(now.Voters, number) && !now.Changing
		})
	})
}

func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		old := n.houses["n1"].waitLeader(5 * time.Second)
		begun := time.Now()
		if err := old.group.Transfer(n.within(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		old.set(time.Second, "a", "1")
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("the hand-over took %v", took)
		}
		if leader, _ := old.group.Leader(); leader == idOf(old.name) {
			t.Error("it leads still")
		}
		for _, h := range n.houses {
			if h != old {
				h.kill()
			}
		}
		old.wait(10*time.Second, "no leader", func(_ *cluster.State, s Status) bool { return s.Leader == "" })
	})
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 2, 1)
		if err := n.houses["n1"].group.Transfer(n.within(time.Second)); !errors.Is(err, ErrNoSuccessor) {
			t.Errorf("a transfer without another voter: %v", err)
		}
	})
}

// A voter that is named gets the lead, if it votes and has what there is to have.
func TestTransferTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 4, 3)
		n1, n2, n3, n4 := n.houses["n1"].waitLeader(5*time.Second), n.houses["n2"], n.houses["n3"], n.houses["n4"]
		refused := func(want error, of *house, to string) {
			t.Helper()
			if err := of.group.TransferTo(n.within(time.Second), idOf(to)); !errors.Is(err, want) {
				t.Errorf("from %s to %s: %v, want %v", of.name, to, err, want)
			}
		}
		refused(ErrNotVoter, n1, n4.name)
		refused(ErrNotLeader, n2, n3.name)
		n3.kill()
		for i := range 2 * caughtUpLag {
			n1.set(time.Second, "a", strconv.Itoa(i))
		}
		refused(ErrBehind, n1, n3.name)
		if err := n1.group.TransferTo(n.within(time.Second), idOf(n2.name)); err != nil {
			t.Fatal(err)
		}
		if leader, _ := n1.group.Leader(); leader != idOf(n2.name) {
			t.Errorf("%s leads", leader)
		}
		n.cut(n2, n1, true)
		if err := n2.group.TransferTo(t.Context(), idOf(n1.name)); !errors.Is(err, ErrNotTaken) {
			t.Errorf("to a voter that hears nothing: %v, want %v", err, ErrNotTaken)
		}
	})
}

// All nodes stop and start at other addresses, which none of their states knows: each finds the others through its seeds.
func TestRestartFromDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		n.houses["n2"].set(5*time.Second, "a", "1")
		for _, h := range n.houses {
			h.kill()
		}
		for _, h := range n.houses {
			h.address = "moved-" + h.name
			h.join = func() []string { return []string{"moved-n1", "moved-n2", "moved-n3"} }
		}
		for _, name := range []string{"n3", "n1", "n2"} {
			n.houses[name].start()
		}
		for _, h := range n.houses {
			h.waitJoined()
			if got := h.group.State().Setting("test.a"); got != "1" {
				t.Errorf("node %s has lost a setting: %q", h.name, got)
			}
		}
		for _, h := range n.houses {
			h.wait(5*time.Second, "everybody's address", func(s *cluster.State, _ Status) bool {
				for i := range s.Members {
					if s.Members[i].Epoch != 2 || s.Members[i].Peer != n.addressOf(s.Members[i].ID) {
						return false
					}
				}
				return true
			})
		}
	})
}

// A leader that hangs holds up those who have called it no longer than until another one leads.
func TestLeaderHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		old := n.houses["n1"].waitLeader(5 * time.Second)
		others := []*house{}
		for _, h := range n.houses {
			if h != old {
				n.network.Cut(idOf(old.name), idOf(h.name)) // it hears, and nobody hears it
				others = append(others, h)
			}
		}
		begun := time.Now()
		var all sync.WaitGroup
		for _, h := range others {
			all.Go(func() {
				h.set(5*time.Second, h.name, "1")
				if took := time.Since(begun); took > 1300*time.Millisecond {
					t.Errorf("node %s waited %v", h.name, took)
				}
			})
		}
		all.Wait()
	})
}

func TestConfirmedIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		<-ctx.Done()
		if age := time.Since(leader.group.Confirmed()); age > 150*time.Millisecond {
			t.Errorf("the last confirmed round is %v old", age)
		}
		if err := leader.group.Barrier(n.within(time.Second)); err != nil {
			t.Fatal(err)
		}
		if age := time.Since(leader.group.Confirmed()); age > 10*time.Millisecond {
			t.Errorf("after a barrier the last confirmed round is %v old", age)
		}
	})
}
