// Package directory takes work to the copy that has to do it, wherever that is: it knows from the committed shard table
// which node leads which shard, does local work on the caller's goroutine, sends the rest to its primary, and tries again
// where a failover, a hand-over or an old table got in the way.
//
//	caller ──Do──► table: who leads? ──┬─ this node ──► Shard.Submit, on this goroutine
//	                    ▲              └─ another ────► Forward ──► its Serve ──► its Shard.Submit
//	                    │                                   │
//	                    └── wait for a newer table ◄── not primary, no primary, peer gone
//
// What may be tried again:
//
//	the shard refused before it began (not primary, none there now)     always
//	nobody knows whether it happened (peer gone, primary deposed)       reads; writes that carry (client, sequence)
//	it was done, or can never be                                        never
//
// Once nobody knows whether a try has happened, only a result settles it: work that is then given up, or refused, has an unknown outcome.
//
// A write that leaves this node carries (client, sequence), so that a shard which has it already answers the first outcome
// again. A write to a primary here does not need them: it fails with an unknown outcome only if this very node is deposed.
package directory
