// Package recovery brings a copy of a shard in sync when its log alone cannot: the primary's side (Source) and the other
// (Target) of a snapshot stream, and the hand-over that ends a relocation (HandOver). All three are pure state machines; the
// tail of operations before and after a snapshot is package replica's.
//
//	source                                    target
//	   │ Offer (stream 7, snapshot at 4:1207)    │
//	   │────────────────────────────────────────►│  a loader of that snapshot, perhaps half full from a broken stream
//	   │        Accept (after key "k/0815")      │
//	   │◄────────────────────────────────────────│
//	   │ Chunk 0, 1, 2 …   at most Window ahead, │
//	   │────────────────────────────────────────►│  loads them in order
//	   │  BytesPerTick      Got 1, 2, 3 …        │
//	   │◄────────────────────────────────────────│
//	   │ Chunk 57, the last                      │
//	   │────────────────────────────────────────►│  checks the whole, writes its file, swaps store and log
//	   │              Done                       │
//	   │◄────────────────────────────────────────│
//	         then replica.Core sends what came after 1207, and proposes the copy for the in-sync set
//
// What is lost is sent again, what comes twice is ignored, and each side gives up when it has not heard the other for
// SilenceTicks: replica.Core then asks the copy again what it has, and perhaps another stream begins. A stream belongs to a
// primary's term and to a copy's id; when either changes its ends are stopped and nothing has happened, since the target
// goes on holding what it held until the whole of the snapshot is there.
package recovery
