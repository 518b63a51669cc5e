// Command radix measures shards/radix against tidwall/btree, Go's map and go-immutable-radix in one process, and prints
// each ratio of CPU time beside its target. Run it on a quiet machine:
//
//	go run ./integration/bench/radix                 1M keys per set, about ten minutes
//	go run ./integration/bench/radix -scale 0.1      a tenth of the keys, about a minute
//
// A cell is the median of the runs; the contestants take turns within a run, so that a disturbance hits all of them.
// Every read looks at the value's first byte, every step of an iteration at the key's and the value's.
// Libraries that keep the caller's slices get fresh copies of key and value inside the timing, as a server must.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// row collects one contestant's cells on one set: column to one figure per run.
type row map[string][]float64

func (r row) add(column string, x float64) { r[column] = append(r[column], x) }

func (r row) median(column string) (float64, bool) {
	xs := slices.Clone(r[column])
	if len(xs) == 0 {
		return 0, false
	}
	slices.Sort(xs)
	return xs[len(xs)/2], true
}

func main() {
	scale := flag.Float64("scale", 1, "share of the full key sets: 1M keys, c 200k, e 500k")
	runs := flag.Int("runs", 5, "interleaved runs; the median counts")
	names := flag.String("sets", "abcde", "key sets: a hex, b fields, c URLs, d integers, e words")
	shards := flag.Int("shards", 4096, "trees of 244 keys in the last row; 0 leaves it out")
	flag.Parse()
	misses := 0
	for _, name := range *names {
		misses += measureSet(os.Stdout, byte(name), *scale, *runs)
	}
	if *shards > 0 {
		misses += measureShards(os.Stdout, *shards)
	}
	fmt.Printf("\n%d targets missed\n", misses)
	if misses > 0 {
		os.Exit(1)
	}
}

// measureSet runs every contestant on one key set and prints its tables. It returns the number of targets missed.
func measureSet(out *os.File, set byte, scale float64, runs int) int {
	keys := makeKeys(set, scale)
	rows := make([]row, len(contestants))
	for i := range rows {
		rows[i] = row{}
	}
	for run := range runs {
		for i := range contestants {
			turn := (i + run) % len(contestants)
			measure(contestants[turn].make(), keys, rows[turn])
		}
	}
	fmt.Fprintf(out, "\n(%c) %s, %d keys: CPU ns per operation; iterate per key; gc ms per cycle; B/key over the data\n", set, titles[set], keys.all.len())
	fmt.Fprintf(out, "%-14s", "")
	for _, c := range columns {
		fmt.Fprintf(out, "%11s", c)
	}
	for i, c := range contestants {
		fmt.Fprintf(out, "\n%-14s", c.name)
		for _, column := range columns {
			cell := "-"
			if x, ok := rows[i].median(column); ok {
				cell = fmt.Sprintf("%.1f", x)
			}
			fmt.Fprintf(out, "%11s", cell)
		}
	}
	fmt.Fprintln(out)
	return compare(out, set, rows)
}

// compare prints radix / peer with the target of each column, and counts the misses.
func compare(out *os.File, set byte, rows []row) (misses int) {
	for i, c := range contestants[1:] {
		fmt.Fprintf(out, "%-14s", "/ "+c.name)
		for _, column := range columns {
			cell := "-"
			target := c.target(column, set)
			ours := column
			if column == "compacted" {
				column = "iterate"
			}
			mine, ok := rows[0].median(ours)
			theirs, also := rows[i+1].median(column)
			if ok && also && target > 0 {
				ratio := mine / theirs
				mark := ""
				if ratio > target {
					mark = "!"
					misses++
				}
				cell = fmt.Sprintf("%s%.2f<%s", mark, ratio, strings.TrimSuffix(fmt.Sprintf("%.3g", target), ".0"))
			}
			fmt.Fprintf(out, "%11s", cell)
		}
		fmt.Fprintln(out)
	}
	return misses + compareSelf(out, rows[0], set)
}

// compareSelf prints what the tree promises against itself.
func compareSelf(out *os.File, r row, set byte) (misses int) {
	check := func(what, a, b string, target float64) {
		x, ok := r.median(a)
		y, also := r.median(b)
		if !ok || !also {
			return
		}
		mark := ""
		if x/y > target {
			mark = "  MISSED"
			misses++
		}
		fmt.Fprintf(out, "  %-44s %.2f, target <= %.2g%s\n", what, x/y, target, mark)
	}
	if set != 'c' {
		check("GetBatch / Get per key", "batch", "hit", 0.5)
	}
	check("both without a sidecar: compaction / insert", "compact", "plain", 0.8)
	check("arena / used after it", "arena", "used", 1.5)
	return misses
}
