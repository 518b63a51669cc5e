package topics

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// Everybody who has to do with a topic learns that it was deleted, nothing of it stays, and another of its name has nothing of it.
func TestDeletedTopicIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx, other := t.Context(), NewClient(w.Host(0))
		if err := c.Delete(ctx, "orders"); !errors.Is(err, ErrNoTopic) {
			t.Errorf("a topic that is not there is deleted: %v", err)
		}
		must[Config](t)(c.Create(ctx, "orders", Config{Partitions: 3, KeepFor: time.Hour}))
		must[Config](t)(c.Create(ctx, "stays", Config{}))
		for range 5 { // more than one turn removes
			must[Position](t)(c.PublishTo(ctx, "orders", 0, make([]Record, MaxBatch), Once{"p", 1}))
			must[Position](t)(c.PublishTo(ctx, "orders", 0, make([]Record, MaxBatch), Once{}))
		}
		must[int](t)(other.Partitions(ctx, "orders"))
		if err := errors.Join(c.Commit(ctx, "orders", 0, "s", 7), c.Subscribe(ctx, "orders", "pushed", virtual.ID{Kind: "sink", Name: "s"}, "take", 0)); err != nil {
			t.Fatal(err)
		}
		member := c.Join("g", 0, "orders", "stays")
		poll(t, w, member)
		if err := member.Commit(ctx, Records{"orders", 0, member.Holds()[0].Generation, []Message{{Offset: 99}}}); err != nil {
			t.Fatal(err)
		}
		idle := c.Join("idle", 0, "orders") // a group that has come somewhere and has no member
		poll(t, w, idle)
		if err := errors.Join(idle.Commit(ctx, Records{"orders", 0, idle.Holds()[0].Generation, []Message{{Offset: 5}}}), idle.Close(ctx)); err != nil {
			t.Fatal(err)
		}

		if err := c.Delete(ctx, "orders"); err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(ctx, "orders"); !errors.Is(err, ErrNoTopic) {
			t.Errorf("deleted again: %v", err)
		}
		w.Pass(time.Second)
		for _, from := range []*Client{c, other} {
			_, published := from.Publish(ctx, "orders", Record{Key: "k"}, Once{})
			_, polled := from.Poll(ctx, "orders", 0, 0, 1, time.Minute)
			_, read := from.Committed(ctx, "orders", 1, "s")
			for what, err := range map[string]error{"publish": published, "poll": polled, "committed": read, "commit": from.Commit(ctx, "orders", 0, "s", 0)} {
				if !errors.Is(err, ErrNoTopic) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		if err := member.Commit(ctx, Records{"orders", 0, member.Holds()[0].Generation, []Message{{Offset: 100}}}); !errors.Is(err, ErrFenced) {
			t.Errorf("a member commits: %v", err)
		}
		for range 3 {
			if _, err := member.Poll(ctx, 1, time.Minute); !errors.Is(err, ErrNoTopic) {
				t.Errorf("a member polls: %v", err)
			}
		}
		got := must[sink](t)(virtual.Call[struct{}, sink](ctx, w.Host(0), virtual.ID{Kind: "sink", Name: "s"}, "look", struct{}{}))
		if !slices.Equal(got.Ended, []int{0, 1, 2}) {
			t.Errorf("the subscriber hears of the end of %v", got.Ended)
		}
		w.Pass(time.Hour)
		if n := w.Keys("d/{partition/orders/") + w.Keys("s/{partition/orders/") + w.Keys("m/{partition/orders/") + w.Keys("s/{topic/orders}") + w.Keys("o/"); n != 0 {
			t.Errorf("%d keys are left", n)
		}

		must[Config](t)(c.Create(ctx, "orders", Config{}))
		if at := must[Position](t)(other.Publish(ctx, "orders", Record{Value: []byte("new")}, Once{"p", 1})); at.Offset != 0 {
			t.Errorf("the first message of the next topic is %d", at.Offset)
		}
		for _, m := range []*Consumer{member, c.Join("idle", 0, "orders")} {
			if read := poll(t, w, m); !slices.Equal(read, []string{"new"}) {
				t.Errorf("a member of group %s reads %q", m.group, read)
			}
		}
	})
}

// A topic that is made while what was of the old one is still being removed gets nothing of it, and keeps what is published at once.
func TestCreatedWhileTheOldOneGoes(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "big", Config{}))
		for range 10 {
			must[Position](t)(c.PublishTo(ctx, "big", 0, make([]Record, MaxBatch), Once{}))
		}
		if err := c.Delete(ctx, "big"); err != nil {
			t.Fatal(err)
		}
		must[Config](t)(c.Create(ctx, "big", Config{}))
		if at := must[Position](t)(c.Publish(ctx, "big", Record{Value: []byte("new")}, Once{})); at.Offset != 0 {
			t.Errorf("published at %d", at.Offset)
		}
		w.Lead(1)
		w.Pass(time.Minute)
		must[struct{}](t)(virtual.Call[struct{}, struct{}](ctx, w.Host(0), partitionID("big", 0), "purge", struct{}{})) // is for what goes alone
		if b := must[Batch](t)(c.Poll(ctx, "big", 0, 0, 10, 0)); !slices.Equal(values(b.Messages), []string{"new"}) || b.Next != 1 {
			t.Errorf("%+v", b)
		}
	})
}

func TestDeletedGroupBeginsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		if err := c.DeleteGroup(ctx, "g"); !errors.Is(err, ErrNoGroup) {
			t.Errorf("a group that is not there is deleted: %v", err)
		}
		var all []string
		for i := range 2 { // more offsets than one message removes
			topic := fmt.Sprint("t", i)
			all = append(all, topic)
			must[Config](t)(c.Create(ctx, topic, Config{Partitions: 300}))
		}
		must[Position](t)(c.PublishTo(ctx, "t0", 0, []Record{{Value: []byte("a")}}, Once{}))
		live := heartbeat{Member: "m", Topics: all, Timeout: 60_000}
		must[directive](t)(virtual.Call[heartbeat, directive](ctx, w.Host(0), groupID("g"), "heartbeat", live))
		w.Pass(time.Second)
		d := must[directive](t)(virtual.Call[heartbeat, directive](ctx, w.Host(0), groupID("g"), "heartbeat", live))
		done := progress{Member: "m", Offsets: d.Assigned}
		if o := must[outcome](t)(virtual.Call[progress, outcome](ctx, w.Host(0), groupID("g"), "commit", done)); len(o.Fenced) > 0 || len(done.Offsets) <= forgotten {
			t.Fatalf("%d of %d offsets are fenced", len(o.Fenced), len(done.Offsets))
		}
		if err := c.DeleteGroup(ctx, "g"); !errors.Is(err, ErrHasMembers) || virtual.CodeOf(err) != virtual.CodeFailed {
			t.Errorf("a group with a member is deleted: %v", err)
		}
		must[struct{}](t)(virtual.Call[string, struct{}](ctx, w.Host(0), groupID("g"), "leave", "m"))
		if err := c.DeleteGroup(ctx, "g"); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteGroup(ctx, "g"); !errors.Is(err, ErrNoGroup) {
			t.Errorf("deleted again: %v", err)
		}
		w.Pass(time.Hour)
		if n := w.Keys("d/{consumer-group/g}") + w.Keys("s/{consumer-group/g}"); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		if read := poll(t, w, c.Join("g", 0, "t0")); !slices.Equal(read, []string{"a"}) {
			t.Errorf("the next group of that name reads %q", read)
		}
	})
}
