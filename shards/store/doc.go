// Package store is what one shard holds: keys with values, versions and expiries in a radix tree, changed by ordered
// transactions and by nothing else.
//
//	       Txn ──AppendTxn──► log, replicas ──DecodeTxn──► Txn
//	        │                                               │
//	        ▼ Apply(seq 42)                                 ▼ Apply(seq 42)
//	┌──────────────────┐                            ┌──────────────────┐
//	│ tree  seq  time  │   same transactions,       │ tree  seq  time  │
//	│ rolling hash     │   same bytes               │ rolling hash     │
//	└──────────────────┘                            └──────────────────┘
//	 │ Read Scan  │ Watch   │ Snapshot ──Chunks──► Loader ──► the same store elsewhere
//
// Three things are given from outside, so that every copy of a shard computes the same: the sequence number, the time
// (Txn.Time; it never goes back) and chance (the seed, and the number handed to Victim). The package has no goroutine,
// clock or lock. One goroutine at a time uses a Store; a Snapshot is readable from any goroutine.
//
// DESIGN.md beside this file draws the bytes of a transaction and of a snapshot chunk.
package store
