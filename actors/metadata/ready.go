package metadata

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/shards"
)

// Pending says whether there is something to Begin.
func (c *Core) Pending() bool { return c.ready == nil && c.node.HasReady() }

// Begin starts a step and gives the messages that may be sent before the log is written: a leader's, whose followers write at
// the same time as it does itself. Finish must follow, and nothing between.
func (c *Core) Begin() []*raftpb.Message {
	c.idle()
	ready := c.node.Ready()
	c.ready = &ready
	var early []*raftpb.Message
	if c.node.BasicStatus().RaftState == raft.StateLeader {
		for _, m := range ready.Messages {
			if !answers(m.GetType()) {
				early = append(early, m)
			}
		}
	}
	c.early = len(early)
	return early
}

// answers says whether a message promises something that must be durable first.
func answers(t raftpb.MessageType) bool {
	return t == raftpb.MsgAppResp || t == raftpb.MsgVoteResp || t == raftpb.MsgPreVoteResp
}

// Finish writes the log, applies what is committed, and gives all that came of it. After an error nobody knows what the log
// holds: this Core must not be used again.
func (c *Core) Finish() (Output, error) {
	ready := c.ready
	if ready == nil {
		panic("metadata: Finish without Begin")
	}
	if err := c.write(ready); err != nil {
		return Output{}, fmt.Errorf("metadata: write the log: %w", err)
	}
	c.collect(ready)
	if !raft.IsEmptySnap(ready.Snapshot) {
		if err := c.install(ready.Snapshot); err != nil {
			return Output{}, err
		}
	}
	for _, e := range ready.CommittedEntries {
		if err := c.apply(e); err != nil {
			return Output{}, err
		}
	}
	c.follow(ready)
	c.node.Advance(*ready)
	c.ready = nil
	if err := c.compact(); err != nil {
		return Output{}, fmt.Errorf("metadata: shorten the log: %w", err)
	}
	c.release(ready)
	if c.out.Changed {
		c.reconcile()
	}
	out := c.out
	c.out = Output{}
	return out, nil
}

// write makes durable what Raft asks for.
func (c *Core) write(ready *raft.Ready) error {
	batch := Batch{Entries: ready.Entries, Sync: ready.MustSync}
	if !raft.IsEmptyHardState(ready.HardState) {
		batch.HardState = ready.HardState
		c.assertTerm(ready.HardState)
	}
	if !raft.IsEmptySnap(ready.Snapshot) {
		batch.Snapshot, batch.Sync = ready.Snapshot, true
	}
	if batch.HardState == nil && batch.Snapshot == nil && len(batch.Entries) == 0 {
		return nil
	}
	if err := c.config.Log.Save(batch); err != nil {
		return err
	}
	if batch.HardState != nil {
		c.hard = batch.HardState
	}
	return nil
}

// assertTerm is invariant 4.
func (c *Core) assertTerm(next *raftpb.HardState) {
	was := c.hard
	if next.GetTerm() < was.GetTerm() || next.GetCommit() < was.GetCommit() {
		panic(fmt.Sprintf("metadata: the hard state falls from %v to %v", was, next))
	}
	if next.GetTerm() == was.GetTerm() && was.GetVote() != 0 && next.GetVote() != was.GetVote() {
		panic(fmt.Sprintf("metadata: a second vote in term %d, for %x after %x", next.GetTerm(), next.GetVote(), was.GetVote()))
	}
}

// collect hands out the messages that Begin did not, and looks at invariant 2.
func (c *Core) collect(ready *raft.Ready) {
	handed := c.early > 0
	for _, m := range ready.Messages {
		if answers(m.GetType()) {
			c.assertDurable(m)
		} else if handed {
			continue
		}
		c.out.Messages = append(c.out.Messages, c.hint(m))
	}
}

// assertDurable is invariant 2 for one answer.
func (c *Core) assertDurable(m *raftpb.Message) {
	durable := c.hard
	switch {
	case m.GetReject() || m.GetType() == raftpb.MsgPreVoteResp: // promises nothing
	case m.GetTerm() > durable.GetTerm():
		panic(fmt.Sprintf("metadata: %v of term %d, and the log knows term %d", m.GetType(), m.GetTerm(), durable.GetTerm()))
	case m.GetType() == raftpb.MsgVoteResp && m.GetTerm() == durable.GetTerm() && durable.GetVote() != m.GetTo():
		panic(fmt.Sprintf("metadata: a vote for %x that the log does not know", m.GetTo()))
	case m.GetType() == raftpb.MsgAppResp && m.GetIndex() > c.config.Log.Last():
		panic(fmt.Sprintf("metadata: entry %d is acknowledged, and the log ends at %d", m.GetIndex(), c.config.Log.Last()))
	}
}

// follow takes over who leads.
func (c *Core) follow(ready *raft.Ready) {
	status := c.node.BasicStatus()
	now := Lead{Number: status.Lead, Term: status.GetTerm()}
	if now.Number == c.config.Number {
		now.Won = c.appliedIn == now.Term || c.lead.Won && c.lead.Term == now.Term
	}
	if now != c.lead {
		if now.Number != c.config.Number || now.Term != c.lead.Term {
			c.tracker = newTracker()
		}
		c.lead, c.out.Lead = now, true
	}
}

// release gives the reads that are confirmed and whose index is applied.
func (c *Core) release(ready *raft.Ready) {
	for _, s := range ready.ReadStates {
		if round, ours := roundOf(s.RequestCtx, c.config.Number, c.config.Epoch); ours {
			c.waiting = append(c.waiting, Read{Round: round, Index: s.Index})
		}
	}
	rest := c.waiting[:0]
	for _, r := range c.waiting {
		if r.Index <= c.applied {
			c.out.Reads = append(c.out.Reads, r)
		} else {
			rest = append(rest, r)
		}
	}
	c.waiting = rest
}

// roundName is what Raft calls a round of ReadIndex: an answer to another node, or to an earlier life, has another name.
func roundName(number uint64, epoch shards.Epoch, round uint64) []byte {
	name := binary.BigEndian.AppendUint64(make([]byte, 0, 24), number)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(name, uint64(epoch)), round)
}

func roundOf(name []byte, number uint64, epoch shards.Epoch) (round uint64, ours bool) {
	if len(name) != 24 || binary.BigEndian.Uint64(name) != number || binary.BigEndian.Uint64(name[8:]) != uint64(epoch) {
		return 0, false
	}
	return binary.BigEndian.Uint64(name[16:]), true
}
