package record

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// magic begins each frame: a reader that has lost its way sees it at once.
const magic = 0x314e4c50 // "PLN1"

// HeadSize is the length of a frame before its body.
const HeadSize = 12

// MaxFrame bounds a frame's body as it is stored.
const MaxFrame = 64 << 20

// ErrTorn says that the bytes end within a frame: what a crash leaves at the end of a file.
var ErrTorn = errors.New("record: the last frame is torn")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame is the record as it lies in a file.
func (r *Record) Frame() ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, HeadSize, 4096))
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	body := r.Encode()
	if len(body) > MaxBytes {
		return nil, fmt.Errorf("record: plan %v takes %d bytes; at most %d are kept", r.Key, len(body), MaxBytes)
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	frame := out.Bytes()
	if len(frame)-HeadSize > MaxFrame {
		return nil, fmt.Errorf("record: plan %v takes %d bytes deflated; at most %d are kept", r.Key, len(frame)-HeadSize, MaxFrame)
	}
	binary.LittleEndian.PutUint32(frame, magic)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)-HeadSize))
	binary.LittleEndian.PutUint32(frame[8:], crc32.Checksum(frame[HeadSize:], castagnoli))
	return frame, nil
}

// Length reads from the head of a frame how long all of it is.
func Length(head []byte) (int, error) {
	if len(head) < HeadSize {
		return 0, ErrTorn
	}
	if binary.LittleEndian.Uint32(head) != magic {
		return 0, fmt.Errorf("record: %x is not the beginning of a recorded plan", head[:4])
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > MaxFrame {
		return 0, fmt.Errorf("record: a frame of %d bytes; at most %d", n, MaxFrame)
	}
	return HeadSize + int(n), nil
}

// Next reads the first of the frames in data, and gives the rest. At the end of data the error is io.EOF.
func Next(data []byte) (r *Record, rest []byte, err error) {
	if len(data) == 0 {
		return nil, nil, io.EOF
	}
	n, err := Length(data)
	if err != nil {
		return nil, nil, err
	}
	if n > len(data) {
		return nil, nil, ErrTorn
	}
	body := data[HeadSize:n]
	if sum := binary.LittleEndian.Uint32(data[8:]); sum != crc32.Checksum(body, castagnoli) {
		return nil, nil, errors.New("record: a frame is damaged: its checksum is another")
	}
	inflated, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), MaxBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("record: a frame does not inflate: %w", err)
	}
	if r, err = Decode(inflated); err != nil {
		return nil, nil, err
	}
	return r, data[n:], nil
}
