package deciders_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/tck"
)

// FuzzSettings puts any text under any name into the state, as a version that knows more may have: deciders read what they can,
// and take the default for the rest.
func FuzzSettings(f *testing.F) {
	for i, r := range cluster.SettingRules() {
		for _, value := range append(slices.Clone(r.Values), r.Default, "", "-1", "0", "1e3", "5%", "5gb", "1h", "a,b", ",", "*", "Sun 22:00-06:00", "n0") {
			f.Add(uint64(i), strings.NewReplacer("{ATTRIBUTE}", "zone", "{NODE}", "N0").Replace(r.Name), value)
			f.Add(uint64(i), strings.Replace(r.Name, "cluster.", "keyspace.k0.", 1), value)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, name, value string) {
		dice := rand.New(rand.NewPCG(seed, 1))
		w := tck.Random(dice)
		s := *w.State
		if name == "" || value == "" || s.Setting(name) != "" {
			return
		}
		s.Settings = append(slices.Clone(s.Settings), cluster.Setting{Name: name, Value: value})
		slices.SortFunc(s.Settings, func(a, b cluster.Setting) int { return strings.Compare(a.Name, b.Name) })
		v := policies.NewView(&s, w.Facts)
		set := &policies.Set{Deciders: deciders.All()}
		if next := set.Next(v); next != 0 && next <= v.Ticks {
			t.Errorf("it changes its mind in the past: at %d, and now is %d", next, v.Ticks)
		}
		for range 10 {
			q := tck.Ask(dice, v)
			for n, a := range slices.Clone(set.Ask(v, q)) {
				if e := set.Explain(v, q, n); e.Verdict != a.Verdict() {
					t.Errorf("the row says %v, the explanation %s", a.Verdict(), e.String())
				}
			}
		}
		if known, err := cluster.CheckSetting(name, value); err != nil && !known {
			t.Errorf("setting %q is not known, and refused: %v", name, err)
		}
	})
}
