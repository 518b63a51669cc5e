// Package replica keeps the copies of one shard equal: one copy's side of the protocol, primary or replica, as a pure state
// machine. Its shell owns the log, the store and the network; time is counted in ticks.
//
//	            Propose                          Ready: Append ──► log ──► Persisted
//	               │                                │
//	┌──────────────▼─────────────┐   Append   ┌─────▼──────────────────────┐
//	│ primary, term 4            │ ─────────► │ replica, term 4            │
//	│ 1 1 1 2 2│4 4 4 4          │            │ 1 1 1 2 2│4 4              │   each figure an entry, and its term
//	│     commit┘      last┘     │ ◄───────── │     commit┘ last┘          │
//	└────────────────────────────┘ Ack,Refuse └────────────────────────────┘
//	 commit = the lowest of Persisted here and acknowledged by every in-sync copy; it travels in each Append
//
// The shell's duties:
//
//  1. After each call that may change something it takes Ready and carries it out, in this order: Truncate, Append,
//     Messages, Commit, and the rest in any order. Messages need not wait for the log: an acknowledgement is made only
//     after Persisted.
//  2. It calls Persisted(Ready.Write) when the log holds what Ready asked for, as durable as the keyspace asks, and Applied
//     when the store has taken all entries up to Ready.Commit. Writes are carried out in the order they were asked for.
//  3. It configures a restarted copy only with a row that is no older than any the copy has acted upon in its earlier life;
//     the join of the node's new epoch, once it is in the node's cluster state, sees to that.
//  4. A copy begins with what its snapshot holds applied and what its log holds not applied (Start): what the tail is worth
//     only the in-sync copies together know.
//  5. Each InSync of Ready is proposed to the metadata group. The core proposes again until a row shows the change.
//  6. Messages may be lost, doubled and reordered, but not forged.
//
// DESIGN.md beside this file says why each rule holds.
package replica
