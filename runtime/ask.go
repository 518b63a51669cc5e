package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// asking is an ask with what it takes to have it answered. It is kept for the next: whoever answers an ask keeps nothing of it.
type asking struct {
	ask
	key     []byte // of a Get
	reading reading
	op      [1]store.Op
	outcome [1]Outcome
	place   [1]int // always 0
	task    [1]directory.Task
	batch   *shard.Batch
}

// keptKey bounds the key that an asking keeps room for.
const keptKey = 1 << 10

// ask is an asking that is ready, to be given back to forget.
func (s *Store) ask() *asking {
	if a, kept := s.asks.Get().(*asking); kept {
		return a
	}
	return &asking{batch: shard.NewBatch()}
}

func (s *Store) forget(a *asking) {
	if cap(a.key) > keptKey {
		a.key = nil
	}
	*a = asking{key: a.key, batch: a.batch}
	s.asks.Put(a)
}

// ask is one transaction of an embedding program; it implements shard.Work.
type ask struct {
	txn      store.Txn
	places   []int // of txn.Ops in outcomes
	outcomes []Outcome
	found    bool
	value    Value
	err      error
}

// check finds the slot that all keys share, and refuses what exceeds a limit: of one operation, or of all together.
func (a *ask) check() (slot shards.Slot, err error) {
	first := true
	see := func(key, value []byte) error {
		of := shards.SlotOf(key)
		switch {
		case len(key) > store.MaxKey || len(value) > store.MaxValue:
			return fmt.Errorf("key of %d bytes, value of %d: %w", len(key), len(value), store.ErrTooLarge)
		case !first && of != slot:
			return ErrManyShards
		}
		slot, first = of, false
		return nil
	}
	for i := range a.txn.Guards {
		if err := see(a.txn.Guards[i].Key, nil); err != nil {
			return 0, err
		}
	}
	for i := range a.txn.Ops {
		if err := see(a.txn.Ops[i].Key, a.txn.Ops[i].Value); err != nil {
			return 0, err
		}
	}
	if len(a.txn.Ops)+len(a.txn.Guards) > 1 {
		err = a.txn.Validate()
	}
	return slot, err
}

// what names the ask in traces.
func (a *ask) what() string {
	switch {
	case len(a.txn.Ops) != 1 || len(a.txn.Guards) > 0:
		return "batch"
	case a.txn.Ops[0].Kind == store.OpGet:
		return "get"
	case a.txn.Ops[0].Kind == store.OpDelete:
		return "delete"
	case a.txn.Ops[0].Kind == store.OpIncrement:
		return "increment"
	}
	return "put"
}

func (a *ask) Len() int              { return 1 }
func (a *ask) Txn(int) *store.Txn    { return &a.txn }
func (a *ask) Fail(_ int, err error) { a.err = err }

func (a *ask) Result(_, op int, r *store.Result) {
	switch {
	case a.txn.Ops[op].Kind == store.OpGet && len(a.txn.Guards) == 0:
		if a.found = r.Found; a.found {
			a.value = valueOf(bytes.Clone(r.Value), r.Version, r.ExpireAt)
		}
	case r.Err != nil:
		if a.err == nil || errors.Is(a.err, ErrConflict) {
			a.err = outcomeError(r.Err)
			if a.err != ErrConflict || len(a.txn.Ops) == 1 && len(a.txn.Guards) == 0 { // else it may be another's
				a.err = &keyError{a.err, string(a.txn.Ops[op].Key)}
			}
		}
	case a.txn.Ops[op].Kind != store.OpGet: // else conditions alone hold
		a.outcomes[a.places[op]] = Outcome{Version: r.Version, Changed: r.Changed, Int: r.Int}
	}
}

// outcomeError names a refused condition in this package's terms. Of the results of a failed batch, all but the cause are
// conflicts, so a cause of another kind wins over them.
func outcomeError(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return ErrConflict
	}
	return err
}

func valueOf(value []byte, version uint64, expireAt int64) Value {
	v := Value{Bytes: value, Version: version}
	if v.Bytes == nil {
		v.Bytes = []byte{}
	}
	if expireAt != 0 {
		v.ExpireAt = time.UnixMilli(expireAt)
	}
	return v
}
