package store

import (
	"math"
	"strings"
	"testing"
)

func TestParseIntIsAsStrictAsRedis(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-1": -1, "12": 12, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, err := parseInt([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "-", "-0", "00", "01", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "9223372036854775808", "-9223372036854775809",
		"18446744073709551616", "99999999999999999999", "1\x00",
	} {
		if got, err := parseInt([]byte(text)); err != ErrNotNumber {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestAddInt(t *testing.T) {
	for _, c := range [][3]int64{{1, 2, 3}, {math.MaxInt64, 0, math.MaxInt64}, {math.MinInt64, math.MaxInt64, -1}, {math.MaxInt64, math.MinInt64, -1}} {
		if sum, err := addInt(c[0], c[1]); err != nil || sum != c[2] {
			t.Errorf("%d + %d = %d, %v", c[0], c[1], sum, err)
		}
	}
	for _, c := range [][2]int64{{math.MaxInt64, 1}, {1, math.MaxInt64}, {math.MinInt64, -1}, {-1, math.MinInt64}, {math.MinInt64, math.MinInt64}} {
		if sum, err := addInt(c[0], c[1]); err != ErrOverflow {
			t.Errorf("%d + %d = %d, %v", c[0], c[1], sum, err)
		}
	}
}

// The first five are the examples of Redis' documentation of INCRBYFLOAT and of its test suite (incr.tcl).
func TestAddFloatPrintsAsRedis(t *testing.T) {
	for _, c := range []struct {
		text  string
		delta float64
		want  string
	}{
		{"10.50", 0.1, "10.6"}, {"10.6", -5, "5.6"}, {"5.0e3", 2.0e2, "5200"}, {"1.5", 1.5, "3"}, {"1.23", -1.1, "0.13"},
		{"0.1", 0.2, "0.3"}, {"3", 0, "3"}, {"-1", 1, "0"}, {"0", math.Copysign(0, -1), "0"}, {"100", 0, "100"}, {"1e2", 0.5, "100.5"},
		{"1e20", 1, "100000000000000000000"}, {"9007199254740993", 2, "9007199254740995"}, {".5", 0, "0.5"}, {"5.", 0, "5"}, {"+1", 1, "2"},
		{"1e-30", 0, "0"}, {"0.00000000000000001", 0, "0.00000000000000001"},
	} {
		if got, err := addFloat(nil, []byte(c.text), c.delta); err != nil || string(got) != c.want {
			t.Errorf("%s + %v = %q, %v; want %s", c.text, c.delta, got, err, c.want)
		}
	}
	for _, text := range []string{"", " 1", "1 ", "abc", "1.2.3", "1e", "e5", ".", "-", "1e999999", "1e5000", "nan", "inf", "0x10", "1_0", "1p5", "--1", strings.Repeat("1", 6000)} {
		if got, err := addFloat(nil, []byte(text), 1); err != ErrNotNumber {
			t.Errorf("%.20q: %q, %v", text, got, err)
		}
	}
	for _, delta := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := addFloat(nil, nil, delta); err != ErrOverflow {
			t.Errorf("adding %v: %v", delta, err)
		}
	}
}
