package wal

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// newestLog is the name and size of the log file that is being written.
func newestLog(t testing.TB, fs vfs.FS) (name string, size int64) {
	t.Helper()
	names, err := fs.List("data/log")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".log") {
			name = max(name, n)
		}
	}
	info, err := fs.Stat(fs.PathJoin("data/log", name))
	if err != nil {
		t.Fatal(err)
	}
	return name, info.Size()
}

// TestLogGrowsAhead appends more than a few files hold: few appends change the size of a file, which is what an
// fsync is dear for, and no file is larger than what it holds by more than it may be.
func TestLogGrowsAhead(t *testing.T) {
	fs := vfs.NewMem()
	o := options(fs)
	o.MemTableBytes = 1 << 20
	l := openLog(t, o)
	defer closeLog(t, l)
	r := record(1, 1, 1)
	r.Payload = bytes.Repeat([]byte{'x'}, 500)
	var last string
	var before int64
	grown, files := 0, 0
	for range 6000 {
		mustAppend(t, l, true, r)
		r.First, r.Last = r.First+1, r.Last+1
		name, size := newestLog(t, fs)
		if name != last {
			files++
			last, before = name, size
		}
		if size != before {
			grown++
		}
		before = size
	}
	if files < 3 {
		t.Fatalf("%d log files", files)
	}
	if total := int64(6000 * 530); int64(grown) > total/aheadMax+10 {
		t.Errorf("the size of a log changed %d times in %d files", grown, files)
	}
	t.Logf("the size changed %d times in %d files", grown, files)
	whole := readFile(t, fs, fs.PathJoin("data/log", last))
	if spare := len(whole) - written(whole); spare > aheadMax {
		t.Errorf("%d bytes of zeros", spare)
	}
}

// TestNoSpaceForZeros lets the disk have no room for more than the log itself, which then goes on; any other error of the
// zeros is one of the log.
func TestNoSpaceForZeros(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, errors.New("input/output error")} {
		fs := vfs.NewCrashableMem()
		zeros := &faulty{kinds: []errorfs.OpKind{errorfs.OpFileWriteAt}, suffix: ".log", err: fault}
		o := options(zeros.wrap(fs))
		var fatal atomic.Int32
		o.Fatal = func(error) { fatal.Add(1) }
		l := openLog(t, o)
		zeros.armed.Store(true)
		r := record(1, 1, 1)
		r.Payload = bytes.Repeat([]byte{'x'}, 1000)
		var err error
		for range 40 {
			if err = l.Append([]Record{r}, true); err != nil {
				break
			}
			r.First, r.Last = r.First+1, r.Last+1
		}
		if vfs.IsNoSpaceError(fault) {
			if err != nil || fatal.Load() != 0 {
				t.Fatalf("no room for zeros: %v, %d times fatal", err, fatal.Load())
			}
			crashed := openLog(t, options(fs.CrashClone(vfs.CrashCloneCfg{})))
			if got, err := readAll(crashed, 1, 0); err != nil || len(got) != 40 {
				t.Errorf("after a crash: %d records, %v", len(got), err)
			}
			closeLog(t, crashed)
			closeLog(t, l)
			continue
		}
		if !errors.Is(err, ErrFatal) || fatal.Load() != 1 {
			t.Errorf("%v, %d times fatal", err, fatal.Load())
		}
		if err := l.Close(); !errors.Is(err, ErrFatal) {
			t.Errorf("closed: %v", err)
		}
	}
}

// TestTornSector lets a crash keep all of the last record's write but what comes after the end of a sector, for each place
// in the record where that may be. One byte may be all that is missing, and it is no damage.
func TestTornSector(t *testing.T) {
	kept, torn := 0, 0
	for pad := sectorSize - 220; pad <= sectorSize; pad++ {
		fs := vfs.NewCrashableMem()
		l := openLog(t, options(fs))
		first := record(3, 1, 1)
		first.Payload = bytes.Repeat([]byte{'x'}, pad)
		mustAppend(t, l, true, first)
		name, _ := newestLog(t, fs)
		path := fs.PathJoin("data/log", name)
		before := written(readFile(t, fs, path))
		mustAppend(t, l, true, record(3, 2, 2))
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		closeLog(t, l)
		log := readFile(t, crashed, path)
		sector := (before + sectorSize - 1) / sectorSize * sectorSize
		if sector < written(log) {
			torn++
		}
		clear(log[sector:])
		writeFile(t, crashed, path, log)
		l, err := Open("data", options(crashed))
		if err != nil {
			t.Fatalf("with %d bytes before: %v", pad, err)
		}
		got, err := readAll(l, 3, 0)
		if err != nil || len(got) < 1 || len(got[0].Payload) != pad {
			t.Fatalf("with %d bytes before: %+v, %v", pad, got, err)
		}
		kept += len(got) - 1
		closeLog(t, l)
	}
	if torn < 50 || kept+torn != 221 {
		t.Errorf("%d of 221 writes torn, %d kept", torn, kept)
	}
}
