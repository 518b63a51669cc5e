package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// ScanOptions say what a scan gives. The zero value: every key, in order, without values.
type ScanOptions struct {
	Prefix    []byte
	After, To []byte // both exclusive, in the direction of the scan; nil: open
	Limit     int    // 0: all
	Reverse   bool
	Values    bool
	Digests   bool // SHA-256 of each value
}

// Found is one key of a scan. Its slices belong to the caller.
type Found struct {
	Key      []byte
	Value    []byte // with ScanOptions.Values
	SHA256   []byte // with ScanOptions.Digests; 32 bytes
	Size     int64  // of the value, in bytes
	Version  uint64
	ExpireAt int64 // Unix milliseconds; 0 = never
}

// Scan yields keys in order across all shards. An error comes last; without one the scan was complete, which the node
// confirms with a count. With the client's Patience, a scan that breaks off is taken up behind its last key, at another node:
// what comes then is as it is then. Without, that is the caller's to do, with After.
func (c *Client) Scan(ctx context.Context, keyspace string, o ScanOptions) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		progress := time.Now()
		for {
			count := 0
			left := false
			begun, err := c.scan(ctx, keyspace, &o, func(f *Found) bool {
				count++
				o.After = f.Key
				left = !yield(*f, nil)
				return !left
			})
			if err == nil || left {
				return
			}
			if count > 0 {
				progress = time.Now()
			}
			finished := o.Limit > 0 && count >= o.Limit
			var failure *Error
			if !begun || !errors.As(err, &failure) || failure.ErrorKind() != shards.KindUnavailable || finished || ctx.Err() != nil || time.Since(progress) > c.patience {
				yield(Found{}, err)
				return
			}
			if o.Limit > 0 {
				o.Limit -= count
			}
		}
	}
}

// scan makes one scan, and returns nil when it is complete or visit has had enough. begun says that a node began to answer.
func (c *Client) scan(ctx context.Context, keyspace string, o *ScanOptions, visit func(*Found) bool) (begun bool, err error) {
	lines, err := c.lines(ctx, "/"+url.PathEscape(keyspace)+"/scan", o.query())
	if err != nil {
		return false, err
	}
	defer lines.Close()
	for count := int64(0); ; count++ {
		var line scanLine
		if err := lines.next(&line); err != nil {
			return true, err
		}
		if line.End {
			if line.Count != count {
				err = broken("the node counted %d keys, %d came", line.Count, count)
			}
			return true, err
		}
		if found := line.found(); !visit(&found) {
			return true, nil
		}
	}
}

func (o *ScanOptions) query() url.Values {
	query := url.Values{}
	if len(o.Prefix) > 0 {
		query.Set("prefix", string(o.Prefix))
	}
	if o.After != nil {
		query.Set("after", string(o.After))
	}
	if o.To != nil {
		query.Set("to", string(o.To))
	}
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	for name, set := range map[string]bool{"reverse": o.Reverse, "values": o.Values, "digest": o.Digests} {
		if set {
			query.Set(name, "true")
		}
	}
	return query
}

// scanLine is any line of a scan's answer.
type scanLine struct {
	Key      *string `json:"key"`
	Key64    []byte  `json:"key64"`
	Version  uint64  `json:"version"`
	ExpireAt int64   `json:"expire_at"`
	Size     int64   `json:"size"`
	Value    []byte  `json:"value"`
	SHA256   hexText `json:"sha256"`
	End      bool    `json:"end"`
	Count    int64   `json:"count"`
}

func (l *scanLine) found() Found {
	return Found{Key: wholeKey(l.Key, l.Key64), Value: l.Value, SHA256: l.SHA256, Size: l.Size, Version: l.Version, ExpireAt: l.ExpireAt}
}

func wholeKey(text *string, other []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	return other
}

// Changed is one change as Watch yields it. Its slices belong to the caller.
type Changed struct {
	Shard int
	store.Change
}

// Watch yields changes of keys that start with prefix, until ctx ends or the loop is left. from is as in the path's parameter
// of that name, empty for "from now on". The error that ends it is an *Error, or ctx's.
func (c *Client) Watch(ctx context.Context, keyspace string, prefix []byte, from string) iter.Seq2[Changed, error] {
	return func(yield func(Changed, error) bool) {
		query := url.Values{"prefix": {string(prefix)}}
		if from != "" {
			query.Set("from", from)
		}
		lines, err := c.lines(ctx, "/"+url.PathEscape(keyspace)+"/watch", query)
		if err != nil {
			yield(Changed{}, err)
			return
		}
		defer lines.Close()
		for {
			var line watchLine
			if err := lines.next(&line); err != nil {
				yield(Changed{}, err)
				return
			}
			if line.Kind == "" {
				continue // keepalive
			}
			changed, err := line.changed()
			if err != nil || !yield(changed, nil) {
				if err != nil {
					yield(Changed{}, err)
				}
				return
			}
		}
	}
}

// watchLine is any line of a watch's answer.
type watchLine struct {
	Seq      shards.SeqNo `json:"seq"`
	Shard    int          `json:"shard"`
	Kind     string       `json:"kind"`
	Key      *string      `json:"key"`
	Key64    []byte       `json:"key64"`
	Value    []byte       `json:"value"`
	ExpireAt int64        `json:"expire_at"`
}

func (l *watchLine) changed() (Changed, error) {
	kind := store.ChangeKindOf(l.Kind)
	if kind == 0 {
		return Changed{}, broken("change of unknown kind %q", l.Kind)
	}
	return Changed{Shard: l.Shard, Change: store.Change{
		Seq: l.Seq, Kind: kind, Key: wholeKey(l.Key, l.Key64), Value: l.Value, ExpireAt: l.ExpireAt,
	}}, nil
}

// lineReader reads NDJSON.
type lineReader struct {
	io.Closer
	source *bufio.Reader
	line   []byte
}

func (c *Client) lines(ctx context.Context, path string, query url.Values) (*lineReader, error) {
	response, err := c.do(ctx, call{method: http.MethodGet, path: path, query: query, repeatable: true})
	if err != nil {
		return nil, err
	}
	return &lineReader{Closer: response.Body, source: bufio.NewReaderSize(response.Body, 64<<10)}, nil
}

// maxLine bounds one line: the largest key and value in base64, and the rest.
const maxLine = (store.MaxValue+store.MaxKey)/3*4 + 4096

// next decodes the next line; a line that carries an error is returned as one.
func (r *lineReader) next(line any) error {
	r.line = r.line[:0]
	for {
		part, err := r.source.ReadSlice('\n')
		r.line = append(r.line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return &Error{Kind: shards.KindUnavailable.String(), Reason: "the answer broke off: " + err.Error()}
		}
		if len(r.line) > maxLine {
			return broken("a line of the answer is longer than %d bytes", maxLine)
		}
	}
	var failure errorAnswer
	if err := json.Unmarshal(r.line, &failure); err == nil && failure.Error.Kind != "" {
		return &Error{Status: failure.Status, Kind: failure.Error.Kind, Reason: failure.Error.Reason, Code: failure.Error.Code}
	}
	if err := json.Unmarshal(r.line, line); err != nil {
		return broken("a line of the answer cannot be read: %v", err)
	}
	return nil
}
