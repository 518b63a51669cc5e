// Package wal is a node's log: one for all its shards and for the node's own records, on Pebble, to which it is the house's
// only door. DESIGN.md beside it draws keys, records and files, and says what is assumed of the disk.
//
//	shard 0/0 ─┐                                            ┌─ ReadFrom(shard, seq) after a crash
//	shard 0/1 ─┼─ Append([]Record, sync) ─► one log, 1 fsync ┼─ TruncatePrefix(shard, seq) after a snapshot
//	shard 2/7 ─┘                                            └─ TruncateSuffix(shard, seq) after a lost reign
//
// A write that was acknowledged with sync is there after any crash; one without may be missing, but never one before
// another that is there. A byte that does not match its checksum is reported with its place, and never handed out. After a
// write or an fsync that failed nobody knows what the disk holds, so that is the end of the Log: see ErrFatal.
//
// Snapshots keeps whole shards in files beside the log, so that it can be truncated.
package wal
