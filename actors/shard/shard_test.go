package shard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// world is one node's shards over a disk that forgets what was not synced.
type world struct {
	t         *testing.T
	fs        *vfs.MemFS
	free      atomic.Int64 // of the disk, in bytes
	log       *wal.Log
	files     *wal.Snapshots
	committer *Committer
	space     *Space
	shards    []*Shard
}

const plenty = 1 << 40

func newWorld(t *testing.T, fs *vfs.MemFS, k shards.Keyspace) *world {
	t.Helper()
	k.Name = "test"
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fs: fs, space: NewSpace(k)}
	w.free.Store(plenty)
	if k.Durability != shards.DurabilityMemory {
		w.openLog()
	}
	for i := range k.Shards {
		s := New(Config{ID: shards.NewShardID(k.ID, i), Space: w.space, Committer: w.committer, Log: w.log, Seed: 1})
		if err := s.Recover(w.files, nil); err != nil {
			t.Fatal(err)
		}
		w.shards = append(w.shards, s)
	}
	return w
}

func (w *world) openLog() {
	w.t.Helper()
	var err error
	w.log, err = wal.Open("data", wal.Options{
		FS: w.fs, MemTableBytes: 256 << 10, Reserve: 1 << 20, FreeBytes: func() (int64, error) { return w.free.Load(), nil },
		Fatal: func(err error) { w.t.Errorf("the log failed: %v", err) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.files, err = wal.OpenSnapshots("data", w.fs); err != nil {
		w.t.Fatal(err)
	}
	w.committer = NewCommitter(w.log, time.Hour, func(err error) { w.t.Errorf("the committer failed: %v", err) })
}

func (w *world) close() {
	w.t.Helper()
	for _, s := range w.shards {
		s.Fail(ErrClosed)
	}
	if w.log == nil {
		return
	}
	if err := w.committer.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.log.Close(); err != nil {
		w.t.Error(err)
	}
}

// answers is a Work that keeps copies of its results.
type answers struct {
	txns    []store.Txn
	results []store.Result
	err     error
}

func (a *answers) Len() int              { return len(a.txns) }
func (a *answers) Txn(i int) *store.Txn  { return &a.txns[i] }
func (a *answers) Fail(_ int, err error) { a.err = err }
func (a *answers) Result(_, _ int, r *store.Result) {
	kept := *r
	kept.Value = append([]byte(nil), r.Value...)
	a.results = append(a.results, kept)
}

// do runs operations, each a transaction of its own, on one shard at time 1000.
func (w *world) do(index int, ops ...store.Op) *answers {
	a := &answers{}
	for _, op := range ops {
		a.txns = append(a.txns, store.Txn{Ops: []store.Op{op}})
	}
	b := NewBatch()
	b.Begin()
	w.shards[index].Submit(1000, a, b)
	b.Wait()
	return a
}

func set(key, value string) store.Op {
	return store.Op{Kind: store.OpSet, Key: []byte(key), Value: []byte(value)}
}
func get(key string) store.Op    { return store.Op{Kind: store.OpGet, Key: []byte(key)} }
func remove(key string) store.Op { return store.Op{Kind: store.OpDelete, Key: []byte(key)} }

func eachDurability(t *testing.T, f func(t *testing.T, d shards.Durability)) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval, shards.DurabilityMemory} {
		t.Run(d.String(), func(t *testing.T) { f(t, d) })
	}
}

func TestReadsSeeTheWritesBeforeThem(t *testing.T) {
	eachDurability(t, func(t *testing.T, d shards.Durability) {
		w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: d})
		defer w.close()
		a := w.do(0, get("k"), set("k", "one"), get("k"), set("k", "two"), get("k"), remove("k"), get("k"))
		if a.err != nil || len(a.results) != 7 {
			t.Fatalf("%d results, error %v", len(a.results), a.err)
		}
		for i, want := range map[int]string{0: "", 2: "one", 4: "two", 6: ""} {
			if got := string(a.results[i].Value); got != want || a.results[i].Found != (want != "") {
				t.Errorf("result %d: %q, found %v, want %q", i, got, a.results[i].Found, want)
			}
		}
		if st := w.shards[0].Stats(); st.Applied != 3 || st.Keys != 0 || !st.Available {
			t.Errorf("stats %+v", st)
		}
	})
}

// While the committer is at something else, whatever was handed in meanwhile gathers, and goes into the log at once.
func TestOneFsyncServesManyWriters(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 4})
	defer w.close()
	const writers, waves = 32, 20
	for wave := range waves {
		in, gate, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() { over <- w.committer.ask(func() error { close(in); <-gate; return nil }) }()
		<-in
		before := w.committer.Rounds()
		var works []*answers
		var batches []*Batch
		for i := range writers {
			a, b := &answers{txns: []store.Txn{{Ops: []store.Op{set(fmt.Sprintf("%d-%d", i, wave), "v")}}}}, NewBatch()
			b.Begin()
			w.shards[i%4].Submit(1000, a, b)
			works, batches = append(works, a), append(batches, b)
		}
		close(gate)
		for i, b := range batches {
			if b.Wait(); works[i].err != nil {
				t.Error(works[i].err)
			}
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
		if rounds := w.committer.Rounds() - before; rounds != 1 {
			t.Errorf("%d appends for %d writes: writers do not share them", rounds, writers)
		}
	}
	total := shards.SeqNo(0)
	for _, s := range w.shards {
		total += s.Stats().Logged
	}
	if total != writers*waves {
		t.Fatalf("%d transactions in the log, want %d", total, writers*waves)
	}
}

// TestCrash: whatever the moment of a crash, each acknowledged write is there afterwards, and nothing that nobody wrote.
// DESIGN.md section 4: "acknowledges when every in-sync copy has the write as durable as the keyspace asks".
func TestCrash(t *testing.T) {
	for seed := range uint64(40) {
		crash(t, seed)
	}
}

func crash(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	w := newWorld(t, fs, shards.Keyspace{Shards: 2})
	const writers = 4
	acked := make([]atomic.Int64, writers) // writer i has acknowledgements for its values 1..n
	enough := random.Int64N(60) + 1
	reached := make(chan struct{})
	var total atomic.Int64
	var all sync.WaitGroup
	quit := make(chan struct{})
	for i := range writers {
		all.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-quit:
					return
				default:
				}
				if a := w.do(i%2, set(fmt.Sprintf("w%d", i), fmt.Sprint(n))); a.err != nil {
					t.Errorf("seed %d: %v", seed, a.err)
					return
				}
				acked[i].Store(n)
				if total.Add(1) == enough {
					close(reached)
				}
				if n%17 == 0 && i < 2 {
					if err := w.shards[i].Checkpoint(w.files); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				}
			}
		})
	}
	<-reached
	var promised [writers]int64
	for i := range promised {
		promised[i] = acked[i].Load()
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
	close(quit)
	all.Wait()
	w.close()

	again := newWorld(t, after, shards.Keyspace{Shards: 2})
	defer again.close()
	for i, least := range promised {
		a := again.do(i%2, get(fmt.Sprintf("w%d", i)))
		var got int64
		fmt.Sscan(string(a.results[0].Value), &got)
		if got < least || got > acked[i].Load()+1 {
			t.Errorf("seed %d: writer %d finds %d; %d was acknowledged before the crash, %d ever sent", seed, i, got, least, acked[i].Load()+1)
		}
	}
}

func TestCheckpointShortensTheRestart(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval} {
		t.Run(d.String(), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			w := newWorld(t, fs, shards.Keyspace{Shards: 1, Durability: d})
			for i := range 500 {
				w.do(0, set(fmt.Sprintf("key-%03d", i), "value"))
			}
			if err := w.shards[0].Checkpoint(w.files); err != nil {
				t.Fatal(err)
			}
			w.do(0, remove("key-007"))
			w.close()

			again := newWorld(t, fs, shards.Keyspace{Shards: 1, Durability: d})
			defer again.close()
			st := again.shards[0].Stats()
			if st.Keys != 499 || st.Saved != 500 || st.Applied != 501 {
				t.Fatalf("after the restart: %+v", st)
			}
			id, nothing := again.shards[0].ID(), func(wal.Record) error { return nil }
			if err := again.log.ReadFrom(id, 500, nothing); !errors.Is(err, wal.ErrTruncated) {
				t.Errorf("what the snapshot covers is still in the log: %v", err)
			}
			if err := again.log.ReadFrom(id, 501, nothing); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFullDisk: DESIGN.md and issue: "writes fail with a clear error while reads and deletes go on, and recovers when
// space returns".
func TestFullDisk(t *testing.T) {
	for _, d := range []shards.Durability{shards.DurabilityFsync, shards.DurabilityInterval} {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: d})
			defer w.close()
			w.do(0, set("a", "1"), set("b", "2"))
			w.free.Store(700 << 10) // under the reserve of 1 MiB, over its quarter
			refused := func() error {
				// The log may look at the free space only now and then, and interval notices at the next append.
				var last error
				for i := 0; i < 10_000 && last == nil; i++ {
					last = w.do(0, set("c", "3")).err
					if d == shards.DurabilityInterval {
						_ = w.committer.Barrier() // fails when the disk is full; the next write says so
					}
				}
				return last
			}()
			var failure *shards.Error
			if !errors.As(refused, &failure) || failure.Kind != shards.KindDiskFull {
				t.Fatalf("a write on a full disk gave %v", refused)
			}
			if a := w.do(0, get("a")); a.err != nil || string(a.results[0].Value) != "1" {
				t.Fatalf("a read on a full disk gave %+v", a)
			}
			if a := w.do(0, remove("a")); a.err != nil {
				t.Fatalf("a delete on a full disk gave %v", a.err)
			}
			w.free.Store(plenty)
			var err error
			for range 10_000 {
				if d == shards.DurabilityInterval {
					_ = w.committer.Barrier() // stands in for the tick
				}
				if err = w.do(0, set("d", "4")).err; err == nil {
					break
				}
			}
			if err != nil {
				t.Fatalf("space returned, and a write still gives %v", err)
			}
			if a := w.do(0, get("a"), get("d")); a.results[0].Found || string(a.results[1].Value) != "4" {
				t.Fatalf("afterwards: %+v", a.results)
			}
		})
	}
}

func TestMemoryLimit(t *testing.T) {
	const limit = 256 << 10
	fill := func(w *world) (refused error) {
		value := string(make([]byte, 1000))
		for i := range 2000 {
			if err := w.do(0, set(fmt.Sprintf("key-%04d", i), value)).err; err != nil {
				return err
			}
		}
		return nil
	}
	t.Run("refuses without a policy", func(t *testing.T) {
		w := newWorld(t, nil, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory, MaxMemory: limit})
		defer w.close()
		var failure *shards.Error
		if err := fill(w); !errors.As(err, &failure) || failure.Kind != shards.KindFull {
			t.Fatalf("got %v", err)
		}
		if a := w.do(0, remove("key-0001")); a.err != nil || !a.results[0].Changed {
			t.Fatalf("a delete at the limit gave %+v", a)
		}
	})
	for _, e := range []shards.Eviction{shards.EvictAllKeysLRU, shards.EvictAllKeysLFU, shards.EvictAllKeysRandom} {
		eachDurability(t, func(t *testing.T, d shards.Durability) {
			w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: d, MaxMemory: limit, Eviction: e})
			defer w.close()
			if err := fill(w); err != nil {
				t.Fatalf("%v: %v", e, err)
			}
			st := w.shards[0].Stats()
			if st.Keys == 0 || st.Keys > 400 || w.space.Evicted() != 2000-st.Keys {
				t.Errorf("%v: %d keys left, %d evicted, %d bytes", e, st.Keys, w.space.Evicted(), st.Memory)
			}
		})
	}
}

// Blocks of keys that are gone are not needed, though the tree holds them until it is rebuilt: they neither cost more keys nor refuse writes.
func TestMemoryLimitIsOfWhatIsThere(t *testing.T) {
	const limit = 1 << 20
	value := string(make([]byte, 1000))
	t.Run("gives up no more than it must", func(t *testing.T) {
		w := newWorld(t, nil, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory, MaxMemory: limit, Eviction: shards.EvictAllKeysLRU})
		defer w.close()
		for i := range 4000 {
			if err := w.do(0, set(fmt.Sprintf("key-%04d", i), value)).err; err != nil {
				t.Fatal(err)
			}
			if i%100 == 0 {
				w.shards[0].Receive(Tick{Now: 1000})
			}
			if keys := w.shards[0].Stats().Keys; w.space.Evicted() > 0 && keys < 3*limit/4/1000 {
				t.Fatalf("%d keys are left after %d writes, %d were given up", keys, i+1, w.space.Evicted())
			}
		}
	})
	t.Run("takes writes when keys are deleted", func(t *testing.T) {
		w := newWorld(t, nil, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory, MaxMemory: limit})
		defer w.close()
		last := 0
		for w.do(0, set(fmt.Sprintf("key-%04d", last), value)).err == nil {
			last++
		}
		if a := w.do(0, store.Op{Kind: store.OpExpireAt, Key: []byte("key-0000"), ExpireAt: 1 << 40}); a.err != nil || !a.results[0].Changed {
			t.Errorf("a time to live at the limit gave %+v", a)
		}
		w.do(0, remove("key-0001"), remove("key-0002"), remove("key-0003"))
		if a := w.do(0, set("key-0001", value)); a.err != nil {
			t.Errorf("a write after three deletes: %v", a.err)
		}
		w.do(0, store.Op{Kind: store.OpDeletePrefix})
		for i := range last {
			if a := w.do(0, set(fmt.Sprintf("key-%04d", i), value)); a.err != nil {
				t.Fatalf("write %d of %d after all keys were deleted: %v", i+1, last, a.err)
			}
		}
	})
}

func TestExpiryIsAnOrderedDelete(t *testing.T) {
	eachDurability(t, func(t *testing.T, d shards.Durability) {
		w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1, Durability: d})
		defer w.close()
		short := set("short", "v")
		short.ExpireAt = 5000
		w.do(0, short, set("long", "v"))
		s := w.shards[0]
		if !s.NeedsTick(6000) {
			t.Fatal("nothing to do although a key is due")
		}
		s.Receive(Tick{Now: 6000})
		if w.committer != nil {
			if err := w.committer.Barrier(); err != nil {
				t.Fatal(err)
			}
		}
		if st := s.Stats(); st.Keys != 1 || st.Applied != 3 || w.space.Expired() != 1 {
			t.Errorf("%+v, %d expired", st, w.space.Expired())
		}
	})
}

func TestWatchFollowsAllShards(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 3})
	defer w.close()
	watch, err := NewWatch(w.shards, []byte("a/"), func(int) shards.SeqNo { return 0 }, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	for i := range 3 {
		w.do(i, set("a/x", "1"), set("b/x", "2"), remove("a/x"))
	}
	var got []Change
	for len(got) < 6 {
		if got, err = watch.Next(context.Background(), got); err != nil {
			t.Fatal(err)
		}
	}
	next := map[int]store.ChangeKind{0: store.ChangePut, 1: store.ChangePut, 2: store.ChangePut}
	for _, c := range got {
		if string(c.Key) != "a/x" || c.Kind != next[c.Shard] {
			t.Errorf("unexpected change %+v", c)
		}
		next[c.Shard] = store.ChangeDelete
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := watch.Next(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gave %v", err)
	}
}
