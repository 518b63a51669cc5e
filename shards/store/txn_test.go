package store

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/troupe-actors/troupe/shards/wire"
)

// every is a transaction that sets every field of every kind of part.
func every() *Txn {
	t := &Txn{Time: -5, Atomic: true, Client: math.MaxUint64, Seq: 1 << 33, Guards: []Guard{
		{If: IfEqual, Key: []byte("g"), Compare: []byte("c")}, {If: IfVersion, Key: []byte{}, Version: math.MaxUint64, Compare: []byte{}},
	}}
	for kind := OpGet; kind <= OpRequire; kind++ {
		t.Ops = append(t.Ops, Op{
			Kind: kind, If: IfHasExpirySooner, KeepTTL: true, WantOld: true, Key: []byte("key"), Value: []byte("value"), Compare: []byte{0},
			ExpireAt: math.MinInt64, Version: 1 << 40, Int: math.MaxInt64, Float: math.Copysign(0, -1),
		}, Op{Kind: kind, Key: []byte{}})
	}
	return t
}

func TestTransactionsSurviveEncoding(t *testing.T) {
	want := every()
	frame := AppendTxn([]byte("before"), want)[6:]
	var got Txn
	rest, err := DecodeTxn(append(frame, 1, 2, 3), &got)
	if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) {
		t.Fatalf("rest %v, %v", rest, err)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Fatalf("got  %+v\nwant %+v", &got, want)
	}
	if err := wire.Check(frame, wire.Limits{}); err != nil {
		t.Fatal(err)
	}
}

// Random transactions, decoded into one Txn whose slices are used again, show nothing of the one before.
func TestDecodingReusesCleanly(t *testing.T) {
	v := invention{rand.New(rand.NewPCG(3, 3))}
	m := &model{keys: map[string]entry{"a": {"1", 3, 9}}}
	var got Txn
	for i := range 2000 {
		want := v.txn(m)
		frame := AppendTxn(nil, want)
		if rest, err := DecodeTxn(frame, &got); err != nil || len(rest) != 0 {
			t.Fatalf("transaction %d: %v", i, err)
		}
		if again := AppendTxn(nil, &got); !bytes.Equal(again, frame) {
			t.Fatalf("transaction %d: %+v became %+v", i, want, got)
		}
	}
	big := &Txn{Ops: make([]Op, 100)}
	for i := range big.Ops {
		big.Ops[i] = put("k", "v")
	}
	frame := AppendTxn(nil, big)
	_, _ = DecodeTxn(frame, &got)
	if n := testing.AllocsPerRun(10, func() { _, _ = DecodeTxn(frame, &got) }); n != 0 {
		t.Fatalf("decoding again allocates %v times", n)
	}
}

// Logs of before clients were known must still be read, and a transaction without one costs no byte more than it did.
func TestTransactionsWithoutClientHaveTheBytesOfBefore(t *testing.T) {
	want := []byte{0x94, 5, 0xc2, 0x90, 0x91, 0x94, 2, 1, 0xc4, 1, 'k', 0xc4, 1, 'v'}
	if got := AppendTxn(nil, &Txn{Time: 5, Ops: []Op{put("k", "v")}}); !bytes.Equal(got, want) {
		t.Fatalf("%x, want %x", got, want)
	}
	with := append(append([]byte{0x96}, want[1:]...), 7, 3)
	if got := AppendTxn(nil, &Txn{Time: 5, Ops: []Op{put("k", "v")}, Client: 7, Seq: 3}); !bytes.Equal(got, with) {
		t.Fatalf("%x, want %x", got, with)
	}
	var both Txn
	if _, err := DecodeTxn(with, &both); err != nil || both.Client != 7 || both.Seq != 3 {
		t.Fatalf("%+v, %v", both, err)
	}
	if _, err := DecodeTxn(want, &both); err != nil || both.Client != 0 || both.Seq != 0 {
		t.Fatalf("a client remained from the transaction before: %+v, %v", both, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	encode := func(t Txn) []byte { return AppendTxn(nil, &t) }
	for name, c := range map[string]struct {
		frame []byte
		want  error
	}{
		"nothing":         {nil, wire.ErrMalformed},
		"kind 0":          {encode(Txn{Ops: []Op{{}}}), ErrInvalid},
		"kind 99":         {encode(Txn{Ops: []Op{{Kind: 99}}}), ErrInvalid},
		"condition 99":    {encode(Txn{Ops: []Op{{Kind: OpSet, If: 99}}}), ErrInvalid},
		"guard always":    {encode(Txn{Guards: []Guard{{}}}), ErrInvalid},
		"guard sooner":    {encode(Txn{Guards: []Guard{{If: IfSooner}}}), ErrInvalid},
		"long key":        {encode(Txn{Ops: []Op{{Kind: OpGet, Key: make([]byte, MaxKey+1)}}}), ErrTooLarge},
		"long target":     {encode(Txn{Ops: []Op{{Kind: OpCopy, Value: make([]byte, MaxKey+1)}}}), ErrTooLarge},
		"long value":      {encode(Txn{Ops: []Op{{Kind: OpSet, Value: make([]byte, MaxValue+1)}}}), ErrTooLarge},
		"too many ops":    {encode(Txn{Ops: make([]Op, MaxOps+1)}), wire.ErrMalformed},
		"28.9 GB claimed": {[]byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1, 0, 0}, wire.ErrMalformed},
		"three parts":     {[]byte{0x93, 0, 0xc2, 0x90}, wire.ErrMalformed},
		"five parts":      {[]byte{0x95, 0, 0xc2, 0x90, 0x90, 1}, wire.ErrMalformed},
		"client 0":        {[]byte{0x96, 0, 0xc2, 0x90, 0x90, 0, 1}, wire.ErrMalformed},
		"number 0":        {[]byte{0x96, 0, 0xc2, 0x90, 0x90, 1, 0}, ErrInvalid},
		"unknown mask":    {[]byte{0x94, 0, 0xc2, 0x90, 0x91, 0x93, 2, 0xcd, 2, 0, 0xc4, 0}, wire.ErrMalformed},
		"mask and count":  {[]byte{0x94, 0, 0xc2, 0x90, 0x91, 0x93, 2, 1, 0xc4, 0}, wire.ErrMalformed},
	} {
		var got Txn
		if _, err := DecodeTxn(c.frame, &got); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzDecodeTxn(f *testing.F) {
	f.Add(AppendTxn(nil, every()))
	f.Add(AppendTxn(nil, &Txn{Time: 1, Ops: []Op{put("a", "b")}}))
	f.Add(AppendTxn(nil, &Txn{Time: 1, Ops: []Op{put("a", "b")}, Client: 7, Seq: 1}))
	f.Add([]byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1, 0, 0})
	f.Add([]byte{0x94, 0, 0xc2, 0xdd, 0, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, frame []byte) {
		var txn Txn
		rest, err := DecodeTxn(frame, &txn)
		if cap(txn.Ops)+cap(txn.Guards) > 2*len(frame)+16 {
			t.Fatalf("%d bytes made room for %d operations", len(frame), cap(txn.Ops)+cap(txn.Guards))
		}
		if err != nil {
			return
		}
		if len(rest) > len(frame) {
			t.Fatal("more bytes are left than there were")
		}
		again, once := Txn{}, AppendTxn(nil, &txn)
		if rest, err := DecodeTxn(once, &again); err != nil || len(rest) != 0 || !bytes.Equal(AppendTxn(nil, &again), once) {
			t.Fatalf("%+v does not survive: %v", txn, err)
		}
		if !huge(&txn) {
			s := New(Options{})
			s.do(&txn)
			s.do(&txn)
		}
	})
}

// huge says that a few bytes ask for a value of megabytes, which is allowed but slow.
func huge(t *Txn) bool {
	for i := range t.Ops {
		if t.Ops[i].Kind == OpSetRange && t.Ops[i].Int > 1<<16 {
			return true
		}
	}
	return false
}

func FuzzLoader(f *testing.F) {
	s := New(Options{})
	s.do(&Txn{Time: 4, Ops: []Op{put("", "x"), put("a", "1"), {Kind: OpSet, Key: []byte("b"), ExpireAt: 9}}})
	for _, chunk := range chunksOf(s, 0) {
		f.Add(chunk[wire.FrameHeader:], []byte{})
	}
	s.do(&Txn{Time: 5, Client: 7, Seq: 2, Ops: []Op{put("a", "2")}})
	s.do(&Txn{Time: 5, Client: 9, Seq: 1, Ops: []Op{{Kind: OpIncrement, Key: []byte("a"), Int: 1}}})
	f.Add(chunksOf(s, 0)[0][wire.FrameHeader:], []byte{})
	parts := chunksOf(s, 1)
	f.Add(parts[0][wire.FrameHeader:], parts[1][wire.FrameHeader:])
	f.Fuzz(func(t *testing.T, first, second []byte) {
		l := NewLoader(Options{})
		var failed error
		for _, payload := range [][]byte{first, second} { // framed here, so that mutations get past the checksum
			failed = errors.Join(failed, l.Chunk(wire.AppendFrame(nil, wire.KindSnapshot, payload)))
		}
		if failed != nil && !errors.Is(failed, ErrCorrupt) {
			t.Fatalf("untyped error: %v", failed)
		}
		if l.store.Memory() > int64(64*(len(first)+len(second))+64<<10) {
			t.Fatalf("%d bytes took %d bytes of memory", len(first)+len(second), l.store.Memory())
		}
		if loaded, err := l.Finish(); err == nil {
			loaded.sessions.check()
			again, err := load(chunksOf(loaded, 50))
			if err != nil {
				t.Fatalf("what was loaded cannot be loaded again: %v", err)
			}
			mustEqual(t, again, loaded)
		}
		if err := NewLoader(Options{}).Chunk(first); err == nil && len(first) < wire.FrameHeader {
			t.Fatal("a chunk without a frame was taken")
		}
	})
}
