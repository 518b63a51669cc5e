package shard

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

func TestRefusesWorkOutsideItsLife(t *testing.T) {
	w := newWorld(t, nil, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory})
	s := New(Config{ID: shards.NewShardID(0, 0), Space: w.space, Seed: 1})
	for _, cause := range []error{ErrStarting, ErrClosed} {
		a := &answers{txns: []store.Txn{{Ops: []store.Op{get("k")}}}}
		s.Submit(1, a, nil)
		var failure *shards.Error
		if !errors.As(a.err, &failure) || failure.Kind != shards.KindUnavailable || !errors.Is(a.err, cause) {
			t.Errorf("got %v, want one that wraps %v", a.err, cause)
		}
		s.Fail(ErrClosed)
	}
}

// Who weighs the copies of a node meets some that are not read yet.
func TestRecoveryIsNotLookedInto(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1})
	defer w.close()
	for i := range 10 {
		w.do(0, set(fmt.Sprint(i), "v"))
	}
	s := New(Config{ID: w.shards[0].ID(), Space: w.space, Seed: 1, Log: w.log, Committer: w.committer})
	looks := 0
	err := s.Recover(w.files, func(int) {
		looks++
		if c, st := s.Cost(), s.Stats(); c != (Cost{}) || st.Keys != 0 || st.Logged != 0 || st.Available || st.Reason == "" {
			t.Errorf("look %d: cost %+v, stats %+v", looks, c, st)
		}
		if log, live, any := s.Unsaved(); log != 0 || live != 0 || any {
			t.Errorf("look %d: %d bytes of log, %d live, %v", looks, log, live, any)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Cost(); looks == 0 || c.Applied != 10 || c.Log == 0 {
		t.Errorf("after %d looks: %+v", looks, c)
	}
}
