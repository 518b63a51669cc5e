package wal

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A batch that cannot be carried out in whole is not carried out in part.
func TestWriteIsAllOrNothing(t *testing.T) {
	log, err := Open("data", options(vfs.NewMem()))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	three := []Record{{Shard: 1, Term: 1, First: 1, Last: 1}, {Shard: 1, Term: 1, First: 2, Last: 3}, {Shard: 1, Term: 2, First: 4, Last: 4}}
	if err := log.Append(three, true); err != nil {
		t.Fatal(err)
	}
	set := []Named{{Name: "hard", Value: []byte("state")}}
	for _, c := range []struct {
		why  string
		b    Batch
		want error
	}{
		{"a gap behind the cut", Batch{Cuts: []Cut{{Shard: 1, From: 4}}, Records: []Record{{Shard: 1, Term: 2, First: 5, Last: 5}}, Set: set}, ErrGap},
		{"a falling term", Batch{Records: []Record{{Shard: 1, Term: 1, First: 5, Last: 5}}, Set: set}, ErrGap},
		{"a cut inside a record", Batch{Cuts: []Cut{{Shard: 1, From: 3}}, Set: set}, ErrInsideRecord},
		{"two cuts of one shard", Batch{Cuts: []Cut{{Shard: 1, From: 4}, {Shard: 1, Through: 1}}, Set: set}, nil},
	} {
		if err := log.Write(c.b, true); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.why, err, c.want)
		}
		if got, err := readAll(log, 1, 0); err != nil || !same(got, three) {
			t.Errorf("%s: %d records are left, %v", c.why, len(got), err)
		}
		if _, found, err := log.Get("hard"); found || err != nil {
			t.Errorf("%s: the node's record was set, %v", c.why, err)
		}
	}
	whole := Batch{Cuts: []Cut{{Shard: 1, Through: 4}}, Records: []Record{{Shard: 1, Term: 1, First: 90, Last: 90}}, Set: set}
	if err := log.Write(whole, true); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(log, 1, 0); err != nil || len(got) != 1 || got[0].First != 90 {
		t.Errorf("after a cut of everything a shard begins anywhere; found %v, %v", got, err)
	}
}

// A reserve that cannot hold what is written between two measurements and before space is given back is refused.
func TestReserveHasALeast(t *testing.T) {
	for reserve, want := range map[int64]string{1: "a reserve of 1 bytes is too small, the least is 256 KiB", 256<<10 - 1: "64 KiB at a time", 256 << 10: "", 0: "", -1: ""} {
		o := options(vfs.NewMem())
		o.Reserve, o.FreeBytes = reserve, func() (int64, error) { return 1 << 40, nil }
		log, err := Open("data", o)
		if err == nil {
			closeLog(t, log)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("reserve %d: %v, want %q", reserve, err, want)
		}
	}
	if err := CheckReserve(64<<20 - 1); err == nil || CheckReserve(64<<20) != nil || CheckReserve(0) != nil {
		t.Errorf("with memtables of the default size: %v", err)
	}
}

// What a node needs to go on is written when the disk is nearly full.
func TestWriteOnAFullDisk(t *testing.T) {
	o := options(vfs.NewMem())
	o.Reserve, o.FreeBytes = 1<<20, func() (int64, error) { return 1000, nil }
	log, err := Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	record := []Record{{Shard: 1, Term: 1, First: 1, Last: 1}}
	if err := log.Append(record, true); !errors.Is(err, ErrDiskFull) {
		t.Fatalf("append: %v, want ErrDiskFull", err)
	}
	if err := log.Write(Batch{Records: record}, true); err != nil {
		t.Fatal(err)
	}
}
