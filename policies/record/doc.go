// Package record keeps a plan with all that it was made from, so that it can be made again, bit for bit, on any machine and
// long after: by the same rules to prove that it comes out the same, by others to see what they would have done.
//
//	file      frame frame …                                one after the other; a torn end is no frame
//	frame     ┌ magic 4 ┬ length 4 ┬ checksum 4 ┬ body ┐   little-endian; CRC-32C of the body; the body is deflated
//	body      msgpack: [format, key, release, build, …, input, policies, plan, outcome]
//	input     the cluster state as policies/cluster encodes it, evidence, loads, ticks, time, seed
//	policies  name, version, digest and settings of each decider and scorer, in the order in which they were asked
//	plan      deaths, rows, decisions with candidates: what Digest is the hash of
//
// Floats go as their 64 bits and times as nanoseconds since 1970, in UTC; lists keep their order. What is read is bounded before it is
// read: the frame, what it inflates to, and every list by the bytes that are left.
package record
