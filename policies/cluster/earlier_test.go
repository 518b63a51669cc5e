package cluster

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// What was in force before other settings is read again, and meets no node of a release that cannot read it.
func TestEarlierUsesAndOlderMembers(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	ready := func(text string) {
		for i := range w.state.Members {
			m := w.state.Members[i]
			w.must(&Command{Stage: &StageReport{Node: m.ID, Epoch: m.Epoch, Modules: []StagedModule{{Digest: DigestOf([]byte(text))}}}})
		}
	}
	for _, text := range []string{"first", "second"} {
		for _, c := range pushes([]byte(text)) {
			w.must(c)
		}
		w.must(&Command{Register: &RegisterPolicy{Name: "spot", Digest: DigestOf([]byte(text))}})
		ready(text)
	}
	activate := func(version uint32, share int) {
		w.must(&Command{Activate: &ActivatePolicy{Name: "spot", Version: version, Settings: fmt.Sprintf(`{"share":%d}`, share)}})
	}
	old := w.state.Members[0]
	returns := func(format uint32) { // as a release that reads so much
		old.Epoch, old.Format = old.Epoch+1, format
		w.must(&Command{Join: &Join{Member: old}})
		ready("first")
		ready("second")
	}
	returns(FormatAfter)
	activate(1, 1)
	activate(2, 1)
	activate(2, 2)
	if p := w.state.Policy("spot"); p.Earlier.Version != 0 || w.state.format() >= FormatLoose {
		t.Errorf("beside a node of format 9: %+v", p)
	}
	returns(Format)
	activate(1, 3)
	activate(2, 3)
	activate(2, 4)
	want := PolicyUse{1, `{"share":3}`}
	again, err := DecodeState(w.state.Encode())
	if err != nil || again.Policy("spot").Earlier != want || again.format() != FormatLoose {
		t.Errorf("read again: %+v, %v", again.Policy("spot"), err)
	}
	old.Epoch, old.Format = old.Epoch+1, FormatAfter
	if o := w.apply(&Command{Join: &Join{Member: old}}); o.Err == nil || !strings.Contains(o.Err.Text, "before a policy got other settings") {
		t.Errorf("a node of format 9 beside it: %+v", o)
	}
	w.must(&Command{Quarantine: &QuarantineModule{Digest: DigestOf([]byte("second")), Reason: "it trapped"}})
	if p := w.state.Policy("spot"); p.Active != want || p.Earlier.Version != 0 {
		t.Errorf("after a quarantine: %+v", p)
	}
	w.must(&Command{Join: &Join{Member: old}})
}
