package activation

import (
	"math/rand/v2"
	"testing"
)

// Those that were missed come as one, in step with those before.
func TestReminderComesAgain(t *testing.T) {
	for _, c := range []struct{ due, every, now, want int64 }{
		{1000, 500, 1000, 1500}, {1000, 500, 1499, 1500}, {1000, 500, 1500, 2000}, {1000, 500, 9999, 10000}, {1000, 500, 400, 1500},
		{100, 10, 100, 110}, {100, 10, 109, 110}, {100, 10, 110, 120}, {100, 10, 1234, 1240}, {100, 10, 50, 110},
	} {
		r := Reminder{Number: 7, Due: c.due, Every: c.every}
		if r.Again(c.now); r.Due != c.want || r.Number != 8 || r.Set != 7 {
			t.Errorf("due at %d and every %d, at %d: %+v", c.due, c.every, c.now, r)
		}
	}
}

// Wherever the clock jumps, and however often an actor sets a reminder anew: no message of it has the number of an earlier one, and in each
// lane they rise, so that none is taken for one that was handled.
func TestRemindersAreNotTakenForOthers(t *testing.T) {
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		core, last := Core{}, map[uint32]uint64{}
		clock := int64(1_700_000_000_000_000)
		var r Reminder
		for range 300 {
			clock += dice.Int64N(3_000_000)
			if dice.IntN(20) == 0 {
				clock -= dice.Int64N(3_600_000_000)
			}
			if r.Number == 0 || dice.IntN(4) == 0 {
				n := core.Numbers()
				r = Reminder{Number: n.Next(clock), Every: 1000}
				core.Committed(1, n.Last())
			} else {
				r.Again(clock / 1000)
			}
			c := r.Call(9)
			if seq, is := last[c.Lane]; is && c.Seq <= seq {
				t.Fatalf("seed %d: number %d of lane %d comes after %d", seed, c.Seq, c.Lane, seq)
			}
			last[c.Lane] = c.Seq
		}
	}
}
