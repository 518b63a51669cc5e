package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/troupe-actors/troupe/shards/store"
)

// Tree walks a folder: the key is the path below it with slashes, the value the file's content. Files come in the byte
// order of their keys, which is the order of a cluster's scan. Symbolic links are not followed.
type Tree struct {
	root    string
	prefix  string
	stack   [][]entry // folders being walked; the next entry of each is its first
	skipped Skipped
	total   int64
}

// entry is a child of a folder with the key by which it is sorted: folders count as "name/", since "a-b" sorts before "a/b".
type entry struct {
	path string // below the root, with slashes
	sort string
	kind fs.FileMode
}

// File is a regular file of a tree that was found but not yet read.
type File struct {
	Key   []byte
	Path  string
	Size  int64
	Mtime int64 // Unix nanoseconds
}

// OpenTree starts at root, which must be a folder (or a symbolic link to one). total is what Total will say; see Measure.
func OpenTree(root, prefix string, total int64) (*Tree, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file, not a folder; --lines, --csv and --jsonl read files", root)
	}
	t := &Tree{root: root, prefix: prefix, total: total}
	if err := t.push(""); err != nil {
		return nil, err
	}
	return t, nil
}

// Measure walks the tree once and adds up its files.
func Measure(root string) (files int, bytes int64, err error) {
	t, err := OpenTree(root, "", -1)
	if err != nil {
		return 0, 0, err
	}
	for {
		f, err := t.NextFile()
		var bad *ItemError
		switch {
		case err == io.EOF:
			return files, bytes, nil
		case errors.As(err, &bad):
		case err != nil:
			return 0, 0, err
		default:
			files, bytes = files+1, bytes+f.Size
		}
	}
}

// push reads a folder and sorts its children.
func (t *Tree) push(path string) error {
	list, err := os.ReadDir(filepath.Join(t.root, filepath.FromSlash(path)))
	if err != nil {
		return err
	}
	entries := make([]entry, len(list))
	for i, d := range list {
		name := d.Name()
		e := entry{path: name, sort: name, kind: d.Type()}
		if path != "" {
			e.path = path + "/" + name
		}
		if d.IsDir() {
			e.sort += "/"
		}
		entries[i] = e
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.sort, b.sort) })
	t.stack = append(t.stack, entries)
	return nil
}

// NextFile finds the next regular file without reading it. Errors are those of Next.
func (t *Tree) NextFile() (File, error) {
	for len(t.stack) > 0 {
		top := &t.stack[len(t.stack)-1]
		if len(*top) == 0 {
			t.stack = t.stack[:len(t.stack)-1]
			continue
		}
		e := (*top)[0]
		*top = (*top)[1:]
		switch {
		case e.kind.IsDir():
			if err := t.push(e.path); err != nil {
				return File{}, &ItemError{Where: t.path(e.path), Err: err}
			}
		case e.kind&fs.ModeSymlink != 0:
			t.skipped.Symlinks++
		case !e.kind.IsRegular():
			t.skipped.Special++
		default:
			return t.file(e)
		}
	}
	return File{}, io.EOF
}

func (t *Tree) path(below string) string { return filepath.Join(t.root, filepath.FromSlash(below)) }

func (t *Tree) file(e entry) (File, error) {
	path := t.path(e.path)
	key := prefixed(t.prefix, []byte(e.path))
	info, err := os.Lstat(path)
	if err != nil {
		return File{}, &ItemError{Where: path, Key: key, Err: err}
	}
	f := File{Key: key, Path: path, Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	if len(key) > store.MaxKey {
		return File{}, &ItemError{path, key, f.place(), fmt.Errorf("%w: it has %d bytes", ErrKeySize, len(key))}
	}
	if f.Size > store.MaxValue {
		return File{}, &ItemError{path, key, f.place(), fmt.Errorf("%w: it has %d bytes", ErrTooLarge, f.Size)}
	}
	return f, nil
}

func (f File) place() Place { return Place{Size: f.Size, Mtime: f.Mtime} }

// Item reads the file. A file that grew beyond the limit since it was found is an *ItemError.
func (f File) Item() (Item, error) {
	in, err := os.Open(f.Path)
	if err != nil {
		return Item{}, &ItemError{f.Path, f.Key, f.place(), err}
	}
	defer in.Close()
	value := make([]byte, 0, f.Size+1)
	for {
		n, err := in.Read(value[len(value):cap(value)])
		value = value[:len(value)+n]
		if err == io.EOF {
			return bounded(f.Path, Item{Key: f.Key, Value: value, Place: f.place()})
		}
		if err != nil {
			return Item{}, &ItemError{f.Path, f.Key, f.place(), err}
		}
		if len(value) > store.MaxValue {
			return Item{}, &ItemError{f.Path, f.Key, f.place(), fmt.Errorf("%w: it grew while it was read", ErrTooLarge)}
		}
		if len(value) == cap(value) {
			value = slices.Grow(value, max(512, cap(value)))
		}
	}
}

// Next finds and reads the next file.
func (t *Tree) Next() (Item, error) {
	f, err := t.NextFile()
	if err != nil {
		return Item{}, err
	}
	return f.Item()
}

// Total is what OpenTree was told.
func (t *Tree) Total() int64 { return t.total }

// Skipped counts symbolic links and special files met so far.
func (t *Tree) Skipped() Skipped { return t.skipped }

// Close does nothing: no file stays open between calls.
func (t *Tree) Close() error { return nil }
