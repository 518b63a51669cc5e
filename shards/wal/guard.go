package wal

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardFS stands between Pebble and the file system and tells the log of every write and fsync that failed. Pebble itself
// would retry some of them (a table's write, say), but a failed fsync may have dropped the very bytes that a later one then
// reports as safe, and a log that goes on after an error acknowledges what it does not have.
type guardFS struct {
	vfs.FS
	failed   func(error)
	syncs    *atomic.Int64
	volatile bool // goes with the process: no fsync costs anything
}

func (g *guardFS) watch(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, g.check("create", name, err)
	}
	return &guardFile{File: f, fs: g, name: name}, nil
}

func (g *guardFS) check(verb, name string, err error) error {
	tableFull := err != nil && strings.HasSuffix(name, ".sst") && vfs.IsNoSpaceError(err) // Pebble repeats a table in a new file
	if err != nil && !tableFull {
		g.failed(fmt.Errorf("%s %s: %w", verb, name, err))
	}
	return err
}

func (g *guardFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	f, err = g.ahead(name, f, err)
	return g.watch(name, f, err)
}

// ahead lets logs grow before they are written, if they are to outlive the process.
func (g *guardFS) ahead(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || g.volatile || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	log, err := newAhead(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return log, nil
}

func (g *guardFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(oldName, newName, category)
	f, err = g.ahead(newName, f, err)
	return g.watch(newName, f, err)
}

func (g *guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return g.watch(name, f, nil)
}

func (g *guardFS) Rename(oldName, newName string) error {
	return g.check("rename", newName, g.FS.Rename(oldName, newName))
}

func (g *guardFS) Unwrap() vfs.FS { return g.FS }

// guardFile is a file or folder whose failures are reported.
type guardFile struct {
	vfs.File
	fs   *guardFS
	name string
}

func (f *guardFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.check("write", f.name, err)
}

func (f *guardFile) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	return n, f.fs.check("write", f.name, err)
}

func (f *guardFile) Sync() error {
	f.fs.syncs.Add(1)
	return f.fs.check("fsync", f.name, f.File.Sync())
}

func (f *guardFile) SyncData() error {
	f.fs.syncs.Add(1)
	return f.fs.check("fsync", f.name, f.File.SyncData())
}

func (f *guardFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.fs.check("fsync", f.name, err)
}
