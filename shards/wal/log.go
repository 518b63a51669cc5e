package wal

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

// Options of a Log. The zero value is usable.
type Options struct {
	FS            vfs.FS                           // nil: the disk
	MemTableBytes int                              // log kept in memory before it is written out as tables; default 16 MiB
	Reserve       int64                            // free bytes of disk to keep, at least four times MemTableBytes; default DefaultReserve; negative: none
	FreeBytes     func() (int64, error)            // free bytes of disk; nil: ask FS. Must not call the Log
	Fatal         func(error)                      // called once, by any goroutine, when a write failed; default: panic. Must not call the Log
	Waits         func(error)                      // called each time that Open finds no room on the disk, with why: it tries again when this returns. Any goroutine. If it ends that, Open never returns
	Logf          func(format string, args ...any) // what Pebble has to say; default: nobody listens. Any goroutine
	volatile      bool                             // FS goes with the process
}

// DefaultMemTable is Options.MemTableBytes if it is 0.
const DefaultMemTable = 16 << 20

func (o *Options) validate(dir string) error {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = DefaultMemTable
	}
	if o.MemTableBytes < 64<<10 || o.MemTableBytes > 1<<30 {
		return fmt.Errorf("wal: a memtable of %d bytes; must be 64 KiB to 1 GiB", o.MemTableBytes)
	}
	if o.Reserve == 0 {
		o.Reserve = max(DefaultReserve, 4*int64(o.MemTableBytes))
	}
	if err := checkReserve(o.Reserve, o.MemTableBytes); err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	if o.FreeBytes == nil {
		fs := o.FS
		o.FreeBytes = func() (int64, error) {
			usage, err := fs.GetDiskUsage(dir)
			return int64(min(usage.AvailBytes, 1<<62)), err
		}
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	if o.Waits == nil {
		o.Waits = func(error) {}
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return nil
}

// Log is the log of one node. Calls about different shards may run concurrently, and concurrent Appends share one fsync;
// calls that write to one shard must come one after another, which its turn sees to.
//
// Invariants: (1) the records of a shard have ascending, adjoining ranges First..Last and terms that do not fall; (2) what
// Append with sync has returned for is on disk; (3) if a record is on disk, so is every one appended before it; (4) after
// the first failed write every call returns ErrFatal.
type Log struct {
	dir    string
	db     *pebble.DB
	lock   *pebble.Lock
	space  *space
	fatal  func(error)
	broken atomic.Pointer[error]
	opened atomic.Bool  // until then Open returns what fails
	syncs  atomic.Int64 // fsyncs of files
	tails  sync.Map     // shards.ShardID -> tail
}

// Open opens the log in dir/log, making it if it is not there. Errors wrap ErrLocked, are a *CorruptError that names the
// file, or come from the operating system.
func Open(dir string, o Options) (*Log, error) {
	path := logPath(o.FS, dir)
	if err := o.validate(path); err != nil {
		return nil, err
	}
	if err := makeFolder(o.FS, path); err != nil {
		return nil, err
	}
	lock, err := lockFolder(path, o.FS)
	if err != nil {
		return nil, err
	}
	l := &Log{dir: path, lock: lock, space: newSpace(o.Reserve, o.FreeBytes), fatal: o.Fatal}
	if err := l.open(o); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return l, nil
}

// OpenMemory opens an empty log that is kept in memory and goes with the process: for a node without a data folder, whose
// records of the metadata group have to be somewhere. FS of the options is not looked at.
func OpenMemory(o Options) (*Log, error) {
	o.FS, o.volatile = vfs.NewMem(), true
	return Open("memory", o)
}

func logPath(fs vfs.FS, dir string) string {
	if fs == nil {
		fs = vfs.Default
	}
	return fs.PathJoin(dir, "log")
}

func lockFolder(path string, fs vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(path, fs)
	var pathError *iofs.PathError
	switch {
	case err == nil:
		return lock, nil
	case errors.As(err, &pathError): // the lock file itself cannot be made
		return nil, fmt.Errorf("wal: lock the folder: %w", err)
	}
	return nil, fmt.Errorf("%w: %s", ErrLocked, path)
}

// open checks the files that Pebble would cut short in silence, and opens the database. A new one is opened twice: only in
// the second life of a database do its log chunks say how far the log was synced before, which tells a torn end from damage.
func (l *Log) open(o Options) error {
	known, err := pebble.Peek(l.dir, o.FS)
	if err != nil {
		return fmt.Errorf("wal: open %s: %w", l.dir, err)
	}
	if known.Exists {
		if err := verifyFiles(o.FS, l.dir); err != nil {
			return err
		}
	} else {
		first, err := openPebble(l.dir, l.pebbleOptions(o, false))
		if err != nil {
			return err
		}
		if err := first.Close(); err != nil {
			return fmt.Errorf("wal: create %s: %w", l.dir, err)
		}
	}
	if l.db, err = openPebble(l.dir, l.pebbleOptions(o, false)); err != nil {
		return err
	}
	l.opened.Store(true)
	return l.alive()
}

// openPebble reports damage as a *CorruptError; Pebble panics on some.
func openPebble(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &CorruptError{Position: dir, Cause: fmt.Errorf("open: %v", r)}
		}
	}()
	db, err = pebble.Open(dir, o)
	if err != nil {
		return nil, asCorrupt(fmt.Errorf("wal: open %s: %w", dir, err), dir)
	}
	return db, nil
}

func (l *Log) pebbleOptions(o Options, readOnly bool) *pebble.Options {
	p := &pebble.Options{
		FS:                          &guardFS{FS: o.FS, failed: l.fail, syncs: &l.syncs, volatile: o.volatile},
		Lock:                        l.lock,
		ReadOnly:                    readOnly,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                256,
		FlushDelayDeleteRange:       5 * time.Second, // truncated log gives its disk back soon
		Logger:                      logger{o.Logf, l.fail},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				o.Logf("background: %v", err)
				if !l.opened.Load() && !pebble.IsCorruptionError(err) { // Pebble tries again until it can, without a pause, and says nothing to who opens
					o.Waits(err)
				}
			},
			DataCorruption: func(info pebble.DataCorruptionInfo) { o.Logf("corrupt file %s: %v", info.Path, info.Details) },
		},
	}
	for i := range p.Levels {
		p.Levels[i].BlockSize = 32 << 10 // the log is read in runs, hardly ever by key
	}
	return p
}

// logger routes Pebble's messages. Fatalf returns: the log is poisoned by then, and Append looks before it acknowledges.
type logger struct {
	logf   func(string, ...any)
	failed func(error)
}

func (g logger) Infof(format string, args ...any)  { g.logf(format, args...) }
func (g logger) Errorf(format string, args ...any) { g.logf(format, args...) }
func (g logger) Fatalf(format string, args ...any) { g.failed(fmt.Errorf(format, args...)) }

// fail poisons the log and reports the first failure.
func (l *Log) fail(cause error) {
	err := fmt.Errorf("%w: %w", ErrFatal, cause)
	if l.broken.CompareAndSwap(nil, &err) && l.opened.Load() {
		l.fatal(err)
	}
}

// alive is nil, or why the log stopped.
func (l *Log) alive() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close writes everything out, so that the next Open has nothing to replay, and gives up the folder. No other call may be
// under way or follow. After a failed write Close only unlocks the folder: the process is expected to end.
func (l *Log) Close() error {
	if err := l.alive(); err != nil {
		return errors.Join(err, l.lock.Close(), l.lock.Close()) // ours, and the database's
	}
	var flushed error
	if !l.space.low.Load() || l.space.admit(0, true) == nil {
		flushed = l.db.Flush()
	}
	err := errors.Join(flushed, l.db.Close(), l.lock.Close())
	if err != nil {
		return fmt.Errorf("wal: close: %w", err)
	}
	return nil
}

// Sync makes durable everything that was appended before.
func (l *Log) Sync() error {
	return l.commit(func() error { return l.db.LogData([]byte("sync"), pebble.Sync) })
}

// commit runs a write of Pebble's. What it panics about is a failed write, too.
func (l *Log) commit(write func() error) (err error) {
	if err := l.alive(); err != nil {
		return err
	}
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if own, ok := r.(error); ok && errors.Is(own, ErrFatal) {
			panic(r) // from Options.Fatal
		}
		l.fail(fmt.Errorf("%v", r))
		err = l.alive()
	}()
	if err := write(); err != nil {
		l.fail(err)
	}
	return l.alive()
}

// Bytes is how much disk the log takes, in bytes: what a restart would read at most.
func (l *Log) Bytes() int64 {
	m := l.db.Metrics()
	total := m.Total()
	return int64(m.WAL.Size) + total.TablesSize
}

// Metrics are figures about the log since it was opened.
type Metrics struct {
	Bytes       int64 // on disk
	Syncs       int64 // fsyncs of all its files
	BytesIn     int64 // appended
	BytesOut    int64 // written to disk for it: log, tables, compactions
	Compactions int64
	Memory      int64 // memtables and cache
}

// Metrics may be asked for by any goroutine, before Close.
func (l *Log) Metrics() Metrics {
	m := l.db.Metrics()
	total := m.Total()
	return Metrics{
		Bytes:       int64(m.WAL.Size) + total.TablesSize,
		Syncs:       l.syncs.Load(),
		BytesIn:     int64(m.WAL.BytesIn),
		BytesOut:    int64(m.WAL.BytesWritten + total.TableBytesFlushed + total.TableBytesCompacted),
		Compactions: m.Compact.Count,
		Memory:      int64(m.MemTable.Size) + m.BlockCache.Size,
	}
}

// tail is what the log knows of a shard's end without reading.
type tail struct {
	term  shards.Term
	first shards.SeqNo
	last  shards.SeqNo // 0: no records
}
