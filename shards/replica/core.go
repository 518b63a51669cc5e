package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// Core is one copy's side of the protocol. One goroutine at a time uses it. Messages that make no sense are ignored; a
// panic means that an invariant is broken.
//
// Invariants, run by Check:
//
//  1. base <= applied <= commit <= last, and persisted <= last. Only what is committed is applied, and nothing is undone.
//  2. The tail's own invariants hold (see tail).
//  3. No entry has a term above the copy's.
//  4. A primary's progress for each peer: match < next <= last+1, and match <= last.
//  5. What a primary has committed in its reign is persisted here and matched by every copy that it waits for.
//  6. A replica has verified no more than it has, and commits no more than it has verified and persisted.
//  7. A primary adds no copy to the in-sync set that lacks anything of the log with which it began its reign: all of it may
//     have been acknowledged by the primary before, whatever of it this one knows to be committed.
//  8. Unfinished writes ascend in number, and none claims more than the log's end.
type Core struct {
	config Config
	row    Assignment
	role   Role
	term   shards.Term
	lead   shards.CopyID // the primary of term, if known
	now    int           // ticks

	log       tail
	commit    shards.SeqNo
	entered   shards.SeqNo // the commit when this copy entered its term
	applied   shards.SeqNo
	persisted shards.SeqNo
	writes    []write // asked for and not reported yet
	written   uint64  // number of the last one
	hashes    hashes

	peers     []*progress  // primary: the other copies, by id
	began     shards.SeqNo // primary: the commit at the start of the reign
	inherited shards.SeqNo // primary: the end of the log then: an earlier primary may have acknowledged up to here
	paused    bool         // primary: takes no entries, since it hands over
	joined    bool         // replica: the primary has answered for the log up to matched
	matched   shards.SeqNo // replica: the log is the primary's up to here
	promised  shards.SeqNo // replica: the primary's commit, which may be beyond what is matched and persisted here
	vouched   shards.SeqNo // what was acknowledged at most...
	vouchedIn shards.Term  // ...in this term
	broken    string       // why this copy takes no part any more

	out   Ready
	spare []Message // empty: see Reuse
}

// write is a batch of entries on its way to the log. A truncation lowers last.
type write struct {
	number uint64
	last   shards.SeqNo
}

// Errors of Propose.
var (
	ErrNotPrimary = errors.New("replica: this copy is not the primary")
	ErrFewInSync  = errors.New("replica: fewer copies are in sync than the keyspace asks for; writes go on when others have caught up")
	ErrPaused     = errors.New("replica: the shard is being handed over; try again")
	ErrDiverged   = errors.New("replica: this copy's content differs from the primary's")
)

// Ready is what the shell has to do. Slices are its own; entries' payloads are shared.
type Ready struct {
	Truncate shards.SeqNo // drop the log from this number on, before anything is appended; 0: no
	Append   []Entry      // write to the log
	Write    uint64       // the number to call Persisted with; 0: neither Truncate nor Append
	Messages []Message    // send
	Commit   shards.SeqNo // apply up to here; 0: nothing new

	Fetch     []Fetch         // read from the log and answer with Fetched or Missing
	InSync    []Change        // propose to the metadata group
	Snapshots []shards.CopyID // copies that need a snapshot: start one, and tell SnapshotEnded
	Fenced    shards.Term     // the reign is over, by this term; 0: no. What waits for a commit has an unknown outcome
	Diverged  *Divergence     // this copy has stopped
}

// Fetch asks for entries of the log: from the one that begins at From, at least that one, up to Through, to about Bytes and to
// MaxEntries; what is more is not used. What comes after Through is in memory, and what the log has there may be about to be truncated.
type Fetch struct {
	To            shards.CopyID
	From, Through shards.SeqNo
	Bytes         int
}

// Change is a change of the in-sync set that the primary asks for.
type Change struct {
	Copy   shards.CopyID
	Add    bool // else remove
	Reason string
}

// Divergence says that this copy applied the same entries as the primary and holds something else.
type Divergence struct {
	Seq           shards.SeqNo
	Here, Primary uint64 // rolling hashes
}

// New makes the core of a copy that has what start says. It takes no part until Configure.
func New(config Config, start Start) (*Core, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Core{config: config, log: newTail(start.Base)}
	if len(start.Runs) > 0 {
		c.log.runs, c.log.last = slices.Clone(start.Runs), start.Last
		c.term = start.Runs[len(start.Runs)-1].Term
	}
	c.term = max(c.term, start.Base.Term)
	c.persisted = c.log.last
	c.vouched, c.vouchedIn = c.log.last, c.term // an earlier life may have acknowledged all of it to the primary that sent the last
	c.commit, c.applied = start.Base.Seq, start.Base.Seq
	c.hashes.note(start.Base.Seq, start.Rolling)
	if c.config.Bug&BugApplyTail != 0 && c.log.last > c.commit {
		c.commit = c.log.last
		c.out.Commit = c.commit
	}
	if err := c.log.check(); err != nil {
		return nil, fmt.Errorf("replica: the log does not fit together: %w", err)
	}
	return c, nil
}

// Configure tells the core what the committed row of the shard says. Rows may come late, and repeatedly; one that is older
// than the last, or of a term that messages have shown to be over, changes nothing.
func (c *Core) Configure(row Assignment) {
	if row.Version < c.row.Version || row.Term < c.term {
		return
	}
	row.Copies = slices.Clone(row.Copies)
	fresh := row.Term > c.term || c.row.Version == 0
	moved := row.Self != c.row.Self
	if fresh {
		c.entered = c.commit
	}
	c.row, c.term = row, row.Term
	switch {
	case row.Self == 0:
		c.follow(RoleNone, 0)
	case row.Primary == row.Self && (fresh || c.role != RolePrimary):
		c.reign()
	case row.Primary == row.Self:
		c.updatePeers()
	default:
		lead := c.lead
		c.follow(RoleReplica, row.Primary)
		if fresh || moved || lead != row.Primary {
			c.forgetPrimary()
			c.greet()
		}
	}
	c.advance()
}

// follow makes the copy anything but a primary.
func (c *Core) follow(role Role, lead shards.CopyID) {
	if c.role == RolePrimary {
		c.out.Fenced = max(c.term, 1)
	}
	c.role, c.lead, c.peers, c.paused = role, lead, nil, false
}

// forgetPrimary goes back to what is beyond doubt: what is committed is in every primary's log.
func (c *Core) forgetPrimary() { c.joined, c.matched, c.promised = false, c.commit, 0 }

// learn raises the term because a message showed a higher one.
func (c *Core) learn(term shards.Term) {
	if term <= c.term {
		return
	}
	role := c.role
	if role == RolePrimary {
		role = RoleFenced
	}
	c.term, c.entered = term, c.commit
	c.forgetPrimary()
	c.follow(role, 0)
	if role == RoleFenced {
		c.out.Fenced = term
	}
}

// Propose orders count transactions as one entry. The entry comes back in Ready.Append as well. It fails with one of the
// errors above; then nothing has happened. payload, of at most MaxPayload bytes, is the core's from now on.
func (c *Core) Propose(count int, payload []byte, shrinks bool) (Entry, error) {
	if count < 1 {
		panic("replica: an entry without transactions")
	}
	if len(payload) > MaxPayload {
		panic(fmt.Sprintf("replica: an entry of %d bytes, at most %d", len(payload), MaxPayload))
	}
	if err := c.Writable(); err != nil {
		return Entry{}, err
	}
	e := Entry{Term: c.term, First: c.log.last + 1, Last: c.log.last + shards.SeqNo(count), Shrinks: shrinks, Payload: payload}
	c.log.append(e, c.now)
	c.store(e)
	c.broadcast()
	return e, nil
}

// Writable is nil, or why Propose would fail.
func (c *Core) Writable() error {
	switch {
	case c.broken != "":
		return ErrDiverged
	case c.role != RolePrimary:
		return ErrNotPrimary
	case !c.enoughInSync():
		return ErrFewInSync
	case c.paused:
		return ErrPaused
	}
	return nil
}

// Room says whether another entry should be proposed now, or gathered until earlier ones are committed.
func (c *Core) Room() bool { return c.log.bytes < c.config.TailBytes || c.commit == c.log.last }

// Pause has the primary take no more entries, because it is about to hand over; Resume ends that.
func (c *Core) Pause() { c.paused = c.role == RolePrimary }

// Resume takes entries again.
func (c *Core) Resume() { c.paused = false }

// Alone tells a primary whose row lists no other copy that its shell has ordered, written and applied everything up to seq
// without asking: nobody was to be told. It may be called as seldom as before Configure.
func (c *Core) Alone(seq shards.SeqNo, rolling uint64) {
	if c.role != RolePrimary || len(c.peers) > 0 || seq < c.log.last || len(c.writes) > 0 {
		panic(fmt.Sprintf("replica: shard %v: alone at %d, %v with %d peers at %d", c.config.Shard, seq, c.role, len(c.peers), c.log.last))
	}
	c.log.jump(Position{c.term, seq})
	c.commit, c.persisted, c.applied = seq, seq, seq
	c.hashes.note(seq, rolling)
}

// store asks the shell to write an entry.
func (c *Core) store(e Entry) {
	if c.out.Write == 0 {
		c.written++
		c.out.Write = c.written
		c.writes = append(c.writes, write{number: c.written})
	}
	c.out.Append = append(c.out.Append, e)
	c.writes[len(c.writes)-1].last = e.Last
}

// truncate drops the log from a number on; what is being written from there will not count.
func (c *Core) truncate(from shards.SeqNo) {
	if from <= c.commit {
		panic(fmt.Sprintf("replica: shard %v: truncated at %d, committed up to %d", c.config.Shard, from, c.commit))
	}
	c.log.truncate(from)
	c.persisted = min(c.persisted, from-1)
	if c.config.Bug&BugForgetTruncate == 0 {
		for i := range c.writes {
			c.writes[i].last = min(c.writes[i].last, from-1)
		}
	}
	c.out.Append = slices.DeleteFunc(c.out.Append, func(e Entry) bool { return e.First >= from })
	if c.out.Truncate == 0 || from < c.out.Truncate {
		c.out.Truncate = from
	}
	if c.out.Write == 0 {
		c.written++
		c.out.Write = c.written
		c.writes = append(c.writes, write{number: c.written, last: from - 1})
	}
}

// Persisted says that the log has done everything up to this Ready.Write.
func (c *Core) Persisted(number uint64) {
	n := 0
	for n < len(c.writes) && c.writes[n].number <= number {
		c.persisted = max(c.persisted, min(c.writes[n].last, c.log.last))
		n++
	}
	if n == 0 {
		return
	}
	c.writes = slices.Delete(c.writes, 0, n)
	if c.role == RoleReplica {
		c.keepUp()
		c.acknowledge()
	}
	c.advance()
}

// Applied says that the store holds everything up to seq, which Ready.Commit has allowed, and its hash there.
func (c *Core) Applied(seq shards.SeqNo, rolling uint64) {
	if seq < c.applied || seq > c.commit {
		panic(fmt.Sprintf("replica: shard %v: applied %d, before %d, committed %d", c.config.Shard, seq, c.applied, c.commit))
	}
	c.applied = seq
	c.compare(c.hashes.note(seq, rolling))
	c.log.forget(min(c.applied, c.persisted), c.config.HistoryBytes, c.Retained(), c.config.TailBytes)
}

// compare stops the copy if its hash differs from its primary's.
func (c *Core) compare(d *Divergence) {
	if d != nil && c.role != RolePrimary && c.broken == "" {
		c.broken = "diverged"
		c.out.Diverged = d
	}
}

// Welcome says that a snapshot that ends at seq may take the place of what is here. It may not once the copy has acknowledged
// as much in the present term: somebody may count on that, even if that primary is gone. Nor may it when the copy is in sync. The shell asks when a snapshot is offered, and again before it
// lets go of the old content.
func (c *Core) Welcome(seq shards.SeqNo) bool {
	i := slices.IndexFunc(c.row.Copies, func(p Peer) bool { return p.ID == c.row.Self })
	return c.role == RoleReplica && (c.vouchedIn != c.term || c.vouched < seq) && i >= 0 && !c.row.Copies[i].InSync
}

// Restored says that a snapshot of the primary of term lead has taken the place of store and log.
func (c *Core) Restored(base Position, rolling uint64, lead shards.Term) {
	if !c.Welcome(base.Seq) {
		panic(fmt.Sprintf("replica: shard %v: a snapshot at %d for a %v that has acknowledged %d", c.config.Shard, base.Seq, c.role, c.matched))
	}
	c.log = newTail(base)
	c.commit, c.applied, c.persisted = base.Seq, base.Seq, base.Seq
	c.term = max(c.term, base.Term)
	c.hashes = hashes{}
	c.hashes.note(base.Seq, rolling)
	c.writes, c.broken = nil, ""
	c.forgetPrimary()
	c.out.Truncate, c.out.Append, c.out.Write, c.out.Commit = 0, nil, 0, 0
	c.entered = base.Seq
	if lead == c.term {
		c.joined = true
		c.acknowledge()
		return
	}
	c.greet()
}

// Entries gives the entries in memory from the one that holds from on, up to through; false if memory does not reach back.
func (c *Core) Entries(from, through shards.SeqNo) ([]Entry, bool) {
	return c.AppendEntries(nil, from, through)
}

// AppendEntries is Entries that appends to found.
func (c *Core) AppendEntries(found []Entry, from, through shards.SeqNo) ([]Entry, bool) {
	if from < c.log.first() {
		return found, false
	}
	for i := c.log.at(from); i < len(c.log.entries) && c.log.entries[i].First <= through; i++ {
		found = append(found, c.log.entries[i].Entry)
	}
	return found, true
}

// HasReady says whether Ready would hold anything.
func (c *Core) HasReady() bool {
	o := &c.out
	return o.Write != 0 || len(o.Messages) > 0 || o.Commit != 0 || len(o.Fetch) > 0 || len(o.InSync) > 0 || len(o.Snapshots) > 0 ||
		o.Fenced != 0 || o.Diverged != nil
}

// Ready gives what there is to do, once. It is the caller's.
func (c *Core) Ready() Ready {
	out := c.out
	c.out = Ready{Messages: c.spare}
	c.spare = nil
	if c.config.Memory && out.Write != 0 {
		c.Persisted(out.Write) // an acknowledgement made by this comes with the next Ready
	}
	return out
}

// mostReused is up to how many messages and entries Reuse keeps room for: one round has one or two, and there may be many shards.
const mostReused = 2

// Reuse takes back what Ready gave and the caller has no more use for: the memory of Messages and Append, for the next ones. Nobody has to call it.
func (c *Core) Reuse(done *Ready) {
	if cap(done.Messages) <= mostReused {
		clear(done.Messages)
		if c.out.Messages == nil {
			c.out.Messages = done.Messages[:0]
		} else if c.spare == nil {
			c.spare = done.Messages[:0] // for the Ready after the next: what one is done with may bring about messages already
		}
	}
	if c.out.Append == nil && cap(done.Append) <= mostReused {
		clear(done.Append)
		c.out.Append = done.Append[:0]
	}
	*done = Ready{}
}

// Step takes a message. What is for another copy, or for an id that this one no longer has, is ignored.
func (c *Core) Step(m *Message) {
	if m.Shard != c.config.Shard || m.To != c.row.Self || c.row.Self == 0 || c.broken != "" {
		return
	}
	switch m.Kind {
	case KindAppend, KindSync:
		c.stepAppend(m)
	case KindAck, KindRefuse, KindHello:
		c.stepAnswer(m)
	}
}

// LagAfter changes LagTicks, from the next tick on; 0 leaves it as it is.
func (c *Core) LagAfter(ticks int) {
	if ticks > 0 {
		c.config.LagTicks = ticks
	}
}

// Tick lets one tick of time pass.
func (c *Core) Tick() {
	c.now++
	if c.role == RolePrimary {
		c.tickPeers()
	}
}

// Quiet says that Tick would do nothing now or later, unless something else happens first.
func (c *Core) Quiet() bool {
	if c.role != RolePrimary {
		return true
	}
	for _, p := range c.peers {
		if c.owes(p) || p.knows < c.commit || !p.inSync {
			return false
		}
	}
	return true
}

func (c *Core) send(m Message) {
	m.Shard, m.From = c.config.Shard, c.row.Self
	if m.Term == 0 {
		m.Term = c.term
	}
	c.out.Messages = append(c.out.Messages, m)
}
