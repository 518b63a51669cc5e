package placement

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestPlansGoByTheCalendar: windows and policies are asked for the time that the node takes to be right, and not for that of a machine
// whose clock is known to be wrong.
func TestPlansGoByTheCalendar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 2 * time.Hour
		plans := 0
		w := build(t, 3, func(_ shards.NodeID, c *Config) {
			c.Calendar = func() time.Time { return time.Now().Add(-ahead) }
			c.Planned = func(p Planned) {
				plans++
				if off := time.Since(p.Input.Now); off < ahead || off > ahead+time.Minute {
					t.Errorf("a plan takes it to be %v, now %v", p.Input.Now, time.Now())
				}
			}
		})
		w.keyspace("orders", 1, 1)
		w.green(2 * time.Second)
		if plans == 0 {
			t.Error("nothing was planned")
		}
	})
}
