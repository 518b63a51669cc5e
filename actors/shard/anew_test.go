package shard

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// A life's numbers are above those of the lives before, whatever the clock says are numbers that versions have room for.
func TestFreshStart(t *testing.T) {
	at := func(year int) shards.SeqNo { return freshStart(time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)) }
	if at(1970) != 0 || at(2027)-at(2026) != 365*24*3600*1000*numbersPerMilli || at(2052) <= at(2051) || at(2053) != lastStart || at(2200) != lastStart {
		t.Errorf("%d, %d, %d, %d", at(1970), at(2026), at(2027), at(2053))
	}
	if room := radix.MaxVersion - lastStart; room < 1<<46-1 {
		t.Errorf("%d numbers are left behind the last start", room)
	}
}

// A shard that begins empty for lack of copies begins behind all numbers of before, and copies that join have its numbers; that of a keyspace
// which is new begins with 1.
func TestBeginsAnewBehindOldNumbers(t *testing.T) {
	inTownOf(t, 2, 2, shards.Keyspace{Shards: 1, Durability: shards.DurabilityMemory}, func(w *town) {
		w.fill(0, 20)
		w.await("peace", w.whole)
		before := w.primary(0).Stats().Applied
		if before > 1000 {
			t.Errorf("a new shard is at %d", before)
		}
		first, second := w.kill("n1"), w.kill("n2")
		w.revive("n1", first, false)
		w.revive("n2", second, false)
		w.await("the new beginning", func() bool {
			s := w.primary(0)
			return s != nil && s.Leads() && s.Stats().Keys == 0
		})
		w.fill(100, 3)
		w.await("peace", w.whole)
		w.equal()
		if st := w.primary(0).Stats(); st.Keys != 3 || st.Applied <= 1000 {
			t.Errorf("%+v, %d before", st, before)
		}
	})
}
