// Package dev runs a cluster on one machine for trying things out: every node is a process of its own, of the same binary.
//
//	troupe dev ──pipe (stdin)──► troupe node n1     the pipe never carries a byte: its end tells the node to stop, so that no
//	    │      ──pipe──────────► troupe node n2     node outlives its parent, however that ends
//	    │      ──pipe──────────► troupe node n3
//	    │
//	    └── control: HTTP on a port of the loopback that a file names, with a token that only its owner can read
//	            ▲
//	troupe dev kill n2, in another terminal
//
// What a node may suffer: killed (no chance to tidy up), paused (goes on where it was when resumed, and does not know that time
// has passed), cut off from others (both ways or one), stopped (in order). Killed and stopped nodes can be started again.
package dev
