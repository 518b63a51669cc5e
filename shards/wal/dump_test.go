package wal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

func TestDump(t *testing.T) {
	fs := vfs.NewMem()
	if err := Dump(&bytes.Buffer{}, "data", DumpOptions{FS: fs}); err == nil {
		t.Error("a folder that is not there was dumped")
	}
	l := openLog(t, options(fs))
	if err := Dump(&bytes.Buffer{}, "data", DumpOptions{FS: fs}); !errors.Is(err, ErrLocked) {
		t.Errorf("an open log: %v", err)
	}
	shrinking := record(7, 3, 4)
	shrinking.Shrinks = true
	mustAppend(t, l, true, record(7, 1, 2), shrinking, record(0x20011, 1, 1))
	if err := l.Set("identity", []byte("me")); err != nil {
		t.Fatal(err)
	}
	// A value that was changed behind the log's back, with sound checksums of Pebble's.
	bad := record(8, 1, 1)
	key, value := make([]byte, keySize), make([]byte, headerSize+len(bad.Payload))
	putRecord(key, value, &bad)
	value[headerSize]++
	if err := l.db.Set(key, value, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)

	var text bytes.Buffer
	err := Dump(&text, "data", DumpOptions{FS: fs, Decode: func(_ shards.ShardID, p []byte) string { return string(p) }})
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Shard != 8 || corrupt.Seq != 1 {
		t.Errorf("got %v, want the damage in shard 8", err)
	}
	want := `node    identity            2 B
shard 0/7               1..2          term 1          25 B  payload of shard 0/7 1..2
shard 0/7               3..4          term 1          25 B  shrinks  payload of shard 0/7 3..4
CORRUPT wal: corrupt: shard 0/8, record ending at 1, value: checksum does not match
shard 2/17              1..1          term 1          26 B  payload of shard 2/17 1..1
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", text.String(), want)
	}
	text.Reset()
	only := func(id shards.ShardID) bool { return id == 7 }
	if err := Dump(&text, "data", DumpOptions{FS: fs, Shard: only, JSON: true}); err != nil {
		t.Error(err)
	}
	if line := `{"shard":"0/7","first":3,"last":4,"term":1,"bytes":25,"shrinks":true}` + "\n"; strings.Count(text.String(), "\n") != 2 || !strings.HasSuffix(text.String(), line) {
		t.Errorf("JSON of one shard:\n%s", text.String())
	}
}
