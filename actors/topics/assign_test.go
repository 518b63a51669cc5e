package topics

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Partitions are spread within one, only over members that want them, and stay where they may.
func TestSpread(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 1))
		g := &group{Members: map[string]member{}, Topics: map[string][]share{"a": make([]share, 1+chance.IntN(20)), "b": make([]share, 1+chance.IntN(20))}}
		for step := range 30 {
			name := fmt.Sprint("m", chance.IntN(6))
			if _, there := g.Members[name]; there {
				delete(g.Members, name)
			} else {
				g.Members[name] = member{Topics: [][]string{{"a"}, {"b"}, {"a", "b"}}[chance.IntN(3)]}
			}
			before := map[string]string{}
			for topic, parts := range g.Topics {
				for i := range parts {
					before[fmt.Sprint(topic, i)] = parts[i].Target
				}
			}
			g.rebalance()
			for topic, parts := range g.Topics {
				checkSpread(t, fmt.Sprintf("seed %d, step %d, topic %s", seed, step, topic), parts, g.wanting(topic), func(i int) string { return before[fmt.Sprint(topic, i)] })
			}
			if t.Failed() {
				return
			}
		}
	}
}

func checkSpread(t *testing.T, at string, parts []share, members []string, before func(i int) string) {
	t.Helper()
	count, had := map[string]int{}, map[string]int{}
	for _, m := range members {
		count[m], had[m] = 0, 0
	}
	moved := 0
	for i := range parts {
		if _, wants := count[parts[i].Target]; !wants && len(members) > 0 {
			t.Errorf("%s: partition %d goes to %q; %v want it", at, i, parts[i].Target, members)
			return
		}
		count[parts[i].Target]++
		if _, there := had[before(i)]; there {
			had[before(i)]++
			if before(i) != parts[i].Target {
				moved++
			}
		}
	}
	if len(members) == 0 {
		if count[""] != len(parts) {
			t.Errorf("%s: nobody wants it, and it goes to %v", at, count)
		}
		return
	}
	least := len(parts) / len(members)
	needed := 0 // partitions that cannot stay: those beyond the even share
	extra := len(parts) % len(members)
	for _, m := range members {
		if count[m] != least && count[m] != least+1 {
			t.Errorf("%s: %s has %d of %d; there are %d members", at, m, count[m], len(parts), len(members))
		}
		over := had[m] - least
		if over > 0 && extra > 0 {
			over--
			extra--
		}
		needed += max(0, over)
	}
	if moved > needed {
		t.Errorf("%s: %d partitions moved, %d had to", at, moved, needed)
	}
}
