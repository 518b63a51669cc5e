package replica

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// The replica's half: entries come in, acknowledgements go out.

// greet tells the primary that this copy is there, so that it need not wait for its next try.
func (c *Core) greet() {
	if c.role == RoleReplica && c.lead != 0 {
		c.send(Message{Kind: KindHello, To: c.lead, Last: c.log.end(), Commit: c.commit})
	}
}

func (c *Core) stepAppend(m *Message) {
	if m.Term < c.term && c.config.Bug&BugNoTermCheck == 0 {
		c.send(c.tooLate(m))
		return
	}
	c.learn(m.Term)
	if c.role == RolePrimary && m.Term == c.term {
		panic(fmt.Sprintf("replica: shard %v: copies %d and %d are primary in term %d", c.config.Shard, c.row.Self, m.From, c.term))
	}
	if c.role == RolePrimary || c.lead != 0 && c.lead != m.From && c.config.Bug&BugNoTermCheck == 0 {
		return
	}
	c.role, c.lead = RoleReplica, m.From
	if !adjoin(m) {
		return
	}
	if m.Last.Seq < c.entered {
		// What was committed before this reign is in its log, unless all in-sync copies died and their keyspace does not
		// fsync: what is here then never happened, however well the rest would fit.
		c.refuse(m, true)
		return
	}
	if !c.dropBeyond(m) || !c.take(m) {
		return
	}
	c.promised = max(c.promised, m.Commit)
	c.keepUp()
	if m.Checked != 0 {
		c.compare(c.hashes.claimed(m.Checked, m.Rolling))
	}
	if m.Kind == KindSync || len(m.Entries) > 0 && c.durable() >= c.matched {
		c.acknowledge()
	}
}

// tooLate answers a message of a reign that is over.
func (c *Core) tooLate(m *Message) Message {
	if n := len(m.Entries); n > 0 && c.config.Bug&BugUnfenced != 0 {
		return Message{Kind: KindAck, To: m.From, Last: m.Entries[n-1].End(), Term: m.Term}
	}
	return Message{Kind: KindRefuse, To: m.From, Prev: m.Prev, Last: c.log.end(), Commit: c.commit}
}

// adjoin says that the entries of a message follow each other, and Prev.
func adjoin(m *Message) bool {
	prev := m.Prev
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.First != prev.Seq+1 || e.Last < e.First || e.Term < prev.Term || e.Term > m.Term || e.Term == 0 {
			return false
		}
		prev = e.End()
	}
	return true
}

// dropBeyond drops what no log of the primary's reign can hold: entries of terms between that of the primary's last and its
// own, and entries of its last's term behind that. It says whether the message is of use after that.
func (c *Core) dropBeyond(m *Message) bool {
	if c.commit > m.Last.Seq && c.log.termAt(c.commit) < m.Term {
		c.refuse(m, true) // an operator has accepted a loss: what is committed here is not there
		return false
	}
	if m.Last.Term == 0 && m.Last.Seq != 0 {
		return true // its end is a snapshot of unknown term: what does not fit will show when entries come
	}
	from := shards.SeqNo(0)
	for _, r := range c.log.runs {
		if r.Term > m.Last.Term && r.Term < m.Term {
			from = r.Seq
			break
		}
	}
	same := m.Last.Seq < c.log.last && m.Last.Term < m.Term && c.log.termAt(m.Last.Seq) == m.Last.Term && m.Last.Term != 0
	if same && (from == 0 || m.Last.Seq+1 < from) {
		from = m.Last.Seq + 1
	}
	if from == 0 {
		return true
	}
	if next := c.log.termAt(from); next >= m.Term {
		return true // the primary has gone on since it sent this
	}
	if from <= c.commit {
		c.refuse(m, true)
		return false
	}
	c.truncate(from)
	return true
}

// take appends the entries that are new, and says whether all of the message is here now; if not it has been answered.
func (c *Core) take(m *Message) bool {
	fits, hopeless := c.fits(m.Prev)
	if !fits && c.config.Bug&BugNoMatch == 0 {
		c.refuse(m, hopeless)
		return false
	}
	matched := min(m.Prev.Seq, c.log.last)
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Last <= c.log.last && (c.log.has(e.End(), e.Last <= c.commit) || c.config.Bug&BugKeepTail != 0) {
			matched = e.Last
			continue
		}
		if e.First <= c.log.last {
			if e.First <= c.commit {
				c.refuse(m, true)
				return false
			}
			c.truncate(e.First)
		}
		if e.First != c.log.last+1 {
			return false // only a bug leads here: see BugNoMatch
		}
		c.log.append(*e, c.now)
		c.store(*e)
		matched = e.Last
	}
	c.joined, c.matched = true, max(c.matched, matched)
	return true
}

// has says that the log holds this position. What is committed may have lost its term.
func (t *tail) has(p Position, committed bool) bool {
	term := t.termAt(p.Seq)
	return term == p.Term || committed && term == 0
}

// fits says that the log holds what an append builds upon; hopeless, that it never will.
func (c *Core) fits(prev Position) (fits, hopeless bool) {
	if prev.Seq > c.log.last {
		return false, false
	}
	term := c.log.termAt(prev.Seq)
	if prev.Seq <= c.commit {
		differs := term != 0 && prev.Term != 0 && term != prev.Term
		return !differs, differs
	}
	return term == prev.Term && term != 0, false
}

// refuse answers an append with a place from where it could work: the last one here that could be the primary's as well.
func (c *Core) refuse(m *Message, reset bool) {
	seq := c.log.lastWith(Position{m.Prev.Term, m.Prev.Seq})
	if seq == m.Prev.Seq && seq > c.commit {
		seq = c.commit // its term is not known there, or it would have fitted
	}
	seq = max(seq, c.commit)
	c.send(Message{
		Kind: KindRefuse, To: m.From, Prev: m.Prev, Last: Position{c.log.termAt(seq), seq}, Commit: c.commit, Reset: reset,
	})
}

// durable is how far this copy can vouch for its log.
func (c *Core) durable() shards.SeqNo {
	if c.config.Bug&BugAckEarly != 0 {
		return c.log.last
	}
	return c.persisted
}

// acknowledge tells the primary up to where this copy is sure to have what the primary has.
func (c *Core) acknowledge() {
	if !c.joined || c.lead == 0 || c.lead == c.row.Self {
		return
	}
	seq := min(c.durable(), c.matched)
	if c.vouchedIn != c.term {
		c.vouched, c.vouchedIn = 0, c.term
	}
	c.vouched = max(c.vouched, seq)
	c.send(Message{Kind: KindAck, To: c.lead, Last: Position{c.log.termAt(seq), seq}, Commit: c.commit})
}

// keepUp commits what the primary has committed and this copy has.
func (c *Core) keepUp() {
	if next := min(c.promised, c.matched, c.durable()); next > c.commit {
		c.commit = next
		c.out.Commit = next
	}
}
