package wal

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

func readFile(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func writeFile(t testing.TB, fs vfs.FS, path string, p []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(slices.Clone(p))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// folder is a folder's files, by name.
type folder struct {
	names []string
	bytes [][]byte
}

func readFolder(t testing.TB, fs vfs.FS, path string) (d folder) {
	t.Helper()
	names, err := fs.List(path)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		d.names = append(d.names, name)
		d.bytes = append(d.bytes, readFile(t, fs, fs.PathJoin(path, name)))
	}
	return d
}

// written is how many bytes of a file there are before the zeros that a log has ahead of it.
func written(file []byte) int { return len(bytes.TrimRight(file, "\x00")) }

func (d folder) write(t testing.TB, path string) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range d.names {
		writeFile(t, fs, fs.PathJoin(path, name), d.bytes[i])
	}
	return fs
}

var flipped = []Record{record(1, 1, 1), record(1, 2, 4), record(1, 5, 5), record(2, 1, 2), record(2, 3, 3)}

// smallLog is a log's folder: after a crash the records are in the log file, after a clean stop in a table.
func smallLog(t testing.TB, clean bool) folder {
	fs := vfs.NewCrashableMem()
	l := openLog(t, options(fs))
	for _, r := range flipped {
		mustAppend(t, l, true, r)
	}
	if err := l.Set("identity", []byte("somebody")); err != nil {
		t.Fatal(err)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	closeLog(t, l)
	if clean {
		return readFolder(t, fs, "data/log")
	}
	return readFolder(t, crashed, "data/log")
}

// examine opens a folder and says whether everything is there. Damage may be reported at any step, but what is handed out
// must be right.
func examine(t testing.TB, fs vfs.FS) (reported error) {
	l, err := Open("data", options(fs))
	if err != nil {
		return err
	}
	defer func() {
		if err := l.Close(); err != nil && reported == nil {
			reported = err
		}
	}()
	name, found, err := l.Get("identity")
	if err != nil {
		return err
	}
	if !found || string(name) != "somebody" {
		t.Errorf("the identity is %q, %v", name, found)
	}
	for _, id := range []shards.ShardID{1, 2} {
		want := slices.DeleteFunc(slices.Clone(flipped), func(r Record) bool { return r.Shard != id })
		got, err := readAll(l, id, 0)
		if len(got) > len(want) || !same(got, want[:len(got)]) {
			t.Errorf("shard %v serves %+v", id, got)
		}
		if err != nil {
			return err
		}
		if len(got) != len(want) {
			t.Errorf("shard %v lost records in silence: %d of %d", id, len(got), len(want))
		}
	}
	return nil
}

var everyByte = flag.Bool("every-byte", false, "TestFlippedByte flips every byte, not each fifth")

// TestFlippedByte flips bytes of each file, after a crash and after a clean stop: the flip is reported, or nothing is missing and nothing wrong.
func TestFlippedByte(t *testing.T) {
	for _, clean := range []bool{false, true} {
		sound := smallLog(t, clean)
		if err := examine(t, sound.write(t, "data/log")); err != nil {
			t.Fatalf("the sound log: %v", err)
		}
		step := 5
		if *everyByte {
			step = 1
		} else if testing.Short() {
			step = 17
		}
		flips, reports := 0, 0
		for file, name := range sound.names {
			whole := sound.bytes[file]
			for at := 0; at < len(whole); at += step {
				if at > written(whole)+64 {
					at = min(at+1000, len(whole)-1)
				}
				bad := folder{sound.names, slices.Clone(sound.bytes)}
				bad.bytes[file] = slices.Clone(bad.bytes[file])
				bad.bytes[file][at] ^= []byte{0x01, 0x80, 0xff}[at%3]
				flips++
				if examine(t, bad.write(t, "data/log")) != nil {
					reports++
				}
				if t.Failed() {
					t.Fatalf("clean %v: byte %d of %s flipped", clean, at, name)
				}
			}
		}
		t.Logf("clean stop %v: %d bytes flipped, %d reported, the others not live", clean, flips, reports)
	}
}

// Damage in one of Pebble's tables is told once, in one line that names the file, however often a walk meets it.
func TestDamageOfATableIsToldOnce(t *testing.T) {
	fs := vfs.NewMem()
	l := openLog(t, options(fs))
	mustAppend(t, l, true, flipped...)
	if err := l.Set("identity", []byte("me")); err != nil {
		t.Fatal(err)
	}
	if err := l.db.Flush(); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	dir := fs.PathJoin("data", "log")
	table := ""
	d := readFolder(t, fs, dir)
	for i, name := range d.names {
		if table == "" && strings.HasSuffix(name, ".sst") {
			table = fs.PathJoin(dir, name)
			for at := range 16 {
				d.bytes[i][at] ^= 0xff // in its first block, where the data is
			}
		}
	}
	if table == "" {
		t.Fatalf("no table in %v", d.names)
	}
	damaged := d.write(t, dir)
	var text bytes.Buffer
	err := Dump(&text, "data", DumpOptions{FS: damaged})
	corrupt, is := errors.AsType[*CorruptError](err)
	if !is || !pebble.IsCorruptionError(err) || !strings.Contains(corrupt.Position, table) {
		t.Errorf("got %v, want damage in %s", err, table)
	}
	if n := strings.Count(text.String(), "CORRUPT"); n != 1 || strings.Contains(text.String(), "carrier") || strings.Count(text.String(), "\n") != 1 {
		t.Errorf("the damage is told %d times:\n%s", n, text.String())
	}
	if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "carrier") {
		t.Errorf("it says %q", text)
	}
}
