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
// Nobody asks any more, and it is in the log nowhere: n3 votes again, silent as it is (nextStep). Else two that were left would need each other for as
// long as n3 does not come back, though the operator has thought better of it.
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
// Whoever may be forgotten is dead; its vote is not given back while it is, and somebody asks for that, and in a later life it is not forgotten.
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
	c.tracker.leaving[m.Raft] = c.tracker.ticks
	if !counts(c.conf, m.Raft) {
		return nil
	}
	c.reconcile()
	return notYet{}
}

// mayComeBack is ErrBusy if a member would come back behind the command in the log that forgets it. It is asked when that was applied: then it is a stranger, with
// a number that nobody is to use again.
func (c *Core) mayComeBack(command *cluster.Command) error {
	if command.Join == nil {
		return nil
	}
	m := c.state.Member(command.Join.Member.ID)
	if m != nil && (!c.lead.Won || c.tracker.forgets(m.Raft)) { // the log may hold such a command of a leader before
		return ErrBusy
	}
	return nil
}

// forgets says whether a command is in the log that forgets a member.
func (t *tracker) forgets(number uint64) bool {
	for _, n := range t.forgetting {
		if n == number {
			return true
		}
	}
	return false
}

// enters notes what is in the log now and matters to what comes behind it, before it is applied.
func (t *tracker) enters(id ProposalID, command *cluster.Command, s *cluster.State) {
	if j := command.Join; j != nil && j.Member.Format < cluster.Format {
		t.joining[id] = j.Member.Format
	}
	if m := command.Member; m != nil && m.Forget {
		if known := s.Member(m.Node); known != nil {
			t.forgetting[id] = known.Raft
		}
	}
}

// counts says whether a configuration needs the voice of a node, or may.
func counts(conf *raftpb.ConfState, number uint64) bool {
	return contains(conf.GetVoters(), number) || contains(conf.GetVotersOutgoing(), number)
}

// leavers are the members that somebody wants forgotten. One that lives again stays, and one for which nobody has asked for long.
func (t *tracker) leavers(s *cluster.State) (list []uint64) {
	for n, asked := range t.leaving {
		if m := s.MemberByRaft(n); m != nil && m.Down && (t.ticks-asked < leavingTicks || t.forgets(n)) {
			list = append(list, n)
		} else {
			delete(t.leaving, n)
		}
	}
	slices.Sort(list)
	return list
}
