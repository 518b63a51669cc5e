package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

func TestJSONOfMsgpack(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "null"}, {true, "true"}, {false, "false"}, {-33, "-33"}, {uint64(math.MaxUint64), "18446744073709551615"}, {int64(math.MinInt64), "-9223372036854775808"},
		{float32(0.1), "0.1"}, {2.5, "2.5"}, {3.0, "3"}, {1e21, "1e+21"}, {-1e-7, "-1e-7"}, {2e-12, "2e-12"}, {float32(1e-6), "0.000001"}, {float32(9e-7), "9e-7"}, {"a\"\\\x01ü", `"a\"\\\u0001ü"`}, {[]byte{0, 1, 255}, `"AAH/"`},
		{[]any{1, []any{}, "x"}, `[1,[],"x"]`}, {map[int]string{-7: "y"}, `{"-7":"y"}`}, {map[string]any{"a": map[string]any{}}, `{"a":{}}`},
	} {
		frame, err := msgpack.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := AppendJSON([]byte("^"), frame, Limits{}, 100); err != nil || string(got) != "^"+c.want {
			t.Errorf("%v: %s, %v; want %s", c.value, got, err, c.want)
		}
	}
	for want, frame := range map[string]string{
		"JSON does not have": "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "an extension": "\x91\xd4\x01\x02", "not UTF-8": "\xa1\xff", "the key of a map": "\x81\x90\x01",
		"nested deeper": strings.Repeat("\x91", 40) + "\xc0", "bytes after": "\x01\x02", "announced": "\xdd\x6b\xd3\x3b\xf1\x01\x02",
	} {
		got, err := AppendJSON([]byte("^"), []byte(frame), Limits{}, 1000)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) || string(got) != "^" {
			t.Errorf("%q: %s, %v", frame, got, err)
		}
	}
	long := "\xdc\xff\xff" + strings.Repeat("\xc0", 0xffff)
	if got, err := AppendJSON(nil, []byte(long), Limits{}, 0xffff); !errors.Is(err, ErrLong) || len(got) != 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestMsgpackOfJSON(t *testing.T) {
	many := strings.Repeat(`"x",`, 70000)
	for _, text := range []string{
		"null", " true ", "-1", "18446744073709551615", "1e3", `"a\u00e4\ud83d\ude00\n"`, "[]", "{}", ` { "a" : [ 1 , 2.5 , { "b" : null } ] , "c" : "" } `,
		"[" + many + "1]", "[" + many[:4*20] + "1]", "[" + many[:4*300] + "1]",
	} {
		frame, err := AppendMsgpack(nil, []byte(text))
		if err != nil {
			t.Errorf("%.40s: %v", text, err)
			continue
		}
		var want, got any
		back, errBack := AppendJSON(nil, frame, Limits{}, 1<<20)
		if err := errors.Join(errBack, json.Unmarshal([]byte(text), &want), json.Unmarshal(back, &got)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%.40s became %.40s, %v", text, back, err)
		}
		var other any
		if err := msgpack.Unmarshal(frame, &other); err != nil {
			t.Errorf("%.40s: msgpack says %v", text, err)
		}
	}
	for want, text := range map[string]string{"no JSON": "[1", "nests deeper": strings.Repeat("[", 33) + strings.Repeat("]", 33), "64 bits": "[1e999]", "is no": ""} {
		if got, err := AppendMsgpack([]byte("^"), []byte(text)); err == nil || !strings.Contains(err.Error(), want) || string(got) != "^" {
			t.Errorf("%.20s: %q, %v", text, got, err)
		}
	}
}

// FuzzJSONOfMsgpack: what can be said in JSON is JSON, and says the same after it was msgpack again.
func FuzzJSONOfMsgpack(f *testing.F) {
	seeds(f)
	f.Add([]byte("\xca\x35\x86\x37\xbd"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		text, err := AppendJSON(nil, frame, Limits{}, 1<<20)
		if err != nil {
			return
		}
		again, err := AppendMsgpack(nil, text)
		if err != nil {
			t.Fatalf("% x became %s, then %v", frame, text, err)
		}
		back, err := AppendJSON(nil, again, Limits{}, 1<<20)
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("% x became %s, then % x, then %s, %v", frame, text, again, back, err)
		}
	})
}

// FuzzMsgpackOfJSON: encoding/json reads the same from a text and from what has become of it.
func FuzzMsgpackOfJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,"\ud800",null]}`, "[[[]]]", `"\u0000"`, "-0", "1e400", "[1,2"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := AppendMsgpack(nil, text)
		if err != nil {
			return
		}
		back, err := AppendJSON(nil, frame, Limits{}, 1<<20)
		if errors.Is(err, ErrLong) {
			return
		}
		var want, got any
		if err := errors.Join(err, json.Unmarshal(text, &want), json.Unmarshal(back, &got)); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s became %s, %v", text, back, err)
		}
	})
}
