package wal

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/troupe-actors/troupe/shards"
)

func openSnapshots(t testing.TB, fs vfs.FS) *Snapshots {
	t.Helper()
	s, err := OpenSnapshots("data", fs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// chunksOf yields these chunks, and then err if there is one.
func chunksOf(err error, chunks ...string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, c := range chunks {
			if !yield([]byte(c), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func load(s *Snapshots, shard shards.ShardID, seq shards.SeqNo) (chunks []string, err error) {
	err = s.Load(shard, seq, func(chunk []byte) error {
		chunks = append(chunks, string(chunk))
		return nil
	})
	return chunks, err
}

func TestSnapshotRoundTrip(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openSnapshots(t, fs)
	if _, _, found := s.Newest(7); found {
		t.Error("a snapshot before the first")
	}
	want := []string{"one", "", string(bytes.Repeat([]byte("x"), 100_000))}
	for _, seq := range []shards.SeqNo{5, 12, 300} {
		if _, err := s.Save(7, seq, chunksOf(nil, want...)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Save(8, 1, chunksOf(nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveBefore(7, 12); err != nil {
		t.Fatal(err)
	}
	after := openSnapshots(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0}))
	for _, s := range []*Snapshots{s, after} {
		seq, size, found := s.Newest(7)
		if !found || seq != 300 || size != int64(24+3*8+len(want[0])+len(want[2])+16) {
			t.Errorf("newest is %d of %d bytes, %v", seq, size, found)
		}
		if got, err := load(s, 7, 300); err != nil || !slices.Equal(got, want) {
			t.Errorf("%d chunks, %v", len(got), err)
		}
		if got, err := load(s, 8, 1); err != nil || len(got) != 0 {
			t.Errorf("the empty snapshot: %d chunks, %v", len(got), err)
		}
	}
	if _, err := load(s, 7, 5); err == nil {
		t.Error("a removed snapshot loads")
	}
	if err := s.RemoveBefore(7, 9999); err != nil {
		t.Fatal(err)
	}
	if _, err := load(s, 7, 300); err != nil {
		t.Errorf("a snapshot was removed before its successor was there: %v", err)
	}
}

func TestASnapshotThatFailsLeavesNothing(t *testing.T) {
	fs := vfs.NewMem()
	stopped := errors.New("stopped")
	s := openSnapshots(t, fs)
	if _, err := s.Save(1, 1, chunksOf(stopped, "a")); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	full := &faulty{kinds: []errorfs.OpKind{errorfs.OpFileWrite}, err: syscall.ENOSPC}
	full.armed.Store(true)
	if _, err := openSnapshots(t, full.wrap(fs)).Save(1, 1, chunksOf(nil, "a")); !errors.Is(err, ErrDiskFull) {
		t.Errorf("full disk: %v", err)
	}
	unsynced := &faulty{kinds: []errorfs.OpKind{errorfs.OpFileSync}, suffix: ".tmp", err: syscall.EIO}
	unsynced.armed.Store(true)
	if _, err := openSnapshots(t, unsynced.wrap(fs)).Save(1, 1, chunksOf(nil, "a")); !errors.Is(err, syscall.EIO) {
		t.Errorf("failed fsync: %v", err)
	}
	writeFile(t, fs, "data/snapshots/"+snapshotName{1, 1}.String()+".tmp", []byte("left over"))
	if _, _, found := openSnapshots(t, fs).Newest(1); found {
		t.Error("an unfinished snapshot counts")
	}
	if names, err := fs.List("data/snapshots"); err != nil || len(names) != 0 {
		t.Errorf("left over: %v, %v", names, err)
	}
}

// Every byte is flipped in each of its bits, every length is tried, and bytes are added.
// A snapshot whose folder could not be synced is there, though nobody may count on it: whoever removes all of them removes it as well, or
// a copy that begins empty would find it after a restart.
func TestASnapshotOfWhichNobodyKnowsIsRemoved(t *testing.T) {
	mem := vfs.NewCrashableMem()
	folder := &faulty{kinds: syncs, suffix: "snapshots", err: errors.New("input/output error")}
	s := openSnapshots(t, folder.wrap(mem))
	folder.armed.Store(true)
	if _, err := s.Save(7, 12, chunksOf(nil, "one")); !errors.Is(err, folder.err) {
		t.Fatalf("saved: %v", err)
	}
	folder.armed.Store(false)
	if err := s.RemoveAfter(7, 0); err != nil {
		t.Fatal(err)
	}
	if seq, _, found := openSnapshots(t, mem.CrashClone(vfs.CrashCloneCfg{})).Newest(7); found {
		t.Errorf("the next start finds the one of %d", seq)
	}
}

func TestDamagedSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	if _, err := openSnapshots(t, fs).Save(7, 12, chunksOf(nil, "first chunk", "", "third")); err != nil {
		t.Fatal(err)
	}
	path := "data/snapshots/" + snapshotName{7, 12}.String()
	sound := readFile(t, fs, path)
	expect := func(bad []byte, what string, at int) {
		t.Helper()
		writeFile(t, fs, path, bad)
		_, err := load(openSnapshots(t, fs), 7, 12)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.Shard != 7 || corrupt.Seq != 12 {
			t.Fatalf("%s %d: %v", what, at, err)
		}
	}
	for at := range sound {
		for bit := range 8 {
			bad := bytes.Clone(sound)
			bad[at] ^= 1 << bit
			expect(bad, "flipped byte", at)
		}
		expect(sound[:at], "cut at", at)
		expect(slices.Delete(bytes.Clone(sound), at, at+1), "lost byte", at)
		expect(slices.Insert(bytes.Clone(sound), at, 0), "added byte", at)
	}
	expect(append(bytes.Clone(sound), 0), "added byte", len(sound))
	other := "data/snapshots/" + snapshotName{8, 12}.String()
	writeFile(t, fs, other, sound)
	if _, err := load(openSnapshots(t, fs), 8, 12); err == nil {
		t.Error("the snapshot of another shard loads")
	}
}

func FuzzSnapshot(f *testing.F) {
	fs := vfs.NewMem()
	if _, err := openSnapshots(f, fs).Save(7, 12, chunksOf(nil, "first chunk", "", "third")); err != nil {
		f.Fatal(err)
	}
	f.Add(readFile(f, fs, "data/snapshots/"+snapshotName{7, 12}.String()))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := snapshotReader{file: bytes.NewReader(file), size: int64(len(file))}
		total := 0
		err := r.read(snapshotName{7, 12}, func(chunk []byte) error { total += len(chunk); return nil })
		if total > len(file) || cap(r.buf) > 2*len(file)+64 || err != nil && r.bad == nil {
			t.Fatalf("%d bytes from %d, %v", total, len(file), err)
		}
	})
}
