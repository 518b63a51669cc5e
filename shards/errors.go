package shards

import (
	"errors"
	"fmt"
)

// ErrClosed is in the errors of what is asked of a node that stops, or has been closed. It does not cross the wire: another node that
// stops is one to turn away from.
var ErrClosed = errors.New("the node is stopping, or closed")

// Error is a failure that the caller must act on: its kind says how, its text why. It crosses the wire as kind and text.
type Error struct {
	Kind  ErrorKind
	Shard string // the shard's name, as in "orders/17"; empty when no shard is concerned
	Err   error  // the cause; never nil
}

// Error names the shard, then the cause.
func (e *Error) Error() string {
	if e.Shard == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("shard %s: %v", e.Shard, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorKind says what the caller may do about it.
func (e *Error) ErrorKind() ErrorKind { return e.Kind }

// NotPrimaryError says that the copy that was asked does not lead its shard. Its kind is KindNotPrimary: ask Primary, or look
// the shard up again where that is empty.
type NotPrimaryError struct {
	Shard   ShardID
	Primary NodeID // where the primary was last known to be; empty if nowhere
	Term    Term   // of that primary
}

// Error says where to ask.
func (e *NotPrimaryError) Error() string {
	if e.Primary == "" {
		return fmt.Sprintf("shard %v has no primary now", e.Shard)
	}
	return fmt.Sprintf("the primary of shard %v is on node %s, term %d", e.Shard, e.Primary, e.Term)
}

// ErrorKind is KindNotPrimary.
func (e *NotPrimaryError) ErrorKind() ErrorKind { return KindNotPrimary }
