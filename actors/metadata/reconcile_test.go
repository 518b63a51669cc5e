package metadata

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

func numbers(text string) (list []uint64) {
	for word := range strings.FieldsSeq(text) {
		n := uint64(0)
		fmt.Sscan(word, &n)
		list = append(list, n)
	}
	return list
}

// describe prints a step: + begins to vote, - becomes a learner, o a new learner, x leaves.
func describe(s step) string {
	if s.leave {
		return "hand over"
	}
	var words []string
	for _, c := range s.change.GetChanges() {
		sign := map[raftpb.ConfChangeType]string{raftpb.ConfChangeAddNode: "+", raftpb.ConfChangeRemoveNode: "x", raftpb.ConfChangeAddLearnerNode: "o"}[c.GetType()]
		words = append(words, fmt.Sprint(sign, c.GetNodeId()))
	}
	if s.change.GetTransition() == raftpb.ConfChangeTransitionJointImplicit {
		words = append(words, "joint")
	}
	return strings.Join(words, " ")
}

func TestNextStep(t *testing.T) {
	for _, c := range []struct {
		why                                   string
		voters, learners, members, want, near string
		self                                  uint64
		step                                  string
	}{
		{"nothing to do", "1 2 3", "4", "1 2 3 4", "1 2 3", "4", 1, ""},
		{"a new member learns", "1", "", "1 2", "1", "", 1, "o2"},
		{"two new members learn in one step", "1", "", "1 2 3", "1", "", 1, "o2 o3"},
		{"one does not become two on the way to three", "1", "2 3", "1 2 3", "1 2 3", "2", 1, ""},
		{"nor three four on the way to five", "1 2 3", "4 5", "1 2 3 4 5", "1 2 3 4 5", "4", 1, ""},
		{"a learner that is behind does not vote yet", "1", "2 3 4 5", "1 2 3 4 5", "1 2 3 4 5", "2 3 4", 1, "+2 +3 joint"},
		{"two is what is wanted", "1", "2", "1 2", "1 2", "2", 1, "+2 joint"},
		{"one to three", "1", "2 3", "1 2 3", "1 2 3", "2 3", 1, "+2 +3 joint"},
		{"three to five", "1 2 3", "4 5", "1 2 3 4 5", "1 2 3 4 5", "4 5", 1, "+4 +5 joint"},
		{"five to three", "1 2 3 4 5", "", "1 2 3 4 5", "1 2 3", "", 1, "o4 o5 joint"},
		{"a dead voter is replaced", "1 2 3", "4", "1 2 3 4", "1 2 4", "4", 1, "+4 o3 joint"},
		{"but not before its successor is near", "1 2 3", "4", "1 2 3 4", "1 2 4", "", 1, ""},
		{"of two that leave one stays until both successors are near", "1 2 3", "4 5", "1 2 3 4 5", "1 4 5", "4", 1, "+4 o2 joint"},
		{"a forgotten voter leaves", "1 2 3", "", "1 2", "1 2", "", 1, "x3 joint"},
		{"a forgotten learner leaves", "1 2 3", "4", "1 2 3", "1 2 3", "", 1, "x4"},
		{"a leader that shall not vote hands over", "1 2 3", "", "1 2 3", "2 3", "", 1, "hand over"},
		{"after what it can do", "1 2 3", "4", "1 2 3 4", "2 3 4", "4", 1, "+4 joint"},
		{"and its successor takes its vote", "1 2 3 4", "", "1 2 3 4", "2 3 4", "", 2, "o1 joint"},
		{"a forgotten leader hands over", "1 2 3", "", "2 3", "2 3", "", 1, "hand over"},
		{"no wish: those who vote go on", "1 2", "3", "1 2 3", "", "3", 1, ""},
		{"no wish, and one is forgotten", "1 2 3", "", "1 2", "", "", 1, "x3 joint"},
		{"voters never become none", "1", "2", "1 2", "2", "", 1, "hand over"},
		{"who is forgotten leaves though nobody follows yet", "1 2 3", "4", "1 2 4", "1 2 4", "", 1, "x3 joint"},
		{"two as well", "1 2 3 4 5", "6", "1 2 3 6", "1 2 3 6", "", 1, "x4 x5 joint"},
		{"before one that lives and shall not vote", "1 4 5", "2", "1 2 4", "1 2", "4", 1, "x5 joint"},
		{"and who follows begins with that", "1 2 3", "4", "1 2 4", "1 2 4", "4", 1, "+4 x3 joint"},
		{"of five two are forgotten, and one follows: four would bear no more than three", "1 2 3 4 5", "6 7", "1 2 3 6 7", "1 2 3 6 7", "6", 1, "x4 x5 joint"},
		{"of three one is forgotten, and one of three follows: three bear more than two", "1 2 3", "4 5 6", "1 2 4 5 6", "1 2 4 5 6", "4", 1, "+4 x3 joint"},
		{"who is silent leaves before who answers", "1 2 3", "4 5", "1 2 3 4 5", "1 4 5", "2 4", 1, "+4 o3 joint"},
		{"of two voters one is forgotten", "1 2", "", "1", "1", "", 1, "x2 joint"},
		{"a silent one makes three of two: a majority is as many", "1 2", "3", "1 2 3", "1 2 3", "", 1, "+3 joint"},
		{"and five of four", "1 2", "3 4 5", "1 2 3 4 5", "1 2 3 4 5", "3 4", 1, "+3 +4 +5 joint"},
		{"but not of one two, nor of three four", "1 2 3", "4 5", "1 2 3 4 5", "1 2 3 4 5", "", 1, ""},
		{"nor in the place of one who answers", "1 2", "3", "1 2 3", "1 3", "2", 1, ""},
	} {
		check(t, c.why, &raftpb.ConfState{Voters: numbers(c.voters), Learners: numbers(c.learners)},
			target{members: numbers(c.members), voters: numbers(c.want), near: among(c.near)}, c.self, c.step)
	}
}

// Who is to be forgotten loses its vote first, and is a member meanwhile.
func TestNextStepLeaving(t *testing.T) {
	for _, c := range []struct {
		why                                         string
		voters, learners, leaving, want, near, step string
	}{
		{"of three", "1 2 3", "", "3", "1 2 3", "2 3", "o3 joint"},
		{"it is not taken back", "1 2", "3", "3", "1 2 3", "2 3", ""},
		{"of two, which takes both", "1 2", "", "2", "1 2", "", "o2 joint"},
		{"of five two", "1 2 3 4 5", "", "4 5", "1 2 3 4 5", "2 3", "o4 o5 joint"},
		{"a learner has no vote to lose", "1 2 3", "4", "4", "1 2 3", "2 3", ""},
		{"one that shall vote and does not yet does not begin", "1", "2 3", "3", "1 2 3", "2 3", "+2 joint"},
		{"who follows it begins at once", "1 2 3", "4", "3", "1 2 4", "2 4", "+4 o3 joint"},
		{"or later", "1 2 3", "4", "3", "1 2 4", "2", "o3 joint"},
		{"the leader itself hands over", "1 2 3", "", "1", "1 2 3", "2 3", "hand over"},
		{"all that shall vote: the others go on", "1 2 3", "", "2 3", "2 3", "", "o2 o3 joint"},
		{"with no wish", "1 2 3", "", "3", "", "2", "o3 joint"},
	} {
		members := sorted(append(numbers(c.voters), numbers(c.learners)...))
		check(t, c.why, &raftpb.ConfState{Voters: numbers(c.voters), Learners: numbers(c.learners)},
			target{members: members, voters: numbers(c.want), leaving: numbers(c.leaving), near: among(c.near)}, 1, c.step)
	}
}

// among says whether a number is one of these.
func among(list string) func(uint64) bool {
	all := numbers(list)
	return func(n uint64) bool { return slices.Contains(all, n) }
}

func check(t *testing.T, why string, now *raftpb.ConfState, want target, self uint64, expected string) {
	t.Helper()
	if got := describe(nextStep(now, want, self)); got != expected {
		t.Errorf("%s: %q, want %q", why, got, expected)
	}
}

// Wherever it begins, and whatever is wanted, the configuration comes there without those who are to be forgotten, and never loses its voters.
func TestNextStepArrives(t *testing.T) {
	sets := [][]uint64{{1}, {2}, {1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {1, 2, 3, 4, 5}}
	for _, from := range sets {
		for _, to := range sets {
			for _, leaving := range [][]uint64{nil, {3}, {1}, {2, 3}, {4, 5}} {
				stay := slices.DeleteFunc(slices.Clone(to), func(n uint64) bool { return slices.Contains(leaving, n) })
				if len(stay) > 0 {
					arrive(t, from, stay, target{members: []uint64{1, 2, 3, 4, 5}, voters: to, leaving: leaving, near: func(uint64) bool { return true }})
				}
			}
		}
	}
}

func arrive(t *testing.T, from, to []uint64, want target) {
	now, self := &raftpb.ConfState{Voters: slices.Clone(from)}, from[0]
	for steps := 0; ; steps++ {
		s := nextStep(now, want, self)
		if s.leave {
			if self = firstOf(intersect(to, now.GetVoters())); self == 0 {
				t.Fatalf("from %v to %v: nobody to hand over to at %v", from, to, now)
			}
		}
		for _, c := range s.change.GetChanges() {
			n := c.GetNodeId()
			now.Voters = slices.DeleteFunc(now.Voters, func(v uint64) bool { return v == n })
			now.Learners = slices.DeleteFunc(now.Learners, func(v uint64) bool { return v == n })
			switch c.GetType() {
			case raftpb.ConfChangeAddNode:
				now.Voters = append(now.Voters, n)
			case raftpb.ConfChangeAddLearnerNode:
				now.Learners = append(now.Learners, n)
			}
		}
		if !slices.Contains(now.Voters, self) {
			t.Fatalf("from %v to %v: the leader %d has lost its vote in %v", from, to, self, now)
		}
		if !s.leave && s.change == nil {
			break
		}
		if steps > 10 {
			t.Fatalf("from %v to %v: after ten steps it is %v", from, to, now)
		}
	}
	if !slices.Equal(sorted(now.Voters), to) || len(now.Voters)+len(now.Learners) != 5 {
		t.Errorf("from %v to %v it came to %v", from, to, now)
	}
}

func firstOf(list []uint64) uint64 {
	if len(list) == 0 {
		return 0
	}
	return list[0]
}
