package topics

import (
	"errors"
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// A publication that is tried again is kept once, also if the topic has got more partitions meanwhile.
func TestOnceWhileATopicGrows(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "orders", Config{Partitions: 1}))
		var first []Position
		records := []Record{{Key: "k1"}, {Key: "k2"}, {}, {}}
		once := func(i int) Once { return Once{"p", uint64(i + 3)} }
		for i := range records {
			first = append(first, must[Position](t)(c.Publish(ctx, "orders", records[i], once(i))))
		}
		must[Config](t)(c.Create(ctx, "orders", Config{Partitions: 7}))
		last := len(records) - 1 // a partition knows the last of a producer
		if again := must[Position](t)(c.Publish(ctx, "orders", records[last], once(last))); again != first[last] {
			t.Errorf("one publication is kept twice: %v, %v", first[last], again)
		}
		for i := range last {
			if at, err := c.Publish(ctx, "orders", records[i], once(i)); err == nil {
				t.Errorf("publication %d, which came before the last, is kept again: %v", i, at)
			}
		}
		fresh := must[Position](t)(c.Publish(ctx, "orders", Record{}, Once{"p", 8}))
		if fresh.Partition != 1 {
			t.Errorf("what was not tried before goes by the old number of partitions: %v", fresh)
		}
	})
}

// Failures are remembered however much succeeds meanwhile, and neither without bound.
func TestTriesAreBounded(t *testing.T) {
	c := NewClient(nil)
	c.tried("orders", Once{"p", 1}, 5, errors.New("outcome unknown"))
	for i := range 3 * mostTries {
		c.tried("orders", Once{"q", uint64(i)}, 6, nil)
	}
	for _, want := range []struct {
		once      Once
		n, chosen int
	}{
		{Once{"p", 1}, 7, 5},
		{Once{"p", 1}, 4, 1}, // partition 5 is no more
		{Once{"q", 3*mostTries - 1}, 7, 6},
		{Once{"q", 2 * mostTries}, 7, 6},
		{Once{"q", 2*mostTries - 1}, 7, (2*mostTries - 1) % 7},
		{Once{"q", 0}, 7, 0},
	} {
		t.Run(fmt.Sprint(want.once, " of ", want.n), func(t *testing.T) {
			if got := c.partitionOf("orders", &Record{}, want.once, want.n); got != want.chosen {
				t.Errorf("%d, want %d", got, want.chosen)
			}
		})
	}
	if n := len(c.published.partitions); n != mostTries || len(c.published.order) != n {
		t.Errorf("%d are remembered, in order %d", n, len(c.published.order))
	}
}
