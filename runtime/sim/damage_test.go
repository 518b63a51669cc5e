package sim

import (
	"strings"
	"testing"
	"time"
)

// TestDamageCostsTheID: a copy that has caught up, and whose way into the in-sync set is not decided yet, is damaged. It may
// not begin anew under its id: the proposal is on its way, and would have an empty copy counted on for every acknowledged write.
func TestDamageCostsTheID(t *testing.T) {
	s := newScript(t)
	play := func(text string) {
		for _, line := range strings.Split(text, ";") {
			s.line = strings.TrimSpace(line)
			s.do(strings.Fields(line))
		}
	}
	play("cluster nodes=4 shards=2 replicas=1 seed=8; let l = leader; let p = primary a/0; let r = replica a/0")
	if s.names["l"] == s.names["p"] || s.names["l"] == s.names["r"] {
		t.Fatal("this seed has the leader hold the shard: take another one")
	}
	play("kill r; expect down r within 5s; run 100ms; link p l; start r; run 1s")
	r, id := s.names["r"], s.shard("a/0")
	before := s.w.row(id).CopyOn(r.ID)
	held := r.proc.copies.held[id]
	if before == nil || before.InSync || held == nil || held.copy != before.ID || held.core.End().Seq == 0 {
		t.Fatalf("the copy was to have caught up and not to be in sync: %s", describe(s.w.row(id)))
	}
	play("rot r a/0; kill r; start r")
	if _, ok := s.w.Until(3*time.Second, func() bool { return s.w.row(id).Copy(before.ID) == nil }); !ok {
		t.Fatalf("copy %d is still there: %s\n%s", before.ID, describe(s.w.row(id)), s.w.story.last(40))
	}
	play("heal; expect health green within 30s; end")
	if s.w.failure != nil {
		t.Fatal(s.w.failure)
	}
}
