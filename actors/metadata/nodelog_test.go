package metadata

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

var (
	logSeeds = flag.Int("log-seeds", 400, "logs that TestNodeLogCrash runs through")
	logSeed  = flag.Uint64("log-seed", 0, "the one log to run, instead of many")
)

func openWal(t *testing.T, fs vfs.FS) *wal.Log {
	t.Helper()
	log, err := wal.Open("data", wal.Options{FS: fs, MemTableBytes: 256 << 10, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// logWorld writes the same to a NodeLog on a file system that forgets and to a memLog, which knows everything that may be
// left after a crash.
type logWorld struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand
	fs     *vfs.MemFS
	wal    *wal.Log
	log    *NodeLog
	model  *memLog
	term   uint64
}

func (w *logWorld) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nrepeat with: go test ./actors/metadata -run TestNodeLogCrash -log-seed %d", fmt.Sprintf(format, args...), w.seed)
}

func (w *logWorld) open() {
	w.wal = openWal(w.t, w.fs)
	var err error
	if w.log, err = OpenLog(w.wal, 7); err != nil {
		w.fatalf("open: %v", err)
	}
}

func (w *logWorld) entries(from uint64) (list []*raftpb.Entry) {
	if w.random.IntN(4) == 0 {
		w.term++
	}
	for i := range 1 + w.random.IntN(5) {
		size := w.random.IntN(200)
		if w.random.IntN(30) == 0 {
			size = 50_000
		}
		data := make([]byte, size)
		for j := range data {
			data[j] = byte(w.random.Uint32())
		}
		kind := []raftpb.EntryType{raftpb.EntryNormal, raftpb.EntryConfChangeV2}[w.random.IntN(2)]
		list = append(list, &raftpb.Entry{Type: kind.Enum(), Index: new(from + uint64(i)), Term: new(w.term), Data: data})
	}
	return list
}

// save writes what a Ready may ask for: entries behind or over the end, a hard state, a snapshot from the leader.
func (w *logWorld) save() {
	b := Batch{Sync: w.random.IntN(2) == 0}
	from := w.model.Last() + 1
	switch w.random.IntN(12) {
	case 0:
		index := w.model.Last() + uint64(w.random.IntN(10))
		if index == 0 {
			return
		}
		b.Snapshot, from, b.Sync = w.snapshot(index, w.term), index+1, true
	case 1, 2, 3:
		low := max(w.model.First(), w.model.now.kept.GetMetadata().GetIndex()+1) // what is in a snapshot is committed
		if from > low {
			from -= w.random.Uint64N(min(5, from-low) + 1)
		}
	}
	if w.random.IntN(4) > 0 {
		b.Entries = w.entries(from)
	}
	if w.random.IntN(2) == 0 {
		b.HardState = &raftpb.HardState{Term: new(w.term), Vote: new(w.random.Uint64N(3)), Commit: new(from - 1)}
	}
	if err := w.log.Save(b); err != nil {
		w.fatalf("save: %v", err)
	}
	if err := w.model.Save(b); err != nil {
		w.fatalf("save in memory: %v", err)
	}
}

func (w *logWorld) snapshot(index, term uint64) *raftpb.Snapshot {
	data := make([]byte, w.random.IntN(3000))
	return &raftpb.Snapshot{Data: data, Metadata: &raftpb.SnapshotMetadata{
		Index: new(index), Term: new(term), ConfState: &raftpb.ConfState{Voters: []uint64{7}, Learners: []uint64{w.random.Uint64N(9) + 10}},
	}}
}

func (w *logWorld) compact() {
	low, high := max(w.model.now.before, w.model.now.kept.GetMetadata().GetIndex()), w.model.Last()
	if low >= high {
		return
	}
	index := low + 1 + w.random.Uint64N(high-low)
	term, err := w.model.Term(index)
	if err != nil {
		w.fatalf("%v", err)
	}
	first := w.model.First() + w.random.Uint64N(index+2-w.model.First())
	s := w.snapshot(index, term)
	if err := w.log.Compact(s, first); err != nil {
		w.fatalf("compact: %v", err)
	}
	if err := w.model.Compact(s, first); err != nil {
		w.fatalf("compact in memory: %v", err)
	}
}

// differs says how the log is another one than these contents.
func (w *logWorld) differs(c *contents) string {
	hard, kept := w.log.Stored()
	switch {
	case !proto.Equal(hard, c.hard):
		return fmt.Sprintf("hard state %v, want %v", hard, c.hard)
	case !proto.Equal(kept, c.kept):
		return fmt.Sprintf("snapshot of %d, want %d", kept.GetMetadata().GetIndex(), c.kept.GetMetadata().GetIndex())
	case w.log.First() != c.before+1 || w.log.Last() != c.last():
		return fmt.Sprintf("entries %d..%d, want %d..%d", w.log.First(), w.log.Last(), c.before+1, c.last())
	}
	got, err := w.log.Entries(w.log.First(), w.log.Last()+1, 1<<40)
	if err != nil || !slices.EqualFunc(got, c.entries, func(a, b *raftpb.Entry) bool { return proto.Equal(a, b) }) {
		return fmt.Sprintf("other entries, %v", err)
	}
	if term, err := w.log.Term(c.before); err != nil || term != c.beforeTerm {
		return fmt.Sprintf("term %d before the first entry, %v, want %d", term, err, c.beforeTerm)
	}
	return ""
}

// crash takes the power away; what is left must be one of the contents since the last sync.
func (w *logWorld) crash() {
	keep := []int{0, 50, 100}[w.random.IntN(3)]
	after := w.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: w.random})
	if err := w.wal.Close(); err != nil {
		w.fatalf("close: %v", err)
	}
	w.fs = after
	w.open()
	var why []string
	for _, possible := range slices.Backward(w.model.history) {
		differs := w.differs(&possible)
		if differs == "" {
			w.model = &memLog{now: possible, history: []contents{possible}}
			w.term = max(w.term, 1) + 1 // terms that were lost may come again; keep them ascending
			return
		}
		why = append(why, differs)
	}
	w.fatalf("after a crash (%d%% of unsynced blocks kept) the log holds what it never held since the last sync:\n%s", keep, strings.Join(why, "\n"))
}

// TestNodeLogCrash: after a crash the log holds what it held after some step since the last sync.
func TestNodeLogCrash(t *testing.T) {
	first, count := uint64(1), *logSeeds
	if *logSeed != 0 {
		first, count = *logSeed, 1
	} else if testing.Short() {
		count = min(count, 10)
	}
	crashes := 0
	for seed := first; seed < first+uint64(count); seed++ {
		w := &logWorld{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 13)), fs: vfs.NewCrashableMem(), model: newMemLog(), term: 1}
		w.open()
		for range 60 {
			switch n := w.random.IntN(20); {
			case n == 0:
				w.crash()
				crashes++
			case n < 4:
				w.compact()
			default:
				w.save()
			}
			if why := w.differs(&w.model.now); why != "" {
				w.fatalf("without a crash: %s", why)
			}
		}
		w.crash()
		if err := w.wal.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d logs, %d crashes", count, crashes+count)
}

func TestNodeLogRefuses(t *testing.T) {
	fs := vfs.NewCrashableMem()
	log := openWal(t, fs)
	defer log.Close()
	l, err := OpenLog(log, 0)
	if err != nil || l.Number() == 0 {
		t.Fatalf("number %x, %v", l.Number(), err)
	}
	if again, err := OpenLog(log, 0); err != nil || again.Number() != l.Number() {
		t.Errorf("the number %x became %x, %v", l.Number(), again.Number(), err)
	}
	if _, err := OpenLog(log, l.Number()+1); err == nil || !strings.Contains(err.Error(), "belongs to member") {
		t.Errorf("another member's number: %v", err)
	}
	if err := Found(l, l.Number()); err != nil {
		t.Fatal(err)
	}
	if err := Found(l, l.Number()); err == nil {
		t.Error("a group was founded over another one")
	}
	if err := l.Save(Batch{Entries: []*raftpb.Entry{{Index: new(uint64(9)), Term: new(uint64(1))}}}); err == nil {
		t.Error("an entry was taken that follows nothing")
	}
	if _, err := l.Entries(1, 2, 1); !errors.Is(err, ErrCompacted) {
		t.Errorf("entries of the snapshot: %v", err)
	}
	if _, err := l.Entries(2, 3, 1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("entries of the future: %v", err)
	}
}

// Damage that a checksum cannot see, a record that is gone, is told and not survived.
func TestNodeLogSeesWhatIsMissing(t *testing.T) {
	log := openWal(t, vfs.NewCrashableMem())
	defer log.Close()
	l, err := OpenLog(log, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := Found(l, 7); err != nil {
		t.Fatal(err)
	}
	batch := Batch{HardState: &raftpb.HardState{Term: new(uint64(1)), Commit: new(uint64(4))}, Sync: true}
	for i := range uint64(3) {
		batch.Entries = append(batch.Entries, &raftpb.Entry{Index: new(2 + i), Term: new(uint64(1))})
	}
	if err := l.Save(batch); err != nil {
		t.Fatal(err)
	}
	if err := log.TruncatePrefix(logShard, shards.SeqNo(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(log, 7); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a log without its first entry: %v", err)
	}
	if err := log.TruncatePrefix(logShard, shards.SeqNo(4)); err != nil {
		t.Fatal(err)
	}
	l, err = OpenLog(log, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewCore(CoreConfig{Number: 7, Epoch: 1, Log: l}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a log that ends before what is committed: %v", err)
	}
}
