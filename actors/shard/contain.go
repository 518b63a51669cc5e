package shard

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// A panic is a broken invariant: of the store, of the core, of the books that this package keeps. It ends the copy, never the node, and
// whoever waits for the copy gets an answer. So each turn is contained, whichever goroutine it is on; the parts of a turn that hold works
// which are in no list see to those themselves.
//
//	Submit, ticks, messages, events ─┐
//	the committer's round ───────────┼─► turn ─ panic ─► contain ─► lose: works answered, table told
//	streams, snapshots, log readers ─┘      └─ in a caller's Result ─► that caller's Fail, and nothing else

// contain gives up a copy that has found an invariant broken. It is deferred, in the turn.
func (s *Shard) contain() {
	if reason := recover(); reason != nil {
		s.broke(reason)
	}
}

// broke gives the copy up. A node that stops must not keep what is left of it, either.
func (s *Shard) broke(reason any) {
	cause := fmt.Errorf("it broke an invariant: %v", reason)
	if errors.Is(s.down, ErrClosed) {
		s.down = nil
	}
	if s.link == nil {
		s.down, s.lost = s.unavailable(cause), true
	} else {
		s.link.Log.Error("a copy broke an invariant", "shard", s.name, "reason", reason, "stack", string(debug.Stack()))
		s.lose(cause)
	}
	answerAll(s.open.groups, s.down)
	if len(s.open.groups) > 0 { // else it is what interval has applied, and owes the log
		s.open.clear()
	}
}

// spoil gives the copy up since its log is not what it takes it for. What a round has of it has not been written.
func (s *Shard) spoil(err error) {
	s.turn.Lock()
	s.broke(err)
	down := s.down
	s.turn.Unlock()
	s.abort(down)
}

// ventured is contain of a step that somebody waits for.
func (s *Shard) ventured(step func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			s.broke(reason)
			err = s.down
		}
	}()
	return step()
}

// pass hands a result on. Whoever cannot take it fails alone: the operation has run, here and at the other copies.
func (s *Shard) pass(w Work, i, op int, r *store.Result) {
	defer func() {
		if reason := recover(); reason != nil {
			w.Fail(i, s.unknown(fmt.Errorf("its result cannot be passed on: %v", reason)))
		}
	}()
	w.Result(i, op, r)
}

// serve runs the works of a round and wakes their callers, also if the copy breaks at one of them.
func (s *Shard) serve(groups []group) {
	done, foreseen := 0, 0
	defer func() {
		if done < len(groups) {
			answerAll(groups[done:], s.unknown(errOutcome))
		}
	}()
	for done < len(groups) {
		if done == foreseen {
			foreseen += s.foresee(groups[done:])
		}
		s.run(groups[done].work)
		groups[done].answer()
		done++
	}
}

// unknown is the error of a work that may have happened or not.
func (s *Shard) unknown(cause error) error {
	return &shards.Error{Kind: shards.KindOutcomeUnknown, Shard: s.name, Err: cause}
}
