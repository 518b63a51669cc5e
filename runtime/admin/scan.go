package admin

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"unicode/utf8"
)

const mimeLines = "application/x-ndjson"

// streamBuffer is how many bytes of lines are collected before they are sent.
const streamBuffer = 32 << 10

// scan streams keys in order. The first entry is taken before the status is sent, so that a failure to begin is an ordinary
// error; a later one is a line.
func (s *Server) scan(x *exchange, q *query) error {
	k, err := s.keyspace(x)
	if err != nil {
		return err
	}
	span, values, digests := q.span(), q.flag("values"), q.flag("digest")
	if q.err != nil {
		return q.err
	}
	if x.r.Method == http.MethodHead {
		x.begin()
		return nil
	}
	out := bufio.NewWriterSize(x.paceWriter, streamBuffer)
	var line []byte
	count := 0
	for e, err := range s.backend.Scan(x.r.Context(), k.ID, span) {
		if err == nil {
			err = x.hold.reach(lineSize(&e, values))
		}
		if err != nil && x.status == 0 && out.Buffered() == 0 {
			return err
		}
		if err != nil {
			return x.lastLine(out, err)
		}
		x.begin()
		line = appendEntry(line[:0], &e, values, digests)
		if _, err := out.Write(line); err != nil {
			return err
		}
		if count++; count == span.Limit {
			break
		}
	}
	x.begin()
	out.WriteString(`{"end":true,"count":` + strconv.Itoa(count) + "}\n")
	return out.Flush()
}

// begin sends status and type of a stream, once.
func (x *exchange) begin() {
	if x.status == 0 {
		x.Header().Set("Content-Type", mimeLines)
		x.WriteHeader(http.StatusOK)
	}
}

// lastLine ends a stream with an error that its reader will see.
func (x *exchange) lastLine(out *bufio.Writer, failure error) error {
	out.Write(errorLine(failure))
	return out.Flush()
}

func lineSize(e *Entry, values bool) int {
	size := 6*len(e.Key) + 256
	if values {
		size += base64.StdEncoding.EncodedLen(len(e.Value))
	}
	return size
}

func appendEntry(dst []byte, e *Entry, values, digests bool) []byte {
	dst = appendKey(append(dst, '{'), e.Key)
	dst = strconv.AppendUint(append(dst, `,"version":`...), e.Version, 10)
	dst = strconv.AppendInt(append(dst, `,"expire_at":`...), e.ExpireAt, 10)
	dst = strconv.AppendInt(append(dst, `,"size":`...), int64(len(e.Value)), 10)
	if values {
		dst = appendBase64(append(dst, `,"value":`...), e.Value)
	}
	if digests {
		sum := sha256.Sum256(e.Value)
		dst = append(hex.AppendEncode(append(dst, `,"sha256":"`...), sum[:]), '"')
	}
	return append(dst, "}\n"...)
}

// appendKey writes "key" with text if the key is valid UTF-8, else "key64" with base64.
func appendKey(dst, key []byte) []byte {
	if utf8.Valid(key) {
		return appendText(append(dst, `"key":`...), key)
	}
	return appendBase64(append(dst, `"key64":`...), key)
}

func appendBase64(dst, p []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), p), '"')
}

// appendText writes valid UTF-8 as JSON text.
func appendText(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
