package metadata

import (
	"cmp"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards/wire"
)

// progress counts what was applied since the last snapshot.
type progress struct {
	entries uint64
	bytes   int
}

// due says whether it is time for the next snapshot. One is written whole, with all modules of policies: where it is large it
// comes only after so much has been applied that writing it doubles and triples nothing, though not after so many entries
// that reading them at a start takes long.
func (p progress) due(c *CoreConfig, snapshot int) bool {
	if p.bytes >= c.SnapshotBytes {
		return true
	}
	return p.entries >= c.SnapshotEntries && (p.bytes >= snapshot/4 || p.entries >= patience*c.SnapshotEntries)
}

const patience = 16

// Propose puts a command into the log of a group that this node leads; what becomes of it is seen in Output.Applied, on
// every member. A command that is proposed again under the same id is applied once. Errors are ErrNotLeader, ErrBusy (try
// again), ErrTooLarge and those about the command itself; with any of them it is not in the log. Without one it may still be lost, if this node loses its lead.
func (c *Core) Propose(p Proposal) error {
	c.idle()
	if c.lead.Number != c.config.Number {
		return ErrNotLeader
	}
	if err := c.state.Readable(p.Command); err != nil {
		return fmt.Errorf("metadata: the command cannot be proposed: %w", err)
	}
	if c.mayMeetOlder(p.Command) {
		return ErrBusy
	}
	if err := cmp.Or(c.mayForget(p.Command), c.mayComeBack(p.Command)); err != nil {
		return err
	}
	encoded := p.Command.Encode()
	if len(encoded) > MaxCommand {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(encoded), MaxCommand)
	}
	if _, err := cluster.DecodeCommand(encoded); err != nil { // in the log it would end every member
		return fmt.Errorf("metadata: the command cannot be proposed: %w", err)
	}
	parts := cut(p.ID, p.Since, encoded, c.config.EntryBytes)
	m := &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(c.config.Number)}
	for i := range parts {
		m.Entries = append(m.Entries, &raftpb.Entry{Data: parts[i].encode()})
	}
	if err := c.node.Step(m); err == nil {
		c.tracker.enters(p.ID, p.Command, c.state)
		return nil
	}
	if c.node.BasicStatus().RaftState != raft.StateLeader {
		return ErrNotLeader
	}
	return ErrBusy
}

// mayMeetOlder says whether a command may come to lie in the log behind the join of a member that cannot read it, and that the state does not show
// yet. What lies before a join a new member never sees: it is given a snapshot of the join, or of later.
func (c *Core) mayMeetOlder(command *cluster.Command) bool {
	format := command.Format()
	if format > 1 && !c.lead.Won { // the log may hold such a join of a leader before
		return true
	}
	for _, reads := range c.tracker.joining {
		if reads < format {
			return true
		}
	}
	return false
}

// Outcome is what became of a command, if it was applied and the group still remembers.
func (c *Core) Outcome(id ProposalID) (Applied, bool) {
	if r := c.memory.find(id); r != nil {
		return Applied{ID: r.id, Index: r.index, Outcome: r.outcome}, true
	}
	return Applied{}, false
}

// apply carries out one committed entry. What it cannot read was written by a newer release, or not by ours: going on without
// it would make this node's state another one than everybody else's.
func (c *Core) apply(e *raftpb.Entry) error {
	if e.GetIndex() != c.applied+1 {
		panic(fmt.Sprintf("metadata: entry %d is to be applied after %d", e.GetIndex(), c.applied))
	}
	switch e.GetType() {
	case raftpb.EntryNormal:
		if len(e.GetData()) > 0 {
			if err := c.applyNormal(e); err != nil {
				return fmt.Errorf("metadata: entry %d of the group's log cannot be read: it was written by a newer release, which this node must run to go on, or is damaged: %w", e.GetIndex(), err)
			}
		} else { // a leader begins its term with an empty one, and puts one in place of a change that Raft refused
			c.tracker.changing = false
		}
	case raftpb.EntryConfChange:
		change := &raftpb.ConfChange{}
		c.mustParse(e, change)
		c.conf, c.tracker.changing = c.node.ApplyConfChange(change), false
	case raftpb.EntryConfChangeV2:
		change := &raftpb.ConfChangeV2{}
		c.mustParse(e, change)
		c.conf, c.tracker.changing = c.node.ApplyConfChange(change), false
	default:
		panic(fmt.Sprintf("metadata: entry %d is of unknown type %v", e.GetIndex(), e.GetType()))
	}
	c.applied, c.appliedIn = e.GetIndex(), e.GetTerm()
	c.since.entries++
	c.since.bytes += len(e.GetData())
	c.digests.roll(e.GetIndex(), e.GetData(), c.state.Version)
	return nil
}

func (c *Core) mustParse(e *raftpb.Entry, into proto.Message) {
	if err := proto.Unmarshal(e.GetData(), into); err != nil {
		panic(fmt.Sprintf("metadata: entry %d, %v: %v", e.GetIndex(), e.GetType(), err))
	}
}

func (c *Core) applyNormal(raw *raftpb.Entry) error {
	e, err := decodeEntry(raw.GetData())
	if err != nil {
		return err
	}
	encoded, whole := c.staged.add(&e)
	if !whole {
		return nil
	}
	command, err := cluster.DecodeCommand(encoded)
	if err != nil {
		return err
	}
	c.out.Applied = append(c.out.Applied, c.applyCommand(raw.GetIndex(), &e, command))
	return nil
}

// applyCommand applies a command once, however often it was proposed.
func (c *Core) applyCommand(index uint64, e *entry, command *cluster.Command) Applied {
	delete(c.tracker.joining, e.id)
	delete(c.tracker.forgetting, e.id)
	asked := e.id.Sequence != 0
	if asked {
		if r := c.memory.find(e.id); r != nil {
			return Applied{ID: e.id, Index: index, Outcome: r.outcome, Again: true}
		}
		if e.since != 0 && c.memory.floor > e.since {
			return Applied{ID: e.id, Index: index, Forgotten: true}
		}
	}
	next, outcome := c.state.Apply(command)
	if next != c.state {
		c.state, c.out.Changed = next, true
	}
	if asked {
		c.memory.add(remembered{id: e.id, index: index, outcome: outcome})
	}
	return Applied{ID: e.id, Index: index, Outcome: outcome}
}

// memento is all that a snapshot holds beside what Raft keeps of it.
//
//	[ 1, state, hash, floor, [ [proposer, epoch, sequence, index, outcome] … ], proposer, epoch, sequence, next, bytes ]
//	                   └──────────────── memory ───────────────────────────┘  └───────────── staged ─────────────────┘
//
// in msgpack; package cluster encodes state and outcomes. The parts of a command that have come so far belong to it: the rest
// may not be committed before a member has this very snapshot.
type memento struct {
	state  *cluster.State
	hash   uint64
	memory memory
	staged staging
}

const (
	mementoFormat = 1
	mementoFields = 10
)

func (m *memento) snapshot(index, term uint64, conf *raftpb.ConfState) *raftpb.Snapshot {
	state := m.state.Encode()
	w := wire.NewEncoder(make([]byte, 0, len(state)+len(m.staged.bytes)+64*len(m.memory.kept)+1024))
	w.Array(mementoFields)
	w.Uint(mementoFormat)
	w.Bytes(state)
	w.Uint(m.hash)
	m.memory.encode(&w)
	m.staged.encode(&w)
	return &raftpb.Snapshot{Data: w.Buffer(), Metadata: &raftpb.SnapshotMetadata{
		Index: new(index), Term: new(term), ConfState: proto.Clone(conf).(*raftpb.ConfState),
	}}
}

func decodeMemento(data []byte) (m memento, err error) {
	r := wire.NewDecoder(data)
	fields, format := r.Array(), uint64(0)
	if fields > 0 {
		format = r.Uint()
	}
	if r.Err() == nil && (format != mementoFormat || fields != mementoFields) {
		return m, fmt.Errorf("a snapshot of format %d, this release reads %d: run the release that the others run", format, mementoFormat)
	}
	encoded := r.Bytes()
	m.hash = r.Uint()
	m.memory, m.staged = decodeMemory(&r), decodeStaging(&r)
	if err := r.Finish(); err != nil {
		return m, err
	}
	m.state, err = cluster.DecodeState(encoded)
	return m, err
}

// snapshot is what this node has applied, as of now.
func (c *Core) snapshot() *raftpb.Snapshot {
	m := memento{state: c.state, hash: c.digests.last.Hash, memory: c.memory, staged: c.staged}
	s := m.snapshot(c.applied, c.appliedIn, c.conf)
	c.snapshotSize = len(s.GetData())
	return s
}

// restore makes the snapshot the state.
func (c *Core) restore(s *raftpb.Snapshot) error {
	m, err := decodeMemento(s.GetData())
	if err != nil {
		return fmt.Errorf("metadata: read the snapshot at %d: %w", s.GetMetadata().GetIndex(), err)
	}
	c.state, c.memory, c.staged = m.state, m.memory, m.staged
	c.applied, c.appliedIn = s.GetMetadata().GetIndex(), s.GetMetadata().GetTerm()
	c.conf = proto.Clone(s.GetMetadata().GetConfState()).(*raftpb.ConfState)
	c.digests = digests{last: Digest{Index: c.applied}}
	c.digests.reach(Digest{Index: c.applied, Hash: m.hash})
	c.since, c.snapshotSize = progress{}, len(s.GetData())
	return nil
}

// install takes a snapshot of the leader's, which is in the log by now.
func (c *Core) install(s *raftpb.Snapshot) error {
	if err := c.restore(s); err != nil {
		return err
	}
	c.out.Changed, c.out.Restored = true, true
	return nil
}

// compact takes a snapshot and shortens the log, once enough has been applied. Followers that are a little behind are still
// served from the log: as many entries as make a snapshot stay.
func (c *Core) compact() error {
	if !c.since.due(&c.config, c.snapshotSize) {
		return nil
	}
	first := c.applied + 1
	if keep := min(c.since.entries, c.config.SnapshotEntries); c.since.bytes < c.config.SnapshotBytes {
		first = max(c.config.Log.First(), c.applied+1-min(keep, c.applied))
	}
	if err := c.config.Log.Compact(c.snapshot(), first); err != nil {
		return err
	}
	c.since = progress{}
	return nil
}
