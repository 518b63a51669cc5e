// Package failover writes down what happens when a node dies, while its node leads: who noticed, what was planned and why,
// when each shard took writes again, and how long clients waited. Drains, moves of copies and switches of policies are told in the same
// shape.
// What it writes is a tracing.Failover, which the metadata group keeps, so that the story outlives whoever began to write it.
//
//	member: suspect, dead, refuted ─┐
//	transport: connections broken  ─┤
//	placement: plans that were made ─┼─► Watch, on the placement leader ──► record ──► metadata group, ──► every node's history
//	metadata: rows that changed    ─┤    one goroutine, one story per life     └────► exporter
//	every node: shards taken over, ─┘
//	            copies that arrived,
//	            requests that waited
//
// A shard's new primary tells whoever leads when it heard of its promotion, when it took writes again and when the first write
// of a client was acknowledged; it tells again whenever another leads, for a while, so that a leader that came to office in
// the middle hears all of it.
//
// The cluster keeps failovers, drains, switches of policies and moves, which are rebalances and what an operator or a filter asked for: each has an
// entry in the state from its beginning, so that whoever leads next goes on with it, and it is told once. The step that asks for a drain opens
// its entry, and is its name: each is another one. Moves are known by plans alone, so who leads opens their entry when he has planned them; what
// was planned in his last moment his successor finds in the rows, without the reasons. Drains and switches are followed by every node, by the
// state: whoever leads opens the entry of a switch that has none. Beside releases that read no such entry there is none: who leads tells a
// switch when its plan has been made, and the others, who hear of no plan, list it at once as done; each keeps the newest of them, among
// what only it keeps, for as long as it runs.
//
// Copies that a dead node had are replaced, or come back with it, long after its failover has been told: that is a story of its own, of each
// life, which leads to the failover. Who leads finds it in the rows, and it has an entry from the first copy that is tried.
//
// A primary tells whoever leads of each copy that has arrived, in sync, and how much that took; it belongs to the drain, the move or the
// death whose copy it is.
//
// A story ends when every shard that the dead node led takes writes, and has taken one or has had a second to; when the node
// was alive after all; or when a shard has no copy left that may lead, for a while.
package failover
