package store

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/shards/radix"
)

const benchKeys = 1 << 16

func benchOps(kind OpKind) []Op {
	value := make([]byte, 100)
	ops := make([]Op, benchKeys)
	for i := range ops {
		ops[i] = Op{Kind: kind, Key: fmt.Appendf(nil, "key:%012d", uint32(i)*2654435761%benchKeys)}
		if kind == OpSet {
			ops[i].Value = value
		}
	}
	return ops
}

func benchStore(o Options) (*Store, []Op) {
	s, ops := New(o), benchOps(OpSet)
	t := Txn{Time: 1, Ops: ops}
	s.Apply(1, &t, nil)
	return s, ops
}

// BenchmarkPut and BenchmarkGet are the tree alone: what Apply and Read add is the difference to them.
func BenchmarkPut(b *testing.B) {
	t, ops := radix.New(radix.Options{}), benchOps(OpSet)
	for i := range ops {
		t.Put(1, ops[i].Key, ops[i].Value, 0)
	}
	version := uint64(1)
	for b.Loop() {
		version++
		o := &ops[version%benchKeys]
		t.Put(version, o.Key, o.Value, 0)
	}
}

func BenchmarkApply(b *testing.B) {
	for name, options := range map[string]Options{"plain": {}, "access": {Access: true}} {
		b.Run(name, func(b *testing.B) {
			s, ops := benchStore(options)
			b.ReportAllocs()
			t := Txn{Time: 2}
			visit := func(int, *Result) {}
			for b.Loop() {
				i := int(s.seq) % benchKeys
				t.Ops = ops[i : i+1]
				s.Apply(s.seq+1, &t, visit)
			}
		})
	}
	b.Run("client", func(b *testing.B) {
		s, ops := benchStore(Options{})
		b.ReportAllocs()
		t := Txn{Time: 2, Client: 7}
		visit := func(int, *Result) {}
		for b.Loop() {
			i := int(s.seq) % benchKeys
			t.Ops = ops[i : i+1]
			t.Seq++
			s.Apply(s.seq+1, &t, visit)
		}
	})
	b.Run("repeated", func(b *testing.B) {
		s, ops := benchStore(Options{})
		t := Txn{Time: 2, Client: 7}
		for t.Seq = 1; t.Seq <= 4000; t.Seq++ {
			t.Ops = ops[t.Seq : t.Seq+1]
			s.Apply(s.seq+1, &t, nil)
		}
		b.ReportAllocs()
		visit := func(int, *Result) {}
		for b.Loop() {
			t.Seq = 1 + t.Seq%4000
			t.Ops = ops[t.Seq : t.Seq+1]
			s.Apply(s.seq+1, &t, visit)
		}
	})
	b.Run("batch10", func(b *testing.B) {
		s, ops := benchStore(Options{})
		b.ReportAllocs()
		t := Txn{Time: 2}
		for b.Loop() {
			i := int(s.seq) * 10 % (benchKeys - 10)
			t.Ops = ops[i : i+10]
			s.Apply(s.seq+1, &t, nil)
		}
	})
	b.Run("atomic10", func(b *testing.B) {
		s, ops := benchStore(Options{})
		b.ReportAllocs()
		t := Txn{Time: 2, Atomic: true}
		for b.Loop() {
			i := int(s.seq) * 10 % (benchKeys - 10)
			t.Ops = ops[i : i+10]
			s.Apply(s.seq+1, &t, nil)
		}
	})
	b.Run("watched", func(b *testing.B) {
		s, ops := benchStore(Options{})
		w := s.Watch([]byte("other"), 0, 0)
		defer w.Close()
		b.ReportAllocs()
		t := Txn{Time: 2}
		for b.Loop() {
			i := int(s.seq) % benchKeys
			t.Ops = ops[i : i+1]
			s.Apply(s.seq+1, &t, nil)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s, ops := benchStore(Options{})
	i := 0
	for b.Loop() {
		s.tree.Get(ops[i%benchKeys].Key)
		i++
	}
}

func BenchmarkRead(b *testing.B) {
	for name, options := range map[string]Options{"plain": {}, "access": {Access: true}} {
		b.Run(name, func(b *testing.B) {
			s, _ := benchStore(options)
			ops := benchOps(OpGet)
			b.ReportAllocs()
			var r Result
			i := 0
			for b.Loop() {
				s.Read(2, &ops[i%benchKeys], &r)
				i++
			}
		})
	}
}

// BenchmarkReadBatch is per batch of 16 keys.
func BenchmarkReadBatch(b *testing.B) {
	s, _ := benchStore(Options{})
	ops := benchOps(OpGet)
	b.ReportAllocs()
	i := 0
	visit := func(int, *Result) {}
	for b.Loop() {
		from := i * 16 % (benchKeys - 16)
		s.ReadBatch(2, ops[from:from+16], visit)
		i++
	}
}

func BenchmarkAppendTxn(b *testing.B) {
	t := Txn{Time: 1_700_000_000_000, Ops: benchOps(OpSet)[:1]}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendTxn(dst[:0], &t)
	}
	b.ReportMetric(float64(len(dst)), "bytes")
}

func BenchmarkAppendResult(b *testing.B) {
	r := Result{Found: true, Changed: true, Version: 1 << 20}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendResult(BeginResults(dst[:0], 1), &r)
	}
	b.ReportMetric(float64(len(dst)), "bytes")
}

func BenchmarkDecodeOutcome(b *testing.B) {
	frame := AppendResults(nil, []Result{{Found: true, Changed: true, Version: 1 << 20}})
	rs := make([]Result, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := DecodeOutcome(frame, rs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeTxn(b *testing.B) {
	frame := AppendTxn(nil, &Txn{Time: 1_700_000_000_000, Ops: benchOps(OpSet)[:1]})
	var t Txn
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTxn(frame, &t); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChunks and BenchmarkLoad are per snapshot of 65536 keys of 100 bytes.
func BenchmarkChunks(b *testing.B) {
	s, _ := benchStore(Options{})
	snapshot := s.Snapshot()
	defer snapshot.Close()
	for b.Loop() {
		bytes := 0
		for chunk := range snapshot.Chunks(nil, 0) {
			bytes += len(chunk)
		}
		b.SetBytes(int64(bytes))
	}
}

func BenchmarkLoad(b *testing.B) {
	s, _ := benchStore(Options{})
	chunks := chunksOf(s, 0)
	for b.Loop() {
		bytes := 0
		l := NewLoader(Options{})
		for _, chunk := range chunks {
			bytes += len(chunk)
			if err := l.Chunk(chunk); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Finish(); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(bytes))
	}
}

func BenchmarkDigest(b *testing.B) {
	s, _ := benchStore(Options{})
	b.SetBytes(s.Stats().LiveBytes)
	for b.Loop() {
		s.Digest()
	}
}
