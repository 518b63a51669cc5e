package topics

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// Partitions that do not answer, since nobody leads their shards, do not hold up the others of their member.
func TestPartitionsThatDoNotAnswer(t *testing.T) {
	for _, dead := range []string{"/1", "/1/2/3"} {
		synctest.Test(t, func(t *testing.T) {
			w := virtualtest.New(t, 1, func() []*virtual.Kind {
				k := virtual.NewKind[struct{}](KindPartition)
				virtual.Handle(k, "poll", func(c *virtual.Context[struct{}], r request) (Batch, error) {
					if strings.Contains(dead, strings.TrimPrefix(c.Self().Name, "t")) {
						return Batch{}, c.Later("nobody leads its shard")
					}
					return Batch{Messages: []Message{{Offset: r.Offset}}, Next: r.Offset + 1}, nil
				})
				return []*virtual.Kind{k.Kind}
			})
			m := NewClient(w.Host(0)).Join("g", time.Hour, "t")
			m.beaten, m.rest = time.Now(), time.Hour
			for i := range 5 {
				m.held = append(m.held, cursor{Assignment: Assignment{Topic: "t", Partition: i}})
			}
			begun, lost, failures := time.Now(), time.Duration(0), 0
			for time.Since(begun) < 40*time.Minute {
				now := time.Now()
				if _, err := m.Poll(t.Context(), 1, 0); err != nil {
					failures++
					lost += time.Since(now)
				}
				w.Pass(time.Second) // a member works
			}
			if share := lost.Seconds() / time.Since(begun).Seconds(); failures < 3 || share > 0.55 {
				t.Errorf("partitions %s do not answer: %d Polls failed, and took %.0f %% of the time", dead, failures, 100*share)
			}
			if m.held[0].next < 250 {
				t.Errorf("partitions %s do not answer, and of another %d messages were read in 40 minutes", dead, m.held[0].next)
			}
		})
	}
}
