// Package load carries a source into a keyspace: batches in parallel, a journal of what was acknowledged, so that an
// interrupted load continues where it stopped.
//
//	source ──read──► route by hash of the key ──► worker 1: batch, batch ...  ──► Put ──► acknowledged ──► journal
//	                                         └──► worker n: batch, batch ...  ──► Put ──►
//
// A key always takes the same worker, and a worker sends one batch at a time: of a key that comes twice, the later value
// wins, as if the source had been loaded in order.
package load
