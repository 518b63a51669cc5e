package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxDepth is how deep arrays and maps may nest in any message: a bound on the stack of whatever decodes it.
const MaxDepth = 32

// ErrMalformed is wrapped by every error about msgpack bytes: a *SyntaxError that says where and why.
var ErrMalformed = errors.New("wire: malformed msgpack")

// SyntaxError says at which offset of the frame msgpack bytes cannot be what they should be. It wraps ErrMalformed.
type SyntaxError struct {
	Offset int    // of the value that is wrong, in bytes from the start of the frame
	Reason string // what was expected or exceeded
}

// Error names the offset and the reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%v at offset %d: %s", ErrMalformed, e.Offset, e.Reason)
}

// Unwrap is ErrMalformed.
func (e *SyntaxError) Unwrap() error { return ErrMalformed }

// Limits bound a message beyond what its own length does. The zero value is usable.
type Limits struct {
	Depth    int // nested arrays and maps; 0 or more than MaxDepth means MaxDepth
	Elements int // values in all, containers included; 0 means no limit but the frame's length
}

// Check scans a frame that must hold exactly one msgpack value, without allocating: every length lies within the frame,
// and depth and number of elements are within the limits. What passes can be decoded into typed structs safely.
func Check(frame []byte, l Limits) error {
	n, err := Scan(frame, l)
	if err != nil {
		return err
	}
	if n != len(frame) {
		return &SyntaxError{Offset: n, Reason: "bytes after the value"}
	}
	return nil
}

// Scan is Check for the first value of a longer run of bytes; it returns the value's length.
func Scan(frame []byte, l Limits) (length int, err error) {
	depthLimit := l.Depth
	if depthLimit <= 0 || depthLimit > MaxDepth {
		depthLimit = MaxDepth
	}
	var left [MaxDepth + 1]uint64 // left[d]: values still to come at depth d
	left[0] = 1
	depth, offset, elements := 0, 0, 0
	for {
		for left[depth] == 0 {
			if depth == 0 {
				return offset, nil
			}
			depth--
		}
		left[depth]--
		head, children, err := measure(frame, offset)
		if err != nil {
			return 0, err
		}
		if elements++; l.Elements > 0 && elements > l.Elements {
			return 0, &SyntaxError{Offset: offset, Reason: fmt.Sprintf("more than %d elements", l.Elements)}
		}
		start := offset
		offset += head
		if children == 0 {
			continue
		}
		if children > uint64(len(frame)-offset) { // each child takes a byte at least
			return 0, &SyntaxError{Offset: start, Reason: fmt.Sprintf("%d elements announced, %d bytes left", children, len(frame)-offset)}
		}
		if depth == depthLimit {
			return 0, &SyntaxError{Offset: start, Reason: fmt.Sprintf("nested deeper than %d", depthLimit)}
		}
		depth++
		left[depth] = children
	}
}

// format describes a msgpack format byte from 0xc0 to 0xdf.
type format struct {
	size  uint8 // bytes of a fixed body, or of the length that follows
	shape uint8
}

const (
	shapeFixed   uint8 = iota // a body of size bytes
	shapeBytes                // a length of size bytes, then so many bytes
	shapeExt                  // a length of size bytes, a type byte, then so many bytes
	shapeArray                // a count of size bytes, then so many values
	shapeMap                  // a count of size bytes, then twice so many values
	shapeInvalid              // 0xc1
)

// formats is the table of https://github.com/msgpack/msgpack/blob/master/spec.md, from 0xc0 on.
var formats = [32]format{
	{0, shapeFixed}, {0, shapeInvalid}, {0, shapeFixed}, {0, shapeFixed}, // c0 nil, c1 -, c2 false, c3 true
	{1, shapeBytes}, {2, shapeBytes}, {4, shapeBytes}, {1, shapeExt}, // c4 bin8, bin16, bin32, c7 ext8
	{2, shapeExt}, {4, shapeExt}, {4, shapeFixed}, {8, shapeFixed}, // c8 ext16, ext32, ca float32, float64
	{1, shapeFixed}, {2, shapeFixed}, {4, shapeFixed}, {8, shapeFixed}, // cc uint8 .. uint64
	{1, shapeFixed}, {2, shapeFixed}, {4, shapeFixed}, {8, shapeFixed}, // d0 int8 .. int64
	{2, shapeFixed}, {3, shapeFixed}, {5, shapeFixed}, {9, shapeFixed}, // d4 fixext1 .. fixext8
	{17, shapeFixed}, {1, shapeBytes}, {2, shapeBytes}, {4, shapeBytes}, // d8 fixext16, d9 str8 .. str32
	{2, shapeArray}, {4, shapeArray}, {2, shapeMap}, {4, shapeMap}, // dc array16, array32, de map16, map32
}

// measure reads the head of the value at offset: how many bytes it takes without its children (a string's bytes count as
// its own), all of them within the frame, and how many children follow.
func measure(frame []byte, offset int) (head int, children uint64, err error) {
	if offset >= len(frame) {
		return 0, 0, &SyntaxError{Offset: offset, Reason: "the frame ends where a value should be"}
	}
	var body uint64
	head, body, children, err = measureHead(frame, offset)
	if err != nil {
		return 0, 0, err
	}
	if body > uint64(len(frame)-offset-head) {
		return 0, 0, &SyntaxError{Offset: offset, Reason: fmt.Sprintf("%d bytes announced, %d left", body, len(frame)-offset-head)}
	}
	return head + int(body), children, nil
}

func measureHead(frame []byte, offset int) (head int, body, children uint64, err error) {
	code := frame[offset]
	switch {
	case code <= 0x7f || code >= 0xe0: // small integers
		return 1, 0, 0, nil
	case code <= 0x8f:
		return 1, 0, 2 * uint64(code&0x0f), nil
	case code <= 0x9f:
		return 1, 0, uint64(code & 0x0f), nil
	case code <= 0xbf:
		return 1, uint64(code & 0x1f), 0, nil
	}
	f := formats[code-0xc0]
	switch f.shape {
	case shapeFixed:
		return 1, uint64(f.size), 0, nil
	case shapeInvalid:
		return 0, 0, 0, &SyntaxError{Offset: offset, Reason: "0xc1 is no format"}
	}
	if len(frame)-offset-1 < int(f.size) {
		return 0, 0, 0, &SyntaxError{Offset: offset, Reason: "the frame ends within a length"}
	}
	head, n := 1+int(f.size), lengthAt(frame[offset+1:], f.size)
	switch f.shape {
	case shapeExt:
		return head, n + 1, 0, nil
	case shapeArray:
		return head, 0, n, nil
	case shapeMap:
		return head, 0, 2 * n, nil
	}
	return head, n, 0, nil
}

// lengthAt reads a big-endian length of 1, 2 or 4 bytes, which the caller knows to be there.
func lengthAt(p []byte, size uint8) uint64 {
	switch size {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(p))
	}
	return uint64(binary.BigEndian.Uint32(p))
}
