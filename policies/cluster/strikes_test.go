package cluster

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestStrikesAreBounded(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	strike := func(i int) *Command {
		return &Command{Strike: &StrikeModule{Digest: DigestOf(fmt.Append(nil, i)), Policy: "p", Strikes: 1, Last: "a trap", At: int64(i)}}
	}
	for i := range MaxStruck + 1 {
		w.must(strike(i))
	}
	if n := len(w.state.Struck); n != MaxStruck || w.state.Strikes(DigestOf([]byte("0"))) != 0 || w.state.Strikes(DigestOf([]byte("1"))) != 1 {
		t.Errorf("%d modules are remembered; the oldest is to be forgotten", n)
	}
	for name, x := range map[string]StrikeModule{
		"no digest":   {Digest: "ab", Strikes: 1, Last: "a trap"},
		"no reason":   {Digest: DigestOf(nil), Strikes: 1},
		"long reason": {Digest: DigestOf(nil), Strikes: 1, Last: strings.Repeat("x", MaxReason+1)},
		"long policy": {Digest: DigestOf(nil), Strikes: 1, Last: "a trap", Policy: strings.Repeat("x", MaxText+1)},
	} {
		if o := w.apply(&Command{Strike: &x}); o.Err == nil || o.Changed {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// A node of a release before this one must meet neither the command nor the state.
func TestOlderMembersMeetNoStrikes(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	strike := &Command{Strike: &StrikeModule{Digest: DigestOf(nil), Strikes: 1, Last: "a trap"}}
	old := w.state.Members[0]
	old.Epoch, old.Format = old.Epoch+1, FormatMoves
	w.must(&Command{Join: &Join{Member: old}})
	if o := w.apply(strike); o.Err == nil || !strings.Contains(o.Err.Text, "needs 7") || w.state.CountsStrikes() {
		t.Errorf("a strike beside a node of format 6: %+v", o)
	}
	old.Epoch, old.Format = old.Epoch+1, Format
	w.must(&Command{Join: &Join{Member: old}})
	w.must(strike)
	old.Epoch, old.Format = old.Epoch+1, FormatMoves
	if o := w.apply(&Command{Join: &Join{Member: old}}); o.Err == nil || !strings.Contains(o.Err.Text, "modules that have failed") {
		t.Errorf("a node of format 6 beside strikes: %+v", o)
	}
	w.must(&Command{Quarantine: &QuarantineModule{Digest: DigestOf(nil), Lift: true}})
	w.must(&Command{Join: &Join{Member: old}})
}
