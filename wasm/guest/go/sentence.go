package troupe

import (
	"math"
	"strconv"
	"time"
)

// Figures for explanations, as the SDKs of all languages write them.

// Number is a number with up to so many decimals, without zeroes at its end.
func Number(v float64, decimals int) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if v > 1e18 {
		return sign + "more than 10^18"
	}
	scale := uint64(1)
	for range decimals {
		scale *= 10
	}
	whole := uint64(v)
	part := uint64((v-float64(whole))*float64(scale) + 0.5)
	if part >= scale {
		whole, part = whole+1, part-scale
	}
	text := sign + strconv.FormatUint(whole, 10)
	if part == 0 {
		return text
	}
	for ; part%10 == 0; decimals-- {
		part /= 10
	}
	digits := strconv.FormatUint(part, 10)
	for range decimals - len(digits) {
		digits = "0" + digits
	}
	return text + "." + digits
}

// Percent is a share as a percentage with up to one decimal.
func Percent(share float64) string { return Number(100*share, 1) + "%" }

// Bytes is a size with the unit that suits it, 1024 of one being one of the next.
func Bytes(v float64) string {
	units, unit := [...]string{"B", "KB", "MB", "GB", "TB", "PB"}, 0
	for ; v >= 1024 && unit < len(units)-1; unit++ {
		v /= 1024
	}
	return Number(v, 1) + units[unit]
}

// Milliseconds is a duration as people write it: 1m30s.
func Milliseconds(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
