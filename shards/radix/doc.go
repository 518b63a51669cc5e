// Package radix is the ordered store of one shard: an adaptive radix tree with path compression in a pointer-free arena,
// copy-on-write by write version, with O(1) snapshots and a hash sidecar for point reads.
//
//	keys: ab, abcd, abcdef, abABC              snapshot at version 7 ──► root as of 7 ──┐
//	                                                                                    ▼
//	root ──► [node "ab" | term ──► leaf ab]                    Put at 8 copies the path; the old nodes go to the
//	           │A          │c                                  snapshot's dead list and are freed, exactly, by Close
//	           ▼           ▼
//	    leaf abABC    [node "d" | term ──► leaf abcd]
//	                       │e
//	                       ▼
//	                  leaf abcdef                       sidecar: hash(key) ──► leaf, so Get is hash, slot, compare
//
// One goroutine at a time uses a Tree; a Snapshot is readable from any goroutine until it is closed, and Close needs the
// same exclusion as a write. The package has no clock, lock, goroutine or chance: the same calls give the same answers.
// DESIGN.md draws the bytes. Sources: Leis, Kemper, Neumann, "The Adaptive Radix Tree" (ICDE 2013) for the nodes; Fagin et
// al., "Extendible Hashing" (TODS 1979) for the sidecar; Redis' rax for the cases of a split.
package radix
