package metadata

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// What a leader decides is proposed by itself in its own reign, or not at all.
func TestProposeIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(time.Second)
		term := leader.group.Status().Term
		if o, err := leader.group.ProposeIn(n.within(time.Second), term, setting("test.a", "1")); err != nil || o.Err != nil {
			t.Fatalf("in its reign: %v, %v", o.Err, err)
		}
		for _, h := range n.houses {
			for _, at := range []uint64{term - 1, term, term + 1} {
				if h == leader && at == term {
					continue
				}
				_, err := h.group.ProposeIn(n.within(time.Second), at, setting("test.b", "1"))
				var kind *shards.Error
				if !errors.Is(err, ErrNotLeader) || !errors.As(err, &kind) || kind.Kind != shards.KindUnavailable {
					t.Errorf("node %s in term %d, where %s leads in %d: %v", h.name, at, leader.name, term, err)
				}
			}
		}
		for _, h := range n.houses {
			if h != leader {
				n.cut(leader, h, true)
			}
		}
		_, err := leader.group.ProposeIn(n.within(10*time.Second), term, setting("test.c", "1"))
		var kind *shards.Error
		if !errors.As(err, &kind) || kind.Kind != shards.KindOutcomeUnknown {
			t.Errorf("without a quorum: %v", err)
		}
		if got := leader.group.State().Setting("test.b"); got != "" {
			t.Errorf("what was not to be proposed was applied: %q", got)
		}
	})
}
