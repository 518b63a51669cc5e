// Package source reads keys and values from where people keep them: a folder tree, lines, CSV, JSON lines. load writes what
// it yields, verify compares with it; both see the same mapping.
//
//	tree/net/http/server.go   ─►  key "net/http/server.go"   value = the file's bytes
//	alpha TAB 1               ─►  key "alpha"                value "1"
//	id,name  /  7,Ann         ─►  key "7"                    value {"id":"7","name":"Ann"}
//	{"id":7,"name":"Ann"}     ─►  key "7"                    value = the line
//	{"key":"a","value":"MQ=="} ─► key "a"                    value "1": what troupe scan --values --json prints
//	{"end":true,"count":1}     ─►  nothing: what the scan printed is whole
//
// What cannot become a key and a value is never dropped silently: it comes out as an *ItemError that names its place, and
// reading goes on behind it. One goroutine at a time reads a source.
package source

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards/store"
)

// Item is one key and its value. Both are the reader's own: they stay valid.
type Item struct {
	Key   []byte
	Value []byte
	Place Place

	ExpireAt int64 // Unix milliseconds; 0 = never, or not known: only Scanned knows
}

// Place is where an item stands, so that a load can be continued behind it.
type Place struct {
	Offset int64 // where the next item begins, in bytes of the file; for a tree, 0
	Line   int64 // last line of the item, counted from 1; for a tree, 0
	Size   int64 // bytes that the item takes in its source
	Mtime  int64 // modification time in Unix nanoseconds; trees only
}

// Source yields items one after another.
type Source interface {
	// Next gives the next item. io.EOF is the end; an *ItemError concerns one item only, and the next call goes on; any
	// other error is final.
	Next() (Item, error)
	// Total is how many bytes the source holds, so that progress can be drawn; -1 if that is not known.
	Total() int64
	// Skipped says what was left out on purpose, by kind.
	Skipped() Skipped
	Close() error
}

// Skipped counts what a source leaves out because it is no data.
type Skipped struct {
	Symlinks int `json:"symlinks"` // symbolic links, which could lead anywhere
	Special  int `json:"special"`  // pipes, sockets and devices
	Blank    int `json:"blank"`    // empty lines
}

// Errors of single items; each comes wrapped in an *ItemError.
var (
	ErrTooLarge = errors.New("value exceeds the limit of 64 MiB")
	ErrKeySize  = errors.New("key is empty or exceeds the limit of 65,535 bytes")
	ErrRecord   = errors.New("record cannot be used")
	ErrCut      = errors.New("the file is cut, or was edited")
)

// ItemError says which item cannot be loaded and why.
type ItemError struct {
	Where string // path, or file and line
	Key   []byte // nil if it is not known
	Place Place
	Err   error // wraps one of the four above, or an operating system's error
}

// Error names the place first, as compilers do.
func (e *ItemError) Error() string { return e.Where + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *ItemError) Unwrap() error { return e.Err }

// bounded refuses keys and values that no shard would take.
func bounded(where string, item Item) (Item, error) {
	switch {
	case len(item.Key) > store.MaxKey:
		return Item{}, &ItemError{where, item.Key, item.Place, fmt.Errorf("%w: it has %d bytes", ErrKeySize, len(item.Key))}
	case len(item.Value) > store.MaxValue:
		return Item{}, &ItemError{where, item.Key, item.Place, fmt.Errorf("%w: it has %d bytes", ErrTooLarge, len(item.Value))}
	}
	return item, nil
}

// prefixed puts prefix before key, in memory of its own.
func prefixed(prefix string, key []byte) []byte {
	return append(append(make([]byte, 0, len(prefix)+len(key)), prefix...), key...)
}
