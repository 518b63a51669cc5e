package wal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/troupe-actors/troupe/shards"
)

// Errors of Log and Snapshots, compared with errors.Is.
var (
	ErrLocked       = errors.New("wal: the data folder is in use, by another process or by this one")
	ErrDiskFull     = errors.New("wal: the disk is nearly full")
	ErrFatal        = errors.New("wal: the log stopped after a failed write")
	ErrGap          = errors.New("wal: record does not follow the last one")
	ErrInsideRecord = errors.New("wal: sequence number is inside a record")
	ErrTruncated    = errors.New("wal: the log no longer holds this sequence number")
)

// CorruptError reports stored bytes that are not what was written, or are missing. They are never handed out.
type CorruptError struct {
	Shard    shards.ShardID
	Seq      shards.SeqNo // of the record; 0 if the damage is not inside one shard's records
	Position string       // file and offset where known
	Cause    error
}

// Error names what is known of the place.
func (e *CorruptError) Error() string {
	place := e.Position
	if e.Seq != 0 {
		place = fmt.Sprintf("shard %v, record ending at %d, %s", e.Shard, e.Seq, place)
	}
	return fmt.Sprintf("wal: corrupt: %s: %v", place, e.Cause)
}

// Unwrap is the cause.
func (e *CorruptError) Unwrap() error { return e.Cause }

var (
	errChecksum = errors.New("checksum does not match")
	errFormat   = errors.New("unknown format")
	errShort    = errors.New("too short")
	errMissing  = errors.New("a record is missing before this one")
)

// asCorrupt makes Pebble's reports of damage CorruptErrors.
func asCorrupt(err error, position string) error {
	var corrupt *CorruptError
	if err == nil || errors.As(err, &corrupt) {
		return err
	}
	if !pebble.IsCorruptionError(err) {
		return err
	}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil && info.Path != "" {
		position = info.Path // the file, and not the folder
	}
	return &CorruptError{Position: position, Cause: &reported{err}}
}

// reported is one of Pebble's reports, in one line: joined to what it says is an error that carries details for programs, and says only that.
type reported struct{ err error }

// Error is the report.
func (r *reported) Error() string {
	lines := slices.DeleteFunc(strings.Split(r.err.Error(), "\n"), func(line string) bool { return line == "" || line == "<corruption detail carrier>" })
	return strings.Join(lines, "; ")
}

// Unwrap is the report as Pebble made it.
func (r *reported) Unwrap() error { return r.err }
