package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// everyResult sets each field alone and all of them together, with each error.
func everyResult() []Result {
	rs := []Result{
		{}, {Found: true}, {Changed: true}, {Value: []byte("v")}, {Value: []byte{}}, {Version: 1}, {Version: math.MaxUint64},
		{ExpireAt: math.MinInt64}, {ExpireAt: math.MaxInt64}, {Int: -1}, {Int: math.MaxInt64},
	}
	for _, err := range resultErrors {
		rs = append(rs, Result{Err: err}, Result{Found: true, Changed: true, Value: []byte("old"), Version: 7, ExpireAt: 8, Int: 9, Err: err})
	}
	return rs
}

func TestResultsSurviveEncoding(t *testing.T) {
	want := everyResult()
	frame := AppendResults([]byte("before"), want)[6:]
	if err := wire.Check(frame, wire.Limits{}); err != nil {
		t.Fatal(err)
	}
	got, failure, rest, err := DecodeOutcome(append(frame, 1, 2, 3), make([]Result, 0, 2))
	if err != nil || failure != nil || !bytes.Equal(rest, []byte{1, 2, 3}) {
		t.Fatalf("failure %v, rest %v, %v", failure, rest, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	for i := range want {
		var one Result
		if rest, err := DecodeResult(AppendResult(nil, &want[i]), &one); err != nil || len(rest) != 0 || !reflect.DeepEqual(one, want[i]) {
			t.Fatalf("%+v became %+v, %v, %v", want[i], one, rest, err)
		}
	}
}

func TestResultsOfAnotherErrorArePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("an error that no reader knows was encoded")
		}
	}()
	AppendResult(nil, &Result{Err: errors.New("foreign")})
}

func TestFailuresKeepTheirKind(t *testing.T) {
	moved := &shards.NotPrimaryError{Shard: shards.NewShardID(2, 17), Primary: "n3", Term: 9}
	for _, c := range []struct{ give, want error }{
		{moved, moved}, {fmt.Errorf("wrapped: %w", moved), moved}, {&shards.NotPrimaryError{}, &shards.NotPrimaryError{}},
		{&shards.Error{Kind: shards.KindDiskFull, Shard: "a/1", Err: errors.New("full")}, &shards.Error{Kind: shards.KindDiskFull, Err: errors.New("shard a/1: full")}},
		{errors.New("plain"), &shards.Error{Err: errors.New("plain")}},
		{errors.New(strings.Repeat("x", 2*MaxFailureText)), &shards.Error{Err: errors.New(strings.Repeat("x", MaxFailureText))}},
	} {
		frame := AppendFailure(nil, c.give)
		if err := wire.Check(frame, wire.Limits{}); err != nil {
			t.Fatal(err)
		}
		rs, got, rest, err := DecodeOutcome(frame, nil)
		if err != nil || rs != nil || len(rest) != 0 || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%#v became %#v with %v, %v, want %#v", c.give, got, rs, err, c.want)
		}
	}
}

func TestDecodeOutcomeRefuses(t *testing.T) {
	for name, frame := range map[string][]byte{
		"nothing": nil, "no part": {0x90}, "two parts": {0x92, 0x90, 0}, "28.9 GB claimed": {0x91, 0xdd, 0x6b, 0xd3, 0x3b, 0xf1},
		"no mask": {0x91, 0x91, 0x90}, "mask and fields": {0x91, 0x91, 0x91, resultInt}, "unknown mask": {0x91, 0x91, 0x91, 0xcc, 0x80},
		"error 0": {0x91, 0x91, 0x92, resultError, 0}, "unknown error": {0x91, 0x91, 0x92, resultError, byte(len(resultErrors) + 1)},
		"unknown kind": {0x95, byte(shards.KindCorrupt) + 1, 0, 0, 0xa0, 0xa0}, "shard beyond 32 bits": {0x95, 1, 0xcf, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0xa0},
		"long text": append([]byte{0x95, 1, 0, 0, 0xa0, 0xc5, 4, 1}, make([]byte, 1025)...),
		"too many":  append([]byte{0x91, 0xdd, 0, 1, 0, 1}, bytes.Repeat([]byte{0x91, 0}, MaxOps+1)...),
	} {
		if rs, failure, _, err := DecodeOutcome(frame, nil); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v, %v, %v", name, rs, failure, err)
		}
	}
}

// A list decoded into one that was used before shows nothing of it, and needs no memory of its own.
func TestListsOfTransactionsSurviveEncoding(t *testing.T) {
	v := invention{rand.New(rand.NewPCG(5, 5))}
	m := &model{keys: map[string]entry{}}
	var got []Txn
	for range 300 {
		want := make([]Txn, v.IntN(20))
		for i := range want {
			want[i] = *v.txn(m)
			if v.IntN(2) == 0 {
				want[i].Client, want[i].Seq = 1+v.Uint64N(3), 1+v.Uint64()>>3
			}
		}
		frame := AppendTxns(nil, len(want), func(i int) *Txn { return &want[i] })
		list, rest, err := DecodeTxns(append(frame, 9), got)
		if err != nil || len(rest) != 1 || len(list) != len(want) {
			t.Fatalf("%d of %d, rest %v, %v", len(list), len(want), rest, err)
		}
		if again := AppendTxns(nil, len(list), func(i int) *Txn { return &list[i] }); !bytes.Equal(again, frame) {
			t.Fatalf("%+v became %+v", want, list)
		}
		got = list
	}
	got = make([]Txn, 1)
	frame := AppendTxns(nil, 1, func(int) *Txn { return every() })
	if n := testing.AllocsPerRun(10, func() { got, _, _ = DecodeTxns(frame, got) }); n != 0 {
		t.Fatalf("decoding again allocates %v times", n)
	}
	if _, _, err := DecodeTxns([]byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1, 0, 0}, nil); !errors.Is(err, wire.ErrMalformed) {
		t.Fatalf("28.9 GB claimed: %v", err)
	}
}

func FuzzDecodeOutcome(f *testing.F) {
	f.Add(AppendResults(nil, everyResult()))
	f.Add(AppendFailure(nil, &shards.NotPrimaryError{Shard: 7, Primary: "n1", Term: 2}))
	f.Add(AppendFailure(nil, &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("later")}))
	f.Fuzz(func(t *testing.T, frame []byte) {
		rs, failure, rest, err := DecodeOutcome(frame, nil)
		if err != nil {
			return
		}
		if len(rest) > len(frame) || cap(rs) > 2*len(frame)+16 {
			t.Fatalf("%d bytes left %d and made room for %d results", len(frame), len(rest), cap(rs))
		}
		once := AppendResults(nil, rs)
		if failure != nil {
			once = AppendFailure(nil, failure)
		}
		again, same, _, err := DecodeOutcome(once, nil)
		if err != nil || len(again) != len(rs) || (same == nil) != (failure == nil) {
			t.Fatalf("%+v %v does not survive: %+v %v, %v", rs, failure, again, same, err)
		}
		twice := AppendResults(nil, again)
		if failure != nil {
			twice = AppendFailure(nil, same)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("%x became %x", once, twice)
		}
	})
}
