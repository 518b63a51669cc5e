package shard

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

func TestKeeperSavesWhatIsLong(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 2})
	defer w.close()
	for i := range 100 {
		w.do(0, set(fmt.Sprint(i), string(make([]byte, 100))))
	}
	w.do(1, set("few", "bytes"))
	disk := &fakeDisk{free: 1 << 20, reserve: 1 << 19}
	k := NewKeeper(slices.Values(w.shards), w.files, 5000, disk, slog.New(slog.DiscardHandler))
	longest := func() *Shard {
		s, _ := k.longest(disk.free, disk.reserve, time.Now())
		return s
	}
	if s := longest(); s != w.shards[0] {
		t.Fatalf("the longest log is %v", s)
	}
	if err := k.SaveAll(func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	for i, s := range w.shards {
		if bytes, _, any := s.Unsaved(); bytes != 0 || any {
			t.Errorf("shard %d: %d bytes unsaved", i, bytes)
		}
	}
	if longest() != nil || k.Saved() != 2 {
		t.Errorf("there is still something to save after %d snapshots", k.Saved())
	}
	w.do(0, set("0", "again"))
	k.limit = 1
	if s, _ := k.longest(0, 0, time.Now()); s != w.shards[0] {
		t.Errorf("where nobody can tell the room, the longest log is %v", s)
	}
	k.limit = 1 << 20
	disk.free = disk.reserve - 1
	w.do(1, set("few", "more"))
	if longest() != nil {
		t.Error("a snapshot larger than the log would fill the disk further")
	}
	for range 50 {
		w.do(1, set("few", "and more"))
	}
	w.do(1, remove("few"))
	if longest() != w.shards[1] {
		t.Error("on a full disk the log of a deleted key is kept")
	}
	disk.free = 100
	if longest() != nil {
		t.Error("a snapshot takes the room that deletes need")
	}
}

// What was deleted is given back though the limit of the log is far, and though the disk has its reserve again: else an empty
// keyspace would fill a disk for ever.
func TestWhatWasDeletedIsGivenBack(t *testing.T) {
	const reserve = 1 << 20
	for _, c := range []struct {
		name             string
		free, limit      int64
		saved, gone, due bool // the keys are in a snapshot; and deleted
	}{
		{"a disk that is getting full", 2*reserve - 1, 1 << 20, false, true, true},
		{"in a snapshot, too", 2*reserve - 1, 1 << 20, true, true, true},
		{"nothing was deleted", 2*reserve - 1, 1 << 20, false, false, false},
		{"little is there", 2*reserve - 1, 1 << 30, false, true, false},
		{"much room", 1 << 40, 200_000, false, true, true},
		{"much room, and little of it taken", 1 << 40, 1 << 20, false, true, false},
	} {
		w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1})
		for i := range 100 {
			w.do(0, set(fmt.Sprint(i), string(make([]byte, 1000))))
		}
		k := NewKeeper(slices.Values(w.shards), w.files, c.limit, &fakeDisk{}, slog.New(slog.DiscardHandler))
		if c.saved {
			if err := k.SaveAll(func(int, int) {}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			if c.gone {
				w.do(0, remove(fmt.Sprint(i)))
			}
		}
		if s, _ := k.longest(c.free, reserve, time.Now()); (s != nil) != c.due {
			t.Errorf("%s: due is %v", c.name, s != nil)
		}
		w.close()
	}
}

// fakeDisk is as full as a test says.
type fakeDisk struct {
	free, reserve int64
	given         int // GiveBack was called
	err           error
}

func (d *fakeDisk) Room() (free, reserve int64) { return d.free, d.reserve }

func (d *fakeDisk) GiveBack() error {
	d.given++
	return d.err
}

// A log that is cut gives its room back a moment later. Snapshots of many shards in that moment would take all that deletes may
// write into.
func TestSnapshotsOnAFullDiskTakeTurns(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 3})
	defer w.close()
	fill := func() {
		for i := range w.shards {
			for range 50 {
				w.do(i, set("one", "and more"))
			}
		}
	}
	disk := &fakeDisk{free: 225_000, reserve: 300_000}
	k := NewKeeper(slices.Values(w.shards), w.files, 1<<20, disk, slog.New(slog.DiscardHandler))
	fill()
	if !k.shorten() || disk.given != 1 {
		t.Fatalf("the first snapshot was not written, or its room not asked for: %d", disk.given)
	}
	now, full := time.Now(), disk.free
	disk.free = k.owed.settled - 1
	if k.shorten() {
		t.Error("a second snapshot was written before the first had given back what it took")
	}
	if s, _ := k.longest(disk.free, disk.reserve, now.Add(2*patience)); s == nil {
		t.Error("what is never given back holds up the others for ever")
	}
	if s, _ := k.longest(disk.free, disk.free/3*4-1000, now); s == nil {
		t.Error("a second snapshot waits though it leaves most of the reserve")
	}
	disk.free = full
	if !k.shorten() || disk.given != 2 {
		t.Error("no second snapshot was written when the first had given back what it took")
	}
	disk.free = 700_000
	fill()
	k.limit = 100
	for i := range w.shards {
		if !k.shorten() {
			t.Errorf("with room enough, only %d snapshots were written", i)
		}
	}
	if disk.given != 2 {
		t.Error("with room enough the log was asked for more")
	}
}

// What the log cannot give back is no failed snapshot.
func TestKeeperTellsItsErrorsApart(t *testing.T) {
	w := newWorld(t, vfs.NewCrashableMem(), shards.Keyspace{Shards: 1})
	defer w.close()
	for range 50 {
		w.do(0, set("one", "and more"))
	}
	var said strings.Builder
	disk := &fakeDisk{free: 225_000, reserve: 300_000, err: errors.New("no table can be dropped")}
	k := NewKeeper(slices.Values(w.shards), w.files, 1<<20, disk, slog.New(slog.NewTextHandler(&said, nil)))
	if k.shorten() || k.Saved() != 1 {
		t.Errorf("%d snapshots were written; after an error the next waits", k.Saved())
	}
	if log := said.String(); !strings.Contains(log, "not given back") || !strings.Contains(log, "no table can be dropped") || strings.Contains(log, "failed") {
		t.Errorf("it says %s", log)
	}
}

// Deletes may write until a quarter of the reserve is left: no snapshot takes that from them, unless it is small beside it.
func TestSnapshotsLeaveRoomForDeletes(t *testing.T) {
	const reserve = 300
	for _, x := range []struct {
		size, free int64
		fits       bool
	}{
		{0, 0, true}, {1, 0, false}, {100, 10_000, true}, {9_900, 10_000, true}, {9_901, 10_000, false},
		{100, 250, true}, {151, 250, false}, {150, 250, true}, {25, 100, true}, {26, 100, false}, {26, 126, true},
	} {
		if got := fits(x.size, x.free, reserve); got != x.fits {
			t.Errorf("%d bytes into %d: %v", x.size, x.free, got)
		}
		if fits(x.size, x.free, 0) != true {
			t.Errorf("without a reserve %d bytes do not fit into %d", x.size, x.free)
		}
	}
}

// What interval has applied, and a full disk has not let into the log, is in the snapshot: it must not wait for the room that it is to
// make. Whenever the node then crashes, all that a snapshot or a sync has covered is there.
func TestAFullDiskIsMadeRoomOnByInterval(t *testing.T) {
	interval := shards.Keyspace{Shards: 1, Durability: shards.DurabilityInterval}
	w := newWorld(t, vfs.NewCrashableMem(), interval)
	defer w.close()
	written := 0
	write := func() error {
		err := w.do(0, set("one", fmt.Sprintf("%01000d", written+1))).err
		if err == nil {
			written++
		}
		return err
	}
	sound := func(moment string) {
		t.Helper()
		after := newWorld(t, w.fs.CrashClone(vfs.CrashCloneCfg{}), interval)
		defer after.close()
		if a := after.do(0, get("one")); a.err != nil || string(a.results[0].Value) != fmt.Sprintf("%01000d", written) {
			t.Errorf("%s, the %dth write is gone: %v, %v", moment, written, a.err, after.shards[0].Stats())
		}
		if err := after.do(0, set("two", "more")).err; err != nil {
			t.Errorf("%s: %v", moment, err)
		}
	}
	for range 100 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.committer.Barrier(); err != nil {
		t.Fatal(err)
	}
	w.free.Store(700 << 10) // of a reserve of 1 MiB
	w.log.Low()
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := w.committer.Barrier(); !errors.Is(err, wal.ErrDiskFull) {
		t.Fatalf("the log takes what it has no room for: %v", err)
	}
	k := NewKeeper(slices.Values(w.shards), w.files, 64<<20, w.log, slog.New(slog.DiscardHandler))
	if !k.shorten() {
		t.Errorf("nothing was saved: %+v", w.shards[0].Stats())
	}
	sound("when the disk was full")
	w.free.Store(plenty)
	if err := w.committer.Barrier(); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := w.committer.Barrier(); err != nil {
		t.Fatal(err)
	}
	sound("when it has room again")
}
