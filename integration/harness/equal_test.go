package harness

import (
	"errors"
	"strings"
	"testing"
)

func TestCopiesAreCompared(t *testing.T) {
	equal := []ShardRow{
		{Keyspace: "k", Shard: "0", State: "STARTED", Node: "n1", Applied: "7", Keys: "3", Hash: "aa"},
		{Keyspace: "k", Shard: "0", State: "STARTED", Node: "n2", Applied: "7", Keys: "3", Hash: "aa"},
		{Keyspace: "k", Shard: "1", State: "STARTED", Node: "n2", Applied: "5", Keys: "2", Hash: "bb"},
		{Keyspace: "j", Shard: "0", State: "STARTED", Node: "n2", Applied: "0", Keys: "0", Hash: "cc"},
	}
	if sum, err := compareCopies(equal); err != nil || sum != (Comparison{Shards: 3, Copies: 4, Applied: 12}) {
		t.Errorf("%+v, %v", sum, err)
	}
	for _, c := range []struct {
		change   func(r *ShardRow)
		diverged bool
		says     string
	}{
		{func(r *ShardRow) { r.Hash = "ab" }, true, "k/0 at 7"},
		{func(r *ShardRow) { r.Keys = "4" }, true, "3 keys, n2"},
		{func(r *ShardRow) { r.Applied, r.Hash = "6", "ab" }, false, "n1 has applied 7, n2 6"},
		{func(r *ShardRow) { r.State = "INITIALIZING" }, false, "initializing on n2"},
		{func(r *ShardRow) { r.State, r.Hash = "INITIALIZING", "ab" }, true, "k/0 at 7"},
	} {
		rows := append([]ShardRow{}, equal...)
		c.change(&rows[1])
		if _, err := compareCopies(rows); err == nil || errors.Is(err, ErrDiverged) != c.diverged || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", rows[1], err)
		}
	}
}
