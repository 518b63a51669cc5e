package replica

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// The primary's half: one progress for each other copy, and the commit that follows from them.
//
//	                 Ack                     ┌────────► fetching ──Missing──┐
//	probing ─────────────────────► streaming ┤◄─Fetched─┘                   ▼
//	   ▲ ▲──────Refuse, silence──────┘       └──memory has no log────► snapshot
//	   └──────────────────────────SnapshotEnded, Hello───────────────────┘  Ack: streaming

type phase uint8

const (
	probing   phase = iota // one message at a time, until the copy says where the logs agree
	streaming              // entries flow, as far as the window allows
	fetching               // the log is asked for entries that have left memory
	snapshot               // entries cannot help; the shell sends a snapshot
)

var phaseNames = [...]string{"probing", "streaming", "fetching", "snapshot"}

func (p phase) String() string { return phaseNames[p] }

// progress is what a primary knows of another copy.
type progress struct {
	id      shards.CopyID
	inSync  bool // the row says so
	pending bool // proposed for the in-sync set, and waited for already
	open    int  // proposals of it whose outcome is not known
	lost    string
	asked   int // tick of the last proposal about it

	phase    phase
	retain   shards.SeqNo // where the snapshot ends that is on its way there
	match    shards.SeqNo // durable there, acknowledged in this term
	next     shards.SeqNo // the first number not sent
	flight   []sent       // between the two
	bytes    int          // of flight
	resumed  shards.SeqNo // where the copy last said it ended, when entries were sent again from there
	told     shards.SeqNo // commit in the last message
	knows    shards.SeqNo // commit in its last acknowledgement
	answered bool         // has acknowledged anything in this term
	tried    int          // tick of the last message to it, or of the last progress
	pause    int          // ticks until the next try
	since    int          // tick at which it last owed nothing; at first that of its beginning
}

type sent struct {
	last  shards.SeqNo
	bytes int
}

// reign begins a reign: all copies are told where this log ends, and get what they lack.
func (c *Core) reign() {
	c.role, c.lead, c.paused, c.began = RolePrimary, c.row.Self, false, c.commit
	c.peers = nil
	if c.config.Bug&BugDropTail != 0 && c.log.last > c.commit {
		c.truncate(c.commit + 1)
	}
	c.inherited = c.log.last
	c.updatePeers()
}

// updatePeers makes the progresses follow the row.
func (c *Core) updatePeers() {
	old := c.peers
	c.peers = nil
	for _, peer := range c.row.Copies {
		if peer.ID == c.row.Self {
			continue
		}
		var p *progress
		if i := slices.IndexFunc(old, func(p *progress) bool { return p.id == peer.ID }); i >= 0 {
			p = old[i]
		} else {
			p = &progress{id: peer.ID, phase: streaming, next: c.log.last + 1, pause: c.config.ResendTicks, since: c.now, asked: c.now - c.config.RetryTicks}
			c.probe(p)
		}
		if p.inSync = peer.InSync; p.inSync {
			p.pending, p.open = false, 0
		}
		c.peers = append(c.peers, p)
	}
}

func (c *Core) peer(id shards.CopyID) *progress {
	for _, p := range c.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

// owes says that a copy lacks something, as far as is known.
func (c *Core) owes(p *progress) bool { return !p.answered || p.match < c.log.last }

// waitsFor says that nothing is committed that this copy lacks.
func (c *Core) waitsFor(p *progress) bool {
	if c.config.Bug&BugRemoveEarly != 0 && p.inSync && p.lost != "" {
		return false
	}
	return p.inSync || p.pending && c.config.Bug&BugAddUnawaited == 0
}

func (c *Core) enoughInSync() bool {
	n := 0
	for _, peer := range c.row.Copies {
		if peer.InSync {
			n++
		}
	}
	return n >= c.row.MinInSync || c.config.Bug&BugBelowMinInSync != 0
}

// advance commits what all have that the primary waits for.
func (c *Core) advance() {
	if c.role != RolePrimary || !c.enoughInSync() {
		return
	}
	low := c.persisted
	if c.config.Bug&BugSelfUnawaited != 0 {
		low = c.log.last
	}
	for _, p := range c.peers {
		if c.waitsFor(p) {
			low = min(low, p.match)
		}
	}
	if c.config.Bug&BugCommitBeyond != 0 && low >= c.commit && low+1 >= c.log.first() && low < c.log.last {
		low = c.log.entries[c.log.at(low+1)].Last
	}
	if low > c.commit {
		c.commit = low
		c.out.Commit = low
	}
}

// broadcast sends what is new to all who can take it.
func (c *Core) broadcast() {
	for _, p := range c.peers {
		c.feed(p)
	}
}

// feed sends entries to a streaming copy until its window is full.
func (c *Core) feed(p *progress) {
	for p.phase == streaming && p.next <= c.log.last && c.window(p) {
		if p.next < c.log.first() {
			c.fetch(p)
			return
		}
		i := c.log.at(p.next)
		size, entries := 0, []Entry(nil)
		for ; i < len(c.log.entries); i++ {
			e := &c.log.entries[i].Entry
			if len(entries) > 0 && (size+e.Size() > c.config.MessageBytes || len(p.flight)+len(entries) >= c.config.WindowEntries) {
				break
			}
			size += e.Size()
			entries = append(entries, *e)
		}
		c.ship(p, entries)
	}
}

func (c *Core) window(p *progress) bool {
	return len(p.flight) == 0 || len(p.flight) < c.config.WindowEntries && p.bytes < c.config.WindowBytes
}

// ship sends entries, the first of which begins at next.
func (c *Core) ship(p *progress, entries []Entry) {
	if len(p.flight) == 0 {
		p.tried = c.now
	}
	c.send(c.appendTo(p, KindAppend, entries))
	for i := range entries {
		size := entries[i].Size()
		p.flight = append(p.flight, sent{entries[i].Last, size})
		p.bytes += size
	}
	p.next = entries[len(entries)-1].Last + 1
}

// appendTo makes a message that builds upon what the copy has been sent.
func (c *Core) appendTo(p *progress, kind Kind, entries []Entry) Message {
	p.told = c.commit
	h := c.hashes.last()
	return Message{
		Kind: kind, To: p.id, Prev: Position{c.log.termAt(p.next - 1), p.next - 1}, Last: c.log.end(),
		Commit: c.commit, Checked: h.seq, Rolling: h.rolling, Entries: entries,
	}
}

// probe asks a copy whether it agrees up to before next.
func (c *Core) probe(p *progress) {
	p.flight, p.bytes, p.tried = nil, 0, c.now
	c.send(c.appendTo(p, KindSync, nil))
}

// fetch asks the shell for entries that are in the log only.
func (c *Core) fetch(p *progress) {
	if c.config.Memory || p.next <= c.log.base.Seq || c.log.termAt(p.next) == 0 { // 0: of a life before the cluster
		c.giveUp(p)
		return
	}
	p.phase = fetching
	c.out.Fetch = append(c.out.Fetch, Fetch{To: p.id, From: p.next, Through: c.log.first() - 1, Bytes: c.config.MessageBytes})
}

// Fetched brings entries that Fetch asked for: as the log has them, the first beginning at From.
func (c *Core) Fetched(to shards.CopyID, entries []Entry) {
	p := c.peer(to)
	if p == nil || p.phase != fetching {
		return
	}
	if len(entries) == 0 || entries[0].First != p.next {
		p.phase = streaming // the copy has acknowledged more meanwhile: from there on
		c.feed(p)
		return
	}
	for i := range entries {
		if e := &entries[i]; e.Last > c.log.last || c.log.termAt(e.Last) != e.Term {
			panic(fmt.Sprintf("replica: shard %v: the log has %d..%d of term %d, where term %d belongs", c.config.Shard, e.First, e.Last, e.Term, c.log.termAt(e.Last)))
		}
	}
	entries = entries[:min(len(entries), MaxEntries)]
	if large := slices.IndexFunc(entries, func(e Entry) bool { return len(e.Payload) > MaxPayload }); large >= 0 {
		if entries = entries[:large]; large == 0 {
			c.giveUp(p) // an older log has entries that no message takes
			return
		}
	}
	p.phase = streaming
	c.ship(p, entries)
	c.feed(p)
}

// Missing says that the log has no entry that begins at Fetch.From any more.
func (c *Core) Missing(to shards.CopyID) {
	if p := c.peer(to); p != nil && p.phase == fetching {
		c.giveUp(p)
	}
}

// giveUp has a copy brought back by a snapshot. One in sync has to leave the set first: what it holds may be needed.
func (c *Core) giveUp(p *progress) {
	p.phase, p.flight, p.bytes = snapshot, nil, 0
	if p.inSync || p.pending {
		p.lost = "its log cannot be joined to the primary's"
		return
	}
	c.out.Snapshots = append(c.out.Snapshots, p.id)
}

// Retain says that a snapshot that ends at seq is on its way to a copy: what follows is kept for it, if it is not too much.
func (c *Core) Retain(to shards.CopyID, seq shards.SeqNo) {
	if p := c.peer(to); p != nil {
		p.retain = seq
	}
}

// Retained is the number after which some copy that is catching up may still ask for entries: a log that is longer than that
// need not be kept, one that is shorter leads to another snapshot.
func (c *Core) Retained() shards.SeqNo {
	low := c.log.last
	for _, p := range c.peers {
		if at := max(p.match, p.retain); at > 0 {
			low = min(low, at)
		}
	}
	return low
}

// SnapshotEnded says that a copy has its snapshot, or did not get it: the primary asks it what it has.
func (c *Core) SnapshotEnded(to shards.CopyID, there bool) {
	p := c.peer(to)
	if p == nil || p.phase != snapshot {
		return
	}
	p.phase, p.tried = probing, c.now
	if !there {
		p.retain = 0
		return
	}
	p.next = max(p.retain, p.match) + 1
	c.probe(p)
}

// Refused says that a proposed change of a copy was refused for good by the metadata group. Of a proposal whose outcome is
// not known nothing is said: it may still be carried out.
func (c *Core) Refused(change Change) {
	p := c.peer(change.Copy)
	if p == nil || !change.Add || !p.pending {
		return
	}
	if p.open--; p.open == 0 {
		p.pending = false
		c.advance()
		c.forgive(p)
	}
}

// forgive begins anew with a copy that was found to lack something while it was proposed: it will not be in sync, so that it owes
// nothing, and nothing keeps it from catching up.
func (c *Core) forgive(p *progress) {
	if p.lost == "" || p.inSync {
		return
	}
	p.lost = ""
	if p.phase == snapshot {
		c.giveUp(p)
		return
	}
	p.match, p.knows, p.answered = 0, 0, false
	c.again(p)
}

// stepAnswer takes what another copy says to the primary.
func (c *Core) stepAnswer(m *Message) {
	c.learn(m.Term)
	p := c.peer(m.From)
	if c.role != RolePrimary || p == nil {
		return
	}
	if m.Term < c.term {
		switch {
		case m.Kind == KindAck && c.config.Bug&BugStaleAck != 0:
		case m.Kind == KindHello:
			p.pause = c.config.ResendTicks
			c.probe(p)
			return
		default:
			return
		}
	}
	p.pause = c.config.ResendTicks
	switch m.Kind {
	case KindAck:
		p.knows = max(p.knows, m.Commit)
		c.acked(p, m.Last.Seq)
	case KindRefuse:
		c.refused(p, m)
	case KindHello:
		c.greeted(p, m)
	}
}

func (c *Core) acked(p *progress, seq shards.SeqNo) {
	if seq > c.log.last && (p.inSync || p.pending) {
		panic(fmt.Sprintf("replica: shard %v: copy %d acknowledges %d, the log ends at %d", c.config.Shard, p.id, seq, c.log.last))
	}
	if seq > c.log.last {
		c.giveUp(p) // what it holds is of a past that an operator has given up
		return
	}
	p.answered = true
	if seq > p.match {
		p.match, p.tried = seq, c.now
	}
	n := 0
	for n < len(p.flight) && p.flight[n].last <= p.match {
		p.bytes -= p.flight[n].bytes
		n++
	}
	p.flight = slices.Delete(p.flight, 0, n)
	switch {
	case p.phase == probing && seq >= p.next-1, p.phase == snapshot && c.within(p.match+1):
		p.phase = streaming
	}
	p.next = max(p.next, p.match+1)
	if !c.owes(p) {
		p.since = c.now
	}
	c.feed(p)
	c.consider(p)
	c.advance()
}

// within says that entries from this number on may be had without a snapshot.
func (c *Core) within(seq shards.SeqNo) bool {
	return seq >= c.log.first() || !c.config.Memory && seq > c.log.base.Seq
}

func (c *Core) refused(p *progress, m *Message) {
	switch {
	case p.phase == snapshot || p.phase == fetching:
	case m.Reset:
		c.giveUp(p)
	case m.Last.Seq < p.match || p.phase == probing && m.Prev.Seq != p.next-1:
		// an answer to something older
	case p.phase == streaming && p.resumed == m.Last.Seq && m.Prev.Seq > p.resumed && len(p.flight) > 0:
		// it speaks of one more message from before the entries that have gone out again
	default:
		c.meet(p, m)
	}
}

// meet looks for the place up to which a copy's log, as it has just described it, may be the primary's, and asks it.
func (c *Core) meet(p *progress, m *Message) {
	at := c.log.lastWith(m.Last)
	if m.Last.Term == 0 && m.Last.Seq <= m.Commit {
		at = min(m.Last.Seq, c.log.last) // committed: the term is of no matter
	}
	if at < m.Commit || m.Last.Seq < c.log.base.Seq || !c.within(at+1) {
		c.giveUp(p)
		return
	}
	p.next = max(at, p.match) + 1
	if at != m.Last.Seq || c.log.termAt(at) != m.Last.Term || p.next > c.log.last || !c.within(p.next) {
		p.phase = probing
		c.probe(p)
		return
	}
	p.phase, p.flight, p.bytes, p.resumed = streaming, nil, 0, at
	c.feed(p)
}

// greeted takes a copy's word that it has begun to listen, perhaps in another life.
func (c *Core) greeted(p *progress, m *Message) {
	if m.Last.Seq < p.match {
		if p.inSync || p.pending {
			p.lost = "it has lost what it had acknowledged"
			return
		}
		p.match, p.knows, p.answered = 0, 0, false
	}
	p.since = c.now
	c.meet(p, m)
}

// Reached says that a copy can be reached again, after it could not: what it has not answered goes out at once.
func (c *Core) Reached(id shards.CopyID) {
	if id == c.lead {
		c.greet()
	}
	p := c.peer(id)
	if c.role != RolePrimary || p == nil {
		return
	}
	p.pause = c.config.ResendTicks
	if (p.phase == probing || p.phase == streaming) && (c.owes(p) || p.knows < c.commit) {
		c.again(p)
	}
}

// again begins anew where a copy is known to be.
func (c *Core) again(p *progress) {
	p.phase = probing
	if p.answered {
		p.next = p.match + 1
	}
	c.probe(p)
}
