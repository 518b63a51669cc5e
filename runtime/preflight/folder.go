package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func addresses(ctx context.Context, in *Input) (results []Result) {
	for _, l := range []struct{ name, address string }{{"resp address", in.RESP}, {"http address", in.HTTP}, {"peer address", in.Peer}} {
		if l.address != "" {
			results = append(results, address(ctx, l.name, l.address))
		}
	}
	return results
}

func address(ctx context.Context, name, at string) Result {
	r := Result{Name: name, Level: OK, Found: at + " is free", Want: "free"}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
	if err == nil {
		listener.Close()
		return r
	}
	r.Level, r.Found = Fail, err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		r.Found = at + " is in use"
		r.Fix = "another process listens there, perhaps a node that is already running: stop it, or choose another port"
	case errors.Is(err, fs.ErrPermission):
		r.Fix = "this user may not listen there: choose a port from 1024 on"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		r.Fix = "the machine has no such address: use one of its own, or 0.0.0.0 for all"
	default:
		r.Fix = "give host:port with an address of this machine, as in 127.0.0.1:7400"
	}
	return r
}

// folder checks that the data folder is there or can be made, and that this user can write to it.
func folder(_ context.Context, in *Input) []Result {
	if in.Data == "" {
		return nil
	}
	r := Result{Name: "data folder", Level: OK, Found: in.Data + " is writable", Want: "a folder that this user can write to"}
	place, err := existing(in.Data)
	if err == nil {
		err = writable(place)
	}
	switch {
	case err != nil:
		r.Level, r.Found = Fail, err.Error()
		r.Fix = cmp.Or(barred(err), "choose a folder that the node's user owns, or change its owner")
	case place != filepath.Clean(in.Data):
		r.Found = in.Data + " can be made"
	}
	return []Result{r}
}

// existing is the folder itself, or the nearest one above it that exists.
func existing(path string) (string, error) {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return "", fmt.Errorf("%s is a file", path)
		}
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
			return "", err
		}
	}
}

func writable(dir string) error {
	probe, err := os.CreateTemp(dir, ".troupe-preflight-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// owner checks whose folder it is, and that nobody uses it.
func owner(_ context.Context, in *Input) []Result {
	if in.Data == "" || in.Identity == nil {
		return nil
	}
	r := Result{Name: "data owner", Level: OK, Found: "nobody's yet", Want: "nobody's, or this node's"}
	if _, err := os.Stat(in.Data); errors.Is(err, fs.ErrNotExist) {
		return []Result{r}
	}
	id, found, err := in.Identity(in.Data)
	if err == nil && found {
		in.owned = id
	}
	switch {
	case errors.Is(err, ErrLocked):
		r.Level, r.Found = Fail, "locked by a running node"
		r.Fix = "stop the node that uses the folder, or give this one a folder of its own"
	case err != nil:
		r.Level, r.Found = Fail, err.Error()
		r.Fix = cmp.Or(barred(err), "the folder cannot be read as a node's: give another one, or restore it")
	case !found:
		if others := strangers(in.Data); len(others) > 0 {
			r.Level, r.Found = Warn, "no node's yet, and holds what is not a node's: "+strings.Join(others, ", ")
			r.Fix = "a node would put its own folders beside it: give it a folder of its own"
		}
	case in.Cluster != "" && id.Cluster != in.Cluster:
		r.Level, r.Found = Fail, "belongs to cluster "+id.Cluster
		r.Fix = "the folder was written in another cluster than " + in.Cluster + ": give another folder"
	case in.Node != "" && id.Node != in.Node:
		r.Level, r.Found = Fail, "belongs to node "+id.Node
		r.Fix = "the folder was written by another node than " + in.Node + ": give each node a folder of its own"
	default:
		r.Found = "node " + id.Node + " of cluster " + id.Cluster
	}
	return []Result{r}
}

// mostStrangers bounds how many files are named.
const mostStrangers = 5

// strangers are files and folders in a data folder that no node puts there. Hidden ones, and what a file system makes for itself, are
// not counted.
func strangers(data string) (names []string) {
	entries, err := os.ReadDir(data)
	if err != nil {
		return nil // others tell that it cannot be read
	}
	for _, e := range entries {
		if slices.Contains([]string{"log", "snapshots", "modules", "plans", "lost+found"}, e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if names = append(names, e.Name()); len(names) > mostStrangers {
			names[mostStrangers] = "..."
			break
		}
	}
	return names
}

// space compares free disk space with the reserve: below it writes are refused, below four times it that is near. A folder
// that holds data is let in all the same: reading and deleting is what its owner needs now.
func space(_ context.Context, in *Input) []Result {
	if in.Data == "" {
		return nil
	}
	r := Result{Name: "disk space", Level: OK, Want: size(4*in.Reserve) + " free or more"}
	place, err := existing(in.Data)
	if err != nil {
		return nil // the folder's own check has said so
	}
	free, err := freeSpace(place)
	switch {
	case err != nil:
		r.Level, r.Found = Warn, "unknown: "+err.Error()
		r.Fix = "look yourself that the disk has room"
	case free < in.Reserve && used(in.Data):
		r.Level = Warn
		r.Fix = "writes that grow are refused below " + size(in.Reserve) + "; reads and deletes go on: free space"
	case free < in.Reserve:
		r.Level = Fail
		r.Fix = "the node would refuse writes below " + size(in.Reserve) + ": free space, or use another disk"
	case free < 4*in.Reserve:
		r.Level = Warn
		r.Fix = "writes will be refused below " + size(in.Reserve) + ": make room soon"
	}
	if err == nil {
		r.Found = size(free) + " free"
	}
	return []Result{r}
}

// used says whether the folder is there and holds something.
func used(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) > 0
}

// slowSync is a median above which each write of durability fsync is felt: a spinning disk's.
const slowSync = 15 * time.Millisecond

// fsync times small writes, each made durable, as the log does them.
func fsync(ctx context.Context, in *Input) []Result {
	if in.Data == "" {
		return nil
	}
	place, err := existing(in.Data)
	if err != nil {
		return nil
	}
	r := Result{Name: "fsync", Level: OK, Want: "median below " + slowSync.String()}
	times, err := timeSyncs(ctx, place, in.Syncs)
	if err != nil {
		r.Level, r.Found, r.Fix = unsynced(err, used(in.Data))
		return []Result{r}
	}
	slices.Sort(times)
	median, worst := times[len(times)/2], times[len(times)-1]
	r.Found = fmt.Sprintf("median %v, worst %v of %d", median.Round(time.Microsecond), worst.Round(time.Microsecond), len(times))
	if median > slowSync {
		r.Level = Warn
		r.Fix = "each group of writes waits this long: use an SSD, or durability interval where a second of loss is allowed"
	}
	return []Result{r}
}

// unsynced says what a write means that was not made durable. A full disk says nothing of how fast it is; see space.
func unsynced(err error, used bool) (level Level, found, fix string) {
	switch full := errors.Is(err, syscall.ENOSPC); {
	case full && used:
		return Warn, err.Error(), "how long a durable write takes here cannot be told while there is no room: free space"
	case full:
		return Fail, err.Error(), "there is no room: free space, or use another disk"
	}
	return Fail, err.Error(), cmp.Or(barred(err), "the disk does not take durable writes: use another one")
}

// barred is what helps where nothing is wrong with what a folder holds, but the node may not write there; empty: something else is wrong.
func barred(err error) string {
	switch {
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only: mount it for writing, but look first into the kernel's log, since an error of the disk makes it so"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not write there: run the node as the folder's owner, or change the owner of the folder and all in it"
	}
	return ""
}

func timeSyncs(ctx context.Context, dir string, count int) (times []time.Duration, err error) {
	file, err := os.CreateTemp(dir, ".troupe-preflight-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	block := make([]byte, 4<<10)
	for i := 0; i < count && (i == 0 || ctx.Err() == nil); i++ {
		start := time.Now()
		if _, err := file.Write(block); err != nil {
			return nil, err
		}
		if err := dataSync(file); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}
