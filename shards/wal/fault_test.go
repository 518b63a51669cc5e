package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/troupe-actors/troupe/shards"
)

// faulty is a file system that fails one kind of operation, on files whose name ends so, once it is armed.
type faulty struct {
	armed  atomic.Bool
	kinds  []errorfs.OpKind
	suffix string
	err    error
}

func (f *faulty) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !f.armed.Load() || !strings.HasSuffix(op.Path, f.suffix) {
			return nil
		}
		for _, kind := range f.kinds {
			if op.Kind == kind {
				return f.err
			}
		}
		return nil
	}))
}

// syncs are the ways to make a file durable.
var syncs = []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}

func TestAFailedWriteIsTheEnd(t *testing.T) {
	broken := errors.New("input/output error")
	for name, fault := range map[string]*faulty{
		"fsync of the log":      {kinds: syncs, suffix: ".log", err: broken},
		"write of the log":      {kinds: []errorfs.OpKind{errorfs.OpFileWrite}, suffix: ".log", err: broken},
		"no space for the log":  {kinds: []errorfs.OpKind{errorfs.OpFileWrite}, suffix: ".log", err: syscall.ENOSPC},
		"any fsync, any folder": {kinds: syncs, err: broken},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			var fatal atomic.Int32
			o := options(fault.wrap(fs))
			o.Fatal = func(err error) {
				if !errors.Is(err, ErrFatal) || !errors.Is(err, fault.err) {
					t.Errorf("Fatal was told %v", err)
				}
				fatal.Add(1)
			}
			l := openLog(t, o)
			mustAppend(t, l, true, record(1, 1, 1))
			fault.armed.Store(true)
			var waiting sync.WaitGroup
			for shard := range shards.ShardID(8) {
				waiting.Go(func() {
					if err := l.Append([]Record{record(10+shard, 1, 1)}, true); !errors.Is(err, ErrFatal) {
						t.Errorf("append: %v", err)
					}
				})
			}
			waiting.Wait()
			fault.armed.Store(false) // the disk recovers; the log must not
			_, _, lastErr := l.Last(1)
			_, _, getErr := l.Get("x")
			_, idsErr := l.Shards()
			_, readErr := readAll(l, 1, 1)
			for call, err := range map[string]error{
				"Append": l.Append([]Record{record(1, 2, 2)}, true), "Sync": l.Sync(), "Last": lastErr, "Get": getErr, "Shards": idsErr,
				"ReadFrom": readErr, "Set": l.Set("x", nil), "TruncatePrefix": l.TruncatePrefix(1, 1), "TruncateSuffix": l.TruncateSuffix(1, 1),
				"Close": l.Close(),
			} {
				if !errors.Is(err, ErrFatal) {
					t.Errorf("%s afterwards: %v", call, err)
				}
			}
			if fatal.Load() != 1 {
				t.Errorf("Fatal was called %d times", fatal.Load())
			}
			again := openLog(t, options(fs.CrashClone(vfs.CrashCloneCfg{})))
			if got, err := readAll(again, 1, 1); err != nil || !same(got, []Record{record(1, 1, 1)}) {
				t.Errorf("after a restart: %+v, %v", got, err)
			}
			closeLog(t, again)
		})
	}
}

func TestOpenReportsWhatFails(t *testing.T) {
	fault := &faulty{kinds: []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData}, err: syscall.EIO}
	fault.armed.Store(true)
	o := options(fault.wrap(vfs.NewMem()))
	o.Fatal = func(err error) { t.Errorf("Fatal during Open: %v", err) }
	if l, err := Open("data", o); err == nil || !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, %v", l, err)
	}
}

// TestWhoMeasuresWarnsTheNextAppend: something else fills the disk, and whoever looks at the room, as the node does every two
// seconds, spares the log the writes until it would have measured by itself.
func TestWhoMeasuresWarnsTheNextAppend(t *testing.T) {
	for name, look := range map[string]func(*Log){"Low": func(l *Log) { l.Low() }, "Room": func(l *Log) { l.Room() }} {
		var free atomic.Int64
		o := options(vfs.NewMem())
		o.Reserve, o.FreeBytes = 100<<20, func() (int64, error) { return free.Load(), nil }
		free.Store(200 << 20)
		l := openLog(t, o)
		mustAppend(t, l, false, record(1, 1, 1))
		free.Store(0)
		look(l)
		if err := l.Append([]Record{record(1, 2, 2)}, false); !errors.Is(err, ErrDiskFull) {
			t.Errorf("after %s: %v", name, err)
		}
		free.Store(200 << 20)
		mustAppend(t, l, false, record(1, 2, 2))
		closeLog(t, l)
	}
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	var free atomic.Int64
	o := options(vfs.NewMem())
	o.Reserve, o.FreeBytes = 100<<20, func() (int64, error) { return free.Load(), nil }
	free.Store(200 << 20)
	l := openLog(t, o)
	defer closeLog(t, l)
	next := shards.SeqNo(1)
	try := func(shrinks bool) error {
		r := record(1, next, next)
		r.Payload, r.Shrinks = make([]byte, 64<<10), shrinks
		err := l.Append([]Record{r}, false)
		if err == nil {
			next++
		}
		return err
	}
	for range 100 {
		if err := try(false); err != nil {
			t.Fatal(err)
		}
	}
	free.Store(99 << 20)
	until := next + bytesPerMeasure/(64<<10)
	for next <= until && try(false) == nil {
		continue
	}
	if next > until {
		t.Fatalf("the full disk went unnoticed for %d bytes", bytesPerMeasure)
	}
	if err := try(false); !errors.Is(err, ErrDiskFull) {
		t.Errorf("below the reserve: %v", err)
	}
	if err := l.Append([]Record{{Shard: 1, Term: 1, First: next, Last: next, Shrinks: true}, record(2, 1, 1)}, false); !errors.Is(err, ErrDiskFull) {
		t.Errorf("half of a batch shrinks: %v", err)
	}
	if err := try(true); err != nil {
		t.Errorf("what shrinks, below the reserve: %v", err)
	}
	free.Store(24 << 20)
	if err := try(true); !errors.Is(err, ErrDiskFull) {
		t.Errorf("what shrinks, below a quarter: %v", err)
	}
	if err := l.TruncatePrefix(1, next-2); err != nil {
		t.Errorf("truncation: %v", err)
	}
	if got, err := readAll(l, 1, next-1); err != nil || len(got) != 1 {
		t.Errorf("reads: %v", err)
	}
	free.Store(200 << 20)
	if err := try(false); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// A crash may leave any part of the last write. The records before it are there, and the log goes on behind them.
func TestTornTail(t *testing.T) {
	sound := smallLog(t, false)
	for file, name := range sound.names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		whole := sound.bytes[file]
		for cut := range written(whole) + chunkHeader {
			torn := folder{sound.names, append([][]byte(nil), sound.bytes...)}
			torn.bytes[file] = whole[:cut]
			l, err := Open("data", options(torn.write(t, "data/log")))
			if err != nil {
				t.Fatalf("%s cut at %d: %v", name, cut, err)
			}
			got, err := readAll(l, 1, 0)
			if err != nil || !same(got, flipped[:len(got)]) {
				t.Fatalf("%s cut at %d: %+v, %v", name, cut, got, err)
			}
			next := shards.SeqNo(1)
			if len(got) > 0 {
				next = got[len(got)-1].Last + 1
			}
			mustAppend(t, l, true, record(1, next, next))
			closeLog(t, l)
		}
	}
}

// Whoever comes while an fsync is under way waits for the next one, with all others.
func TestWritersShareAnFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock goes on when everybody waits
		var writing atomic.Bool // while it opens and closes, the log holds locks
		slow := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if writing.Load() && strings.HasSuffix(op.Path, ".log") && slices.Contains(syncs, op.Kind) {
				<-time.After(time.Millisecond)
			}
			return nil
		}))
		o := options(slow)
		o.MemTableBytes = 4 << 20 // all of it in one file
		l := openLog(t, o)
		const writers, each = 32, 20
		before := l.Metrics().Syncs
		writing.Store(true)
		var running sync.WaitGroup
		for shard := range shards.ShardID(writers) {
			running.Go(func() {
				for seq := shards.SeqNo(1); seq <= each; seq++ {
					if err := l.Append([]Record{record(shard, seq, seq)}, true); err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		writing.Store(false)
		if n := l.Metrics().Syncs - before; n > 2*each {
			t.Errorf("%d synced appends by %d writers took %d fsyncs", writers*each, writers, n)
		}
		closeLog(t, l)
	})
}

func FuzzRecord(f *testing.F) {
	r := record(3, 4, 9)
	key, value := make([]byte, keySize), make([]byte, headerSize+len(r.Payload))
	putRecord(key, value, &r)
	f.Add(key, value, false)
	f.Add([]byte{}, []byte{}, true)
	f.Fuzz(func(t *testing.T, key, value []byte, mend bool) {
		if mend && len(value) >= 4 {
			binary.LittleEndian.PutUint32(value, sumOf(key, value))
		}
		r, err := decodeRecord(key, value)
		if err != nil {
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				t.Fatalf("an untyped error: %v", err)
			}
			return
		}
		key2, value2 := make([]byte, keySize), make([]byte, headerSize+len(r.Payload))
		putRecord(key2, value2, &r)
		if string(key2) != string(key) || string(value2[8:]) != string(value[8:]) {
			t.Fatal("a record has two encodings")
		}
	})
}

// FuzzVerify looks for a panic, and for a sound log that is called damaged.
func FuzzVerify(f *testing.F) {
	d := smallLog(f, false)
	for i, name := range d.names {
		if strings.HasSuffix(name, ".log") {
			f.Add(d.bytes[i], uint32(4), true)
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, number uint32, isLog bool) {
		c := chunkFile{bytes: p, number: number, isLog: isLog}
		if at, bad := c.damage(); bad && (at < 0 || at >= len(p)) {
			t.Fatalf("damage at %d of %d", at, len(p))
		}
	})
}

// What was cut off is written out when it is asked for, but not where the new file of the log might meet ENOSPC.
func TestGiveBackNeedsRoomFirst(t *testing.T) {
	var free atomic.Int64
	fs := vfs.NewMem()
	o := options(fs)
	o.Reserve, o.FreeBytes = 100<<20, func() (int64, error) { return free.Load(), nil }
	free.Store(200 << 20)
	l := openLog(t, o)
	defer closeLog(t, l)
	mustAppend(t, l, false, record(1, 1, 1), record(2, 1, 1))
	newest := func() (name string) {
		all, err := fs.List("data/log")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range all {
			if strings.HasSuffix(file, ".log") {
				name = max(name, file)
			}
		}
		return name
	}
	if err := l.TruncatePrefix(1, 1); err != nil {
		t.Fatal(err)
	}
	before := newest()
	for _, step := range []struct {
		free    int64
		written bool
	}{{24 << 20, false}, {26 << 20, true}} {
		free.Store(step.free)
		if err := l.GiveBack(); err != nil {
			t.Fatal(err)
		}
		if got := newest(); (got != before) != step.written {
			t.Errorf("with %d MiB free the log went from %s to %s", step.free>>20, before, got)
		}
	}
	if got, err := readAll(l, 2, 1); err != nil || len(got) != 1 {
		t.Errorf("another shard's records: %d, %v", len(got), err)
	}
}

// A damaged table that is met in the background while the log is opened is not what room would mend: nobody is told to wait for that.
func TestOpenDoesNotWaitForDamage(t *testing.T) {
	var told []error
	o := options(vfs.NewMem())
	o.Logf = t.Logf
	o.Waits = func(err error) { told = append(told, err) }
	opening := new(Log)
	listener := opening.pebbleOptions(o, false).EventListener
	listener.BackgroundError(fmt.Errorf("file 9: %w", pebble.ErrCorruption))
	listener.BackgroundError(syscall.ENOSPC)
	if len(told) != 1 || !errors.Is(told[0], syscall.ENOSPC) {
		t.Errorf("told %v", told)
	}
}

// crashedWithOne is the file system of a log that held one record when its machine died.
func crashedWithOne(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	l := openLog(t, options(fs))
	mustAppend(t, l, true, record(1, 1, 1))
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	closeLog(t, l)
	return crashed
}

// What Pebble replays it writes to tables before it is open, as often as it takes: who opens is told what that waits for, and by taking their time
// how soon it is tried again.
func TestOpenWaitsForRoom(t *testing.T) {
	crashed := crashedWithOne(t)
	var told []error
	tries := 0
	o := options(errorfs.Wrap(crashed, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpCreate || !strings.HasSuffix(op.Path, ".sst") || len(told) == 3 || tries == 100 { // somebody makes room
			return nil
		}
		tries++
		return syscall.ENOSPC
	})))
	o.Waits = func(err error) { told = append(told, err) }
	l := openLog(t, o)
	if len(told) != 3 || tries != 3 || !errors.Is(told[2], syscall.ENOSPC) {
		t.Errorf("told %v of %d tries", told, tries)
	}
	if got, err := readAll(l, 1, 1); err != nil || !same(got, []Record{record(1, 1, 1)}) {
		t.Errorf("when there is room: %+v, %v", got, err)
	}
	closeLog(t, l)
}

// Who waits for room may give up, by ending the goroutine that says so. The folder stays as it was, and locked, since Pebble cannot be told.
func TestOpenGivesUp(t *testing.T) {
	crashed := crashedWithOne(t)
	o := options(errorfs.Wrap(crashed, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})))
	tries, given := 0, make(chan int)
	o.Waits = func(error) {
		if tries++; tries == 3 {
			defer close(given)
			goruntime.Goexit()
		}
	}
	go func() {
		_, err := Open("data", o)
		t.Errorf("it returns: %v", err)
	}()
	<-given
	if _, err := Open("data", options(crashed)); !errors.Is(err, ErrLocked) {
		t.Errorf("the folder is opened once more: %v", err)
	}
	l := openLog(t, options(crashed.CrashClone(vfs.CrashCloneCfg{})))
	if got, err := readAll(l, 1, 1); err != nil || !same(got, []Record{record(1, 1, 1)}) {
		t.Errorf("with room, in another process: %+v, %v", got, err)
	}
	closeLog(t, l)
}
