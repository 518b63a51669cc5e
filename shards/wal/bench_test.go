package wal

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

// BenchmarkAppend appends records of 200 bytes, each durable before the next, by so many writers with a shard each.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			l, err := Open(b.TempDir(), Options{FS: vfs.Default})
			if err != nil {
				b.Fatal(err)
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			before := l.Metrics()
			b.ResetTimer()
			var running sync.WaitGroup
			for shard := range shards.ShardID(writers) {
				running.Go(func() {
					r := Record{Shard: shard, Term: 1, Payload: make([]byte, 200)}
					for left.Add(-1) >= 0 {
						r.First, r.Last = r.Last+1, r.Last+1
						if err := l.Append([]Record{r}, true); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			b.StopTimer()
			after := l.Metrics()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.N)/float64(max(after.Syncs-before.Syncs, 1)), "records/fsync")
			closeLog(b, l)
		})
	}
}

// BenchmarkAppendUnsynced is the processor time of an append alone.
func BenchmarkAppendUnsynced(b *testing.B) {
	l, err := Open(b.TempDir(), Options{FS: vfs.Default})
	if err != nil {
		b.Fatal(err)
	}
	r := []Record{{Shard: 1, Term: 1, Payload: make([]byte, 200)}}
	for b.Loop() {
		r[0].First, r[0].Last = r[0].Last+1, r[0].Last+1
		if err := l.Append(r, false); err != nil {
			b.Fatal(err)
		}
	}
	closeLog(b, l)
}

// BenchmarkReplay reads 256 MiB of log, in records of 4 KiB in 16 shards, as a restart does: opened anew, shard after shard.
func BenchmarkReplay(b *testing.B) {
	const size, count, spread = 4 << 10, 64 << 10, 16
	dir := b.TempDir()
	l, err := Open(dir, Options{FS: vfs.Default})
	if err != nil {
		b.Fatal(err)
	}
	noise := make([]byte, 1<<20) // payloads that compression cannot shrink
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for i := range count {
		seq := shards.SeqNo(i/spread + 1)
		r := Record{Shard: shards.ShardID(i % spread), Term: 1, First: seq, Last: seq, Payload: noise[i*977%(len(noise)-size):][:size]}
		if err := l.Append([]Record{r}, false); err != nil {
			b.Fatal(err)
		}
	}
	closeLog(b, l)
	b.SetBytes(size * count)
	for b.Loop() {
		if l, err = Open(dir, Options{FS: vfs.Default}); err != nil {
			b.Fatal(err)
		}
		read := 0
		for shard := range shards.ShardID(spread) {
			if err := l.ReadFrom(shard, 1, func(r Record) error { read += len(r.Payload); return nil }); err != nil {
				b.Fatal(err)
			}
		}
		if read != size*count {
			b.Fatalf("%d bytes", read)
		}
		closeLog(b, l)
	}
}
