package wire

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// The seven bytes of the package comment: an array of 1,809,013,745 elements.
var bomb = []byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1, 0x01, 0x02}

func TestCheckRefusesTheBombWithoutAllocating(t *testing.T) {
	var err error
	allocs := testing.AllocsPerRun(100, func() { err = Check(bomb, Limits{}) })
	if !errors.Is(err, ErrMalformed) {
		t.Fatalf("got %v", err)
	}
	if allocs > 4 { // the error itself
		t.Errorf("%v allocations", allocs)
	}
	var into []uint64
	if err := Unmarshal(bomb, Limits{}, &into); !errors.Is(err, ErrMalformed) {
		t.Errorf("Unmarshal: %v", err)
	}
	d := NewDecoder(bomb)
	if n := d.Array(); n != 0 || !errors.Is(d.Err(), ErrMalformed) {
		t.Errorf("Decoder.Array: %d, %v", n, d.Err())
	}
}

func TestCheck(t *testing.T) {
	nested := func(depth int) []byte { return append(bytes.Repeat([]byte{0x91}, depth), 0xc0) }
	cases := []struct {
		name   string
		frame  []byte
		limits Limits
		offset int // of the error, -1 = none
	}{
		{"empty", nil, Limits{}, 0},
		{"one", []byte{1}, Limits{}, -1},
		{"two values", []byte{1, 2}, Limits{}, 1},
		{"0xc1", []byte{0x91, 0xc1}, Limits{}, 1},
		{"depth 32", nested(32), Limits{}, -1},
		{"depth 33", nested(33), Limits{}, 32},
		{"a limit cannot exceed 32", nested(33), Limits{Depth: 1000}, 32},
		{"depth 2 of 1", nested(2), Limits{Depth: 1}, 1},
		{"elements", []byte{0x93, 1, 2, 3}, Limits{Elements: 4}, -1},
		{"too many elements", []byte{0x93, 1, 2, 3}, Limits{Elements: 3}, 3},
		{"array of maps", []byte{0x92, 0x81, 1, 2, 0x80}, Limits{}, -1},
		{"short map", []byte{0x82, 1, 2, 3}, Limits{}, 0},
		{"missing element", []byte{0x92, 0x91, 1}, Limits{}, 3},
		{"str8", []byte{0xd9, 2, 'a', 'b'}, Limits{}, -1},
		{"str8 cut", []byte{0xd9, 3, 'a', 'b'}, Limits{}, 0},
		{"bin32 length cut", []byte{0xc6, 0, 0, 0}, Limits{}, 0},
		{"bin32 huge", []byte{0xc6, 0xff, 0xff, 0xff, 0xff}, Limits{}, 0},
		{"fixext16", append([]byte{0xd8}, make([]byte, 17)...), Limits{}, -1},
		{"fixext16 cut", append([]byte{0xd8}, make([]byte, 16)...), Limits{}, 0},
		{"ext8", []byte{0xc7, 1, 5, 9}, Limits{}, -1},
		{"map32 huge", []byte{0xdf, 0xff, 0xff, 0xff, 0xff, 0}, Limits{}, 0},
		{"float cut", []byte{0xcb, 0, 0}, Limits{}, 0},
		{"after a nested array", []byte{0x92, 0x91, 7, 8}, Limits{}, -1},
	}
	for _, c := range cases {
		err := Check(c.frame, c.limits)
		var syntax *SyntaxError
		switch {
		case c.offset < 0 && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.offset >= 0 && (!errors.As(err, &syntax) || syntax.Offset != c.offset):
			t.Errorf("%s: got %v, want an error at %d", c.name, err, c.offset)
		}
	}
}

var (
	uints  = []uint64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, math.MaxUint64}
	ints   = []int64{0, 127, 128, -1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64, math.MaxInt64}
	floats = []float64{0, 1.5, -1e300, math.Inf(1), math.SmallestNonzeroFloat64}
	sizes  = []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000}
)

// Every value goes through Encoder, msgpack/v5 decodes it, Decoder decodes it, and Scan measures it.
func TestEncoderAgreesWithMsgpack(t *testing.T) {
	agree := func(frame []byte, want any, got any, d *Decoder) {
		t.Helper()
		var theirs any
		if err := msgpack.Unmarshal(frame, &theirs); err != nil {
			t.Fatalf("msgpack refuses % x: %v", frame[:min(len(frame), 16)], err)
		}
		again, err := msgpack.Marshal(theirs)
		ours, err2 := msgpack.Marshal(want)
		if err != nil || err2 != nil || !bytes.Equal(again, ours) {
			t.Errorf("msgpack reads %v, want %v", theirs, want)
		}
		if err := d.Finish(); err != nil {
			t.Error(err)
		}
		if err := Check(frame, Limits{}); err != nil {
			t.Error(err)
		}
		if g, _ := msgpack.Marshal(got); !bytes.Equal(g, ours) {
			t.Errorf("decoder reads %v, want %v", got, want)
		}
	}
	for _, v := range floats {
		frame, d := one(func(e *Encoder) { e.Float(v) })
		agree(frame, v, d.Float(), d)
	}
	for _, n := range sizes {
		p := bytes.Repeat([]byte{'x'}, n)
		frame, d := one(func(e *Encoder) { e.Bytes(p) })
		agree(frame, p, d.Bytes(), d)
		frame, d = one(func(e *Encoder) { e.Str(string(p)) })
		agree(frame, string(p), d.Str(), d)
		frame, d = one(func(e *Encoder) {
			e.Array(n)
			for range n {
				e.Bool(true)
			}
		})
		list := slices.Repeat([]bool{true}, d.Array())
		for i := range list {
			list[i] = d.Bool()
		}
		agree(frame, slices.Repeat([]bool{true}, n), list, d)
	}
	frame, d := one(func(e *Encoder) { e.Nil() })
	if !bytes.Equal(frame, []byte{0xc0}) || !d.Nil() || d.Nil() || d.Finish() != nil {
		t.Errorf("nil is % x", frame)
	}
}

// one encodes one value, and gives its bytes and a decoder of them.
func one(encode func(*Encoder)) ([]byte, *Decoder) {
	e := NewEncoder(nil)
	encode(&e)
	d := NewDecoder(e.Buffer())
	return e.Buffer(), &d
}

func TestIntegersAgreeWithMsgpack(t *testing.T) {
	for _, v := range uints {
		frame, d := one(func(e *Encoder) { e.Uint(v) })
		var theirs uint64
		if err := msgpack.Unmarshal(frame, &theirs); err != nil || theirs != v || d.Uint() != v || d.Finish() != nil {
			t.Errorf("uint %d: msgpack %d %v, ours %v", v, theirs, err, d.Err())
		}
		if min, _ := shortest(v); !bytes.Equal(min, frame) {
			t.Errorf("uint %d is % x, shortest % x", v, frame, min)
		}
	}
	for _, v := range ints {
		frame, d := one(func(e *Encoder) { e.Int(v) })
		var theirs int64
		if err := msgpack.Unmarshal(frame, &theirs); err != nil || theirs != v || d.Int() != v || d.Finish() != nil {
			t.Errorf("int %d: msgpack %d %v, ours %v", v, theirs, err, d.Err())
		}
	}
}

func shortest(v uint64) ([]byte, error) {
	var buf bytes.Buffer
	e := msgpack.NewEncoder(&buf)
	e.UseCompactInts(true)
	err := e.EncodeUint(v)
	return buf.Bytes(), err
}

func TestDecoderRefusesOtherTypes(t *testing.T) {
	for name, c := range map[string]struct {
		frame []byte
		read  func(*Decoder)
	}{
		"nil as uint":      {[]byte{0xc0}, func(d *Decoder) { d.Uint() }},
		"negative as uint": {[]byte{0xff}, func(d *Decoder) { d.Uint() }},
		"2^63 as int":      {[]byte{0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0}, func(d *Decoder) { d.Int() }},
		"number as bytes":  {[]byte{7}, func(d *Decoder) { d.Bytes() }},
		"bytes as array":   {[]byte{0xc4, 0}, func(d *Decoder) { d.Array() }},
		"map as array":     {[]byte{0x80}, func(d *Decoder) { d.Array() }},
		"number as bool":   {[]byte{1}, func(d *Decoder) { d.Bool() }},
		"number as float":  {[]byte{1}, func(d *Decoder) { d.Float() }},
		"nothing":          {nil, func(d *Decoder) { d.Int() }},
		"cut length":       {[]byte{0xc5, 1}, func(d *Decoder) { d.Bytes() }},
		"long array":       {[]byte{0xdc, 0, 2, 1}, func(d *Decoder) { d.Array() }},
	} {
		d := NewDecoder(c.frame)
		c.read(&d)
		if !errors.Is(d.Err(), ErrMalformed) {
			t.Errorf("%s: %v", name, d.Err())
		}
		first := d.Err()
		if d.Uint() != 0 || d.Bytes() != nil || d.Array() != 0 || d.Bool() || d.Float() != 0 || d.Nil() || d.Err() != first {
			t.Errorf("%s: the first failure does not stick", name)
		}
	}
}

type message struct {
	ID    uint64
	Name  string
	Parts [][]byte
	Next  *message
}

func TestMarshalRoundTrip(t *testing.T) {
	in := message{7, "a", [][]byte{{1}, {}}, &message{ID: 1 << 40}}
	frame := Marshal(&in)
	var out message
	if err := Unmarshal(frame, Limits{}, &out); err != nil {
		t.Fatal(err)
	}
	if out.ID != 7 || out.Name != "a" || len(out.Parts) != 2 || out.Next == nil || out.Next.ID != 1<<40 {
		t.Errorf("%+v", out)
	}
	if !bytes.Equal(frame, Marshal(&out)) {
		t.Error("the same value has other bytes")
	}
	if err := Unmarshal(append(frame, 0), Limits{}, &out); !errors.Is(err, ErrMalformed) {
		t.Errorf("trailing byte: %v", err)
	}
}

func TestMarshalRefusesMaps(t *testing.T) {
	for _, v := range []any{struct{ M map[string]int }{}, struct{ V []any }{}, &struct{ P *[]map[int]int }{}} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "messages hold no") {
					t.Errorf("%T: %q", v, text)
				}
			}()
			Marshal(v)
		}()
	}
}

// opFields is an operation as the store writes one: eleven fields.
func opFields(e *Encoder, key, value []byte) {
	e.Array(11)
	e.Uint(2)
	e.Uint(0)
	e.Bool(false)
	e.Bool(false)
	e.Bytes(key)
	e.Bytes(value)
	e.Bytes(nil)
	e.Int(1795520362123)
	e.Uint(88211)
	e.Int(-5)
	e.Float(0)
}

var benchKey, benchValue = []byte("user:{42}:name"), bytes.Repeat([]byte{'v'}, 100)

func BenchmarkEncode(b *testing.B) {
	b.Run("append", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			e := NewEncoder(buf[:0])
			opFields(&e, benchKey, benchValue)
			buf = e.Buffer()
		}
	})
	b.Run("msgpack", func(b *testing.B) {
		var buf bytes.Buffer
		e := msgpack.NewEncoder(&buf)
		e.UseCompactInts(true)
		for b.Loop() {
			buf.Reset()
			_ = e.EncodeArrayLen(11)
			_ = e.EncodeUint(2)
			_ = e.EncodeUint(0)
			_ = e.EncodeBool(false)
			_ = e.EncodeBool(false)
			_ = e.EncodeBytes(benchKey)
			_ = e.EncodeBytes(benchValue)
			_ = e.EncodeBytes(nil)
			_ = e.EncodeInt(1795520362123)
			_ = e.EncodeUint(88211)
			_ = e.EncodeInt(-5)
			_ = e.EncodeFloat64(0)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	e := NewEncoder(nil)
	opFields(&e, benchKey, benchValue)
	frame := e.Buffer()
	b.Run("views", func(b *testing.B) {
		for b.Loop() {
			d := NewDecoder(frame)
			d.Array()
			d.Uint()
			d.Uint()
			d.Bool()
			d.Bool()
			d.Bytes()
			d.Bytes()
			d.Bytes()
			d.Int()
			d.Uint()
			d.Int()
			d.Float()
			if d.Finish() != nil {
				b.Fatal(d.Err())
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if Check(frame, Limits{}) != nil {
				b.Fatal()
			}
		}
	})
	b.Run("msgpack", func(b *testing.B) {
		r := bytes.NewReader(frame)
		d := msgpack.NewDecoder(r)
		for b.Loop() {
			r.Reset(frame)
			_, _ = d.DecodeArrayLen()
			_, _ = d.DecodeUint64()
			_, _ = d.DecodeUint64()
			_, _ = d.DecodeBool()
			_, _ = d.DecodeBool()
			_, _ = d.DecodeBytes()
			_, _ = d.DecodeBytes()
			_, _ = d.DecodeBytes()
			_, _ = d.DecodeInt64()
			_, _ = d.DecodeUint64()
			_, _ = d.DecodeInt64()
			_, _ = d.DecodeFloat64()
		}
	})
}

// randomValue writes an arbitrary value with msgpack/v5, for the fuzz seeds.
func randomValue(r *rand.Rand, e *msgpack.Encoder, depth int) {
	switch k := r.IntN(8); {
	case k == 0 && depth > 0:
		n := r.IntN(5)
		_ = e.EncodeArrayLen(n)
		for range n {
			randomValue(r, e, depth-1)
		}
	case k == 1:
		_ = e.EncodeInt(int64(r.Uint64()) >> r.IntN(64))
	case k == 2:
		_ = e.EncodeUint(r.Uint64() >> r.IntN(64))
	case k == 3:
		_ = e.EncodeString(strings.Repeat("s", r.IntN(300)))
	case k == 4:
		_ = e.EncodeBytes(make([]byte, r.IntN(300)))
	case k == 5:
		_ = e.EncodeFloat64(r.NormFloat64())
	case k == 6:
		_ = e.EncodeBool(r.IntN(2) == 0)
	default:
		_ = e.EncodeNil()
	}
}
