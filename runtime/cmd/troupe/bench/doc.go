// Package bench measures a server that speaks the Redis protocol: closed loop, one goroutine per connection, latencies in
// an HdrHistogram, the server's processor time beside them. It knows nothing of Troupe, so that the same loop, with the same
// cost of its own, can be pointed at redis-server.
//
//	conn:  build P commands ──one write──► server
//	       read until P replies ◄───────── each reply's latency = its read's time - the write's time
//	       (again, until time or requests run out)
//
// A closed loop sends the next batch only after the last one was answered: a stalled server lowers the rate instead of
// growing a queue, so that the percentiles are those of the requests that were sent, not of those an open world would have
// sent (coordinated omission). They compare servers under equal load; they do not predict a service level.
package bench
