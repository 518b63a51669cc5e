package source

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/troupe-actors/troupe/shards/store"
)

// Format says how a file of records is read.
type Format struct {
	Kind       Kind
	Prefix     string // put before each key
	AutoKey    bool   // Lines: the key is the line's number in twelve digits, the value the whole line
	KeyColumn  string // CSV: name of the column that is the key; default the first
	ValueCol   string // CSV: name of the column that is the value; default the whole row as a JSON object
	KeyField   string // JSONL: name of the field that is the key; required
	ValueField string // JSONL: name of the field that is the value; default the whole line
}

// Kind is a file format.
type Kind string

// The kinds.
const (
	Lines Kind = "lines" // key TAB value
	CSV   Kind = "csv"   // RFC 4180, with a header
	JSONL Kind = "jsonl" // an object per line

	Scanned Kind = "scanned" // what troupe scan --values --json prints, exactly as it was there
)

// maxRecord bounds one record, in bytes: the largest key and value, and room for what surrounds them.
const maxRecord = store.MaxValue + store.MaxKey + 1024

// Records reads a file of records.
type Records struct {
	name    string
	in      *bufio.Reader
	file    io.Closer
	format  Format
	total   int64
	limit   int   // bytes of one record; maxRecord
	offset  int64 // of the next record
	line    int64 // number of lines before it
	skipped Skipped
	header  []string // CSV
	columns [2]int   // CSV: key and value; -1 = the whole row
	scan    scanned  // Scanned
}

// OpenRecords opens a file ("-" is standard input) and continues behind from, whose zero value is the beginning.
func OpenRecords(path string, stdin io.Reader, f Format, from Place) (*Records, error) {
	if f.Kind == JSONL && f.KeyField == "" {
		return nil, fmt.Errorf("--jsonl needs --key-field: the field whose value becomes the key")
	}
	r := &Records{name: path, format: f, total: -1, limit: maxRecord}
	if f.Kind == Scanned {
		r.limit = 2 * maxRecord // base64 is longer by a third
	}
	if path == "-" {
		r.name, r.in, r.file = "standard input", bufio.NewReaderSize(stdin, 256<<10), io.NopCloser(stdin)
		return r, r.begin(from)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder; --dir reads folders", path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	r.file, r.in, r.total = file, bufio.NewReaderSize(file, 256<<10), info.Size()
	if err := r.begin(from); err != nil {
		file.Close()
		return nil, err
	}
	return r, nil
}

// begin reads what stands before the records (byte order mark, CSV header) and goes on to from.
func (r *Records) begin(from Place) error {
	if mark, _ := r.in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		r.in.Discard(3)
		r.offset = 3
	}
	if r.format.Kind == CSV {
		if err := r.readHeader(); err != nil {
			return err
		}
	}
	if from.Offset <= r.offset {
		return nil
	}
	seeker, ok := r.file.(io.Seeker)
	if !ok {
		return fmt.Errorf("%s cannot be continued: it is no file", r.name)
	}
	if _, err := seeker.Seek(from.Offset, io.SeekStart); err != nil {
		return err
	}
	r.in.Reset(r.file.(io.Reader))
	r.offset, r.line, r.scan.about = from.Offset, from.Line, true
	return nil
}

// Next gives the next record.
func (r *Records) Next() (Item, error) {
	if r.format.Kind == CSV {
		return r.nextRow()
	}
	for {
		start := r.offset
		line, err := r.readLine()
		if err != nil {
			return Item{}, err
		}
		if len(line) == 0 {
			r.skipped.Blank++
			continue
		}
		item, err := r.split(line)
		if err == errEnd {
			continue
		}
		item.Place = r.place(start)
		if err != nil {
			return Item{}, &ItemError{r.where(), nil, item.Place, err}
		}
		item.Key = prefixed(r.format.Prefix, item.Key)
		return r.bounded(item)
	}
}

// bounded refuses an empty key, too, which in records of people's is a mistake: a backup has it if the keyspace had.
func (r *Records) bounded(item Item) (Item, error) {
	if len(item.Key) == 0 && r.format.Kind != Scanned {
		return Item{}, &ItemError{r.where(), item.Key, item.Place, fmt.Errorf("%w: it has 0 bytes", ErrKeySize)}
	}
	return bounded(r.where(), item)
}

// split makes key and value of a line, and may return parts of it.
func (r *Records) split(line []byte) (Item, error) {
	switch {
	case r.format.Kind == Scanned:
		return r.splitScanned(line)
	case r.format.Kind == JSONL:
		return splitJSON(line, r.format.KeyField, r.format.ValueField)
	case r.format.AutoKey:
		return Item{Key: fmt.Appendf(nil, "%012d", r.line), Value: line}, nil
	}
	key, value, ok := bytes.Cut(line, []byte{'\t'})
	if !ok {
		return Item{}, fmt.Errorf("%w: no TAB between key and value; --auto-key takes the line's number as key", ErrRecord)
	}
	return Item{Key: key, Value: value}, nil
}

// readLine reads up to LF or CRLF, which it leaves out, into memory of the line's own. A line beyond the limit is read to its end without being kept.
func (r *Records) readLine() ([]byte, error) {
	var line []byte
	start := r.offset
	for {
		piece, err := r.in.ReadSlice('\n')
		r.offset += int64(len(piece))
		if len(line) <= r.limit {
			line = append(line, piece...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && (err != io.EOF || r.offset == start) {
			return nil, err
		}
		r.line++
		if len(line) > r.limit {
			return nil, &ItemError{r.where(), nil, r.place(start), fmt.Errorf("%w: the line has %d bytes", ErrTooLarge, r.offset-start)}
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	}
}

// place is behind what has been read since start.
func (r *Records) place(start int64) Place {
	return Place{Offset: r.offset, Line: r.line, Size: r.offset - start}
}

func (r *Records) where() string { return fmt.Sprintf("%s:%d", r.name, r.line) }

// Total is the file's size; -1 for standard input.
func (r *Records) Total() int64 { return r.total }

// Skipped counts the empty lines met so far.
func (r *Records) Skipped() Skipped { return r.skipped }

// Close closes the file.
func (r *Records) Close() error { return r.file.Close() }
