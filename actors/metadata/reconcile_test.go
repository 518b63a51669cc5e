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
	} {
		near := numbers(c.near)
		got := nextStep(
			&raftpb.ConfState{Voters: numbers(c.voters), Learners: numbers(c.learners)},
			target{members: numbers(c.members), voters: numbers(c.want), near: func(n uint64) bool { return slices.Contains(near, n) }}, c.self)
		if describe(got) != c.step {
			t.Errorf("%s: %q, want %q", c.why, describe(got), c.step)
		}
	}
}

// Wherever it begins, and whatever is wanted, the configuration comes there, and never loses its voters.
func TestNextStepArrives(t *testing.T) {
	sets := [][]uint64{{1}, {2}, {1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {1, 2, 3, 4, 5}}
	for _, from := range sets {
		for _, to := range sets {
			now, self := &raftpb.ConfState{Voters: slices.Clone(from)}, from[0]
			want := target{members: []uint64{1, 2, 3, 4, 5}, voters: to, near: func(uint64) bool { return true }}
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
	}
}

func firstOf(list []uint64) uint64 {
	if len(list) == 0 {
		return 0
	}
	return list[0]
}
