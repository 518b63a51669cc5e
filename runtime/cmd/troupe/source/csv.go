package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// errQuote says that a record's quotes do not match, so that its end is a guess.
var errQuote = fmt.Errorf("%w: a quote is out of place", ErrRecord)

// readHeader reads the first row, which names the columns, and finds key and value among them.
func (r *Records) readHeader() error {
	fields, _, err := r.readRow()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is empty; --csv needs a header line that names the columns", r.name)
	}
	if err != nil {
		return err
	}
	for _, f := range fields {
		name := string(f)
		if slices.Contains(r.header, name) {
			return fmt.Errorf("%s: the header names column %q twice", r.name, name)
		}
		if !utf8.ValidString(name) {
			return fmt.Errorf("%s: the header's column %q is not valid UTF-8", r.name, name)
		}
		r.header = append(r.header, name)
	}
	r.columns[1] = -1
	for i, name := range []string{r.format.KeyColumn, r.format.ValueCol} {
		if name == "" {
			continue
		}
		if r.columns[i] = slices.Index(r.header, name); r.columns[i] < 0 {
			return fmt.Errorf("%s has no column %q; its header has %q", r.name, name, r.header)
		}
	}
	return nil
}

// nextRow makes an item of the next row.
func (r *Records) nextRow() (Item, error) {
	fields, place, err := r.readRow()
	if err == io.EOF {
		return Item{}, err
	}
	if err == nil && len(fields) != len(r.header) {
		err = fmt.Errorf("%w: it has %d columns, the header %d", ErrRecord, len(fields), len(r.header))
	}
	if errors.Is(err, ErrRecord) || errors.Is(err, ErrTooLarge) {
		return Item{}, &ItemError{r.where(), nil, place, err}
	}
	if err != nil {
		return Item{}, err
	}
	item := Item{Key: prefixed(r.format.Prefix, fields[r.columns[0]]), Place: place}
	if r.columns[1] >= 0 {
		item.Value = fields[r.columns[1]]
	} else if item.Value, err = rowJSON(r.header, fields); err != nil {
		return Item{}, &ItemError{r.where(), item.Key, place, err}
	}
	return r.bounded(item)
}

// readRow reads lines until the quotes match. Empty lines between rows are skipped. A row beyond the limit is given up at
// the end of the line that exceeds it, so that a lost quote does not swallow the file into memory.
func (r *Records) readRow() (fields [][]byte, place Place, err error) {
	start := r.offset
	var row []byte
	quotes := 0
	for {
		before := r.offset
		line, err := r.readLine()
		if err == io.EOF && row != nil {
			return nil, r.place(start), fmt.Errorf("%w: the file ends inside it", errQuote)
		}
		var long *ItemError
		if errors.As(err, &long) {
			return nil, r.place(start), long.Err
		}
		if err != nil {
			return nil, r.place(start), err
		}
		if row == nil && len(line) == 0 {
			r.skipped.Blank++
			start = r.offset
			continue
		}
		row = append(row, line...)
		if quotes += bytes.Count(line, []byte{'"'}); quotes%2 == 0 {
			fields, err = splitRow(row)
			return fields, r.place(start), err
		}
		if len(row) > r.limit {
			return nil, r.place(start), fmt.Errorf("%w: a quote is never closed", ErrTooLarge)
		}
		ended := r.offset - before - int64(len(line)) // the line's end, as it was written, belongs to the field
		row = append(row, "\r\n"[2-min(ended, 2):]...)
	}
}

// splitRow cuts a row at its commas. A field in quotes may hold commas, line ends, and quotes written twice.
func splitRow(row []byte) (fields [][]byte, err error) {
	for {
		if len(row) == 0 || row[0] != '"' {
			field, rest, more := bytes.Cut(row, []byte{','})
			if bytes.IndexByte(field, '"') >= 0 {
				return nil, errQuote
			}
			fields = append(fields, field)
			if !more {
				return fields, nil
			}
			row = rest
			continue
		}
		field, rest, err := unquote(row[1:])
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
		if len(rest) == 0 {
			return fields, nil
		}
		if rest[0] != ',' {
			return nil, errQuote
		}
		row = rest[1:]
	}
}

// unquote reads up to the closing quote and returns what stands behind it.
func unquote(row []byte) (field, rest []byte, err error) {
	field = []byte{}
	for {
		i := bytes.IndexByte(row, '"')
		if i < 0 {
			return nil, nil, errQuote
		}
		field = append(field, row[:i]...)
		row = row[i+1:]
		if len(row) == 0 || row[0] != '"' {
			return field, row, nil
		}
		field = append(field, '"')
		row = row[1:]
	}
}
