package store

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

// parseInt reads a decimal number as Redis' string2ll does: no plus, no leading zeros, no spaces, nothing but digits.
func parseInt(text []byte) (int64, error) {
	if len(text) == 0 || len(text) > 20 {
		return 0, ErrNotNumber
	}
	digits, negative := text, false
	if text[0] == '-' {
		digits, negative = text[1:], true
	}
	if len(digits) == 0 || digits[0] == '0' && len(text) > 1 {
		return 0, ErrNotNumber
	}
	var v uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if d > 9 || v > (math.MaxUint64-d)/10 {
			return 0, ErrNotNumber
		}
		v = v*10 + d
	}
	switch {
	case negative && v <= 1<<63:
		return -int64(v), nil
	case !negative && v <= math.MaxInt64:
		return int64(v), nil
	}
	return 0, ErrNotNumber
}

// addInt adds, or says that the sum does not fit.
func addInt(a, b int64) (int64, error) {
	sum := a + b
	if (b > 0) != (sum > a) && b != 0 {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Redis adds in C's long double, which on amd64 has a mantissa of 64 bits and exponents up to 2^16384, and prints 17
// places without trailing zeros ("%.17Lf"). big.Float with this precision computes the same sum on every machine: 0.1+0.2
// is 0.3, as a Redis user expects, where float64 would print 0.30000000000000004.
const (
	floatMantissa = 64
	floatPlaces   = 17
	floatText     = 5 << 10 // bytes; Redis' limit for the text of a number
)

// floatLimit is the first number that does not fit a long double.
var floatLimit = new(big.Float).SetMantExp(big.NewFloat(1), 16384)

// parseFloat reads a decimal number with optional fraction and exponent.
func parseFloat(text []byte) (*big.Float, error) {
	if !isDecimal(text) {
		return nil, ErrNotNumber
	}
	v, _, err := big.ParseFloat(string(text), 10, floatMantissa, big.ToNearestEven)
	if err != nil || v.IsInf() || tooLarge(v) {
		return nil, ErrNotNumber
	}
	return v, nil
}

func tooLarge(v *big.Float) bool { return new(big.Float).Abs(v).Cmp(floatLimit) >= 0 }

// isDecimal accepts [+-] digits [. digits] [e [+-] digits], with a digit in the mantissa and at most 5 in the exponent.
func isDecimal(text []byte) bool {
	if len(text) == 0 || len(text) > floatText {
		return false
	}
	mantissa, exponent := text, []byte(nil)
	if e := bytes.IndexAny(text, "eE"); e >= 0 {
		mantissa, exponent = text[:e], unsigned(text[e+1:])
		if len(exponent) == 0 || len(exponent) > 5 || countDigits(exponent) != len(exponent) {
			return false
		}
	}
	mantissa = unsigned(mantissa)
	digits := countDigits(mantissa)
	points := bytes.Count(mantissa, []byte{'.'})
	return digits > 0 && points <= 1 && digits+points == len(mantissa)
}

func unsigned(text []byte) []byte {
	if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
		return text[1:]
	}
	return text
}

func countDigits(text []byte) (n int) {
	for _, c := range text {
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n
}

// addFloat appends the sum of the number in text (nil: 0) and delta to dst, as Redis prints it. delta stands for the
// shortest decimal number that is equal to it, which is what its sender typed.
func addFloat(dst, text []byte, delta float64) ([]byte, error) {
	if math.IsNaN(delta) || math.IsInf(delta, 0) {
		return dst, ErrOverflow
	}
	sum := new(big.Float).SetPrec(floatMantissa)
	if text != nil {
		v, err := parseFloat(text)
		if err != nil {
			return dst, err
		}
		sum = v
	}
	var shortest [32]byte
	step, err := parseFloat(strconv.AppendFloat(shortest[:0], delta, 'g', -1, 64))
	if err != nil {
		return dst, ErrOverflow
	}
	sum.Add(sum, step)
	if tooLarge(sum) {
		return dst, ErrOverflow
	}
	start := len(dst)
	dst = sum.Append(dst, 'f', floatPlaces)
	dst = bytes.TrimRight(dst, "0")
	dst = bytes.TrimSuffix(dst, []byte{'.'})
	if string(dst[start:]) == "-0" {
		dst = append(dst[:start], '0')
	}
	return dst, nil
}
