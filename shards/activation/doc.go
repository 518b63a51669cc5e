// Package activation holds the rules by which an actor in memory is safe, as a pure state machine: there may be several activations
// of one actor, on nodes that do not know of each other yet, and only one of them can commit or answer.
//
//	message ─► Reads ─► state? reply? ─► Loaded, Answered ──► known: the kept reply
//	              ▲                           │
//	              │ stale                     ▼ handler: Numbers for what it sends
//	              │                         Ending
//	              │            nothing to keep │        │ something to keep
//	              ├──────── Confirm(term) ◄────┘        └────► one write, if the state still has Version ─► Committed
//	              │              │ the same term                   │ refused, or nobody knows
//	              │              ▼                                 ▼
//	              │           answer                             Drop
//	              └────────────────────────────────────────────────┘
//
// Rules, which the shell (actors/virtual) and the simulator (runtime/sim; but for the end of rule 3) follow:
//
//  1. The shell asks for the term in which its node leads, then reads the state, and tells Loaded both. Both work only on a
//     primary that holds all that was acknowledged: under its lease, and caught up with what it took over.
//  2. What a handler changed is one write: state, data, reply, messages. It is taken by a primary only, and only if the state has
//     the version that the handler has seen. Of two activations that have seen one version, one commits.
//  3. An answer that leaves nothing behind is given only if the node still leads, in the term in which the state was read.
//     Else somebody else may have changed the state since. So may a write of which nobody knows the outcome, in the same term: until the
//     state has another version than that write was guarded by, the shell looks at the version once more before it answers.
//  4. A call carries (client, lane, number), and its reply is kept in the write that carries out the call. One that may have been
//     handled is looked up first. A lane has one call at a time, so that its last reply is enough.
//  5. A call of which an earlier try was not answered may still be on its way. Its answer is kept even if it changed nothing or
//     was refused: else the earlier try, when it arrives, would do what its caller was told had not been done. The state is written
//     with it, as it was, for its version: else an activation that has handled the earlier try, and that leads once more, might commit.
//  6. What an actor sends has rising numbers, and is kept in its shard until the receiver has kept, by rules 4 and 5, that it has
//     come. Of a message between actors nobody is ever sure: a deposed primary of the sender may be sending it, too.
//  7. A question is kept until its answer is handled, and removed in the write that this ends with; an answer whose question is not there
//     has been handled. A reminder (Reminder) is moved on, or removed, when its message was handled, if it is still the one that was read.
package activation
