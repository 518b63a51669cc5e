package wire

import (
	"encoding/binary"
	"math"
)

// Encoder appends msgpack values, each in its shortest form, so that equal values are equal bytes. It never fails.
// One goroutine at a time.
//
//	e := wire.NewEncoder(dst)
//	e.Array(2)
//	e.Uint(7)
//	e.Bytes(key)
//	return e.Buffer()
type Encoder struct{ buf []byte }

// NewEncoder appends to dst, which may be nil.
func NewEncoder(dst []byte) Encoder { return Encoder{dst} }

// Buffer is dst with everything appended so far.
func (e *Encoder) Buffer() []byte { return e.buf }

// Array announces n values, n from 0 to 2^32-1; the caller then appends exactly so many.
func (e *Encoder) Array(n int) {
	switch {
	case uint(n) < 16:
		e.buf = append(e.buf, 0x90|byte(n))
	case uint(n) <= math.MaxUint16:
		e.buf = append(e.buf, 0xdc, byte(n>>8), byte(n))
	default:
		mustFit(n)
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, 0xdd), uint32(n))
	}
}

// Uint appends a number that is never negative.
func (e *Encoder) Uint(v uint64) {
	switch {
	case v < 0x80:
		e.buf = append(e.buf, byte(v))
	case v <= math.MaxUint8:
		e.buf = append(e.buf, 0xcc, byte(v))
	case v <= math.MaxUint16:
		e.buf = append(e.buf, 0xcd, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, 0xce), uint32(v))
	default:
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, 0xcf), v)
	}
}

// Int appends a signed number; one that is not negative has the same bytes as with Uint.
func (e *Encoder) Int(v int64) {
	switch {
	case v >= 0:
		e.Uint(uint64(v))
	case v >= -32:
		e.buf = append(e.buf, byte(v))
	case v >= math.MinInt8:
		e.buf = append(e.buf, 0xd0, byte(v))
	case v >= math.MinInt16:
		e.buf = append(e.buf, 0xd1, byte(v>>8), byte(v))
	case v >= math.MinInt32:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, 0xd2), uint32(v))
	default:
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, 0xd3), uint64(v))
	}
}

// Bytes appends a byte string of up to 2^32-1 bytes (msgpack bin). nil is written as an empty one; see Nil.
func (e *Encoder) Bytes(p []byte) {
	switch n := len(p); {
	case n <= math.MaxUint8:
		e.buf = append(e.buf, 0xc4, byte(n))
	case n <= math.MaxUint16:
		e.buf = append(e.buf, 0xc5, byte(n>>8), byte(n))
	default:
		mustFit(n)
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, 0xc6), uint32(n))
	}
	e.buf = append(e.buf, p...)
}

// Str appends text of up to 2^32-1 bytes (msgpack str). It is not checked to be UTF-8.
func (e *Encoder) Str(s string) {
	switch n := len(s); {
	case n < 32:
		e.buf = append(e.buf, 0xa0|byte(n))
	case n <= math.MaxUint8:
		e.buf = append(e.buf, 0xd9, byte(n))
	case n <= math.MaxUint16:
		e.buf = append(e.buf, 0xda, byte(n>>8), byte(n))
	default:
		mustFit(n)
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, 0xdb), uint32(n))
	}
	e.buf = append(e.buf, s...)
}

// Bool appends a truth value.
func (e *Encoder) Bool(v bool) {
	code := byte(0xc2)
	if v {
		code = 0xc3
	}
	e.buf = append(e.buf, code)
}

// Float appends a number in 64 bits; every bit pattern survives.
func (e *Encoder) Float(v float64) {
	e.buf = binary.BigEndian.AppendUint64(append(e.buf, 0xcb), math.Float64bits(v))
}

// Nil appends the absence of a value.
func (e *Encoder) Nil() { e.buf = append(e.buf, 0xc0) }

// mustFit panics on a length that msgpack cannot express: the caller's own limits are far below.
func mustFit(n int) {
	if uint64(n) > math.MaxUint32 {
		panic("wire: a length beyond 32 bits")
	}
}
