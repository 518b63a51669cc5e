package wal

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Free space is measured again after so many appended bytes or appends, whichever comes first, and at every append while
// there is too little. One measurement is a system call of about a microsecond.
const (
	bytesPerMeasure   = 1 << 20
	appendsPerMeasure = 64
)

// DefaultReserve is Options.Reserve if it is 0: room for what Pebble may have to write to give space back.
const DefaultReserve = 256 << 20

// CheckReserve is why a log whose memtables have the default size takes no such Options.Reserve; nil if it does.
func CheckReserve(reserve int64) error { return checkReserve(reserve, DefaultMemTable) }

// checkReserve: what shrinks leaves the last quarter of a reserve to the log itself, which writes out a memtable before it gives space
// back. Four times a memtable is also more than the three that may be written out at once with all that goes unmeasured meanwhile.
func checkReserve(reserve int64, memTable int) error {
	if least := 4 * int64(memTable); reserve > 0 && reserve < least {
		return fmt.Errorf("a reserve of %s is too small, the least is %s: before the log gives space back it writes out what it has in memory, %s at a time, and a quarter of the reserve is kept for that",
			bytesText(reserve), bytesText(least), bytesText(int64(memTable)))
	}
	return nil
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// space decides whether a write may still go to the disk. Any goroutine may ask.
type space struct {
	reserve  int64
	free     func() (int64, error)
	appended atomic.Int64 // bytes since the last measurement
	appends  atomic.Int64 // likewise
	low      atomic.Bool  // a measurement was below the reserve, and none of an append's was not since
}

func newSpace(reserve int64, free func() (int64, error)) *space {
	s := &space{reserve: reserve, free: free}
	s.low.Store(true) // measures at the first append
	return s
}

// admit says whether size more bytes may be written: while less than the reserve would be free only what shrinks, while
// less than a quarter of it would be, nothing. The error wraps ErrDiskFull.
func (s *space) admit(size int64, shrinks bool) error {
	appended, appends := s.appended.Add(size), s.appends.Add(1)
	if !s.low.Load() && appended < bytesPerMeasure && appends < appendsPerMeasure {
		return nil
	}
	free, err := s.free()
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wal: measure free disk space: %w", err)
	}
	s.appended.Store(0)
	s.appends.Store(0)
	left := free - size
	s.low.Store(left < s.reserve)
	if left >= s.reserve || shrinks && left >= s.reserve/4 {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are free, %d MiB are kept in reserve", ErrDiskFull, free>>20, s.reserve>>20)
}

// room measures, and has every append do so, too, while there is too little.
func (s *space) room() (free int64, err error) {
	if free, err = s.free(); err == nil && free < s.reserve {
		s.low.Store(true)
	}
	return free, err
}

// Low says whether less than the reserve is free right now, so that whoever can should give space back; the next append
// knows it, too. It asks the file system, which takes about a microsecond; if that cannot tell, it is false. Any goroutine may ask.
func (l *Log) Low() bool {
	free, err := l.space.room()
	return err == nil && free < l.space.reserve
}

// Room is the free space of the log's disk and what of it is to be kept, in bytes; 0, 0 if the file system cannot tell. Any
// goroutine may ask.
func (l *Log) Room() (free, reserve int64) {
	free, err := l.space.room()
	if err != nil {
		return 0, 0
	}
	return free, l.space.reserve
}

// GiveBack begins to write out what was cut off, so that the tables which hold nothing else are dropped soon, and not only seconds
// later. Where less than a quarter of the reserve is free it does nothing, since it needs room first. Errors are those of Append.
// Any goroutine may call it.
func (l *Log) GiveBack() error {
	if free, reserve := l.Room(); free < reserve/4 {
		return nil
	}
	return l.commit(func() error {
		_, err := l.db.AsyncFlush()
		return err
	})
}

// Free is the free space of the log's disk, in bytes. Any goroutine may ask.
func (l *Log) Free() (int64, error) { return l.space.free() }
