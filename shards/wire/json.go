package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSON and msgpack say the same of most values, but not of all:
//
//	msgpack                         JSON                    and back
//	nil, true, false                null, true, false       the same
//	integers                        all digits              integers, in the shortest form; beyond 64 bits float64
//	float32, float64                shortest decimal        float64, or an integer if there is no point and no exponent
//	str                             string                  str
//	bin                             string, base64          str
//	array                           array                   array
//	map with keys of text, bin or   object                  map with keys of text
//	integers
//	ext, NaN, infinities, text      refused                 -
//	that is not UTF-8, other keys

// ErrLong says that the other form of a value has more bytes than are allowed.
var ErrLong = errors.New("wire: the value is too long")

// AppendJSON appends to dst what a msgpack value is in JSON, of at most limit bytes. The frame must hold exactly one value and obey l.
// The error is a *SyntaxError, or wraps ErrLong; then nothing is appended.
func AppendJSON(dst, frame []byte, l Limits, limit int) ([]byte, error) {
	if err := Check(frame, l); err != nil {
		return dst, err
	}
	w := jsonWriter{NewDecoder(frame), dst, len(dst) + limit}
	w.value()
	switch {
	case w.d.err != nil:
		return dst, w.d.err
	case len(w.dst) > w.most:
		return dst, fmt.Errorf("%w: more than %d bytes as JSON", ErrLong, limit)
	}
	return w.dst, nil
}

type jsonWriter struct {
	d    Decoder
	dst  []byte
	most int // bytes of dst
}

// ended says whether nothing more is worth writing.
func (w *jsonWriter) ended() bool { return w.d.err != nil || len(w.dst) > w.most }

// value writes one value. The frame has been checked: only what JSON cannot say is wrong with it.
func (w *jsonWriter) value() {
	start, code := w.d.offset, w.d.frame[w.d.offset]
	switch {
	case code >= 0xcc && code <= 0xd3 || code <= 0x7f || code >= 0xe0:
		w.integer()
	case code == 0xc0:
		w.literal("null")
	case code == 0xc2:
		w.literal("false")
	case code == 0xc3:
		w.literal("true")
	case code >= 0xc4 && code <= 0xc6:
		w.dst = append(w.dst, '"')
		w.dst = base64.StdEncoding.AppendEncode(w.dst, w.d.Bytes())
		w.dst = append(w.dst, '"')
	case code == 0xca || code == 0xcb:
		w.float(start, code)
	case code&0xe0 == 0xa0 || code >= 0xd9 && code <= 0xdb:
		w.text(start)
	case code&0xf0 == 0x90 || code == 0xdc || code == 0xdd:
		w.array()
	case code&0xf0 == 0x80 || code == 0xde || code == 0xdf:
		w.object()
	default:
		w.d.fail(start, "an extension, which JSON does not have")
	}
}

func (w *jsonWriter) literal(text string) {
	w.d.offset++
	w.dst = append(w.dst, text...)
}

func (w *jsonWriter) integer() {
	v, negative := w.d.integer()
	if negative {
		w.dst = strconv.AppendInt(w.dst, int64(v), 10)
	} else {
		w.dst = strconv.AppendUint(w.dst, v, 10)
	}
}

func (w *jsonWriter) float(start int, code byte) {
	w.d.offset++
	var v float64
	bits := 64
	if code == 0xca {
		v, bits = float64(math.Float32frombits(uint32(w.d.fixed(4)))), 32
	} else {
		v = math.Float64frombits(w.d.fixed(8))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		w.d.fail(start, fmt.Sprintf("the number %v, which JSON does not have", v))
		return
	}
	abs := math.Abs(v)
	small, large := abs < 1e-6, abs >= 1e21
	if bits == 32 { // by its own steps
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs == 0 || !small && !large { // as encoding/json and JavaScript write it
		w.dst = strconv.AppendFloat(w.dst, v, 'f', -1, bits)
		return
	}
	w.dst = strconv.AppendFloat(w.dst, v, 'e', -1, bits)
	if n := len(w.dst); w.dst[n-4] == 'e' && w.dst[n-2] == '0' { // e-07 is e-7
		w.dst[n-2] = w.dst[n-1]
		w.dst = w.dst[:n-1]
	}
}

func (w *jsonWriter) text(start int) {
	text := w.d.Bytes()
	if !utf8.Valid(text) {
		w.d.fail(start, "text that is not UTF-8; send it as bytes")
		return
	}
	w.dst = appendQuoted(w.dst, text)
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes valid UTF-8 as a JSON string.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, b := range text {
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b >= 0x20:
			dst = append(dst, b)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xf])
		}
	}
	return append(dst, '"')
}

func (w *jsonWriter) array() {
	w.dst = append(w.dst, '[')
	for i := range w.d.Array() {
		if w.ended() {
			return
		}
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.value()
	}
	w.dst = append(w.dst, ']')
}

func (w *jsonWriter) object() {
	w.dst = append(w.dst, '{')
	for i := range w.d.pairs() {
		if w.ended() {
			return
		}
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		switch start, code := w.d.offset, w.d.frame[w.d.offset]; {
		case code >= 0xcc && code <= 0xd3 || code <= 0x7f || code >= 0xe0:
			w.dst = append(w.dst, '"')
			w.integer()
			w.dst = append(w.dst, '"')
		case code&0xe0 == 0xa0 || code >= 0xd9 && code <= 0xdb || code >= 0xc4 && code <= 0xc6:
			w.text(start)
		default:
			w.d.fail(start, "the key of a map is text or an integer, or JSON does not have it")
			return
		}
		w.dst = append(w.dst, ':')
		w.value()
	}
	w.dst = append(w.dst, '}')
}

// pairs reads how many keys of a map follow, in a frame that has been checked.
func (d *Decoder) pairs() int {
	code := d.code()
	switch code {
	case 0xde:
		return int(d.fixed(2))
	case 0xdf:
		return int(d.fixed(4))
	}
	return int(code & 0x0f)
}

// AppendMsgpack appends to dst what a JSON text is in msgpack. It may nest MaxDepth deep; otherwise the error says where it does not.
func AppendMsgpack(dst, text []byte) ([]byte, error) {
	if !json.Valid(text) {
		return dst, errors.New("wire: the text is no JSON")
	}
	r := jsonReader{text: text, e: NewEncoder(dst)}
	if r.value(0); r.err != nil {
		return dst, r.err
	}
	return r.e.Buffer(), nil
}

// jsonReader walks through text that is JSON.
type jsonReader struct {
	text []byte
	at   int
	e    Encoder
	err  error
}

// space moves to the next byte that is none.
func (r *jsonReader) space() byte {
	for strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
	return r.text[r.at]
}

func (r *jsonReader) value(depth int) {
	switch c := r.space(); c {
	case 'n':
		r.at += len("null")
		r.e.Nil()
	case 't':
		r.at += len("true")
		r.e.Bool(true)
	case 'f':
		r.at += len("false")
		r.e.Bool(false)
	case '"':
		r.e.Str(r.str())
	case '[', '{':
		if depth == MaxDepth {
			r.err = fmt.Errorf("wire: at offset %d the text nests deeper than %d", r.at, MaxDepth)
			return
		}
		r.container(c, depth+1)
	default:
		r.number()
	}
}

// container reads an array, or an object. How many values it has is known at its end: the head is put before them then.
func (r *jsonReader) container(open byte, depth int) {
	r.at++
	n, begin := 0, len(r.e.buf)
	for c := r.space(); c != ']' && c != '}' && r.err == nil; c = r.space() {
		if c == ',' {
			r.at++
		}
		if n++; open == '{' {
			r.space()
			r.e.Str(r.str())
			r.space()
			r.at++ // the colon
		}
		r.value(depth)
	}
	if r.err != nil {
		return
	}
	r.at++
	var head Encoder
	if open == '[' {
		head.Array(n)
	} else {
		head.pairs(n)
	}
	r.e.buf = append(r.e.buf, head.buf...) // room
	copy(r.e.buf[begin+len(head.buf):], r.e.buf[begin:])
	copy(r.e.buf[begin:], head.buf)
}

// pairs announces n pairs of a key and a value.
func (e *Encoder) pairs(n int) {
	switch {
	case n < 16:
		e.buf = append(e.buf, 0x80|byte(n))
	case n <= math.MaxUint16:
		e.buf = append(e.buf, 0xde, byte(n>>8), byte(n))
	default:
		mustFit(n)
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, 0xdf), uint32(n))
	}
}

func (r *jsonReader) str() (s string) {
	start := r.at
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
	if plain := r.text[start+1 : r.at-1]; utf8.Valid(plain) && !strings.Contains(string(plain), `\`) {
		return string(plain)
	}
	if err := json.Unmarshal(r.text[start:r.at], &s); err != nil {
		r.err = err
	}
	return s
}

func (r *jsonReader) number() {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte("+-.eE0123456789", r.text[r.at]) >= 0 {
		r.at++
	}
	text := string(r.text[start:r.at])
	if !strings.ContainsAny(text, ".eE") {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			r.e.Int(v)
			return
		}
		if v, err := strconv.ParseUint(text, 10, 64); err == nil {
			r.e.Uint(v)
			return
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.err = fmt.Errorf("wire: at offset %d: the number does not fit into 64 bits: %w", start, err)
		return
	}
	r.e.Float(v)
}
