package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// change sets one setting; an empty value goes back to the default.
func (w *world) setting(by, name, value string) {
	w.must(&Command{Settings: &SettingsChange{Set: []Setting{{name, value}}, By: by, At: 1000}})
}

func (w *world) amendments() (list []string) {
	for _, a := range w.state.Amendments {
		list = append(list, fmt.Sprintf("%s %s: %s→%s", a.By, a.Name, a.From, a.To))
	}
	return list
}

// Who turned what, from which value to which, is in the state: any node tells, also of what happened before it was there.
func TestHistoryOfSettings(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	w.setting("ann", "b", "1")
	w.setting("ann", "b", "1") // changes nothing
	on := true
	w.must(&Command{Settings: &SettingsChange{Set: []Setting{{"a", "x"}, {"b", ""}, {"c", "y"}}, ReadOnly: &on, By: "bob", At: 2000}})
	want := []string{"ann b: →1", "bob cluster.read_only: false→true", "bob a: →x", "bob b: 1→", "bob c: →y"}
	if got := w.amendments(); !slices.Equal(got, want) {
		t.Errorf("history %q", got)
	}
	if last := w.state.Amendments[4]; last.Version != w.state.Version || last.At != 2000 {
		t.Errorf("the last is %+v at version %d", last, w.state.Version)
	}
	if o := w.apply(&Command{Settings: &SettingsChange{Set: []Setting{{"d", "1"}}, By: strings.Repeat("x", MaxText+1)}}); o.Err == nil || w.state.Setting("d") != "" {
		t.Errorf("a name without end was taken: %v", o)
	}
}

func TestHistoryOfSettingsIsBounded(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	for i := range MaxAmendments + 10 {
		w.setting("ann", "many", fmt.Sprint(i))
	}
	if n := len(w.state.Amendments); n != MaxAmendments || w.state.Amendments[n-1].To != fmt.Sprint(MaxAmendments+9) {
		t.Errorf("%d changes are kept, the last %+v", n, w.state.Amendments[n-1])
	}
	for i := range 2 * maxAmendmentBytes / MaxValue {
		w.setting("ann", "large", strings.Repeat(fmt.Sprint(i%10), MaxValue))
	}
	if n := len(w.state.Amendments); n != maxAmendmentBytes/(2*MaxValue)-1 && n != maxAmendmentBytes/(2*MaxValue) {
		t.Errorf("%d large changes are kept", n)
	}
}

// A member of the release before cannot read these histories: with it there are none, and settings and drains work as ever.
func TestNoDrainsOrAmendmentsForOlderReleases(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	old := testMember(5, 1)
	old.Format = FormatPolicies
	w.must(&Command{Join: &Join{Member: old}})
	led(w, 2, 0)
	on := true
	w.must(&Command{Member: &MemberChange{Node: node(2), Draining: &on}})
	w.must(&Command{Settings: &SettingsChange{Set: []Setting{{"a", "x"}}}})
	if w.state.format() >= FormatHistory || w.state.Setting("a") != "x" {
		t.Errorf("format %d", w.state.format())
	}
	if err := w.state.Readable(&Command{Settings: &SettingsChange{By: "ann"}}); err == nil || !strings.Contains(err.Error(), "upgrade it first") {
		t.Errorf("what it cannot read may be proposed: %v", err)
	}
	w.die(5)
	w.must(&Command{Member: &MemberChange{Node: node(5), Forget: true}})
	w.setting("ann", "a", "")
	if o := w.apply(&Command{Join: &Join{Member: old}}); o.Err == nil || !strings.Contains(o.Err.Text, "drains or settings") {
		t.Errorf("an older release joins: %v", o.Err)
	}
}
