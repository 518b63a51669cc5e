package shard

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A copy's store and log at moments, and for how long at most its store has lacked something then; -1 where it cannot be told.
func TestLevel(t *testing.T) {
	type moment struct {
		at           time.Duration
		applied, end shards.SeqNo
		age          time.Duration
	}
	for name, moments := range map[string][]moment{
		"nothing is missing":          {{0, 7, 7, 0}, {time.Hour, 7, 7, 0}},
		"one write is on its way":     {{0, 7, 7, 0}, {10, 7, 8, 0}, {15, 7, 8, 5}, {20, 8, 8, 0}},
		"a copy that has come back":   {{0, 3, 7, -1}, {10, 6, 7, -1}, {20, 7, 9, 20}, {30, 9, 9, 0}},
		"a stream that never pauses":  {{0, 1, 1, 0}, {10, 1, 2, 0}, {20, 2, 3, 10}, {30, 3, 4, 10}, {40, 4, 5, 10}},
		"a primary that is not heard": {{0, 1, 1, 0}, {10, 1, 4, 0}, {5010, 1, 4, 5000}},
		"a tail that is dropped":      {{0, 1, 1, 0}, {10, 1, 4, 0}, {20, 1, 1, 0}, {30, 1, 2, 0}, {35, 1, 2, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			var l level
			began := time.Now()
			for _, m := range moments {
				now := began.Add(m.at)
				l.note(m.applied, m.end, func() time.Time { return now })
				if age, known := l.age(now); known != (m.age >= 0) || known && age != m.age {
					t.Errorf("at %d, %d of %d applied: %d, %v; want %d", m.at, m.applied, m.end, age, known, m.age)
				}
			}
		})
	}
}
