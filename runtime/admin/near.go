package admin

import (
	"cmp"
	"slices"
	"strings"
)

// near are the three names that look most like one that there is not, the likeliest first: those that share the most runs of three letters
// with it, in proportion to their own.
func near(wrong string, names []string) []string {
	share := func(name string) float64 {
		common, runs := 0, max(1, len(name)-2)
		for i := range len(name) - 2 {
			if strings.Contains(wrong, name[i:i+3]) {
				common++
			}
		}
		return float64(common) / float64(runs+max(1, len(wrong)-2))
	}
	sorted := slices.Clone(names)
	slices.SortStableFunc(sorted, func(a, b string) int { return cmp.Compare(share(b), share(a)) })
	return sorted[:min(3, len(sorted))]
}
