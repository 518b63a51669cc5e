// Package harness runs servers as real processes for tests and benchmarks: a troupe node or a redis-server on free ports,
// readiness by asking, an end by request or by force, memory and processor time as the kernel counts them.
//
// It speaks to them through a client of its own that is small enough to be trusted: one connection, one goroutine at a time.
package harness
