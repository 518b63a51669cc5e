package metadata

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// Who is forgotten may begin with an empty folder at once. So the voice of a member is taken away before it is forgotten: else it might be needed
// for the very change that takes it away, where another voter dies just then.
//
//	forget n3 ────────► it votes: not yet, and it becomes a learner ──► joint ──► left
//	forget n3, again ─► it votes no longer: into the log ──► applied: n3 is no member, and no learner any more
//
// An entry comes with how far its leader knows the log to be committed, and the leader had applied that change when it proposed the command: whoever
// has the command in its log knows that n3 does not vote, and nobody else can be elected any more.

// notYet is why a member is not forgotten yet. It is an ErrBusy: who proposes tries again.
type notYet struct{}

func (notYet) Error() string {
	return "metadata: before a member is forgotten its vote must be taken away, and the change of voters before that have ended: a majority of the voters must answer for that"
}

func (notYet) Is(target error) bool { return target == ErrBusy }

// mayForget is an ErrBusy if a command would forget a member whose vote is counted, or might be by then; from now on that is being taken away. First
// it is asked whether the member may be forgotten at all: what the state refuses does not reach the log, where a death before it might let it pass.
// Whoever may be forgotten is dead; as long as it is its vote is not given back, and in a later life it is not forgotten.
func (c *Core) mayForget(command *cluster.Command) error {
	if command.Member == nil || !command.Member.Forget {
		return nil
	}
	m := c.state.Member(command.Member.Node)
	if m == nil {
		return nil
	}
	if !c.lead.Won || c.tracker.changing {
		return notYet{}
	}
	if _, outcome := c.state.Apply(command); outcome.Err != nil {
		delete(c.tracker.leaving, m.Raft)
		return outcome.Err
	}
	c.tracker.leaving[m.Raft] = true
	if !counts(c.conf, m.Raft) {
		return nil
	}
	c.reconcile()
	return notYet{}
}

// counts says whether a configuration needs the voice of a node, or may.
func counts(conf *raftpb.ConfState, number uint64) bool {
	return contains(conf.GetVoters(), number) || contains(conf.GetVotersOutgoing(), number)
}

// leavers are the members that somebody wants forgotten. One that lives again stays.
func (t *tracker) leavers(s *cluster.State) (list []uint64) {
	for n := range t.leaving {
		if m := s.MemberByRaft(n); m != nil && m.Down {
			list = append(list, n)
		} else {
			delete(t.leaving, n)
		}
	}
	slices.Sort(list)
	return list
}
