package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
)

// A journal is a text file that only grows:
//
//	{"journal":"troupe load 1","source":"/src","options":"dir prefix=","target":"..."}     what is loaded, and where to
//	f 120 1700000000000000000 "net/http/server.go"   this file, of this size and time, is acknowledged    (trees)
//	x 4711 "data.csv:17: record cannot be used"      the record that ends at 4711 was refused             (records)
//	o 9000 31                                        all before offset 9000, line 31, is acknowledged     (records)
//
// It is written without fsync: whatever is missing at its end is loaded once more, which changes nothing.

// Job says what is loaded and where to. A journal of another job is not continued.
type Job struct {
	Journal string `json:"journal"` // format and version; filled by OpenJournal
	Source  string `json:"source"`  // absolute path
	Options string `json:"options"` // everything that decides about keys and values
	Target  string `json:"target"`  // identity of the cluster, and the keyspace
	Size    int64  `json:"size"`    // of the file; 0 for trees
	Mtime   int64  `json:"mtime"`   // of the file, Unix nanoseconds; 0 for trees
}

const journalFormat = "troupe load 1"

// ErrNoJournal says that a file is something else, which must not be overwritten.
var ErrNoJournal = errors.New("is no journal of a load")

// Journal is an open journal and what it held. Its methods may be called concurrently.
type Journal struct {
	path string
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer

	// Done, From, Refused and Last are what earlier runs left; they do not change.
	Done    map[string]Stamp // trees: the acknowledged files by key
	From    source.Place     // records: where to go on
	Refused []string         // records: what was refused before From
	Last    string           // trees: the last acknowledged key; empty = none

	// Changed is why an existing journal is not continued; empty if it is, or if there was none.
	Changed string
}

// Stamp tells whether a file is still the one that was loaded.
type Stamp struct{ Size, Mtime int64 }

// OpenJournal continues the journal at path if it is of the same job, and begins a new one otherwise, or if restart is set.
func OpenJournal(path string, job Job, restart bool) (*Journal, error) {
	job.Journal = journalFormat
	j := &Journal{path: path, Done: map[string]Stamp{}}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err == nil && len(old) > 0 {
		if err := j.read(old, job, restart); err != nil {
			return nil, fmt.Errorf("%s %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !j.Continues() {
		mode |= os.O_TRUNC
	}
	if j.file, err = os.OpenFile(path, mode, 0o600); err != nil {
		return nil, err
	}
	j.out = bufio.NewWriter(j.file)
	if j.Continues() {
		// A line that a crash cut short is ended, so that the next one stands alone; alone it means nothing.
		return j, j.lines("")
	}
	first, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	return j, j.lines(string(first))
}

// Continues says whether earlier runs left something that need not be loaded again.
func (j *Journal) Continues() bool { return len(j.Done) > 0 || j.From.Offset > 0 }

// read takes in an old journal, or says in Changed why it does not count.
func (j *Journal) read(old []byte, job Job, restart bool) error {
	head, rest, _ := bytes.Cut(old, []byte("\n"))
	var was Job
	if err := json.Unmarshal(head, &was); err != nil || was.Journal != journalFormat {
		return ErrNoJournal
	}
	switch {
	case restart:
		return nil
	case was.Source != job.Source || was.Options != job.Options:
		j.Changed = "it is of another source, or other options"
	case was.Target != job.Target:
		j.Changed = "it is of another cluster or keyspace"
	case was != job:
		j.Changed = "the file has changed since"
	}
	if j.Changed != "" {
		return nil
	}
	refused := map[int64]string{}
	for line := range bytes.Lines(rest) {
		if whole, ok := bytes.CutSuffix(line, []byte("\n")); ok {
			j.readLine(string(whole), refused)
		}
	}
	for offset, text := range refused {
		if offset <= j.From.Offset {
			j.Refused = append(j.Refused, text)
		}
	}
	return nil
}

// readLine takes in one line; one that makes no sense was cut short by a crash, and is skipped.
func (j *Journal) readLine(line string, refused map[int64]string) {
	words := strings.SplitN(line, " ", 4)
	number := func(i int) int64 {
		if i >= len(words) {
			return -1
		}
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	switch a, b := number(1), number(2); {
	case words[0] == "f" && a >= 0 && len(words) == 4:
		if key, err := strconv.Unquote(words[3]); err == nil {
			j.Done[key] = Stamp{a, b}
			j.Last = key
		}
	case words[0] == "o" && a >= j.From.Offset && b >= 0 && len(words) == 3:
		j.From = source.Place{Offset: a, Line: b}
	case words[0] == "x" && a >= 0:
		if text, err := strconv.Unquote(strings.Join(words[2:], " ")); err == nil {
			refused[a] = text
		}
	}
}

func (j *Journal) lines(lines ...string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range lines {
		j.out.WriteString(line)
		j.out.WriteByte('\n')
	}
	return j.out.Flush()
}

// files notes acknowledged files of a tree.
func (j *Journal) files(items []source.Item) error {
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = fmt.Sprintf("f %d %d %q", item.Place.Size, item.Place.Mtime, item.Key)
	}
	return j.lines(lines...)
}

// through notes that all records before a place are acknowledged or were refused.
func (j *Journal) through(p source.Place) error {
	return j.lines(fmt.Sprintf("o %d %d", p.Offset, p.Line))
}

func (j *Journal) refuse(e *source.ItemError) error {
	return j.lines(fmt.Sprintf("x %d %q", e.Place.Offset, e.Error()))
}

// Close keeps the journal for another run; Finish removes it, since all is loaded.
func (j *Journal) Close() error { return j.file.Close() }

// Finish closes and removes the journal.
func (j *Journal) Finish() error {
	return errors.Join(j.file.Close(), os.Remove(j.path))
}

// Unfinished wraps a tree so that files which a journal has, unchanged, are passed over.
type Unfinished struct {
	*source.Tree
	Journal *Journal
	files   atomic.Int64
	bytes   atomic.Int64
}

// Files is how many files were passed over, Bytes how many bytes are in them. Both may be called concurrently.
func (u *Unfinished) Files() int { return int(u.files.Load()) }

// Bytes is how many bytes are in the files that were passed over.
func (u *Unfinished) Bytes() int64 { return u.bytes.Load() }

// Next finds and reads the next file that is not loaded yet.
func (u *Unfinished) Next() (source.Item, error) {
	for {
		f, err := u.NextFile()
		if err != nil {
			return source.Item{}, err
		}
		if stamp, ok := u.Journal.Done[string(f.Key)]; ok && stamp == (Stamp{f.Size, f.Mtime}) {
			u.files.Add(1)
			u.bytes.Add(f.Size)
			continue
		}
		return f.Item()
	}
}
