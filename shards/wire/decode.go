package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Decoder reads msgpack values of expected types from a frame, without allocating and without trusting a length. The first
// failure sticks: every later call returns a zero value, so that the caller may read a whole struct and ask Err once.
// Numbers are taken in any msgpack width that fits. One goroutine at a time.
type Decoder struct {
	frame  []byte
	offset int
	err    error
}

// NewDecoder reads frame, which must not change while views into it are in use.
func NewDecoder(frame []byte) Decoder { return Decoder{frame: frame} }

// Err is nil, or a *SyntaxError for the first value that was not what was asked for.
func (d *Decoder) Err() error { return d.err }

// Offset is how many bytes of the frame have been read.
func (d *Decoder) Offset() int { return d.offset }

// Rest is what has not been read yet: a view.
func (d *Decoder) Rest() []byte { return d.frame[d.offset:] }

// Finish is Err, or an error if bytes are left.
func (d *Decoder) Finish() error {
	if d.err == nil && d.offset != len(d.frame) {
		d.fail(d.offset, "bytes after the value")
	}
	return d.err
}

// Refuse records that the value read last, though well formed, cannot be used; the first refusal or failure sticks.
func (d *Decoder) Refuse(reason string) { d.fail(d.offset, reason) }

func (d *Decoder) fail(offset int, reason string) {
	if d.err == nil {
		d.err = &SyntaxError{Offset: offset, Reason: reason}
	}
}

// Array reads how many values follow. The count is at most the number of bytes left, hence safe to loop over; a caller that
// allocates by it should still bound it by what it expects.
func (d *Decoder) Array() int {
	start, code := d.offset, d.code()
	var n uint64
	switch {
	case code&0xf0 == 0x90:
		n = uint64(code & 0x0f)
	case code == 0xdc:
		n = d.fixed(2)
	case code == 0xdd:
		n = d.fixed(4)
	default:
		d.mismatch(start, "an array", code)
	}
	if d.err == nil && n > uint64(len(d.frame)-d.offset) {
		d.fail(start, fmt.Sprintf("%d elements announced, %d bytes left", n, len(d.frame)-d.offset))
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// Uint reads a number that is not negative.
func (d *Decoder) Uint() uint64 {
	start := d.offset
	v, negative := d.integer()
	if negative {
		d.fail(start, "a negative number where none may be")
		return 0
	}
	return v
}

// Int reads a signed number.
func (d *Decoder) Int() int64 {
	start := d.offset
	v, negative := d.integer()
	if !negative && v > math.MaxInt64 {
		d.fail(start, "a number beyond 63 bits")
		return 0
	}
	return int64(v)
}

// integer reads any msgpack integer: its 64 bits, and whether they are a negative number's.
func (d *Decoder) integer() (v uint64, negative bool) {
	start, code := d.offset, d.code()
	switch {
	case code <= 0x7f:
		return uint64(code), false
	case code >= 0xe0:
		return uint64(int64(int8(code))), true
	}
	switch code {
	case 0xcc, 0xcd, 0xce, 0xcf:
		return d.fixed(1 << (code - 0xcc)), false
	case 0xd0:
		v = uint64(int64(int8(d.fixed(1))))
	case 0xd1:
		v = uint64(int64(int16(d.fixed(2))))
	case 0xd2:
		v = uint64(int64(int32(d.fixed(4))))
	case 0xd3:
		v = d.fixed(8)
	default:
		d.mismatch(start, "an integer", code)
		return 0, false
	}
	return v, int64(v) < 0
}

// Bytes reads a byte string or text: a view into the frame, never nil unless the decoder failed.
func (d *Decoder) Bytes() []byte {
	start, code := d.offset, d.code()
	var n uint64
	switch {
	case code == 0xc4 || code == 0xd9:
		n = d.fixed(1)
	case code == 0xc5 || code == 0xda:
		n = d.fixed(2)
	case code == 0xc6 || code == 0xdb:
		n = d.fixed(4)
	case code&0xe0 == 0xa0:
		n = uint64(code & 0x1f)
	default:
		d.mismatch(start, "bytes", code)
	}
	if d.err != nil {
		return nil
	}
	if n > uint64(len(d.frame)-d.offset) {
		d.fail(start, fmt.Sprintf("%d bytes announced, %d left", n, len(d.frame)-d.offset))
		return nil
	}
	end := d.offset + int(n)
	view := d.frame[d.offset:end:end]
	d.offset = end
	return view
}

// Str reads text or a byte string, copied.
func (d *Decoder) Str() string { return string(d.Bytes()) }

// Bool reads a truth value.
func (d *Decoder) Bool() bool {
	start, code := d.offset, d.code()
	if code != 0xc2 && code != 0xc3 {
		d.mismatch(start, "a truth value", code)
	}
	return code == 0xc3 && d.err == nil
}

// Float reads a number of 32 or 64 bits.
func (d *Decoder) Float() float64 {
	start, code := d.offset, d.code()
	switch code {
	case 0xcb:
		return math.Float64frombits(d.fixed(8))
	case 0xca:
		return float64(math.Float32frombits(uint32(d.fixed(4))))
	}
	d.mismatch(start, "a float", code)
	return 0
}

// Nil consumes a nil and says true if that is the next value; otherwise it reads nothing.
func (d *Decoder) Nil() bool {
	if d.err != nil || d.offset >= len(d.frame) || d.frame[d.offset] != 0xc0 {
		return false
	}
	d.offset++
	return true
}

// code reads a format byte. After a failure it is 0, which callers may decode: the error stays.
func (d *Decoder) code() byte {
	if d.err != nil {
		return 0
	}
	if d.offset >= len(d.frame) {
		d.fail(d.offset, "the frame ends where a value should be")
		return 0
	}
	code := d.frame[d.offset]
	d.offset++
	return code
}

// fixed reads a big-endian number of 1, 2, 4 or 8 bytes, or fails.
func (d *Decoder) fixed(size int) uint64 {
	if d.err != nil {
		return 0
	}
	if len(d.frame)-d.offset < size {
		d.fail(d.offset, "the frame ends within a value")
		return 0
	}
	p := d.frame[d.offset:]
	d.offset += size
	switch size {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(p))
	case 4:
		return uint64(binary.BigEndian.Uint32(p))
	}
	return binary.BigEndian.Uint64(p)
}

func (d *Decoder) mismatch(offset int, want string, code byte) {
	d.fail(offset, fmt.Sprintf("expected %s, found format 0x%02x", want, code))
}
