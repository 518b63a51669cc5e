package shard

import (
	"errors"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// A store that is exchanged for a snapshot has no watchers: whoever follows must hear of it, and not wait for ever.
func TestWatchEndsWhenTheContentIsExchanged(t *testing.T) {
	k := shards.Keyspace{Name: "k", Shards: 2, Durability: shards.DurabilityMemory}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	space := NewSpace(k)
	var all []*Shard
	for i := range k.Shards {
		s := New(Config{ID: shards.NewShardID(0, i), Space: space, Seed: 1})
		if err := s.Recover(nil, nil); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	w, err := NewWatch(all, nil, func(int) shards.SeqNo { return 0 }, 10)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := w.Next(t.Context(), nil)
		ended <- err
	}()
	all[1].turn.Lock()
	all[1].endWatches()
	all[1].turn.Unlock()
	var kinded *shards.Error
	if err := <-ended; !errors.Is(err, errExchanged) || !errors.As(err, &kinded) || kinded.Kind != shards.KindUnavailable {
		t.Errorf("the watch ended with %v", err)
	}
	w.Close()
	if len(all[0].watches) != 0 {
		t.Error("a closed watch is still told of exchanges")
	}
}
