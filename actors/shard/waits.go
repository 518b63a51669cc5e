package shard

import (
	"sync/atomic"
	"time"
)

// waitBounds are the upper bounds of the buckets of Waits.
var waitBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, time.Second,
}

// Waits counts durations in buckets. One goroutine adds; any may read. The zero value is empty.
type Waits struct {
	counts [len(waitBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (w *Waits) add(d time.Duration) {
	i := 0
	for i < len(waitBounds) && d > waitBounds[i] {
		i++
	}
	w.counts[i].Add(1)
	w.sum.Add(int64(d))
}

// Read gives the upper bounds of the buckets, in seconds, how many durations fell into each and above the last, and their
// sum in seconds.
func (w *Waits) Read() (bounds []float64, counts []uint64, sum float64) {
	for _, bound := range waitBounds {
		bounds = append(bounds, bound.Seconds())
	}
	for i := range w.counts {
		counts = append(counts, w.counts[i].Load())
	}
	return bounds, counts, time.Duration(w.sum.Load()).Seconds()
}
