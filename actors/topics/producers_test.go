package topics

import (
	"fmt"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// TestProducersThatAreGone: more producers than one message may forget have published to a partition and are gone. New ones are
// taken, and the old ones are forgotten little by little.
func TestProducersThatAreGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "orders", Config{}))
		for i := range 4200 {
			must[Position](t)(c.PublishTo(ctx, "orders", 0, []Record{{}}, Once{fmt.Sprint("job ", i), 1}))
		}
		<-time.After(producerTTL + time.Hour)
		for i := range 4200/producersSwept + 1 {
			must[Position](t)(c.PublishTo(ctx, "orders", 0, []Record{{}}, Once{fmt.Sprint("new ", i), 1}))
		}
		again, err := c.PublishTo(ctx, "orders", 0, []Record{{}}, Once{"job 4199", 1})
		if err != nil || again.Offset < 4200 {
			t.Errorf("a producer that was silent for longer than is remembered: %v, %v", again, err)
		}
	})
}
