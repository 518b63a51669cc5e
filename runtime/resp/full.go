package resp

import (
	"errors"

	"github.com/troupe-actors/troupe/shards"
)

// spare asks again for what needs no room, where it was refused for the sake of others: a shard that is full refuses all calls that it
// gets in one piece if any of them would make it larger, and clients that share a connection send reads in one piece with the writes of others.
//
//	GET a  SET b 1  DEL c       OOM  OOM  OOM       once more: GET a  DEL c
func (c *conn) spare(calls []*Call) {
	var spared []*Call
	grown := false
	for _, call := range calls {
		switch {
		case call.Err == nil || !isFull(call.Err):
		case call.Txn.Grows():
			grown = true
		default:
			spared = append(spared, call)
		}
	}
	if !grown || spared == nil {
		return
	}
	for _, call := range spared {
		call.Err, call.Next, call.Shard = nil, nil, 0
	}
	c.s.backend.Do(c.s.context, c.space, spared)
}

// isFull says that nothing was done for want of memory or disk.
func isFull(err error) bool {
	var kinded interface{ ErrorKind() shards.ErrorKind }
	if !errors.As(err, &kinded) {
		return false
	}
	kind := kinded.ErrorKind()
	return kind == shards.KindFull || kind == shards.KindDiskFull
}
