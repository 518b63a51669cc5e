package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// A frame carries one payload through a stream, little-endian:
//
//	0        4      5       6        8          12
//	├────────┼──────┼───────┼────────┼──────────┼─────────────┐
//	│ length │ kind │ flags │ 0    0 │ crc32c   │ payload ... │
//	└────────┴──────┴───────┴────────┴──────────┴─────────────┘
//	 of the                           of bytes 4..8
//	 payload                          and the payload
//
// flags is zero until a flag is defined: a reader refuses bits that it does not know. A flipped length moves the end of the
// payload, which the checksum notices.

// FrameHeader is how many bytes a frame is longer than its payload.
const FrameHeader = 12

// Kind says what a frame's payload is. The numbers are written to files and sockets: never reorder, only append.
type Kind uint8

// The kinds.
const (
	KindBulk     Kind = iota + 1 // msgpack array of [key, value, ttl_ms]
	KindSnapshot                 // a chunk of a store's snapshot
)

// Errors of frames; each comes wrapped in a *FrameError.
var (
	ErrFrameTruncated = errors.New("wire: the frame is cut short")
	ErrFrameTooLarge  = errors.New("wire: the frame is larger than allowed")
	ErrFrameChecksum  = errors.New("wire: the frame's checksum does not match")
	ErrFrameHeader    = errors.New("wire: the frame's header holds unknown flags")
)

// FrameError says which frame is wrong: Offset is where it starts, counted from the first byte of the stream.
type FrameError struct {
	Offset int64
	Cause  error // one of the four above, or the reader's error
}

// Error names the cause and the offset.
func (e *FrameError) Error() string { return fmt.Sprintf("%v (frame at offset %d)", e.Cause, e.Offset) }

// Unwrap is the cause.
func (e *FrameError) Unwrap() error { return e.Cause }

// Frame is one payload and what it is.
type Frame struct {
	Kind    Kind
	Payload []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendFrame appends a frame with this payload, which must be shorter than 4 GiB.
func AppendFrame(dst []byte, kind Kind, payload []byte) []byte {
	if uint64(len(payload)) > math.MaxUint32 {
		panic("wire: a payload beyond 32 bits")
	}
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, byte(kind), 0, 0, 0)
	sum := frameSum(dst[start:], payload)
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return append(dst, payload...)
}

func frameSum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[4:8], castagnoli), castagnoli, payload)
}

// NextFrame reads the frame at the start of b: a view, and the bytes after it. max bounds the payload in bytes. Offsets of
// errors are 0: the caller knows where b starts.
func NextFrame(b []byte, max int) (f Frame, rest []byte, err error) {
	if len(b) < FrameHeader {
		return Frame{}, b, &FrameError{Cause: ErrFrameTruncated}
	}
	length, err := frameLength(b, max)
	if err != nil {
		return Frame{}, b, &FrameError{Cause: err}
	}
	if length > len(b)-FrameHeader {
		return Frame{}, b, &FrameError{Cause: ErrFrameTruncated}
	}
	end := FrameHeader + length
	f, err = openFrame(b, b[FrameHeader:end:end])
	if err != nil {
		return Frame{}, b, &FrameError{Cause: err}
	}
	return f, b[end:], nil
}

// frameLength reads and bounds the length of a header.
func frameLength(header []byte, max int) (int, error) {
	length := binary.LittleEndian.Uint32(header)
	if uint64(length) > uint64(max) {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, length, max)
	}
	if header[5]|header[6]|header[7] != 0 {
		return 0, ErrFrameHeader
	}
	return int(length), nil
}

func openFrame(header, payload []byte) (Frame, error) {
	if frameSum(header, payload) != binary.LittleEndian.Uint32(header[8:]) {
		return Frame{}, ErrFrameChecksum
	}
	return Frame{Kind: Kind(header[4]), Payload: payload}, nil
}

// FrameReader reads frames one after another. One goroutine at a time.
type FrameReader struct {
	source io.Reader
	max    int
	offset int64
	buf    []byte
}

// NewFrameReader reads frames of at most max payload bytes. It reads from source no more than the frames themselves.
func NewFrameReader(source io.Reader, max int) *FrameReader {
	return &FrameReader{source: source, max: max}
}

// Offset is where the next frame starts, in bytes from the beginning of the stream.
func (r *FrameReader) Offset() int64 { return r.offset }

// Next reads a frame; its payload is valid until the next call. At the clean end of the stream the error is io.EOF itself;
// every other error is a *FrameError, and after one the stream cannot be read further. Memory follows the bytes that really
// arrive (at most twice as many), not the length that a header claims.
func (r *FrameReader) Next() (Frame, error) {
	var header [FrameHeader]byte
	if _, err := io.ReadFull(r.source, header[:]); err == io.EOF {
		return Frame{}, io.EOF
	} else if err != nil {
		return Frame{}, r.failed(err)
	}
	length, err := frameLength(header[:], r.max)
	if err != nil {
		return Frame{}, r.failed(err)
	}
	if err := r.fill(length); err != nil {
		return Frame{}, r.failed(err)
	}
	f, err := openFrame(header[:], r.buf[:length:length])
	if err != nil {
		return Frame{}, r.failed(err)
	}
	r.offset += int64(FrameHeader + length)
	return f, nil
}

// ReadFrame reads one frame with a payload of its own; errors are those of FrameReader.Next, with offset 0.
func ReadFrame(source io.Reader, max int) (Frame, error) {
	return NewFrameReader(source, max).Next()
}

// firstRead is how much of a payload is read before any of it has arrived.
const firstRead = 64 << 10

// fill reads length bytes into buf, which grows only as they arrive.
func (r *FrameReader) fill(length int) error {
	r.buf = r.buf[:0]
	for len(r.buf) < length {
		have := len(r.buf)
		step := min(length-have, max(have, firstRead, cap(r.buf)-have))
		if cap(r.buf) < have+step {
			grown := make([]byte, have, have+step)
			copy(grown, r.buf)
			r.buf = grown
		}
		r.buf = r.buf[:have+step]
		if n, err := io.ReadFull(r.source, r.buf[have:]); err != nil {
			r.buf = r.buf[:have+n]
			return err
		}
	}
	return nil
}

func (r *FrameReader) failed(cause error) error {
	if cause == io.EOF || cause == io.ErrUnexpectedEOF {
		cause = ErrFrameTruncated
	}
	return &FrameError{Offset: r.offset, Cause: cause}
}
