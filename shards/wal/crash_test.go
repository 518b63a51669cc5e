package wal

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

var (
	crashSeeds = flag.Int("crash-seeds", 150, "worlds that TestCrash runs through")
	crashSeed  = flag.Uint64("crash-seed", 0, "the one world to run, instead of many")
)

// content is what a log holds: a shard's records, in order. Slices are never changed in place.
type content map[shards.ShardID][]Record

func (c content) equal(other content) bool { return maps.EqualFunc(c, other, same) }

// world drives a log on a file system that forgets, and knows every content the log may have after a crash.
type world struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	fs      *vfs.MemFS
	log     *Log
	history []content // [0] is durable; each step adds one
	crashes int
}

func (w *world) now() content { return w.history[len(w.history)-1] }

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nrepeat with: go test ./shards/wal -run TestCrash -crash-seed %d", fmt.Sprintf(format, args...), w.seed)
}

// did records a step's outcome; synced makes it, and with it all before, durable.
func (w *world) did(next content, synced bool) {
	if w.history = append(w.history, next); synced {
		w.history = w.history[len(w.history)-1:]
	}
}

func (w *world) append() {
	next := maps.Clone(w.now())
	batch, sync := w.records(next), w.random.IntN(2) == 0
	if err := w.log.Append(batch, sync); err != nil {
		w.fatalf("append: %v", err)
	}
	w.did(next, sync)
}

// records makes a few that follow what next holds, and puts them there.
func (w *world) records(next content) (batch []Record) {
	for range 1 + w.random.IntN(4) {
		shard := shards.ShardID(w.random.IntN(3))
		r := Record{Shard: shard, Term: 1, First: 1, Payload: make([]byte, w.random.IntN(300))}
		if w.random.IntN(20) == 0 {
			r.Payload = make([]byte, w.random.IntN(40_000)) // more than a block
		}
		for i := range r.Payload {
			r.Payload[i] = byte(w.random.Uint32())
		}
		if old := next[shard]; len(old) > 0 {
			last := old[len(old)-1]
			r.First, r.Term = last.Last+1, last.Term+shards.Term(w.random.IntN(2))
		}
		r.Last = r.First + shards.SeqNo(w.random.IntN(5))
		batch = append(batch, r)
		next[shard] = append(slices.Clip(next[shard]), r)
	}
	return batch
}

// named stands for a record of the node itself in a content.
const named = shards.ShardID(99)

// write cuts shards at both ends, appends, and sets a record of the node, all in one step.
func (w *world) write() {
	next := maps.Clone(w.now())
	var b Batch
	for _, shard := range w.random.Perm(3)[:w.random.IntN(4)] {
		cut, old := Cut{Shard: shards.ShardID(shard)}, next[shards.ShardID(shard)]
		from, through := 0, len(old)
		if len(old) > 0 && w.random.IntN(2) == 0 {
			from = w.random.IntN(len(old))
			cut.Through = old[from].Last
			from++
		}
		if len(old) > 0 && w.random.IntN(2) == 0 {
			through = w.random.IntN(len(old))
			cut.From = old[through].First
		}
		next[cut.Shard] = old[min(from, through):through:through]
		if len(next[cut.Shard]) == 0 {
			delete(next, cut.Shard)
		}
		b.Cuts = append(b.Cuts, cut)
	}
	if w.random.IntN(2) == 0 {
		b.Records = w.records(next)
	}
	if w.random.IntN(2) == 0 {
		value := make([]byte, w.random.IntN(2000))
		b.Set = []Named{{Name: "named", Value: value}}
		next[named] = []Record{{Shard: named, Payload: value}}
	}
	sync := w.random.IntN(2) == 0
	if err := w.log.Write(b, sync); err != nil {
		w.fatalf("write: %v", err)
	}
	w.did(next, sync)
}

func (w *world) truncate(prefix bool) {
	shard := shards.ShardID(w.random.IntN(3))
	old := w.now()[shard]
	if len(old) == 0 {
		return
	}
	cut := w.random.IntN(len(old))
	next := maps.Clone(w.now())
	var err error
	if prefix {
		next[shard] = old[cut+1:]
		err = w.log.TruncatePrefix(shard, old[cut].Last)
	} else {
		next[shard] = old[:cut:cut]
		err = w.log.TruncateSuffix(shard, old[cut].First)
	}
	if err != nil {
		w.fatalf("truncate: %v", err)
	}
	if len(next[shard]) == 0 {
		delete(next, shard)
	}
	w.did(next, false)
}

// read gives all that the log holds.
func (w *world) read() content {
	found := content{}
	ids, err := w.log.Shards()
	if err != nil {
		w.fatalf("shards: %v", err)
	}
	for _, id := range ids {
		if found[id], err = readAll(w.log, id, 0); err != nil {
			w.fatalf("read: %v", err)
		}
	}
	if value, there, err := w.log.Get("named"); err != nil {
		w.fatalf("get: %v", err)
	} else if there {
		found[named] = []Record{{Shard: named, Payload: value}}
	}
	return found
}

// compare holds Last and ReadFrom to the model, from a random place.
func (w *world) compare() {
	shard := shards.ShardID(w.random.IntN(3))
	want := w.now()[shard]
	last, found, err := w.log.Last(shard)
	if err != nil || found != (len(want) > 0) {
		w.fatalf("last of shard %v: %v, %v", shard, found, err)
	}
	if !found {
		return
	}
	if end := want[len(want)-1]; last.First != end.First || last.Last != end.Last || last.Term != end.Term {
		w.fatalf("last of shard %v is %d..%d, want %d..%d", shard, last.First, last.Last, end.First, end.Last)
	}
	from := w.random.IntN(len(want))
	seq := want[from].First + shards.SeqNo(w.random.Uint64N(uint64(want[from].Last-want[from].First+1)))
	if got, err := readAll(w.log, shard, seq); err != nil || !same(got, want[from:]) {
		w.fatalf("shard %v from %d: %d records of %d, %v", shard, seq, len(got), len(want)-from, err)
	}
}

// crash takes the machine away. What is there afterwards must be the content after some step since the last sync.
func (w *world) crash() {
	keep := []int{0, 50, 100}[w.random.IntN(3)]
	after := w.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: w.random})
	if err := w.log.Close(); err != nil {
		w.fatalf("close: %v", err)
	}
	w.crashes++
	w.fs = after
	w.open()
	found := w.read()
	for _, possible := range slices.Backward(w.history) {
		if possible.equal(found) {
			w.history = []content{possible}
			return
		}
	}
	w.fatalf("after crash %d (%d%% of unsynced blocks kept) the log holds what it never held since the last sync:\n%v", w.crashes, keep, describe(found))
}

func describe(c content) (text string) {
	for _, id := range slices.Sorted(maps.Keys(c)) {
		text += fmt.Sprintf("shard %v:", id)
		for _, r := range c[id] {
			text += fmt.Sprintf(" %d..%d", r.First, r.Last)
		}
		text += "\n"
	}
	return text
}

func (w *world) open() {
	var err error
	if w.log, err = Open("data", options(w.fs)); err != nil {
		w.fatalf("open after %d crashes: %v", w.crashes, err)
	}
}

func (w *world) restart() {
	if err := w.log.Close(); err != nil {
		w.fatalf("close: %v", err)
	}
	w.history = w.history[len(w.history)-1:]
	w.open()
	if found := w.read(); !found.equal(w.now()) {
		w.fatalf("after a clean stop:\n%v", describe(found))
	}
}

func (w *world) run(steps int) {
	w.open()
	for range steps {
		switch n := w.random.IntN(40); {
		case n == 0:
			w.crash()
		case n == 1:
			w.restart()
		case n < 5:
			w.truncate(true)
		case n < 7:
			w.truncate(false)
		case n == 7:
			if err := w.log.Sync(); err != nil {
				w.fatalf("sync: %v", err)
			}
			w.history = w.history[len(w.history)-1:]
		case n < 11:
			w.compare()
		case n < 19:
			w.write()
		default:
			w.append()
		}
	}
	w.crash()
	if err := w.log.Close(); err != nil {
		w.fatalf("close: %v", err)
	}
}

// TestCrash runs seeded worlds of appends, synced and not, truncations, restarts and crashes against a model in memory:
// every synced record is there, none is invented or out of order, and unsynced ones are lost only as a suffix.
func TestCrash(t *testing.T) {
	first, count := uint64(1), *crashSeeds
	if *crashSeed != 0 {
		first, count = *crashSeed, 1
	} else if testing.Short() {
		count = min(count, 20)
	}
	crashes := 0
	for seed := first; seed < first+uint64(count); seed++ {
		w := &world{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 7)), fs: vfs.NewCrashableMem(), history: []content{{}}}
		w.run(60)
		crashes += w.crashes
	}
	t.Logf("%d worlds, %d crashes", count, crashes)
}
