package cluster

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Why is the closed set of reasons for which a command changes nothing. It crosses the wire: never reorder.
type Why uint8

// The reasons. Each says what the proposer may do about it.
const (
	WhyStale   Why = iota + 1 // the state has moved on: look at it again, then decide again
	WhyUnknown                // it names a member, keyspace, shard or copy that is not in the state (any more)
	WhyInvalid                // it can never be applied: mend it
	WhyUnsafe                 // it would give up acknowledged writes, or a shard's last way to serve
	WhyTaken                  // a name or number that must be unique belongs to another
)

// Refusal says why a command, or one row of a reroute, changed nothing.
type Refusal struct {
	Why  Why
	Text string // a sentence without a full stop: what does not fit, and what to do where that is not plain
}

// Error is the sentence.
func (r *Refusal) Error() string { return r.Text }

// Is makes errors.Is(err, &Refusal{Why: WhyStale}) ask for the reason alone.
func (r *Refusal) Is(target error) bool {
	t, ok := target.(*Refusal)
	return ok && t.Why == r.Why && t.Text == ""
}

// ErrorKind tells callers across the wire what they may do.
func (r *Refusal) ErrorKind() shards.ErrorKind {
	switch r.Why {
	case WhyStale:
		return shards.KindConflict
	default:
		return shards.KindInvalid
	}
}

func refuse(why Why, format string, args ...any) error {
	return &Refusal{Why: why, Text: fmt.Sprintf(format, args...)}
}

// Outcome tells the proposer what a command did.
type Outcome struct {
	Version  uint64            // State.Version after it
	Changed  bool              // something is different now; false also for a repetition, which is no error
	Err      *Refusal          // why nothing was changed, or nil
	Keyspace shards.KeyspaceID // of a KeyspaceChange: the number of the keyspace
	Rows     []RowOutcome      // of a Reroute: the rows that were left out
}

// RowOutcome says why a row of a Reroute was left out.
type RowOutcome struct {
	Shard shards.ShardID
	Err   *Refusal // never nil
}

// Error is the refusal as an error, or nil: Outcome.Err put into an error variable would never be nil.
func (o Outcome) Error() error {
	if o.Err == nil {
		return nil
	}
	return o.Err
}
