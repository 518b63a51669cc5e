package topics

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
	"github.com/troupe-actors/troupe/shards"
)

// Who cannot be pushed to is no subscriber, whoever asks for it: it would break its partitions for everybody.
func TestSubscribersCanBePushedTo(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "news", Config{Partitions: 1}))
		to := virtual.ID{Kind: "sink", Name: "s"}
		for _, bad := range []subscription{
			{Subscriber: "sub", Method: "take"},
			{Subscriber: "sub", To: virtual.ID{Kind: "a/b", Name: "x"}, Method: "take"},
			{Subscriber: "sub", To: virtual.ID{Kind: "sink", Name: strings.Repeat("x", virtual.MaxName)}, Method: "take"},
			{Subscriber: "sub", To: to},
			{Subscriber: "", To: to, Method: "take"},
			{Subscriber: strings.Repeat("s", virtual.MaxName+1), To: to, Method: "take"},
		} {
			var own *shards.Error
			if err := c.Subscribe(ctx, "news", bad.Subscriber, bad.To, bad.Method, 0); !errors.As(err, &own) || own.Kind != shards.KindInvalid {
				t.Errorf("%.40v subscribes: %v", bad, err)
			}
			if err := c.subscription(ctx, "news", bad); virtual.CodeOf(err) != virtual.CodeFailed {
				t.Errorf("%.40v is put in behind the door: %v", bad, err)
			}
			if err := c.Unsubscribe(ctx, "news", bad.Subscriber); err != nil {
				t.Errorf("%.40v ends: %v", bad, err)
			}
		}
		must[Position](t)(c.Publish(ctx, "news", Record{Value: []byte("1")}, Once{}))
	})
}

// A subscription that cannot be pushed, and was taken by an earlier release, holds nobody up any more.
func TestOldSubscriptionsHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		earlier := true
		w := virtualtest.New(t, 2, func() []*virtual.Kind {
			list := kinds()
			if earlier { // the first node
				old := virtual.NewKind[partition](KindPartition)
				virtual.Handle(old, "subscribe", func(c *virtual.Context[partition], s subscription) (int, error) {
					c.State.Pushed = map[string]push{s.Subscriber: {To: s.To, Method: s.Method}}
					return 0, nil
				})
				for i := range list {
					if list[i].Name() == KindPartition {
						list[i] = old.Kind
					}
				}
			}
			earlier = false
			return list
		})
		ctx, c := t.Context(), NewClient(w.Host(1))
		must[int](t)(virtual.Call[subscription, int](ctx, w.Host(0), partitionID("news", 0), "subscribe", subscription{Subscriber: "old", To: virtual.ID{Kind: "a/b"}}))
		w.Lead(1)
		must[Config](t)(c.Create(ctx, "news", Config{Partitions: 1}))
		if err := c.Subscribe(ctx, "news", "sub", virtual.ID{Kind: "sink", Name: "s"}, "take", 0); err != nil {
			t.Fatal(err)
		}
		must[Position](t)(c.Publish(ctx, "news", Record{Value: []byte("1")}, Once{}))
		w.Pass(time.Minute)
		if got := must[sink](t)(virtual.Call[struct{}, sink](ctx, w.Host(0), virtual.ID{Kind: "sink", Name: "s"}, "look", struct{}{})); len(got.Got[0]) != 1 {
			t.Errorf("%d messages arrived", len(got.Got[0]))
		}
	})
}

// What is no UTF-8 is refused, and not kept as another text.
func TestNamesAndKeysAreText(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		const bad = "a\xffb"
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "t", Config{}))
		_, created := c.Create(ctx, bad, Config{})
		_, keyed := c.Publish(ctx, "t", Record{Key: bad}, Once{})
		if at, err := c.Publish(ctx, "t", Record{}, Once{Seq: 7}); err == nil || at != (Position{}) {
			t.Errorf("a number of nobody: %+v, %v", at, err)
		}
		_, produced := c.Publish(ctx, "t", Record{}, Once{bad, 1})
		_, read := c.Committed(ctx, "t", 0, bad)
		_, polled := c.Join(bad, 0, "t").Poll(ctx, 1, 0)
		for what, err := range map[string]error{
			"create": created, "key": keyed, "producer": produced, "committed": read, "commit": c.Commit(ctx, "t", 0, bad, 0), "group": polled,
			"subscribe": c.Subscribe(ctx, "t", bad, virtual.ID{Kind: "sink", Name: "s"}, "take", 0), "unsubscribe": c.Unsubscribe(ctx, "t", bad),
		} {
			var own *shards.Error
			if !errors.As(err, &own) || own.Kind != shards.KindInvalid {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// A batch is not sent again while it is on its way, however long its subscriber cannot take it: else all of that would lie in the shard, and come.
func TestPushedOnceWhileOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		to := virtual.ID{Kind: "sink", Name: "s"}
		must[Config](t)(c.Create(ctx, "news", Config{Partitions: 1}))
		must[struct{}](t)(virtual.Call[bool, struct{}](ctx, w.Host(0), to, "later", true))
		if err := c.Subscribe(ctx, "news", "sub", to, "take", 0); err != nil {
			t.Fatal(err)
		}
		must[Position](t)(c.Publish(ctx, "news", Record{Value: []byte("1")}, Once{}))
		w.Pass(time.Hour)
		if n := w.Keys("o/{partition/news/0}"); n != 1 {
			t.Errorf("%d deliveries are on their way", n)
		}
		must[struct{}](t)(virtual.Call[bool, struct{}](ctx, w.Host(0), to, "later", false))
		must[Position](t)(c.Publish(ctx, "news", Record{Value: []byte("2")}, Once{}))
		w.Pass(5 * time.Minute)
		if got := must[sink](t)(virtual.Call[struct{}, sink](ctx, w.Host(0), to, "look", struct{}{})); len(got.Got[0]) != 2 || got.Twice != 0 {
			t.Errorf("%+v has come", got)
		}
	})
}

// A subscriber that acknowledges what retention has removed meanwhile goes on at once with what is there, however often that happens.
func TestPushGoesOnBehindRetention(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx, to := t.Context(), virtual.ID{Kind: "tally", Name: "s"}
		later := func(later bool) uint64 {
			return must[uint64](t)(virtual.Call[bool, uint64](ctx, w.Host(0), to, "later", later))
		}
		must[Config](t)(c.Create(ctx, "news", Config{Partitions: 1, KeepMessages: 2}))
		if err := c.Subscribe(ctx, "news", "sub", to, "take", 0); err != nil {
			t.Fatal(err)
		}
		for round := range uint64(4) {
			later(true)
			must[Position](t)(c.PublishTo(ctx, "news", 0, make([]Record, 2), Once{})) // in flight
			must[Position](t)(c.PublishTo(ctx, "news", 0, make([]Record, 2), Once{})) // in its place
			later(false)
			w.Pass(time.Second)
			if next := later(false); next != 4*round+4 {
				t.Fatalf("round %d: the subscriber stands at %d of %d", round, next, 4*round+4)
			}
		}
	})
}

// Of a batch that its subscriber refuses for ever a copy or two are kept, beside that on its way.
func TestRefusedBatchesDoNotPileUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "news", Config{Partitions: 1}))
		for subscriber, method := range map[string]string{"broken": "take", "lost": "none", "fine": "take"} {
			if err := c.Subscribe(ctx, "news", subscriber, virtual.ID{Kind: "tally", Name: subscriber}, method, 0); err != nil {
				t.Fatal(err)
			}
		}
		must[Position](t)(c.Publish(ctx, "news", Record{Value: []byte("1")}, Once{}))
		w.Pass(24 * time.Hour)
		list, _, err := w.Host(0).Aside(ctx, virtualtest.Shard, virtual.AsidePage{Limit: 1000})
		kept := map[string]int{}
		for i := range list {
			kept[list[i].To.Name]++
		}
		if err != nil || len(kept) != 2 || kept["broken"] < 1 || kept["broken"] > 2 || kept["lost"] < 1 || kept["lost"] > 2 {
			t.Errorf("set aside, by subscriber: %v, %v", kept, err)
		}
	})
}
