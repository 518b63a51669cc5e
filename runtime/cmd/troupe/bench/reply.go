package bench

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrProtocol is wrapped by errors about replies that make no sense as answers to GET and SET.
var ErrProtocol = errors.New("bench: unexpected reply")

// maxLine bounds a reply's first line, in bytes; longer error texts are cut.
const maxLine = 512

// replies recognizes the ends of replies in a stream that arrives in arbitrary pieces; bodies are skipped, not kept.
//
//	"+OK\r\n"  ":1\r\n"  "_\r\n"        one line
//	"$3\r\nabc\r\n"  "$-1\r\n"          a line, then a body
//	"-ERR text\r\n"                     one line, counted as a failure
type replies struct {
	line   []byte // of the reply being read; empty between replies
	skip   int    // bytes of a body, its CRLF included, still to come
	done   int64  // replies finished
	misses int64  // of them: the key was absent
	failed int64  // of them: errors
	first  string // the first error's text
}

// feed takes the next piece and returns how many replies it finished.
func (r *replies) feed(p []byte) (int64, error) {
	before := r.done
	for len(p) > 0 {
		if r.skip > 0 {
			n := min(r.skip, len(p))
			p, r.skip = p[n:], r.skip-n
			if r.skip == 0 {
				r.done++
			}
			continue
		}
		n := 0
		for n < len(p) && p[n] != '\n' {
			n++
		}
		r.line = append(r.line, p[:min(n, maxLine-len(r.line))]...)
		if n == len(p) {
			break
		}
		p = p[n+1:]
		if err := r.endLine(); err != nil {
			return r.done - before, err
		}
	}
	return r.done - before, nil
}

// endLine acts on a whole line: it ends a reply or announces a body.
func (r *replies) endLine() error {
	line := r.line
	r.line = r.line[:0]
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	if len(line) == 0 {
		return fmt.Errorf("%w: an empty line", ErrProtocol)
	}
	switch line[0] {
	case '$':
		return r.body(line)
	case '-':
		r.failed++
		if r.first == "" {
			r.first = string(line[1:])
		}
	case '_':
		r.misses++
	case '+', ':':
	default:
		return fmt.Errorf("%w: %q", ErrProtocol, line)
	}
	r.done++
	return nil
}

// body reads the length of a bulk string, up to 512 MiB as in Redis.
func (r *replies) body(line []byte) error {
	n := 0
	for _, c := range line[1:] {
		if c < '0' || c > '9' || n > 512<<20 {
			if string(line) == "$-1" {
				r.misses++
				r.done++
				return nil
			}
			return fmt.Errorf("%w: length %s", ErrProtocol, strconv.Quote(string(line)))
		}
		n = n*10 + int(c-'0')
	}
	r.skip = n + len("\r\n")
	return nil
}
