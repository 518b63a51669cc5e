package wal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

// options are those of every test: a small memtable, so that tables are written and compacted, and no wish for a reserve.
func options(fs vfs.FS) Options {
	return Options{FS: fs, MemTableBytes: 64 << 10, Reserve: -1}
}

func openLog(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func record(shard shards.ShardID, first, last shards.SeqNo) Record {
	payload := []byte(fmt.Sprintf("payload of shard %v %d..%d", shard, first, last))
	return Record{Shard: shard, Term: 1, First: first, Last: last, Payload: payload}
}

func mustAppend(t testing.TB, l *Log, sync bool, records ...Record) {
	t.Helper()
	if err := l.Append(records, sync); err != nil {
		t.Fatal(err)
	}
}

// readAll gives the shard's records from seq on, copied.
func readAll(l *Log, shard shards.ShardID, seq shards.SeqNo) (all []Record, err error) {
	err = l.ReadFrom(shard, seq, func(r Record) error {
		r.Payload = bytes.Clone(r.Payload)
		all = append(all, r)
		return nil
	})
	return all, err
}

func same(a, b []Record) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Shard != y.Shard || x.Term != y.Term || x.First != y.First || x.Last != y.Last || x.Shrinks != y.Shrinks || !bytes.Equal(x.Payload, y.Payload) {
			return false
		}
	}
	return true
}

func TestAppendReadReopen(t *testing.T) {
	fs := vfs.NewMem()
	l := openLog(t, options(fs))
	want := []Record{record(7, 1, 3), record(7, 4, 4), record(7, 5, 9)}
	mustAppend(t, l, true, want[0], record(0xffffffff, 1, 1), want[1])
	mustAppend(t, l, false, want[2])
	for round := range 2 {
		for seq := shards.SeqNo(0); seq <= 10; seq++ {
			from := 0
			for from < len(want) && want[from].Last < seq {
				from++
			}
			got, err := readAll(l, 7, seq)
			if err != nil || !same(got, want[from:]) {
				t.Fatalf("round %d: from %d: %+v, %v", round, seq, got, err)
			}
		}
		last, found, err := l.Last(7)
		if err != nil || !found || last.First != 5 || last.Last != 9 || last.Term != 1 {
			t.Fatalf("round %d: last is %+v, %v, %v", round, last, found, err)
		}
		if ids, err := l.Shards(); err != nil || len(ids) != 2 || ids[0] != 7 || ids[1] != 0xffffffff {
			t.Fatalf("shards: %v, %v", ids, err)
		}
		closeLog(t, l)
		l = openLog(t, options(fs))
	}
	closeLog(t, l)
}

func TestAppendRefusesGaps(t *testing.T) {
	l := openLog(t, options(vfs.NewMem()))
	defer closeLog(t, l)
	mustAppend(t, l, false, record(1, 5, 6)) // an empty shard may begin anywhere
	for name, batch := range map[string][]Record{
		"gap":            {record(1, 8, 8)},
		"overlap":        {record(1, 6, 7)},
		"zero":           {record(2, 0, 1)},
		"backwards":      {record(2, 5, 4)},
		"lower term":     {{Shard: 1, First: 7, Last: 7}},
		"gap in a batch": {record(2, 1, 1), record(3, 1, 1), record(2, 3, 3)},
	} {
		if err := l.Append(batch, false); !errors.Is(err, ErrGap) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, l, false, record(2, 1, 1), record(1, 7, 7), record(2, 2, 2), record(1, 8, 8))
	if ids, err := l.Shards(); err != nil || len(ids) != 2 {
		t.Errorf("a refused batch left something: %v, %v", ids, err)
	}
}

func TestTruncate(t *testing.T) {
	fs := vfs.NewMem()
	l := openLog(t, options(fs))
	mustAppend(t, l, false, record(0xfffffffe, 1, 1), record(0xffffffff, 1, 2), record(0xffffffff, 3, 5), record(0xffffffff, 6, 6))
	if err := l.TruncateSuffix(0xffffffff, 4); !errors.Is(err, ErrInsideRecord) {
		t.Fatalf("inside a record: %v", err)
	}
	if err := l.TruncateSuffix(0xffffffff, 6); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, false, Record{Shard: 0xffffffff, Term: 2, First: 6, Last: 7})
	if err := l.TruncatePrefix(0xffffffff, 4); err != nil { // 3..5 reaches beyond 4, and stays
		t.Fatal(err)
	}
	if _, err := readAll(l, 0xffffffff, 2); !errors.Is(err, ErrTruncated) {
		t.Errorf("a truncated sequence number: %v", err)
	}
	closeLog(t, l)
	l = openLog(t, options(fs))
	defer closeLog(t, l)
	if got, err := readAll(l, 0xffffffff, 3); err != nil || len(got) != 2 || got[1].Term != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := l.TruncatePrefix(0xffffffff, 1000); err != nil {
		t.Fatal(err)
	}
	if _, found, err := l.Last(0xffffffff); found || err != nil {
		t.Errorf("an emptied shard has a last record: %v", err)
	}
	if got, err := readAll(l, 0xfffffffe, 1); err != nil || len(got) != 1 {
		t.Errorf("the neighbour has %+v, %v", got, err)
	}
	if err := errors.Join(l.TruncatePrefix(9, 5), l.TruncateSuffix(9, 5)); err != nil {
		t.Errorf("an unknown shard: %v", err)
	}
}

func TestNodeRecords(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openLog(t, options(fs))
	if _, found, err := l.Get("identity"); found || err != nil {
		t.Fatal(found, err)
	}
	for _, value := range []string{"one", "", "three"} {
		if err := l.Set("identity", []byte(value)); err != nil {
			t.Fatal(err)
		}
		crashed := openLog(t, options(fs.CrashClone(vfs.CrashCloneCfg{})))
		if got, found, err := crashed.Get("identity"); err != nil || !found || string(got) != value {
			t.Errorf("after a crash: %q, %v, %v", got, found, err)
		}
		closeLog(t, crashed)
	}
	closeLog(t, l)
}

func TestLockedFolder(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, err := Open(dir, options(fs))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, options(fs)); !errors.Is(err, ErrLocked) || !bytes.Contains([]byte(err.Error()), []byte(dir)) {
				t.Errorf("got %v, want ErrLocked with the path", err)
			}
			closeLog(t, l)
			if l, err = Open(dir, options(fs)); err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
		})
	}
}

func TestMemoryLogKeepsRecordsOfItsLife(t *testing.T) {
	l, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Append([]Record{{Shard: 3, First: 1, Last: 2, Payload: []byte("p")}}, true); err != nil {
		t.Fatal(err)
	}
	if r, found, err := l.Last(3); err != nil || !found || r.Last != 2 {
		t.Errorf("last record %+v, %v, %v", r, found, err)
	}
	if l.Low() {
		t.Error("memory has no disk to run low")
	}
	other, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal("two logs in memory are two logs:", err)
	}
	defer other.Close()
	if _, found, err := other.Last(3); found || err != nil {
		t.Errorf("another log has its record: %v", err)
	}
}
