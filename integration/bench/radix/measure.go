package main

import (
	"fmt"
	"os"
	goruntime "runtime"
	"strconv"
	"syscall"

	"github.com/troupe-actors/troupe/shards/radix"
)

const valueSize = 16

var columns = []string{"insert", "hit", "miss", "overwrite", "80/20", "delete", "scan100", "iterate", "compacted", "snapshot", "gc", "B/key"}

// cpu is the CPU time of the process, collector included, in nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// timed is the CPU time of f per operation.
func timed(operations int, f func()) float64 {
	from := cpu()
	f()
	return float64(cpu()-from) / float64(operations)
}

func heap() int64 {
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// measure fills one run of one contestant's row.
func measure(s *store, k *keySet, r row) {
	n := k.all.len()
	value := make([]byte, valueSize)
	before := heap()
	r.add("insert", timed(n, func() {
		for i := range n {
			s.put(k.all.at(i), value)
		}
	}))
	r.add("B/key", float64(heap()-before-int64(k.bytes))/float64(n))
	points(s, k, r, value)
	scans(s, k, r)
	const cycles = 3
	r.add("gc", timed(cycles*1e6, func() {
		for range cycles {
			goruntime.GC()
		}
	}))
	if s.snapshot != nil {
		r.add("snapshot", timed(n/2, func() {
			for i := range n / 2 {
				if i%1000 == 0 {
					s.snapshot()
				}
				s.put(k.random.at(i), value)
			}
		}))
	}
	if s.compact != nil {
		itself(s, k, r, value)
	}
	r.add("delete", timed(n, func() {
		for i := range n {
			s.remove(k.random.at(i))
		}
	}))
	goruntime.KeepAlive(s)
}

// points measures single-key reads and overwrites.
func points(s *store, k *keySet, r row, value []byte) {
	n := k.random.len()
	hits := 0
	r.add("hit", timed(n, func() {
		for i := range n {
			if v, ok := s.get(k.random.at(i)); ok {
				hits += 1 + int(v[0])
			}
		}
	}))
	r.add("miss", timed(k.absent.len(), func() {
		for i := range k.absent.len() {
			if _, ok := s.get(k.absent.at(i)); ok {
				hits++
			}
		}
	}))
	must(hits == n, "%d hits of %d", hits, n)
	r.add("overwrite", timed(n, func() {
		for i := range n {
			s.put(k.random.at(i), value)
		}
	}))
	r.add("80/20", timed(n, func() {
		for i := range n {
			if i%5 == 0 {
				s.put(k.mixed.at(i), value)
			} else if v, ok := s.get(k.mixed.at(i)); ok {
				hits += int(v[0])
			}
		}
	}))
	if s.batch != nil {
		r.add("batch", timed(n, func() {
			keys := make([][]byte, 0, 256)
			for i := range n {
				if keys = append(keys, k.random.at(i)); len(keys) == cap(keys) || i == n-1 {
					hits += s.batch(keys)
					keys = keys[:0]
				}
			}
		}))
	}
}

// scans measures ordered reads.
func scans(s *store, k *keySet, r row) {
	n := k.random.len()
	if s.scan != nil {
		r.add("scan100", timed(n/100, func() {
			for i := range n / 100 {
				s.scan(k.random.at(i), 100)
			}
		}))
	}
	r.add("iterate", timed(n, func() { must(s.iterate() == n, "iteration lost keys") }))
}

// itself measures what only the radix tree has.
func itself(s *store, k *keySet, r row, value []byte) {
	n := k.all.len()
	s.compact()
	goruntime.GC() // the old chunks' end is not the iteration's cost
	r.add("compacted", timed(n, func() { must(s.iterate() == n, "compaction lost keys") }))
	arena, used := s.ratio()
	r.add("arena", float64(arena))
	r.add("used", float64(used))
	bare := s.plain()
	r.add("plain", timed(n, func() {
		for i := range n {
			bare.put(k.all.at(i), value)
		}
	}))
	r.add("compact", timed(n, bare.compact))
}

// measureShards fills many small trees, the product's own form, and prints their overhead.
func measureShards(out *os.File, shards int) (misses int) {
	const each, limit = 244, 80.0
	k := makeKeys('a', float64(shards*each)/1e6+0.001)
	value := make([]byte, valueSize)
	before := heap()
	trees := make([]*radix.Tree, shards)
	var counted int64
	for i := range trees {
		trees[i] = radix.New(radix.Options{Seed: uint64(i)})
		for j := range each {
			trees[i].Put(uint64(j+1), k.all.at(i*each+j), value, 0)
		}
		counted += trees[i].Memory()
	}
	keys := float64(shards * each)
	overhead := float64(heap()-before)/keys - 32
	mark := ""
	if overhead > limit {
		mark, misses = "  MISSED", 1
	}
	fmt.Fprintf(out, "\n%d trees of %d keys: %.1f B/key over the data, target < %.0f%s; Memory() says %.1f\n", shards, each, overhead, limit, mark, float64(counted)/keys-32)
	goruntime.KeepAlive(trees)
	goruntime.KeepAlive(k)
	return misses
}

func must(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Sprintf(format, args...))
	}
}

func parse(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return x
}
