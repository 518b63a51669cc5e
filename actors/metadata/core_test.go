package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// solo is a group of one, leading, with its cluster formed.
func solo(t *testing.T, change func(*CoreConfig)) (*Core, *memLog) {
	t.Helper()
	log := newMemLog()
	if err := Found(log, 1); err != nil {
		t.Fatal(err)
	}
	config := CoreConfig{Number: 1, Epoch: 1, Log: log}
	if change != nil {
		change(&config)
	}
	c, err := NewCore(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Campaign()
	settleCore(t, c)
	propose(t, c, 1, &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: worldCluster, Member: memberOf(1, 1)}})
	settleCore(t, c)
	return c, log
}

func propose(t *testing.T, c *Core, sequence uint64, command *cluster.Command) {
	t.Helper()
	if err := c.Propose(Proposal{ID: ProposalID{Proposer: 1, Epoch: 1, Sequence: sequence}, Command: command}); err != nil {
		t.Fatal(err)
	}
}

// settleCore runs a Core until it has nothing to do.
func settleCore(t *testing.T, c *Core) (all Output) {
	t.Helper()
	for c.Pending() {
		all.Messages = append(all.Messages, c.Begin()...)
		out, err := c.Finish()
		if err != nil {
			t.Fatal(err)
		}
		all.Messages, all.Applied, all.Reads = append(all.Messages, out.Messages...), append(all.Applied, out.Applied...), append(all.Reads, out.Reads...)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return all
}

// "Raft servers must persist new log entries before they are counted towards the entries' commitment" (Raft thesis, 3.8): a
// follower's acknowledgement does not leave before the log is written; a leader's entries do.
func TestAnswersWaitForTheLog(t *testing.T) {
	leader, _ := solo(t, nil)
	propose(t, leader, 2, &cluster.Command{Join: &cluster.Join{Member: memberOf(2, 1)}})
	out := settleCore(t, leader)
	followerLog := newMemLog()
	follower, err := NewCore(CoreConfig{Number: 2, Epoch: 1, Log: followerLog})
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(messages []*raftpb.Message) {
		for len(messages) > 0 {
			m := messages[0]
			messages = messages[1:]
			to := leader
			if m.GetTo() == 2 {
				to = follower
			}
			if err := to.Step(m); err != nil {
				t.Fatal(err)
			}
			messages = append(messages, settleCore(t, to).Messages...)
		}
	}
	exchange(out.Messages)
	for range 10 {
		leader.Tick()
		exchange(settleCore(t, leader).Messages)
	}
	if follower.Applied() != leader.Applied() || !slices.Equal(leader.Voters().GetLearners(), []uint64{2}) {
		t.Fatalf("the follower has applied %d of %d, members are %v", follower.Applied(), leader.Applied(), leader.Voters())
	}

	propose(t, leader, 3, setting("a", "1"))
	early := leader.Begin()
	if len(early) != 1 || early[0].GetType() != raftpb.MsgApp || len(early[0].GetEntries()) != 1 {
		t.Fatalf("before its own log is written the leader sends %v, want one entry", early)
	}
	if _, err := leader.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := follower.Step(early[0]); err != nil {
		t.Fatal(err)
	}
	before := followerLog.Last()
	if early := follower.Begin(); len(early) != 0 {
		t.Fatalf("before its log is written the follower sends %v", early)
	}
	got, err := follower.Finish()
	if err != nil || followerLog.Last() != before+1 || len(got.Messages) != 1 || got.Messages[0].GetType() != raftpb.MsgAppResp {
		t.Fatalf("the follower's log went from %d to %d, it sends %v, %v", before, followerLog.Last(), got.Messages, err)
	}
}

// A snapshot in the middle of a command that takes several entries carries those that have come: the others may not be
// committed until somebody has this very snapshot.
func TestSnapshotWithinACommand(t *testing.T) {
	c, log := solo(t, func(config *CoreConfig) { config.EntryBytes, config.MessageBytes, config.SnapshotEntries = 100, 10, 3 })
	propose(t, c, 2, setting("a", strings.Repeat("x", 1000)))
	within := 0
	for c.Pending() {
		c.Begin()
		if _, err := c.store.Snapshot(); !errors.Is(err, raft.ErrSnapshotTemporarilyUnavailable) {
			t.Fatalf("a snapshot in the middle of a step: %v", err)
		}
		if _, err := c.Finish(); err != nil {
			t.Fatal(err)
		}
		if c.staged.empty() {
			continue
		}
		within++
		s, err := c.store.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		other := &Core{}
		if err := other.restore(s); err != nil || !slices.Equal(other.staged.bytes, c.staged.bytes) || other.staged.next != c.staged.next || other.staged.id != c.staged.id {
			t.Fatalf("the snapshot at %d has %d parts of %d, %v", c.applied, other.staged.next, c.staged.next, err)
		}
		again, err := NewCore(CoreConfig{Number: 1, Epoch: 2, Log: &memLog{now: log.now, history: []contents{log.now}}})
		if err != nil {
			t.Fatal(err)
		}
		again.Campaign()
		settleCore(t, again)
		if got := len(again.State().Setting("test.a")); got != 1000 {
			t.Fatalf("after a crash at %d the setting has %d bytes", c.applied, got)
		}
	}
	if within == 0 {
		t.Fatal("the command came whole")
	}
	if got := len(c.State().Setting("test.a")); got != 1000 {
		t.Errorf("the setting has %d bytes", got)
	}
}

func TestRepeatedProposal(t *testing.T) {
	c, _ := solo(t, nil)
	command := &cluster.Command{Keyspace: &cluster.KeyspaceChange{}}
	command.Keyspace.Keyspace.Name = "orders"
	propose(t, c, 2, command)
	first := settleCore(t, c).Applied
	for _, since := range []uint64{0, 1} {
		again := Proposal{ID: first[0].ID, Since: since, Command: command}
		if err := c.Propose(again); err != nil {
			t.Fatal(err)
		}
		out := settleCore(t, c).Applied
		if len(out) != 1 || !out[0].Again || out[0].Outcome.Version != first[0].Outcome.Version || len(c.State().Keyspaces) != 1 {
			t.Errorf("proposed again: %+v, first %+v", out, first)
		}
	}
	for i := range keptOutcomes {
		propose(t, c, uint64(3+i), setting("n", fmt.Sprint(i)))
	}
	settleCore(t, c)
	version := c.State().Version
	if err := c.Propose(Proposal{ID: first[0].ID, Since: 1, Command: command}); err != nil {
		t.Fatal(err)
	}
	if out := settleCore(t, c).Applied; len(out) != 1 || !out[0].Forgotten || c.State().Version != version {
		t.Errorf("a repetition of what is forgotten: %+v", out)
	}
	if kept := len(c.memory.kept); kept != keptOutcomes || len(c.memory.at) != kept {
		t.Errorf("%d outcomes are kept, %d can be found", kept, len(c.memory.at))
	}
}

func TestProposeRefuses(t *testing.T) {
	c, log := solo(t, nil)
	last := log.Last()
	huge := &cluster.Command{Reroute: &cluster.Reroute{}}
	for range MaxCommand/100 + 1 {
		huge.Reroute.Rows = append(huge.Reroute.Rows, cluster.RowChange{Moves: []cluster.Move{{Kind: cluster.MovePromote, Reason: strings.Repeat("x", 120)}}})
	}
	if err := c.Propose(Proposal{Command: huge}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a huge command: %v", err)
	}
	settleCore(t, c)
	if log.Last() != last {
		t.Errorf("the log went from %d to %d", last, log.Last())
	}
	follower, err := NewCore(CoreConfig{Number: 9, Epoch: 1, Log: newMemLog()})
	if err != nil {
		t.Fatal(err)
	}
	if err := follower.Propose(Proposal{Command: setting("a", "1")}); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a command at a node that does not lead: %v", err)
	}
}

func TestStepRefuses(t *testing.T) {
	c, _ := solo(t, nil)
	for _, m := range []*raftpb.Message{
		{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(uint64(3))},
		{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(1)), To: new(uint64(1))},
		{Type: raftpb.MsgHeartbeat.Enum(), To: new(uint64(1))},
		{Type: raftpb.MsgHup.Enum(), From: new(uint64(2)), To: new(uint64(1))},
		{Type: raftpb.MsgStorageAppend.Enum(), From: new(uint64(raft.LocalAppendThread)), To: new(uint64(1))},
		{},
	} {
		if err := c.Step(m); err == nil {
			t.Errorf("%v was taken", m)
		}
	}
	if !c.Lead().Won {
		t.Error("it leads no longer")
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct {
		why    string
		config CoreConfig
	}{
		{"no number", CoreConfig{Epoch: 1, Log: newMemLog()}},
		{"a number that Raft keeps for itself", CoreConfig{Number: raft.LocalAppendThread, Epoch: 1, Log: newMemLog()}},
		{"no epoch", CoreConfig{Number: 1, Log: newMemLog()}},
		{"no log", CoreConfig{Number: 1, Epoch: 1}},
		{"elections within two heartbeats", CoreConfig{Number: 1, Epoch: 1, Log: newMemLog(), HeartbeatTicks: 5, ElectionTicks: 10}},
		{"entries beyond the limit", CoreConfig{Number: 1, Epoch: 1, Log: newMemLog(), EntryBytes: MaxEntry}},
	} {
		if _, err := NewCore(c.config); err == nil {
			t.Errorf("%s was taken", c.why)
		}
	}
}

// A leader that wants to change its group and cannot reach a quorum does not fill its log with the wish.
func TestOneChangeInFlight(t *testing.T) {
	c, log := solo(t, nil)
	if err := c.Propose(Proposal{Command: &cluster.Command{Join: &cluster.Join{Member: memberOf(2, 1)}}}); err != nil {
		t.Fatal(err)
	}
	settleCore(t, c)
	c.conf = c.node.ApplyConfChange(&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(2))}) // which shall not vote, and is silent
	c.Tick()
	settleCore(t, c)
	last := log.Last()
	for range 8 { // fewer than until it steps down
		c.Tick()
		settleCore(t, c)
	}
	if log.Last() != last {
		t.Errorf("the log went from %d to %d while nothing could be committed", last, log.Last())
	}
	if !c.tracker.changing {
		t.Error("it does not even try")
	}
}

// Who is sent a snapshot cannot lead soon; of whom nothing has been heard, nothing is known.
func TestWhoIsBehind(t *testing.T) {
	for _, c := range []struct {
		f    follower
		want bool
	}{
		{follower{}, false},
		{follower{inSnapshot: true}, true},
		{follower{match: 5000, inSnapshot: true}, true},
		{follower{match: 5000 - caughtUpLag}, false},
		{follower{match: 4999 - caughtUpLag}, true},
	} {
		if got := c.f.behind(5000); got != c.want {
			t.Errorf("%+v is behind: %v", c.f, got)
		}
	}
}
