// Package tracing tells what happened. A failover is one trace: from the last sign of life of a node to the last shard that
// takes writes again, with who noticed, what was planned, what each decider said about each candidate, and what every
// promotion took.
//
//	facts of many nodes ──► Failover (a record) ──► Spans ──► OTLP exporter, Jaeger file, waterfall in a terminal
//	                        committed by the        a pure
//	                        metadata group          projection
//
// The record is the truth, and the trace its projection: the same record gives the same spans with the same ids, on whatever
// node and as often as somebody asks. Ids are hashes of what a span is about, so every node can compute them without asking
// anyone, and a new leader goes on with the trace that a dead one began.
//
//	trace id  SHA-256("failover" 0 cluster 0 node 0 epoch)[:16]
//	span id   SHA-256(trace id step)[:8]      step: "root", "detect", "plan/4", "shard/orders/17", "promote/orders/17/1", …
//
// The rules about roots, links and names were learnt from what real Jaeger pages do with a trace: a root is exported once and
// at the end, nothing links from a root into its own trace, and names carry shard and node, since a row shows nothing else.
//
// Messages are traced as well, a few of them: what a client asks, calls between nodes and actors, a write on its way to other copies. Their
// spans are made as things happen, with ids by chance, and go to the collector alone; nothing of them is kept. A message takes a Carrier
// along, which is the traceparent of W3C Trace Context, and where it enters decides for the whole trace. See Messages.
//
// It is the only package that imports OpenTelemetry.
package tracing
