package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// A member that was taken for dead, and forgotten, and that runs, changes nothing.
func TestForgottenMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 1)
		lost := n.houses["n3"]
		for _, c := range []*cluster.Command{dies("n3"), {Member: &cluster.MemberChange{Node: idOf("n3"), Forget: true}}} {
			outcome, err := n.houses["n2"].group.Propose(n.within(time.Second), c)
			if err := errors.Join(err, outcome.Error()); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"n1", "n2"} {
			n.houses[name].wait(5*time.Second, "one learner", func(_ *cluster.State, s Status) bool { return len(s.Learners) == 1 })
		}
		_, err := lost.group.Propose(n.within(20*time.Second), setting("a", "1"))
		if err == nil {
			t.Error("a forgotten member changed the state")
		}
	})
}

// A node that comes back on the data of a cluster which has forgotten it is told so, once the leader can say it, and what to do.
func TestForgottenMemberComesBack(t *testing.T) {
	for _, voters := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, voters)
			leader := n.houses["n1"].waitLeader(5 * time.Second)
			names := slices.DeleteFunc([]string{"n1", "n2", "n3"}, func(name string) bool { return name == leader.name })
			other, lost := n.houses[names[0]], n.houses[names[1]]
			lost.kill()
			for _, c := range []*cluster.Command{dies(lost.name), {Member: &cluster.MemberChange{Node: idOf(lost.name), Forget: true}}} {
				outcome, err := leader.group.Propose(n.within(time.Second), c)
				if err := errors.Join(err, outcome.Error()); err != nil {
					t.Fatal(err)
				}
			}
			other.wait(5*time.Second, "it knows", func(s *cluster.State, _ Status) bool { return s.Member(idOf(lost.name)) == nil })
			leader.kill()
			lost.start()
			select {
			case <-lost.group.Done():
				t.Errorf("a node gave up, and nobody leads: %v", lost.group.Err())
			case <-time.After(20 * time.Second):
			}
			leader.start()
			select {
			case <-lost.group.Done():
				if err := lost.group.Err(); !strings.Contains(fmt.Sprint(err), "has forgotten this node") || !strings.Contains(err.Error(), "--join") {
					t.Errorf("the node ends with %v", err)
				}
			case <-lost.group.Joined():
				t.Error("a forgotten node was taken back")
			case <-time.After(20 * time.Second):
				t.Errorf("the node waits still; %+v", lost.group.Status())
			}
		})
	}
}

// forget has an operator take a node for dead, and have it forgotten.
func (h *house) forget(d time.Duration, name string) error {
	for _, c := range []*cluster.Command{dies(name), {Member: &cluster.MemberChange{Node: idOf(name), Forget: true}}} {
		outcome, err := h.group.Propose(h.town.within(d), c)
		if err := errors.Join(err, outcome.Error()); err != nil {
			return err
		}
	}
	return nil
}

// Five vote, two die and are forgotten, and a third one dies at once: the other two go on, whatever becomes of the folders of those who are gone.
func TestForgottenVotersAreNotNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 5, 5)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		others := n.others(leader)
		for _, lost := range others[:2] {
			lost.kill()
		}
		for _, lost := range others[:2] {
			if err := leader.forget(2*time.Second, lost.name); err != nil {
				t.Fatal(err)
			}
		}
		others[2].kill()
		leader.wait(5*time.Second, "a leader", func(_ *cluster.State, s Status) bool { return s.Won })
		leader.set(5*time.Second, "a", "1")
		leader.kill() // nor does the other one, which has heard of all that, need them once it begins again
		others[3].kill()
		leader.start()
		others[3].start().waitLeader(20 * time.Second)
		others[3].set(20*time.Second, "a", "2")
	})
}

// Two vote, one dies, and an operator has it forgotten: nobody can agree upon that. It comes back, and is a member as before: by its own voice it is
// not forgotten, since the other one would then need it, and it would be sent away.
func TestForgottenByItsOwnVoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 2, 2)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		lost := n.others(leader)[0]
		lost.kill()
		for _, c := range []*cluster.Command{dies(lost.name), {Member: &cluster.MemberChange{Node: idOf(lost.name), Forget: true}}} {
			if outcome, err := leader.group.Propose(n.within(100*time.Millisecond), c); err == nil {
				t.Fatalf("one voter of two agreed with itself, upon %+v", outcome)
			}
		}
		lost.start().waitJoined()
		leader.set(10*time.Second, "a", "1")
		leader.voters(20*time.Second, 2)
	})
}

// try proposes at a leader, each command once and nothing between, and gives what it says at once; 0: the command is in the log.
func (h *house) try(proposals ...Proposal) (verdicts []verdict) {
	h.town.t.Helper()
	if err := h.group.ask(h.town.within(time.Second), func(c *Core) {
		for i := range proposals {
			verdicts = append(verdicts, h.group.loop.propose(c, &proposals[i], &waiter{heard: make(chan answer, 1)}).verdict)
		}
	}); err != nil {
		h.town.t.Fatal(err)
	}
	return verdicts
}

func forgetting(h *house, sequence uint64, lost *house) Proposal {
	id := ProposalID{Proposer: h.number, Epoch: h.epoch, Sequence: 1<<40 + sequence}
	return Proposal{ID: id, Command: &cluster.Command{Member: &cluster.MemberChange{Node: idOf(lost.name), Forget: true}}}
}

// givenUp has an operator take a node for dead, and want it forgotten for a moment: it has no vote then, and is a member.
func (h *house) givenUp(lost *house) {
	h.town.t.Helper()
	if outcome, err := h.group.Propose(h.town.within(time.Second), dies(lost.name)); err != nil || outcome.Err != nil {
		h.town.t.Fatal(err, outcome.Err)
	}
	if got := h.try(forgetting(h, 1, lost)); !slices.Equal(got, []verdict{verdictBusy}) {
		h.town.t.Fatalf("that a voter is to be forgotten: %v", got)
	}
	h.wait(5*time.Second, "it has no vote", func(_ *cluster.State, s Status) bool { return len(s.Voters) == 2 && !s.Changing })
}

// Of three voters one is dead. An operator begins to have it forgotten, and thinks better of it: it votes again, so that it and one of the others are
// enough.
func TestForgettingGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		lost, other := n.others(leader)[0], n.others(leader)[1]
		lost.kill()
		leader.givenUp(lost)
		leader.voters(10*time.Second, 3)
		leader.kill()
		lost.start()
		other.waitLeader(20 * time.Second)
		other.set(20*time.Second, "a", "1")
	})
}

// A node that comes back in the moment in which it is forgotten is forgotten: it is not in again with its old number, which nobody may use twice.
func TestForgottenWhileItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		lost := n.others(leader)[0]
		lost.kill()
		leader.givenUp(lost)
		back := lost.member()
		back.Raft, back.Epoch = lost.number, lost.epoch+1
		join := Proposal{ID: ProposalID{back.Raft, back.Epoch, 1}, Command: &cluster.Command{Join: &cluster.Join{Member: back}}}
		if got := leader.try(forgetting(leader, 2, lost), join); !slices.Equal(got, []verdict{0, verdictBusy}) {
			t.Errorf("in the log, and behind it: %v", got)
		}
		leader.wait(5*time.Second, "it is forgotten", func(s *cluster.State, _ Status) bool { return s.Member(back.ID) == nil })
		if got := leader.try(join); !slices.Equal(got, []verdict{verdictElsewhere}) {
			t.Errorf("when it is forgotten: %v", got)
		}
		leader.set(5*time.Second, "a", "1")
		if m := leader.group.State().Member(back.ID); m != nil {
			t.Errorf("it is in again: %+v", m)
		}
	})
}
