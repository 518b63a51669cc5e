package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestFramesRoundTrip(t *testing.T) {
	var stream []byte
	sizes := []int{0, 1, 100, firstRead - 1, firstRead, firstRead + 1, 300_000}
	for i, n := range sizes {
		stream = AppendFrame(stream, Kind(i+1), bytes.Repeat([]byte{byte(i)}, n))
	}
	r := NewFrameReader(iotest.HalfReader(bytes.NewReader(stream)), 300_000)
	rest := stream
	for i, n := range sizes {
		f, err := r.Next()
		if err != nil || f.Kind != Kind(i+1) || !bytes.Equal(f.Payload, bytes.Repeat([]byte{byte(i)}, n)) {
			t.Fatalf("frame %d: kind %d, %d bytes, %v", i, f.Kind, len(f.Payload), err)
		}
		f, rest, err = NextFrame(rest, 300_000)
		if err != nil || f.Kind != Kind(i+1) || len(f.Payload) != n {
			t.Fatalf("view %d: kind %d, %d bytes, %v", i, f.Kind, len(f.Payload), err)
		}
	}
	if _, err := r.Next(); err != io.EOF || len(rest) != 0 || r.Offset() != int64(len(stream)) {
		t.Errorf("at the end: %v, %d bytes left, offset %d", err, len(rest), r.Offset())
	}
}

// Each bit of a stream of frames is flipped in turn, and the stream is cut at each byte.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	first := AppendFrame(nil, KindBulk, []byte("first payload"))
	stream := AppendFrame(bytes.Clone(first), KindSnapshot, []byte("second"))
	readAll := func(stream []byte) (n int, err error) {
		r := NewFrameReader(bytes.NewReader(stream), 1000)
		for {
			if _, err := r.Next(); err != nil {
				return n, err
			}
			n++
		}
	}
	for bit := range 8 * len(stream) {
		bad := bytes.Clone(stream)
		bad[bit/8] ^= 1 << (bit % 8)
		n, err := readAll(bad)
		var frame *FrameError
		at := 0
		if bit/8 >= len(first) {
			at = 1
		}
		if n != at || !errors.As(err, &frame) || frame.Offset != int64(at*len(first)) {
			t.Fatalf("bit %d: %d frames, then %v", bit, n, err)
		}
	}
	for cut := range stream {
		n, err := readAll(stream[:cut])
		clean := cut == 0 || cut == len(first)
		if clean != (err == io.EOF) || !clean && !errors.Is(err, ErrFrameTruncated) || n > 1 {
			t.Fatalf("cut at %d: %d frames, then %v", cut, n, err)
		}
	}
}

func TestFrameLimits(t *testing.T) {
	frame := AppendFrame(nil, KindBulk, make([]byte, 101))
	if _, _, err := NextFrame(frame, 100); !errors.Is(err, ErrFrameTooLarge) {
		t.Errorf("NextFrame: %v", err)
	}
	if _, err := ReadFrame(bytes.NewReader(frame), 100); !errors.Is(err, ErrFrameTooLarge) {
		t.Errorf("ReadFrame: %v", err)
	}
	if f, err := ReadFrame(bytes.NewReader(frame), 101); err != nil || len(f.Payload) != 101 {
		t.Errorf("at the limit: %v", err)
	}
}

// A header may claim any length up to the limit; memory follows the bytes that arrive.
func TestAClaimedLengthCostsNothing(t *testing.T) {
	const claimed = 1 << 30
	stream := append(binary.LittleEndian.AppendUint32(nil, claimed), make([]byte, 1000)...)
	r := NewFrameReader(bytes.NewReader(stream), claimed)
	if _, err := r.Next(); !errors.Is(err, ErrFrameTruncated) {
		t.Fatal(err)
	}
	if cap(r.buf) > firstRead {
		t.Errorf("%d bytes were allocated for 988 that came", cap(r.buf))
	}
}

func TestReaderErrorsKeepTheirCause(t *testing.T) {
	broken := errors.New("cable out")
	_, err := ReadFrame(io.MultiReader(bytes.NewReader(make([]byte, 5)), iotest.ErrReader(broken)), 100)
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkFrame(b *testing.B) {
	payload := make([]byte, 64<<10)
	var buf []byte
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		buf = AppendFrame(buf[:0], KindBulk, payload)
		if _, _, err := NextFrame(buf, len(payload)); err != nil {
			b.Fatal(err)
		}
	}
}
