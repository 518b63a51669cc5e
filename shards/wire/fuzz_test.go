package wire

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

func seeds(f *testing.F) {
	f.Add(bomb)
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var buf bytes.Buffer
		randomValue(r, msgpack.NewEncoder(&buf), 4)
		f.Add(buf.Bytes())
	}
	e := NewEncoder(nil)
	opFields(&e, []byte("key"), []byte("value"))
	f.Add(e.Buffer())
}

// FuzzCheck holds Scan to msgpack/v5: whatever passes, msgpack skips with the same length.
func FuzzCheck(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		n, err := Scan(frame, Limits{})
		if err != nil {
			return
		}
		r := bytes.NewReader(frame)
		if err := msgpack.NewDecoder(r).Skip(); err != nil {
			t.Fatalf("passed as %d bytes, but msgpack says %v", n, err)
		}
		if skipped := len(frame) - r.Len(); skipped != n {
			t.Fatalf("measured %d bytes, msgpack skips %d", n, skipped)
		}
	})
}

// FuzzDecoder reads whatever comes, by its format byte, and encodes what it got: decoding that again gives the same, no
// view leaves the frame, and msgpack/v5 reads the same numbers.
func FuzzDecoder(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if n, err := Scan(frame, Limits{}); err != nil || n != len(frame) {
			return
		}
		first, ok := transcode(frame)
		if !ok {
			return // maps, extensions and numbers that Decoder does not take
		}
		second, ok := transcode(first)
		if !ok || !bytes.Equal(first, second) {
			t.Fatalf("% x became % x", first, second)
		}
		if err := Check(first, Limits{}); err != nil {
			t.Fatalf("encoded % x: %v", first, err)
		}
		if len(first) > 2*len(frame) {
			t.Fatalf("%d bytes became %d", len(frame), len(first))
		}
	})
}

// transcode decodes a run of values and encodes them again; ok says that all could be read.
func transcode(frame []byte) (out []byte, ok bool) {
	d, e := NewDecoder(frame), NewEncoder(nil)
	for d.Err() == nil && len(d.Rest()) > 0 {
		switch code := d.Rest()[0]; {
		case code == 0xc0:
			d.Nil()
			e.Nil()
		case code == 0xc2 || code == 0xc3:
			e.Bool(d.Bool())
		case code >= 0xc4 && code <= 0xc6:
			e.Bytes(d.Bytes())
		case code&0xe0 == 0xa0 || code >= 0xd9 && code <= 0xdb:
			e.Str(d.Str())
		case code == 0xca || code == 0xcb:
			e.Float(d.Float())
		case code&0xf0 == 0x90 || code == 0xdc || code == 0xdd:
			e.Array(d.Array())
		case code <= 0x7f || code >= 0xcc && code <= 0xcf:
			e.Uint(d.Uint())
		default:
			e.Int(d.Int())
		}
	}
	return e.Buffer(), d.Err() == nil
}

// FuzzEncoder holds each encoded value to msgpack/v5's reading of it.
func FuzzEncoder(f *testing.F) {
	f.Add(uint64(0), int64(0), 0.0, []byte(nil), "", false)
	f.Add(uint64(math.MaxUint64), int64(math.MinInt64), math.Inf(-1), make([]byte, 300), "text", true)
	f.Fuzz(func(t *testing.T, u uint64, i int64, x float64, p []byte, s string, b bool) {
		e := NewEncoder(nil)
		e.Array(6)
		e.Uint(u)
		e.Int(i)
		e.Float(x)
		e.Bytes(p)
		e.Str(s)
		e.Bool(b)
		var got struct {
			U uint64
			I int64
			X float64
			P []byte
			S string
			B bool
		}
		if err := msgpack.Unmarshal(e.Buffer(), &got); err != nil {
			t.Fatal(err)
		}
		same := got.U == u && got.I == i && math.Float64bits(got.X) == math.Float64bits(x) &&
			bytes.Equal(got.P, p) && got.S == s && got.B == b
		if !same {
			t.Fatalf("%+v", got)
		}
	})
}

// FuzzFrame reads arbitrary bytes as a stream of frames, in two ways that must agree, and writes the frames again.
func FuzzFrame(f *testing.F) {
	f.Add(AppendFrame(AppendFrame(nil, KindBulk, []byte("abc")), KindSnapshot, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1 << 16
		r := NewFrameReader(bytes.NewReader(stream), limit)
		rest := stream
		for {
			read, err := r.Next()
			view, after, err2 := NextFrame(rest, limit)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("reader: %v; view: %v", err, err2)
			}
			if err != nil {
				return
			}
			if read.Kind != view.Kind || !bytes.Equal(read.Payload, view.Payload) {
				t.Fatal("reader and view differ")
			}
			if again := AppendFrame(nil, view.Kind, view.Payload); !bytes.Equal(again, rest[:len(again)]) {
				t.Fatal("a frame has two encodings")
			}
			rest = after
		}
	})
}
