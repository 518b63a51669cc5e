// Package shard is the shell of one copy of a shard: the actor that owns a store, its place in the node's log, and the
// goroutines around both.
//
//	caller ──Submit──►┌────────────── turn (one holder at a time) ──────────────┐
//	                  │ reads: now, on the caller's goroutine                    │
//	                  │ writes, memory: apply now                                │
//	                  │ writes, interval: apply now, encode into the open round   │
//	                  │ writes, fsync: encode into the open round, park the caller│
//	                  └──────────────────────────────────────────────────────────┘
//	Committer:  seal every shard's open round ─► one log append, one fsync ─► per shard: take the turn, apply, wake callers
//	Keeper:     O(1) snapshot in the turn ─► file ─► truncate the log's prefix
//	Ticker:     a message to the shard's actor when keys are due or the tree wants compaction
//
// The turn is the actor's exclusive section. It runs on the caller's goroutine, and a caller who finds it taken waits in
// line for it: a hop to another goroutine costs more than the work of a turn. While the log is being written new callers
// gather in the next round, so one fsync serves all who wait, whatever their shard.
//
// Writes apply when they are durable, in log order, so no reader sees what a crash could take back (but for keyspaces of
// durability interval and memory, which ask for just that).
package shard
