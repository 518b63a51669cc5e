package tracing

import (
	"slices"
	"strings"
	"testing"
)

// Which decision an attempt carries out, where nodes take turns, and where the second of too many decisions has been forgotten.
func TestCarried(t *testing.T) {
	for _, c := range []struct {
		what, decisions, attempts string // targets
		want                      []int
	}{
		{"each once", "a b a", "a b a", []int{0, 1, 2}},
		{"the first was never told", "a b a", "b a", []int{1, 2}},
		{"the newest is not carried out yet", "a b a", "a b", []int{0, 1}},
		{"the newest was decided by nobody knows whom", "a b", "a b a", []int{0, 1, -1}},
		{"to one node again and again", "a a a", "a a", []int{0, 1}},
		{"the second is forgotten", "a a b a b a b a", "a b a b a b a b a", []int{0, -1, 1, 2, 3, 4, 5, 6, 7}},
		{"three are forgotten", "a a b a b a b a", "a b a b a b a b a b a", []int{0, -1, -1, -1, 1, 2, 3, 4, 5, 6, 7}},
		{"the second is forgotten, and the first was never told", "a a b a b a b a", "b a b a b a b a", []int{-1, 1, 2, 3, 4, 5, 6, 7}},
		{"none is forgotten", "a b a b a b a b", "a b a b a b a b", []int{0, 1, 2, 3, 4, 5, 6, 7}},
	} {
		var list []Decision
		for _, to := range strings.Fields(c.decisions) {
			list = append(list, Decision{To: to})
		}
		var attempts []Attempt
		for _, to := range strings.Fields(c.attempts) {
			attempts = append(attempts, Attempt{To: to})
		}
		if got := carried(list, attempts); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
