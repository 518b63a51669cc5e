// Package failover writes down what happens when a node dies, while its node leads: who noticed, what was planned and why,
// when each shard took writes again, and how long clients waited. Drains and switches of policies are told in the same shape.
// What it writes is a tracing.Failover, which the metadata group keeps, so that the story outlives whoever began to write it.
//
//	member: suspect, dead, refuted ─┐
//	transport: connections broken  ─┤
//	placement: plans that were made ─┼─► Watch, on the placement leader ──► record ──► metadata group, ──► every node's history
//	metadata: rows that changed    ─┤    one goroutine, one story per life     └────► exporter
//	every node: shards taken over, ─┘
//	            requests that waited
//
// A shard's new primary tells whoever leads when it heard of its promotion, when it took writes again and when the first write
// of a client was acknowledged; it tells again whenever another leads, for a while, so that a leader that came to office in
// the middle hears all of it.
//
// The cluster keeps failovers alone. Drains and switches are followed by every node, by the state; who leads when they end tells
// them, and each node lists the newest that it has seen, for as long as it runs. A drain begins when a node first sees the state ask
// for it, and is another one each time; a node that has just started sees it begin then.
//
// A story ends when every shard that the dead node led takes writes, and has taken one or has had a second to; when the node
// was alive after all; or when a shard has no copy left that may lead, for a while.
package failover
