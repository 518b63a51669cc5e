// Package cluster is the value that the metadata group replicates: who the members are, which keyspaces there are, and
// where each copy of each shard lives. It changes by State.Apply(Command) and by nothing else, so that every member that
// has applied the same commands holds the same bytes.
//
//	            Command ──► Raft log ──► State.Apply ──► State (version n+1) ──► every node's reconciler
//	                ▲                                        │
//	placement leader, primaries, operators ◄─────────────────┘
//
//	shard 2/17  term 4   c31@n1 primary, in sync   c44@n2 in sync   c57@n3 initializing
//
// The life of a copy:
//
//	(unassigned) ──allocate──► initializing ──in sync──► started ──┬─ lags or fails ──► initializing, under a new id
//	                               │                               ├─ relocates: a second copy with Source = this one
//	                               └── fails: dropped, with a new id at the next try
//	                                                               └─ dropped
//
// A State is immutable: Apply returns a new one that shares what did not change, so that readers keep theirs as long as they like.
package cluster
