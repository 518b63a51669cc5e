package virtual

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

// FuzzJSON: what is written and read here without the library is what the library writes and reads, and so is what is refused.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{"", "0", "-0", "00", "01", "-", "7", "-7", "+7", "1.5", "1e3", "999999999999999999", "-999999999999999999", "9223372036854775807",
		"9223372036854775808", "-9223372036854775808", "18446744073709551615", "true", "false", "tru", " true", "null", `""`, `"`, `"a"`, `"a"b"`, `"\n"`, `"<&>"`, `"ä"`, "\"\x7f\"",
		"\"\xff\"", "\"\u2028\"", "\"\x00\"", " 7", "7 ", "[1]", "{}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		equalReads[int](t, text)
		equalReads[int64](t, text)
		equalReads[uint64](t, text)
		equalReads[bool](t, text)
		equalReads[string](t, text)
		equalReads[any](t, text)
		equalWrites(t, string(text))
	})
}

func equalReads[T any](t *testing.T, text []byte) {
	t.Helper()
	var want T
	wantErr := json.Unmarshal(text, &want)
	got, err := readJSON[T](text)
	if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Errorf("%q as %T: got %v, %v; the library gives %v, %v", text, want, got, err, want, wantErr)
	}
	if err == nil {
		equalWrites(t, got)
	}
}

func equalWrites(t *testing.T, value any) {
	t.Helper()
	want, wantErr := json.Marshal(value)
	if got, err := writeJSON(value); !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
		t.Errorf("%#v: got %q, %v; the library gives %q, %v", value, got, err, want, wantErr)
	}
}

// TestJSONOfNumbers: those at the ends of what fits.
func TestJSONOfNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 9, 10, 999_999_999, 1_000_000_000, 999_999_999_999_999_999, 1_000_000_000_000_000_000, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		text, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		equalReads[int](t, text)
		equalReads[int64](t, text)
		equalReads[uint64](t, text)
		equalReads[int8](t, text)
		equalWrites(t, uint64(n))
	}
}

// TestUnchangedStateIsNotCopied: a state that says what is kept is that, and one that says something else owns its bytes.
func TestUnchangedStateIsNotCopied(t *testing.T) {
	type state struct{ Text string }
	before, err := encodeState(3, &state{"<a>"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(&state{"<a>"})
	if want := append([]byte{3, 0, 0, 0, 0, 0, 0, 0}, text...); err != nil || !bytes.Equal(before, want) {
		t.Fatalf("got %q, not %q", before, want)
	}
	if same, err := encodeState(3, &state{"<a>"}, before); err != nil || &same[0] != &before[0] {
		t.Errorf("got %q, %v; not what was there", same, err)
	}
	kept := bytes.Clone(before)
	for _, c := range []struct {
		sent uint64
		text string
	}{{4, "<a>"}, {3, "<b>"}} {
		other, err := encodeState(c.sent, &state{c.text}, before)
		if err != nil || bytes.Equal(other, before) || !bytes.Equal(before, kept) {
			t.Errorf("%v: got %q, %v, and before is %q", c, other, err, before)
		}
	}
}
