package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/mem"
)

// A stream's message is one or more frames, little-endian, each whole:
//
//	0      1       2      3   4         8         16        20
//	├──────┼───────┼──────┼───┼─────────┼─────────┼─────────┼──────────┐
//	│ form │ flags │ kind │ 0 │ length  │  [id]   │[budget] │ body ... │
//	└──────┴───────┴──────┴───┴─────────┴─────────┴─────────┴──────────┘
//	         1 more            of the     request   request
//	         2 traced          body       answer    ms; 0 = no deadline
//	                                      failure
//	                                      cancel
//	                                      grant: bytes
//
// A body longer than a chunk goes in several frames of the same form, kind and id, one right after the other, all but the
// last with the flag "more". A form that a reader does not know has no id, so that it can be skipped. With the flag "traced" the
// body begins with the 25 bytes of a tracing.Carrier; it is sent to peers only whose introduction says that they read it.

// form says what a frame is for. The numbers are the wire's: never reorder, only append.
type form uint8

const (
	formMessage form = iota + 1 // one-way
	formRequest                 // begins the call with this id
	formAnswer                  // ends it
	formFailure                 // ends it; the body is a failure
	formCancel                  // the caller waits no longer
	formGrant                   // so many bytes more may be sent on this stream the other way
	formHello                   // first frame of whoever dialed
	formWelcome                 // first frame of whoever was dialed...
	formReject                  // ...or the last
)

const (
	headBytes  = 8       // of the shortest head
	mostHead   = 20      // of the longest
	chunkBytes = 1 << 20 // of a body in one frame
	flatBytes  = 32 << 10
	flagMore   = 1
	flagTraced = 2
)

// frame is one frame, decoded.
type frame struct {
	form   form
	more   bool
	traced bool // the body begins with a carrier
	kind   Kind
	id     uint64
	budget uint32 // ms
	body   []byte
}

// errMalformed is wrapped by every error about the bytes of a message.
var errMalformed = errors.New("transport: malformed frame")

func (f form) headSize() int {
	switch f {
	case formRequest:
		return mostHead
	case formAnswer, formFailure, formCancel, formGrant:
		return headBytes + 8
	}
	return headBytes
}

// charged says whether the frame takes credit. Grants and cancels must go when there is none.
func (f form) charged() bool { return f != formGrant && f != formCancel }

// appendHead appends the head of a frame whose body has length bytes.
func (f *frame) appendHead(dst []byte, length int) []byte {
	flags := byte(0)
	if f.more {
		flags = flagMore
	}
	if f.traced {
		flags |= flagTraced
	}
	dst = append(dst, byte(f.form), flags, byte(f.kind), 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(length))
	if f.form.headSize() > headBytes {
		dst = binary.LittleEndian.AppendUint64(dst, f.id)
	}
	if f.form == formRequest {
		dst = binary.LittleEndian.AppendUint32(dst, f.budget)
	}
	return dst
}

// readHead decodes the head at the start of b, which holds headBytes at least and the whole head if ok.
func (f *frame) readHead(b []byte) (length int, ok bool) {
	f.form, f.more, f.traced, f.kind = form(b[0]), b[1]&flagMore != 0, b[1]&flagTraced != 0, Kind(b[2])
	size := f.form.headSize()
	if len(b) < size {
		return 0, false
	}
	if size > headBytes {
		f.id = binary.LittleEndian.Uint64(b[headBytes:])
	}
	if f.form == formRequest {
		f.budget = binary.LittleEndian.Uint32(b[headBytes+8:])
	}
	return int(binary.LittleEndian.Uint32(b[4:])), true
}

// unpack calls each with every frame of a message and its size on the wire, in order. A frame is good until each returns, its
// body for longer: bodies are copies, of which several small ones may share memory. After an error the frames before it have been given out, and left bytes have not been read.
func unpack(message mem.BufferSlice, each func(f *frame, size int)) (left int, err error) {
	if message.Len() <= flatBytes {
		return unpackFlat(message.Materialize(), each)
	}
	r := message.Reader()
	defer r.Close()
	var head [mostHead]byte
	var f frame
	for r.Remaining() > 0 {
		f = frame{}
		left = r.Remaining()
		n, _ := io.ReadFull(r, head[:min(headBytes, left)])
		if n < headBytes {
			return left, fmt.Errorf("%w: it ends within a head", errMalformed)
		}
		if size := form(head[0]).headSize(); size > headBytes {
			more, _ := io.ReadFull(r, head[headBytes:size])
			n += more
		}
		length, ok := f.readHead(head[:n])
		if !ok || length > r.Remaining() {
			return left, fmt.Errorf("%w: it ends within a frame of form %d", errMalformed, f.form)
		}
		f.body = make([]byte, length)
		if _, err := io.ReadFull(r, f.body); err != nil {
			return left, fmt.Errorf("%w: %w", errMalformed, err)
		}
		each(&f, n+length)
	}
	return 0, nil
}

func unpackFlat(b []byte, each func(f *frame, size int)) (left int, err error) {
	var f frame
	for len(b) > 0 {
		if len(b) < headBytes {
			return len(b), fmt.Errorf("%w: it ends within a head", errMalformed)
		}
		f = frame{}
		length, ok := f.readHead(b)
		head := f.form.headSize()
		if !ok || length > len(b)-head {
			return len(b), fmt.Errorf("%w: it ends within a frame of form %d", errMalformed, f.form)
		}
		end := head + length
		f.body = b[head:end:end]
		each(&f, end)
		b = b[end:]
	}
	return 0, nil
}
