// Package resp serves the Redis protocol, versions 2 and 3, over a Backend that runs transactions on shards.
//
//	socket ─read─► parser ─commands─► compile ─calls─► Backend.Do ─results─► reply bytes ─write─► socket
//	               (views into the    (one table of    (grouped by shard,    (formatted inside
//	                read buffer)       commands)        one turn a group)     the shard's turn)
//
// A connection is one goroutine. It parses every complete command of one read, hands all of them to the backend at once
// and answers with one write, in order. DESIGN.md in this folder says what is bounded and what differs from Redis.
package resp
