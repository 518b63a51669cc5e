package metadata

import (
	"cmp"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	raftprogress "go.etcd.io/raft/v3/tracker"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// How the leader judges its followers, in ticks or in checks, which it makes every HeartbeatTicks.
const (
	caughtUpLag    = 64 // entries that a learner may be behind when it begins to vote
	caughtUpChecks = 2  // in a row
	snapshotTicks  = 60 // until a snapshot that nobody answers counts as lost, and one more for each snapshotTick bytes
	snapshotTick   = 256 << 10
	jointTicks     = 20  // until a joint configuration that Raft has not left by itself is left by hand
	leavingTicks   = 100 // until a member that nobody wants forgotten any more may vote again; who wants it asks far more often
)

// tracker is what a leader remembers of its followers between two looks. It is made anew with each reign.
type tracker struct {
	ticks    int
	changing bool                  // a change is in the log and not applied: another one would be refused, and fill the log
	joint    int                   // ticks in a joint configuration
	near     map[uint64]int        // checks in a row for which a learner was caught up
	snapshot map[uint64]int        // ticks since a snapshot was sent
	joining  map[ProposalID]uint32 // what they read whose joins are in the log and not applied; of older releases
	leaving  map[uint64]int        // members that somebody wants forgotten, and when it was asked last; see leaving.go

	forgetting map[ProposalID]uint64 // members whose forgetting is in the log and not applied
}

func newTracker() tracker {
	return tracker{
		near: map[uint64]int{}, snapshot: map[uint64]int{}, joining: map[ProposalID]uint32{}, leaving: map[uint64]int{}, forgetting: map[ProposalID]uint64{},
	}
}

// follower is a member as its leader sees it.
type follower struct {
	number     uint64
	match      uint64 // last entry that it has
	active     bool   // heard of since the last check of the quorum
	inSnapshot bool
}

// has says whether a follower has nearly all that is committed.
func (f *follower) has(commit uint64) bool {
	return !f.inSnapshot && f.match > 0 && f.match+caughtUpLag >= commit
}

// behind says whether it is known not to have it: who is sent a snapshot is, also if nothing else has been heard of it in this term.
func (f *follower) behind(commit uint64) bool {
	return (f.match > 0 || f.inSnapshot) && !f.has(commit)
}

// followers lists all members but this one, by number.
func (c *Core) followers() (list []follower) {
	c.node.WithProgress(func(number uint64, _ raft.ProgressType, p raftprogress.Progress) {
		if number != c.config.Number {
			list = append(list, follower{number: number, match: p.Match, active: p.RecentActive, inSnapshot: p.State == raftprogress.StateSnapshot})
		}
	})
	slices.SortFunc(list, func(a, b follower) int { return cmp.Compare(a.number, b.number) })
	return list
}

// tick looks after snapshots on their way and learners that come near.
func (t *tracker) tick(c *Core) {
	t.ticks++
	if len(c.conf.GetVotersOutgoing()) > 0 {
		t.joint++
	} else {
		t.joint = 0
	}
	check := t.ticks%c.config.HeartbeatTicks == 0
	for _, f := range c.followers() {
		if f.inSnapshot {
			t.snapshot[f.number]++
		} else {
			delete(t.snapshot, f.number)
		}
		if t.snapshot[f.number] >= snapshotTicks+c.snapshotSize/snapshotTick {
			delete(t.snapshot, f.number)
			c.node.ReportSnapshot(f.number, raft.SnapshotFailure)
		}
		if !check {
			continue
		}
		if f.active && f.has(c.hard.GetCommit()) {
			t.near[f.number]++
		} else {
			delete(t.near, f.number)
		}
	}
}

// best is the follower among these that has most of the log and was heard of lately; 0 if there is none.
func (t *tracker) best(c *Core, among []uint64) (number uint64) {
	match := uint64(0)
	for _, f := range c.followers() {
		if f.active && contains(among, f.number) && f.match > match {
			number, match = f.number, f.match
		}
	}
	return number
}

// behind says whether a member is known to lack so much that it cannot lead after a round trip. Whether it answers is not asked: Raft
// forgets that with every check of the quorum, until the next answer; and of whom a new leader has not heard it knows nothing.
func (t *tracker) behind(c *Core, number uint64) bool {
	for _, f := range c.followers() {
		if f.number == number {
			return f.behind(c.hard.GetCommit())
		}
	}
	return false
}

// reconcile moves Raft's configuration one step towards what the state wants, if this node leads and no step is under way.
func (c *Core) reconcile() {
	if !c.lead.Won || c.state.Cluster == "" || c.tracker.changing {
		return
	}
	want := wanted(c.state)
	want.leaving = c.tracker.leavers(c.state)
	want.near = func(n uint64) bool { return c.tracker.near[n] >= caughtUpChecks }
	if len(c.conf.GetVotersOutgoing()) > 0 {
		if c.tracker.joint >= jointTicks {
			c.tracker.joint = 0
			c.change(&raftpb.ConfChangeV2{}) // leaves it
		}
		return
	}
	step := nextStep(c.conf, want, c.config.Number)
	switch {
	case step.change != nil:
		c.change(step.change)
	case step.leave:
		if to := c.tracker.best(c, intersect(want.electorate(c.conf), c.conf.GetVoters())); to != 0 {
			c.node.TransferLeader(to)
		}
	}
}

func (c *Core) change(change *raftpb.ConfChangeV2) {
	if err := c.node.ProposeConfChange(change); err != nil {
		c.config.Logf("change the group: %v", err)
		return
	}
	c.tracker.changing = true
}

// target is the configuration that the state wants.
type target struct {
	members []uint64            // ascending
	voters  []uint64            // ascending, all of them members; empty: as it is
	leaving []uint64            // members that lose their vote before they are forgotten
	near    func(n uint64) bool // who answers, and has so much of the log that it may vote
}

// stays says whether a member may vote.
func (t *target) stays(n uint64) bool { return contains(t.members, n) && !contains(t.leaving, n) }

// electorate are those who shall vote; with nobody left of them, those who do and stay.
func (t *target) electorate(now *raftpb.ConfState) (voters []uint64) {
	for _, list := range [][]uint64{t.voters, now.GetVoters()} {
		for _, n := range list {
			if t.stays(n) {
				voters = append(voters, n)
			}
		}
		if len(voters) > 0 {
			break
		}
	}
	return voters
}

func wanted(s *cluster.State) (t target) {
	for i := range s.Members {
		t.members = append(t.members, s.Members[i].Raft)
	}
	slices.Sort(t.members)
	t.voters = intersect(s.Voters, t.members)
	return t
}

// step is what a leader does next about the configuration: one change, or giving up the lead, or nothing.
type step struct {
	change *raftpb.ConfChangeV2
	leave  bool
}

// nextStep compares what is with what shall be. It is a function of its arguments.
//
//  1. Every member is in the configuration, a voter or a learner; who is no member is not.
//  2. Voters change in one joint step. A learner begins to vote only once it is near, and on the way to more voters an odd number
//     does not become an even one; voters leave only as far as those who stay and those who begin are as many as are wanted, first
//     those of whom nothing is heard. Where nobody is to leave, and voters of an even number become an odd one, a learner that is silent begins as well:
//     a majority needs no more of those who answer then, and there is one more who can die.
//  3. Who is forgotten, or is to be, leaves at once, whoever follows: of n voters without it no more must live than of n and it.
//  4. A leader that shall not vote first makes the changes that it can, then hands over; its successor takes its vote away.
func nextStep(now *raftpb.ConfState, want target, self uint64) step {
	var changes []*raftpb.ConfChangeSingle
	add := func(kind raftpb.ConfChangeType, number uint64) {
		changes = append(changes, &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(number)})
	}
	voters := want.electorate(now)
	beginners := beginners(now, &want, voters)
	for _, n := range beginners {
		add(raftpb.ConfChangeAddNode, n)
	}
	left := len(now.GetVoters()) + len(beginners)
	touched := len(beginners) > 0
	for _, n := range leavers(now, &want, voters, self) {
		if left == 1 || want.stays(n) && left <= len(voters) {
			break
		}
		if contains(want.members, n) {
			add(raftpb.ConfChangeAddLearnerNode, n)
		} else {
			add(raftpb.ConfChangeRemoveNode, n)
		}
		left--
		touched = true
	}
	for _, n := range want.members {
		if !contains(now.GetVoters(), n) && !contains(now.GetLearners(), n) && !contains(now.GetLearnersNext(), n) {
			add(raftpb.ConfChangeAddLearnerNode, n)
		}
	}
	for _, n := range now.GetLearners() {
		if !contains(want.members, n) {
			add(raftpb.ConfChangeRemoveNode, n)
		}
	}
	if len(changes) == 0 {
		return step{leave: contains(now.GetVoters(), self) && !contains(voters, self)}
	}
	transition := raftpb.ConfChangeTransitionAuto
	if touched {
		transition = raftpb.ConfChangeTransitionJointImplicit
	}
	return step{change: &raftpb.ConfChangeV2{Transition: transition.Enum(), Changes: changes}}
}

// beginners are the learners that begin to vote in the next step.
func beginners(now *raftpb.ConfState, want *target, voters []uint64) (list []uint64) {
	silent := uint64(0)
	for _, n := range voters {
		switch {
		case contains(now.GetVoters(), n) || !contains(now.GetLearners(), n):
		case want.near(n):
			list = append(list, n)
		case silent == 0:
			silent = n
		}
	}
	stay, settled := 0, true
	for _, n := range now.GetVoters() {
		settled = settled && contains(voters, n)
		if want.stays(n) {
			stay++
		}
	}
	switch grown := stay + len(list); {
	case stay%2 == 1 && grown%2 == 0 && grown < len(voters):
		list = list[:len(list)-1] // an even number bears no more deaths than one less, and there is one more who can die
	case settled && grown%2 == 0 && silent != 0:
		list = append(list, silent)
	}
	return list
}

// leavers are the voters that shall not vote, this node excepted, in the order in which they leave.
func leavers(now *raftpb.ConfState, want *target, voters []uint64, self uint64) (list []uint64) {
	for _, n := range now.GetVoters() {
		if n != self && !contains(voters, n) {
			list = append(list, n)
		}
	}
	urgency := func(n uint64) int {
		switch {
		case !want.stays(n):
			return 0
		case !want.near(n):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b uint64) int { return cmp.Compare(urgency(a), urgency(b)) })
	return list
}

func intersect(a, b []uint64) (both []uint64) {
	for _, n := range a {
		if contains(b, n) {
			both = append(both, n)
		}
	}
	return both
}
