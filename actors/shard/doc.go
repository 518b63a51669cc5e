// Package shard is the shell of one copy of a shard: the actor that owns a store, its place in the node's log, its part among
// the shard's other copies, and the goroutines around them.
//
//	caller ──Submit──►┌────────────────── turn (one holder at a time) ──────────────────┐
//	                  │ reads: now, on the caller's goroutine, under the node's lease    │
//	                  │ writes of the only copy, memory: apply now                       │
//	                  │ writes of the only copy, interval: apply now, encode into a round│
//	                  │ all other writes: encode into the open round, park the caller    │
//	                  └──────────────────────────────────────────────────────────────────┘
//	Committer:  seal every shard's open round ─► one log append, one fsync ─► per shard: take the turn, apply, wake callers
//	Link:       messages of other nodes ─► replica.Core ─► log, messages, commits; snapshots streamed off the turn
//	Keeper:     O(1) snapshot in the turn ─► file ─► truncate the log's prefix
//	Ticker:     a message to the shard's actor when keys are due or the tree wants compaction; TickReplica while a copy is
//	            waited for
//
// The turn is the actor's exclusive section. It runs on the caller's goroutine, and a caller who finds it taken waits in
// line for it: a hop to another goroutine costs more than the work of a turn. While the log is being written new callers
// gather in the next round, so one fsync serves all who wait, whatever their shard.
//
// Writes apply when they are durable, in log order, so no reader sees what a crash could take back (but for keyspaces of
// durability interval and memory without replicas, which ask for just that). With other copies they apply when every in-sync
// copy has them as durable as the keyspace asks. DESIGN.md draws the ways of a write and of a copy.
package shard
