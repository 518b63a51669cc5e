package wal

import "github.com/cockroachdb/pebble/v2/vfs"

// A file that grows makes each of its fsyncs commit its new size and its new blocks to the file system's journal as well,
// which takes longer than writing the log. So the log is grown before it is needed, by zeros:
//
//	0            at                              zeroed
//	│ log ...    │ 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 │
//	└────────────┴───────────────────────────────┘
//	 written      as long as the log, 32 to 256 KiB
//
// Then the file system has something to note at one fsync of hundreds. Readers take zeros for the end of a log that was not
// closed, as they take what an older life of a recycled file left behind. PostgreSQL (wal_init_zero) and InnoDB do so, too.
const (
	aheadMin = 32 << 10
	aheadMax = 256 << 10
)

var zeros [aheadMax]byte

// aheadFile is a log file of Pebble's, which is written from its beginning to its end by one goroutine.
type aheadFile struct {
	vfs.File
	at     int64 // where the next write goes
	zeroed int64 // the file's size
}

// newAhead takes over a log that is new or recycled: what a recycled one has is overwritten as cheaply as zeros are.
func newAhead(f vfs.File) (vfs.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &aheadFile{File: f, zeroed: info.Size()}, nil
}

// Write puts zeros behind p first if the file would have to grow for it.
func (f *aheadFile) Write(p []byte) (int, error) {
	if end := f.at + int64(len(p)); end > f.zeroed {
		n, err := f.WriteAt(zeros[:min(max(end, aheadMin), aheadMax)], end)
		if err != nil && !vfs.IsNoSpaceError(err) { // without space there may still be enough for p
			return 0, err
		}
		f.zeroed = end + int64(n)
	}
	n, err := f.File.Write(p)
	f.at += int64(n)
	return n, err
}
