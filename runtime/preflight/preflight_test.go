package preflight

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func find(t *testing.T, results []Result, name string) Result {
	t.Helper()
	for _, r := range results {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no check %q in %+v", name, results)
	return Result{}
}

func TestAFreeMachinePassesAndNothingIsLeftBehind(t *testing.T) {
	data := t.TempDir()
	results := Run(t.Context(), Input{
		RESP: "127.0.0.1:0", HTTP: "127.0.0.1:0", Peer: "127.0.0.1:0", Data: filepath.Join(data, "a", "b"), Reserve: 1, Syncs: 3,
	})
	for _, name := range []string{"resp address", "http address", "peer address", "data folder", "disk space", "clock", "platform"} {
		if r := find(t, results, name); r.Level != OK || r.Fix != "" {
			t.Errorf("%+v, want ok", r)
		}
	}
	if left, err := os.ReadDir(data); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnAddressInUseFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, at := range []string{l.Addr().String(), "nonsense", "192.0.2.1:1"} {
		results := Run(t.Context(), Input{HTTP: at})
		if r := find(t, results, "http address"); r.Level != Fail || r.Fix == "" {
			t.Errorf("%s: %+v, want a failure with advice", at, r)
		}
		if ExitCode(results) != 1 {
			t.Errorf("%s: exit code 0", at)
		}
	}
}

func TestAFileInTheWayFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := find(t, Run(t.Context(), Input{Data: file}), "data folder"); r.Level != Fail {
		t.Errorf("%+v, want a failure", r)
	}
}

func TestOwners(t *testing.T) {
	mine := Identity{Node: "n1", Cluster: "c1"}
	for _, c := range []struct {
		name  string
		id    Identity
		found bool
		err   error
		want  Level
	}{
		{"nobody's", Identity{}, false, nil, OK}, {"ours", mine, true, nil, OK},
		{"another node's", Identity{Node: "n2", Cluster: "c1"}, true, nil, Fail},
		{"another cluster's", Identity{Node: "n1", Cluster: "c2"}, true, nil, Fail},
		{"locked", Identity{}, false, fmt.Errorf("open: %w", ErrLocked), Fail}, {"unreadable", Identity{}, false, errors.New("torn"), Fail},
	} {
		in := Input{Data: t.TempDir(), Node: mine.Node, Cluster: mine.Cluster, Syncs: 1}
		in.Identity = func(string) (Identity, bool, error) { return c.id, c.found, c.err }
		if r := find(t, Run(t.Context(), in), "data owner"); r.Level != c.want || (r.Fix == "") != (c.want == OK) {
			t.Errorf("%s: %+v, want %s", c.name, r, c.want)
		}
	}
}

// What is in a folder is not to blame, nor to be restored, where the node may not write.
func TestAFolderThatTakesNoWrites(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{{syscall.EROFS, "mounted read-only"}, {syscall.EACCES, "this user may not"}} {
		err := fmt.Errorf("lock: %w", &fs.PathError{Op: "open", Path: "LOCK", Err: c.err})
		in := Input{Data: t.TempDir(), Syncs: 1, Identity: func(string) (Identity, bool, error) { return Identity{}, false, err }}
		if r := find(t, Run(t.Context(), in), "data owner"); r.Level != Fail || !strings.Contains(r.Fix, c.want) {
			t.Errorf("%v: %+v", c.err, r)
		}
		if level, _, fix := unsynced(err, true); level != Fail || !strings.Contains(fix, c.want) {
			t.Errorf("%v: fsync: %s", c.err, fix)
		}
	}
}

// A folder with somebody else's files is one that a node was perhaps not meant to have.
func TestStrangersInTheFolder(t *testing.T) {
	in := Input{Data: t.TempDir(), Syncs: 1, Identity: func(string) (Identity, bool, error) { return Identity{}, false, nil }}
	for _, name := range []string{"log", "lost+found", ".hidden"} {
		if err := os.Mkdir(filepath.Join(in.Data, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if r := find(t, Run(t.Context(), in), "data owner"); r.Level != OK {
		t.Errorf("a node's own folders: %+v", r)
	}
	if err := os.WriteFile(filepath.Join(in.Data, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := find(t, Run(t.Context(), in), "data owner"); r.Level != Warn || !strings.Contains(r.Found, "thesis.tex") {
		t.Errorf("somebody's file: %+v", r)
	}
}

// A new node does not start on a full disk; one that has data there does, so that it can be read and deleted from.
func TestTooLittleSpace(t *testing.T) {
	in := Input{Data: t.TempDir(), Reserve: 1 << 60, Syncs: 1}
	if r := find(t, Run(t.Context(), in), "disk space"); r.Level != Fail {
		t.Errorf("a new folder: %+v, want it to fail", r)
	}
	if err := os.WriteFile(filepath.Join(in.Data, "log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := find(t, Run(t.Context(), in), "disk space"); r.Level != Warn {
		t.Errorf("a folder with data: %+v, want a warning", r)
	}
}

// A full disk is no reason to use another one for data that is there already: the node serves reads and deletes, which make room.
func TestFullDiskIsToBeFreed(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "data", Err: syscall.ENOSPC}
	for _, c := range []struct {
		err   error
		used  bool
		level Level
		fix   string
	}{{full, true, Warn, "free space"}, {full, false, Fail, "free space, or use another disk"}, {errors.New("input/output error"), true, Fail, "use another one"}} {
		if level, _, fix := unsynced(c.err, c.used); level != c.level || !strings.HasSuffix(fix, c.fix) {
			t.Errorf("%v, used %v: %s, %q", c.err, c.used, level, fix)
		}
	}
}

func TestTableAndJSON(t *testing.T) {
	results := []Result{
		{Name: "clock", Level: OK, Found: "2026", Want: "a possible year"},
		{Name: "http address", Level: Fail, Found: "127.0.0.1:7500 is in use", Want: "free", Fix: "choose another port"},
	}
	var text, encoded bytes.Buffer
	if err := errors.Join(Table(&text, results), JSON(&encoded, results)); err != nil {
		t.Fatal(err)
	}
	want := "CHECK         RESULT  FOUND                     WANTED\n" +
		"clock         ok      2026                      a possible year\n" +
		"http address  fail    127.0.0.1:7500 is in use  free\n" +
		"http address: choose another port\n"
	if text.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", strings.ReplaceAll(text.String(), " ", "."), want)
	}
	if lines := strings.Count(encoded.String(), "\n"); lines != 1 {
		t.Errorf("JSON has %d lines", lines)
	}
	var back struct {
		OK      bool
		Results []Result
	}
	if err := json.Unmarshal(encoded.Bytes(), &back); err != nil || back.OK || len(back.Results) != 2 || back.Results[1] != results[1] {
		t.Errorf("JSON came back as %+v, %v", back, err)
	}
}
