package shards

import "fmt"

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
