package metadata

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// CoreConfig says how a Core works. Number, Epoch and Log must be given, the rest has defaults.
type CoreConfig struct {
	Number          uint64       // of this node in the Raft group: cluster.Member.Raft
	Epoch           shards.Epoch // of this node's life: raised with each start
	Log             Log
	ElectionTicks   int    // ticks without a leader until a follower stands, up to twice as many; default 10
	HeartbeatTicks  int    // ticks between two heartbeats of a leader; default 2
	SnapshotEntries uint64 // applied entries from one snapshot to the next, more where snapshots are large; default 4096
	SnapshotBytes   int    // bytes of applied entries after which there is a snapshot anyway; default 8 MiB
	EntryBytes      int    // of a command in one entry, a longer one takes several; default and most MaxEntry, less some bytes for a head
	MessageBytes    int    // of entries in one message, or one entry; default 1 MiB. 16 times as much goes to a follower, or is applied, at once
	Logf            func(format string, args ...any)
}

// Limits of the log.
const (
	MaxEntry   = 1 << 20 // bytes of an entry: a larger command takes several, so that no message is long
	MaxCommand = cluster.MaxCommandBytes
	maxPending = 128 << 20 // bytes that may wait for a quorum
	maxFlight  = 64        // messages to one follower that it has not answered
)

func (c *CoreConfig) validate() error {
	if c.ElectionTicks == 0 {
		c.ElectionTicks = 10
	}
	if c.HeartbeatTicks == 0 {
		c.HeartbeatTicks = 2
	}
	if c.SnapshotEntries == 0 {
		c.SnapshotEntries = 4096
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = 8 << 20
	}
	if c.EntryBytes == 0 {
		c.EntryBytes = MaxEntry - entryHead
	}
	if c.MessageBytes == 0 {
		c.MessageBytes = 1 << 20
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	switch {
	case c.Number == 0 || c.Number >= math.MaxUint64-1:
		return fmt.Errorf("metadata: %d is no Raft number", c.Number)
	case c.Epoch == 0:
		return errors.New("metadata: epochs begin at 1")
	case c.Log == nil:
		return errors.New("metadata: no log")
	case c.EntryBytes < 1 || c.EntryBytes > MaxEntry-entryHead:
		return fmt.Errorf("metadata: %d bytes of a command in an entry; must be 1 to %d", c.EntryBytes, MaxEntry-entryHead)
	case c.MessageBytes < 1 || c.SnapshotBytes < 1:
		return errors.New("metadata: a number of bytes that is not positive")
	case c.HeartbeatTicks < 1 || c.ElectionTicks < 3*c.HeartbeatTicks:
		return fmt.Errorf("metadata: an election after %d ticks with a heartbeat every %d; it must wait for three heartbeats at least", c.ElectionTicks, c.HeartbeatTicks)
	}
	return nil
}

// Core is one member of the Raft group, without goroutines, clocks, chance or I/O but for its Log. One caller at a time.
// Raft draws its election timeouts from crypto/rand; a simulator seeds that with testing/cryptotest.
//
//	core.Step(message); core.Tick(); core.Propose(…)         in any order, then
//	for core.Pending() {
//		send(core.Begin())                                   what may leave before the log is written
//		out, err := core.Finish()                            writes the log, applies; an error is the end of this Core
//		send(out.Messages)
//	}
//
// Invariants (Check runs those that can be looked at):
//
//  1. Applied ≤ committed ≤ the log's last entry; the snapshot is at or below Applied.
//  2. What answers another node (a vote, an acknowledgement) leaves only after term, vote and entries that it speaks of are
//     durable; only a leader's own messages leave before.
//  3. Every committed change of configuration reaches Raft, in order.
//  4. The term never falls, and there is at most one vote in each.
//  5. The state is what State.Apply makes of the commands up to Applied, each applied once.
//  6. An entry is MaxEntry bytes at most, and what is not committed is bounded.
//  7. No ReadIndex round has the name of another one, in any life of this node.
//  8. Whoever votes is a member: nobody is forgotten whose voice may be needed; see leaving.go.
type Core struct {
	config CoreConfig
	node   *raft.RawNode
	store  *storage

	state        *cluster.State
	applied      uint64
	appliedIn    uint64 // term of the entry at applied
	conf         *raftpb.ConfState
	memory       memory   // outcomes of the last commands
	staged       staging  // a command of several entries, of which some have come
	digests      digests  // rolling hash
	since        progress // since the last snapshot
	snapshotSize int      // bytes of the newest one that was made or read here

	ready    *raft.Ready // between Begin and Finish
	early    int         // of its messages have been handed out
	hard     *raftpb.HardState
	lead     Lead
	sequence uint64 // of ReadIndex rounds
	waiting  []Read // confirmed, not applied yet
	out      Output // being filled
	tracker  tracker
}

// Lead is what a Core knows of its leader.
type Lead struct {
	Number uint64 // the leader's Raft number; 0: none is known
	Term   uint64
	Won    bool // it is this node, and an entry of its term is applied here: its word counts
}

// Read is a confirmed round of ReadIndex: what was committed when it was issued has been applied here.
type Read struct {
	Round uint64
	Index uint64
}

// Output is what a step of a Core brought about.
type Output struct {
	Messages []*raftpb.Message // to send; they may be lost, reordered and repeated
	Applied  []Applied         // in order of the log
	Reads    []Read            // rounds of this node's ReadIndex
	Changed  bool              // the state is another one
	Restored bool              // it came as a snapshot: commands between were not seen one by one
	Lead     bool              // Core.Lead is another one
}

// NewCore continues from what is in the log. An empty one belongs to a node that waits until a leader adds it; see Found.
func NewCore(config CoreConfig) (*Core, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Core{config: config, state: &cluster.State{}, conf: &raftpb.ConfState{}, tracker: newTracker()}
	c.store = &storage{log: config.Log, core: c}
	hard, snapshot := config.Log.Stored()
	c.hard = hard
	if snapshot != nil {
		if err := c.restore(snapshot); err != nil {
			return nil, err
		}
	}
	if err := c.checkLog(hard, snapshot); err != nil {
		return nil, err
	}
	node, err := raft.NewRawNode(c.raftConfig())
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	c.node = node
	c.lead.Term = node.BasicStatus().GetTerm()
	return c, nil
}

// checkLog refuses a log that no Core can have written.
func (c *Core) checkLog(hard *raftpb.HardState, snapshot *raftpb.Snapshot) error {
	last := c.config.Log.Last()
	switch {
	case snapshot == nil && (last >= c.config.Log.First() || hard.GetCommit() != 0):
		return errors.New("metadata: the log has entries and no snapshot before them: it is damaged; remove this node's data and let it join anew")
	case snapshot == nil:
		return nil
	case len(c.conf.GetVoters()) == 0:
		return errors.New("metadata: the log's snapshot names no voters: it is damaged; remove this node's data and let it join anew")
	case hard.GetCommit() < c.applied || hard.GetCommit() > last:
		return fmt.Errorf("metadata: the log says that %d is committed, and holds %d to %d: it is damaged; remove this node's data and let it join anew",
			hard.GetCommit(), c.applied, last)
	}
	return nil
}

func (c *Core) raftConfig() *raft.Config {
	return &raft.Config{
		ID:                        c.config.Number,
		ElectionTick:              c.config.ElectionTicks,
		HeartbeatTick:             c.config.HeartbeatTicks,
		Storage:                   c.store,
		Applied:                   c.applied,
		MaxSizePerMsg:             uint64(c.config.MessageBytes),
		MaxCommittedSizePerReady:  16 * uint64(c.config.MessageBytes),
		MaxUncommittedEntriesSize: maxPending,
		MaxInflightMsgs:           maxFlight,
		MaxInflightBytes:          16 * uint64(c.config.MessageBytes),
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		DisableProposalForwarding: true, // a command is computed from its proposer's state
		StepDownOnRemoval:         true,
		Logger:                    logger{c.config.Logf},
	}
}

// Found makes this node the first member of a new group: alone, and its only voter. The log must be empty.
func Found(log Log, number uint64) error {
	if hard, snapshot := log.Stored(); hard != nil || snapshot != nil || log.Last() >= log.First() {
		return errors.New("metadata: the log is not empty: its group exists already")
	}
	first := memento{state: &cluster.State{}}
	snapshot := first.snapshot(1, 1, &raftpb.ConfState{Voters: []uint64{number}})
	return log.Save(Batch{
		HardState: &raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64(0)), Commit: new(uint64(1))},
		Snapshot:  snapshot,
		Sync:      true,
	})
}

// State is the cluster state that this node has applied. It is immutable.
func (c *Core) State() *cluster.State { return c.state }

// Committed is the index of the last entry that this node knows to be committed; it may not have been applied yet.
func (c *Core) Committed() uint64 { return c.node.BasicStatus().GetCommit() }

// Applied is the index of the last applied entry.
func (c *Core) Applied() uint64 { return c.applied }

// Lead is what this node knows of the group's leader.
func (c *Core) Lead() Lead { return c.lead }

// Member says whether the group has ever told this node about itself: without, its log is empty.
func (c *Core) Member() bool { return len(c.conf.GetVoters()) > 0 }

// Votes says whether this node is a voter, as far as it knows.
func (c *Core) Votes() bool {
	return counts(c.conf, c.config.Number)
}

// Voters is Raft's present configuration, as applied here.
func (c *Core) Voters() *raftpb.ConfState { return c.conf }

// Tick tells that one tick has passed.
func (c *Core) Tick() {
	c.idle()
	c.node.Tick()
	if c.lead.Number != c.config.Number {
		return
	}
	c.tracker.tick(c)
	c.reconcile()
}

// ShortError says that the leader counts on entries which this node's log has not. If it still does when all that the Core has to do is
// done, this node has acknowledged them and lost them since.
type ShortError struct{ Last, Counted uint64 }

func (e *ShortError) Error() string {
	return fmt.Sprintf("metadata: %v: its log of the metadata group ends with entry %d, and this node has acknowledged %d: %s, or the disk has lost what was synced to it",
		ErrPast, e.Last, e.Counted, pastAdvice)
}

func (e *ShortError) Is(target error) bool { return target == ErrPast }

// Step takes a message from another member. What is not for this node, or not from another one, is refused. Only a ReadIndex
// round may come from this node: sent to one that led no longer, it was passed on to the new leader, this one.
func (c *Core) Step(m *raftpb.Message) error {
	c.idle()
	own := m.GetFrom() == c.config.Number && m.GetType() != raftpb.MsgReadIndex
	if m.GetTo() != c.config.Number || m.GetFrom() == 0 || own || raft.IsLocalMsg(m.GetType()) || raft.IsLocalMsgTarget(m.GetFrom()) {
		return fmt.Errorf("metadata: %v from %x to %x is not for this node", m.GetType(), m.GetFrom(), m.GetTo())
	}
	if last := c.config.Log.Last(); m.GetType() == raftpb.MsgHeartbeat && m.GetCommit() > last {
		return &ShortError{Last: last, Counted: m.GetCommit()}
	}
	err := c.node.Step(m)
	if errors.Is(err, raft.ErrStepPeerNotFound) {
		return nil // of one that was removed
	}
	c.learn(m)
	return err
}

// ReadIndex begins a round that a quorum must confirm; Output.Reads tells when it has, and when all that was committed now
// is applied here. A round may be lost, with the leader or with a message: begin another after a while. One whose messages
// were repeated may be told of twice.
func (c *Core) ReadIndex() (round uint64) {
	c.idle()
	c.sequence++
	c.node.ReadIndex(roundName(c.config.Number, c.config.Epoch, c.sequence))
	return c.sequence
}

// Campaign makes this node stand for election now, if it may.
func (c *Core) Campaign() {
	c.idle()
	if err := c.node.Campaign(); err != nil {
		c.config.Logf("campaign: %v", err)
	}
}

// LeaderGone says that this leader is dead for certain: the node no longer refuses its vote to others for its sake.
func (c *Core) LeaderGone(number uint64) {
	c.idle()
	if c.lead.Number != number || number == c.config.Number {
		return
	}
	if err := c.node.ForgetLeader(); err != nil {
		c.config.Logf("forget the leader: %v", err)
	}
}

// Transfer hands the lead to another voter; false if this node does not lead or there is none that could take it. It takes a
// round trip, within which commands are refused with ErrBusy; after ElectionTicks Raft gives it up.
func (c *Core) Transfer() (to uint64, ok bool) {
	c.idle()
	if c.lead.Number != c.config.Number {
		return 0, false
	}
	to = c.tracker.best(c, c.conf.GetVoters())
	if to == 0 {
		return 0, false
	}
	c.node.TransferLeader(to)
	return to, true
}

// TransferTo is Transfer to one voter: ErrNotLeader, ErrNotVoter, or ErrBehind if that one lacks much of the log.
func (c *Core) TransferTo(to uint64) error {
	c.idle()
	switch {
	case c.lead.Number != c.config.Number:
		return ErrNotLeader
	case !contains(c.conf.GetVoters(), to):
		return ErrNotVoter
	case c.tracker.behind(c, to):
		return ErrBehind
	}
	c.node.TransferLeader(to)
	return nil
}

// Unreachable says that a message to this member was not sent.
func (c *Core) Unreachable(number uint64) {
	c.idle()
	c.node.ReportUnreachable(number)
}

// SnapshotLost says that a snapshot to this member was not sent.
func (c *Core) SnapshotLost(number uint64) {
	c.idle()
	c.node.ReportSnapshot(number, raft.SnapshotFailure)
}

// idle guards against a call in the middle of a step: between Begin and Finish nothing else may happen.
func (c *Core) idle() {
	if c.ready != nil {
		panic("metadata: a call between Begin and Finish")
	}
}

func contains(numbers []uint64, n uint64) bool {
	for _, m := range numbers {
		if m == n {
			return true
		}
	}
	return false
}

// Check looks at the invariants that can be looked at from outside, for tests and the simulator.
func (c *Core) Check() error {
	status := c.node.BasicStatus()
	log := c.config.Log
	_, kept := log.Stored()
	switch {
	case c.applied > status.GetCommit():
		return fmt.Errorf("metadata: invariant 1: %d is applied, %d committed", c.applied, status.GetCommit())
	case status.GetCommit() > log.Last() && c.ready == nil && !c.node.HasReady():
		return fmt.Errorf("metadata: invariant 1: %d is committed, the log ends at %d", status.GetCommit(), log.Last())
	case kept.GetMetadata().GetIndex() > c.applied:
		return fmt.Errorf("metadata: invariant 1: a snapshot at %d, %d is applied", kept.GetMetadata().GetIndex(), c.applied)
	case c.hard.GetTerm() > status.GetTerm():
		return fmt.Errorf("metadata: invariant 4: term %d is written, Raft is in %d", c.hard.GetTerm(), status.GetTerm())
	case c.digests.last.Index != c.applied:
		return fmt.Errorf("metadata: invariant 5: hashed up to %d, applied up to %d", c.digests.last.Index, c.applied)
	}
	if c.state.Cluster == "" {
		return nil
	}
	for _, n := range slices.Concat(c.conf.GetVoters(), c.conf.GetVotersOutgoing()) {
		if c.state.MemberByRaft(n) == nil {
			return fmt.Errorf("metadata: invariant 8: %d votes, and is no member", n)
		}
	}
	return cluster.Check(c.state)
}
