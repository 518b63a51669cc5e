package runtime

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkBesideLargeValues writes small values to a cluster of three with folders, one after the other, while somebody else writes a
// large one to another key, over and over: what a small write waits for at the median, in one of a hundred, and at worst.
//
//	go test ./runtime -run '^$' -bench BesideLargeValues -benchtime 1000x
func BenchmarkBesideLargeValues(b *testing.B) {
	nodes := startThree(b)
	small, err := nodes[0].Store("default")
	if err != nil {
		b.Fatal(err)
	}
	large, err := nodes[1].Store("default")
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{0, 64 << 10, 1 << 20, 16 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			var writing sync.WaitGroup
			if size > 0 {
				writing.Go(func() {
					for value := make([]byte, size); ctx.Err() == nil; {
						if _, err := large.Put(ctx, "large", value); err != nil && ctx.Err() == nil {
							b.Error(err)
							return
						}
					}
				})
			}
			took := make([]time.Duration, b.N)
			for i := range took {
				begun := time.Now()
				if _, err := small.Put(ctx, fmt.Sprint("small ", i%997), []byte("v")); err != nil {
					b.Fatal(err)
				}
				took[i] = time.Since(begun)
			}
			cancel()
			writing.Wait()
			slices.Sort(took)
			for name, at := range map[string]int{"p50-ms": len(took) / 2, "p99-ms": len(took) * 99 / 100, "max-ms": len(took) - 1} {
				b.ReportMetric(float64(took[at].Microseconds())/1000, name)
			}
		})
	}
}

// startThree starts a cluster of three with folders.
func startThree(b *testing.B) (nodes [3]*Node) {
	b.Helper()
	var initial []string
	for range nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		initial = append(initial, l.Addr().String())
		l.Close()
	}
	var starting sync.WaitGroup
	for i := range nodes {
		folder := b.TempDir()
		starting.Go(func() {
			var err error
			if nodes[i], err = Start(b.Context(), Config{Name: fmt.Sprint("n", i+1), Peer: initial[i], Initial: initial, Data: folder, Lease: 5 * time.Second}); err != nil {
				b.Error(err)
			}
		})
	}
	starting.Wait()
	b.Cleanup(func() {
		for _, n := range nodes {
			if n != nil {
				n.Close()
			}
		}
	})
	if b.Failed() {
		b.FailNow()
	}
	return nodes
}
