package shard

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// counting is the record of transactions 1 to n, each of which appends its number's letter to one of three keys.
func counting(n int) wal.Record {
	r := wal.Record{First: 1, Last: shards.SeqNo(n)}
	for i := range n {
		t := store.Txn{Ops: []store.Op{{Kind: store.OpAppend, Key: []byte{'k', byte('0' + i%3)}, Value: []byte{byte('a' + i%26)}}}}
		r.Payload = store.AppendTxn(r.Payload, &t)
	}
	return r
}

// oneByOne applies the same without looking ahead.
func oneByOne(n int) *store.Store {
	s, rest := store.New(store.Options{}), counting(n).Payload
	for i := range n {
		var t store.Txn
		var err error
		if rest, err = store.DecodeTxn(rest, &t); err != nil {
			panic(err)
		}
		s.Apply(shards.SeqNo(i+1), &t, nil)
	}
	return s
}

func TestReplayLooksAheadAndAppliesInOrder(t *testing.T) {
	for _, n := range []int{1, few - 1, few, few + 1, 3*few + 5} {
		s := &Shard{store: store.New(store.Options{})}
		r := counting(n)
		if err := s.replayRecord(r, new(replayer)); err != nil {
			t.Fatalf("%d transactions: %v", n, err)
		}
		if want := oneByOne(n); s.store.Rolling() != want.Rolling() || s.store.Digest() != want.Digest() || s.store.Applied() != r.Last {
			t.Fatalf("%d transactions came to another store than one by one", n)
		}
		if err := s.replayRecord(r, new(replayer)); err != nil || s.store.Applied() != r.Last {
			t.Fatalf("%d transactions, once more: %v, applied %d", n, err, s.store.Applied())
		}
	}
}

// TestReplayOfABadRecord: what comes before the fault is applied, as far as it had been decoded or not, and the error names the place.
func TestReplayOfABadRecord(t *testing.T) {
	const n, bad = 3 * few, 40
	r := counting(n)
	r.Payload = append(counting(bad-1).Payload, 0xc1)
	s := &Shard{store: store.New(store.Options{})}
	err := s.replayRecord(r, new(replayer))
	if err == nil || !strings.HasPrefix(err.Error(), "transaction 40: ") {
		t.Fatalf("a record whose transaction %d is no msgpack: %v", bad, err)
	}
	if want := oneByOne(bad - 1); s.store.Rolling() != want.Rolling() || s.store.Applied() != want.Applied() {
		t.Fatalf("applied %d transactions of %d before the fault", s.store.Applied(), bad-1)
	}
	if err := s.replayRecord(wal.Record{First: n, Last: n}, new(replayer)); err == nil || !strings.Contains(err.Error(), errMismatch.Error()) {
		t.Fatalf("a record that leaves a gap: %v", err)
	}
	r = counting(n)
	r.Payload = append(r.Payload, 0)
	if err := s.replayRecord(r, new(replayer)); err == nil || !strings.Contains(err.Error(), "1 bytes too many") || s.store.Applied() != n {
		t.Fatalf("a record with a byte too many: %v, applied %d", err, s.store.Applied())
	}
}
