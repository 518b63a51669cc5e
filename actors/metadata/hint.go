package metadata

import (
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// A group can be caught between two configurations. Entry 272 ends a joint one and leaves node 4 as the only voter; all but
// node 4 have heard that it is committed:
//
//	node 4   … 271 272          committed 271: still joint, so it needs node 1's vote
//	node 1   … 271 272 273      committed 272: no voter any more, so it may not stand; and its log is the longer one,
//	                            so it refuses
//
// It comes to this if node 4, leading, sends 273 while it writes it, and crashes. Raft has no way out, for ever. But that an
// entry is committed is true whoever says so: who refuses a vote says up to where it knows that, and a candidate whose log
// has the same entry there takes it for committed. Then node 4 is alone, and elects itself.

// hint writes into a refusal, in fields that Raft leaves empty there, how far this node knows the log to be committed.
func (c *Core) hint(m *raftpb.Message) *raftpb.Message {
	if !refusesVote(m) {
		return m
	}
	commit := c.node.BasicStatus().GetCommit()
	term, err := c.config.Log.Term(commit)
	if err != nil {
		return m
	}
	m = proto.Clone(m).(*raftpb.Message)
	m.Commit, m.LogTerm = new(commit), new(term)
	return m
}

func refusesVote(m *raftpb.Message) bool {
	return m.GetReject() && (m.GetType() == raftpb.MsgPreVoteResp || m.GetType() == raftpb.MsgVoteResp)
}

// learn takes such a hint. Raft believes only a leader, so it is told as one would, in the present term, and forgets at once
// who said it.
func (c *Core) learn(m *raftpb.Message) {
	status := c.node.BasicStatus()
	if !refusesVote(m) || m.GetCommit() <= status.GetCommit() || m.GetCommit() > c.config.Log.Last() || status.Lead != 0 {
		return
	}
	if term, err := c.config.Log.Term(m.GetCommit()); err != nil || term != m.GetLogTerm() {
		return
	}
	told := &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: m.From, To: new(c.config.Number), Term: new(status.GetTerm()), Commit: m.Commit,
	}
	if err := c.node.Step(told); err != nil {
		c.config.Logf("learn that %d is committed: %v", m.GetCommit(), err)
	}
	if err := c.node.ForgetLeader(); err != nil {
		c.config.Logf("forget who said so: %v", err)
	}
}
