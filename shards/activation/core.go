package activation

import "github.com/troupe-actors/troupe/shards"

// Tries bounds how often a message is handled anew because its activation knew an old state. Once is what a failover takes.
const Tries = 3

// Call says who sends a message, and what is known of its earlier tries.
type Call struct {
	Client   uint64 // who calls, of whom one call at a time is under way in each lane; 0: it is not repeated
	Lane     uint32
	Seq      uint64 // of the call in its lane: they rise
	Repeated bool   // it may have been handled before
	Unsure   bool   // an earlier try was not answered, and may yet arrive
	Again    bool   // who is refused sends it again, under the same number
}

// Core is what an activation knows of its actor. The zero value knows nothing, and is ready for its first message. It belongs to
// whoever handles the actor's messages, one at a time.
//
// Invariants: (1) while it is loaded, the actor's state had this version at a moment of this term, and what the activation has
// committed since is in it; (2) sent is the highest number in that state.
type Core struct {
	Bug Bug // for the simulator

	loaded  bool
	term    shards.Term
	version uint64
	sent    uint64
}

// Reads says what must be read before the handler may run: the actor's state, and the reply that is kept for the call's lane.
func (c *Core) Reads(m Call) (state, reply bool) {
	return !c.loaded, m.Repeated && m.Client != 0 && c.Bug&BugNoLookup == 0
}

// Loaded notes the state that was read: its version (0: there is none) and the number of the last message sent, by a node that led
// in this term before it read.
func (c *Core) Loaded(term shards.Term, version, sent uint64) {
	c.loaded, c.term, c.version, c.sent = true, term, version, sent
}

// Drop forgets what is known: the state may be another one by now.
func (c *Core) Drop() { c.loaded = false }

// Term is that in which the state was read.
func (c *Core) Term() shards.Term { return c.term }

// Version is that of the state, and the condition of a write; 0: the actor has none yet.
func (c *Core) Version() uint64 { return c.version }

// Sent is the number of the last message that the actor has sent.
func (c *Core) Sent() uint64 { return c.sent }

// Ending says how the handling of a message ends.
type Ending uint8

// The endings.
const (
	Confirm Ending = iota // nothing is written: the answer goes out if Core.Confirm allows it
	Keep                  // the answer is written, and the state as it was, under the guard
	Commit                // all that has changed is written with the reply, under the guard
)

// Ending is that of a message whose handler has changed something, or has refused it, which changes nothing. A refusal is not kept if
// it is not the last word.
func (c *Core) Ending(m Call, changed, refused bool) Ending {
	switch {
	case changed && !refused:
		return Commit
	case m.Client != 0 && m.Unsure && !(refused && m.Again) && c.Bug&BugUnkept == 0:
		return Keep
	}
	return Confirm
}

// Confirm says whether an answer that leaves nothing behind may be given, by a node that leads in this term when it is asked; leads
// is false if it does not. If it may not, what is known is forgotten.
func (c *Core) Confirm(term shards.Term, leads bool) bool {
	switch {
	case c.Bug&BugUnconfirmed != 0:
		return true
	case !leads, term != c.term && c.Bug&BugAnyTerm == 0:
		c.Drop()
		return false
	}
	return true
}

// Committed notes that a write was carried out, which gave the state this version; sent is Numbers.Last, and for Keep as it was.
func (c *Core) Committed(version, sent uint64) { c.version, c.sent = version, sent }

// Numbers gives out the numbers of what one message sends.
type Numbers struct {
	before, last uint64
	bug          Bug
}

// Numbers begins with what the state says.
func (c *Core) Numbers() Numbers { return Numbers{before: c.sent, bug: c.Bug} }

// Next is the next number. Numbers rise, even past a state that was lost with all copies of its shard: hence they follow the clock,
// in Unix microseconds.
func (n *Numbers) Next(now int64) uint64 {
	if n.last == 0 {
		n.last = max(n.before, uint64(max(now, 0)))
		if n.bug&BugSameNumbers != 0 {
			n.last = 0
		}
	}
	n.last++
	return n.last
}

// Last is the highest number that the actor has given, before this message or in it.
func (n *Numbers) Last() uint64 { return max(n.before, n.last) }
