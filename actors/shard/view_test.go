package shard

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A view costs as much as the shard at most. While two or more hold more than the shard and some room beside it, another is refused,
// with what holds how much for how long; brief ones are not, and what ends makes room.
func TestViewsAreRefusedForWhatOthersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory})
		s := w.shards[0]
		const each, keys = 1 << 20, viewsRoom>>20 + 4
		value := strings.Repeat("v", each)
		rewrite := func() {
			for i := range keys {
				w.do(0, set(fmt.Sprint(i), value))
			}
		}
		open := func() *View {
			v, err := s.View()
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		rewrite()
		first := open()
		<-time.After(90 * time.Second)
		if st := s.Stats(); st.Snapshots != 1 || time.Since(st.Oldest) != 90*time.Second || st.Limbo != 0 {
			t.Fatalf("%+v", st)
		}
		for range 2 { // what is written and changed again while it is open costs nothing
			rewrite()
		}
		if st := s.Stats(); st.Limbo < keys*each || st.Limbo > keys*each*5/4 {
			t.Fatalf("a view of %d bytes holds %d", keys*each, st.Limbo)
		}
		second := open()
		rewrite()
		if st := s.Stats(); st.Limbo < 2*keys*each {
			t.Fatalf("two views hold %d bytes", st.Limbo)
		}
		_, err := s.View()
		var failure *shards.Error
		if !errors.As(err, &failure) || failure.Kind != shards.KindFull || !errors.Is(err, ErrCrowded) || !strings.Contains(err.Error(), "2 hold ") || !strings.HasSuffix(err.Error(), "the oldest for 1m30s") {
			t.Fatalf("a third view: %v", err)
		}
		brief, err := s.BriefView()
		if err != nil {
			t.Fatal(err)
		}
		brief.Close()
		first.Close()
		open().Close()
		if st := s.Stats(); time.Since(st.Oldest) != 0 || st.Snapshots != 1 {
			t.Errorf("after the first: %+v", st)
		}
		second.Close()
		if st := s.Stats(); !st.Oldest.IsZero() || st.Limbo != 0 || st.Snapshots != 0 {
			t.Errorf("after the last: %+v", st)
		}
	})
}
