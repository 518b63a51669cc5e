// Package past remembers how the shard table came to be what it is: which rows each change of the cluster state replaced, and when
// that was, so that the table can be seen as it was at any moment that is remembered.
//
//	oldest                                        newest
//	┌──────────┬──────────┬──────────┬──────────┐ ┌───────┐
//	│ v7 rows  │ v8 rows  │ v9 nodes │ v12 rows │ │ state │     each holds what it replaced
//	└──────────┴──────────┴──────────┴──────────┘ └───────┘
//	  ◄──────── undone one by one, back to the moment that is asked for
//
// A change holds what was there before it, so that the oldest can be forgotten without touching the others, and the newest state is
// all that is needed to begin with. Every node that follows the log has a Book of its own, whoever leads, and all of them tell
// the same versions; only the times differ, as clocks do. What a node was not there for it can ask another about.
package past
