package topics

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// sink is an actor that is pushed to: it keeps what it gets once, and fails when it is told to.
type sink struct {
	Got   map[int][]string
	Seen  map[int]uint64 // offset after the last one, by partition
	Twice int            // deliveries, or parts of them, that came again
	Fail  int
	Later bool  // it takes nothing for now, and says so
	Ended []int // partitions that have said so, in order
}

func sinkKind() *virtual.Kind {
	k := virtual.NewKind[sink]("sink")
	virtual.Handle(k, "take", func(c *virtual.Context[sink], d Delivery) (struct{}, error) {
		if c.State.Later {
			return struct{}{}, c.Postpone("not now")
		}
		if c.State.Fail > 0 {
			c.State.Fail--
			return struct{}{}, nil // it is changed, and not acknowledged
		}
		if c.State.Got == nil {
			c.State.Got, c.State.Seen = map[int][]string{}, map[int]uint64{}
		}
		if d.Ended {
			c.State.Ended = append(c.State.Ended, d.Partition)
			slices.Sort(c.State.Ended)
		}
		for i := range d.Messages {
			m := &d.Messages[i]
			if m.Offset < c.State.Seen[d.Partition] {
				c.State.Twice++
				continue
			}
			if m.Offset != c.State.Seen[d.Partition] {
				return struct{}{}, fmt.Errorf("message %d of partition %d after %d", m.Offset, d.Partition, c.State.Seen[d.Partition])
			}
			c.State.Got[d.Partition] = append(c.State.Got[d.Partition], string(m.Value))
			c.State.Seen[d.Partition]++
		}
		return struct{}{}, d.Done(c.Turn)
	})
	virtual.Handle(k, "later", func(c *virtual.Context[sink], later bool) (struct{}, error) {
		c.State.Later = later
		return struct{}{}, nil
	})
	virtual.Handle(k, "fail", func(c *virtual.Context[sink], times int) (struct{}, error) {
		c.State.Fail = times
		return struct{}{}, nil
	})
	virtual.Handle(k, "look", func(c *virtual.Context[sink], _ struct{}) (sink, error) { return *c.State, nil })
	return k.Kind
}

// tally keeps the offset after the last message that it was pushed, whatever lies between.
type tally struct {
	Next  uint64
	Later bool // it takes nothing for now
}

func tallyKind() *virtual.Kind {
	k := virtual.NewKind[tally]("tally")
	virtual.Handle(k, "take", func(c *virtual.Context[tally], d Delivery) (struct{}, error) {
		if c.State.Later {
			return struct{}{}, c.Postpone("not now")
		}
		if d.Subscriber == "broken" {
			return struct{}{}, errors.New("on purpose")
		}
		c.State.Next = d.Messages[len(d.Messages)-1].Offset + 1
		return struct{}{}, d.Done(c.Turn)
	})
	virtual.Handle(k, "later", func(c *virtual.Context[tally], later bool) (uint64, error) {
		c.State.Later = later
		return c.State.Next, nil
	})
	return k.Kind
}

func kinds() []*virtual.Kind { return append(Kinds(), sinkKind(), tallyKind()) }

// bubble runs a test with two nodes in a time of its own.
func bubble(t *testing.T, f func(t *testing.T, w *virtualtest.World, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		w := virtualtest.New(t, 2, kinds)
		f(t, w, NewClient(w.Host(1)))
	})
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func values(list []Message) (out []string) {
	for i := range list {
		out = append(out, string(list[i].Value))
	}
	return out
}

func TestPublishedIsThereInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		if _, err := c.Publish(ctx, "orders", Record{}, Once{}); !errors.Is(err, ErrNoTopic) {
			t.Errorf("a topic that is not there: %v", err)
		}
		if _, err := c.PublishTo(ctx, "orders", 0, []Record{{}}, Once{}); !errors.Is(err, ErrNoTopic) {
			t.Errorf("a partition of a topic that is not there: %v", err)
		}
		other := NewClient(w.Host(0))
		must[Config](t)(other.Create(ctx, "orders", Config{Partitions: 2}))
		must[int](t)(c.Partitions(ctx, "orders"))
		must[Config](t)(other.Create(ctx, "orders", Config{Partitions: 3}))
		for _, p := range []int{-1, 3, 77} {
			_, published := c.PublishTo(ctx, "orders", p, []Record{{}}, Once{})
			_, polled := c.Poll(ctx, "orders", p, 0, 1, 0)
			_, read := c.Committed(ctx, "orders", p, "s")
			for _, err := range []error{published, polled, read, c.Commit(ctx, "orders", p, "s", 0)} {
				if !errors.Is(err, ErrNoPartition) {
					t.Errorf("partition %d of three: %v", p, err)
				}
			}
		}
		wanted := map[int][]string{}
		for i := range 900 {
			value := fmt.Sprint(i)
			at := must[Position](t)(c.Publish(ctx, "orders", Record{Key: fmt.Sprint("k", i%7), Value: []byte(value)}, Once{}))
			if int(at.Offset) != len(wanted[at.Partition]) {
				t.Fatalf("message %d is at %+v; the partition has %d", i, at, len(wanted[at.Partition]))
			}
			wanted[at.Partition] = append(wanted[at.Partition], value)
			if i == 450 {
				w.Lead(1)
			}
		}
		for p, list := range wanted {
			var got []string
			for len(got) < len(list) {
				b := must[Batch](t)(c.Poll(ctx, "orders", p, uint64(len(got)), 100, 0))
				if b.Next != uint64(len(list)) || b.First != 0 || len(b.Messages) == 0 || b.Messages[0].Offset != uint64(len(got)) {
					t.Fatalf("from %d of %d: %d messages, first %d, next %d", len(got), len(list), len(b.Messages), b.First, b.Next)
				}
				got = append(got, values(b.Messages)...)
			}
			if !slices.Equal(got, list) {
				t.Errorf("partition %d has %v", p, got)
			}
		}
		if len(wanted) < 2 {
			t.Errorf("seven keys are in %d partitions", len(wanted))
		}
	})
}

func TestBoundsAndRepeats(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "a/b", Config{}))
		publish := func(seq uint64) (Position, error) {
			return c.Publish(ctx, "a/b", Record{Value: fmt.Append(nil, seq)}, Once{"p", seq})
		}
		first := must[Position](t)(publish(1))
		second := must[Position](t)(publish(5))
		if again := must[Position](t)(publish(5)); again != second || first.Offset+1 != second.Offset {
			t.Errorf("published at %+v, %+v, again at %+v", first, second, again)
		}
		for _, bad := range []struct {
			err  func() error
			text string
		}{
			{func() error { _, err := publish(4); return err }, "number 4 after 5"},
			{func() error {
				_, err := c.Publish(ctx, "a/b", Record{Value: make([]byte, MaxValue+1)}, Once{})
				return err
			}, "at most 1048576"},
			{func() error { _, err := c.PublishTo(ctx, "a/b", 0, nil, Once{}); return err }, "at least 1"},
			{func() error { return c.Commit(ctx, "a/b", 0, "s", 3) }, "commits offset 3; the next message is 2"},
			{func() error { _, err := c.Create(ctx, "a/b", Config{Partitions: MaxPartitions + 1}); return err }, "at most 512"},
			{func() error { _, err := c.Create(ctx, "a/b", Config{KeepFor: 1}); return err }, "at least a second"},
		} {
			if err := bad.err(); err == nil || !strings.Contains(err.Error(), bad.text) {
				t.Errorf("want %q, got %v", bad.text, err)
			}
		}
		if err := c.Commit(ctx, "a/b", 0, "s", 2); err != nil {
			t.Error(err)
		}
		if at := must[uint64](t)(c.Committed(ctx, "a/b", 0, "s")); at != 2 {
			t.Errorf("s goes on at %d", at)
		}
		begun := time.Now()
		if b := must[Batch](t)(c.Poll(ctx, "a/b", 0, 2, 10, time.Minute)); len(b.Messages) > 0 || time.Since(begun) != time.Minute {
			t.Errorf("%d messages after %v", len(b.Messages), time.Since(begun))
		}
		time.AfterFunc(30*time.Second, func() { _, _ = publish(6) })
		if b := must[Batch](t)(c.Poll(ctx, "a/b", 0, 2, 10, time.Minute)); len(b.Messages) != 1 || string(b.Messages[0].Value) != "6" {
			t.Errorf("waited for %+v", b)
		}
		for i := range 30 { // a producer that is silent for a day is forgotten when others come
			w.Pass(time.Hour)
			must[Position](t)(c.Publish(ctx, "a/b", Record{}, Once{fmt.Sprint("q", i), 1}))
		}
		if n := w.Keys("d/{partition/a/b/0}/p/"); n > 27 {
			t.Errorf("%d producers are remembered", n)
		}
	})
}

func TestRetention(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "few", Config{KeepMessages: 10}))
		must[Config](t)(c.Create(ctx, "new", Config{KeepFor: time.Minute}))
		for i := range 30 {
			for _, topic := range []string{"few", "new"} {
				must[Position](t)(c.Publish(ctx, topic, Record{Value: fmt.Append(nil, i)}, Once{}))
			}
			w.Pass(5 * time.Second)
		}
		w.Lead(1)
		for topic, most := range map[string]int{"few": 10, "new": 13} {
			b := must[Batch](t)(c.Poll(ctx, topic, 0, 0, 100, 0))
			if n := len(b.Messages); n > most || n < 10 || b.Next != 30 || b.First != b.Messages[0].Offset || b.Messages[n-1].Offset != 29 || b.First+uint64(n) != 30 {
				t.Errorf("%s: %d messages from %d until %d", topic, len(b.Messages), b.First, b.Next)
			}
			if n := w.Keys("d/{partition/" + topic + "/0}/m/"); n != len(b.Messages) {
				t.Errorf("%s keeps %d", topic, n)
			}
		}
		w.Pass(2 * time.Minute)
		if b := must[Batch](t)(c.Poll(ctx, "new", 0, 0, 100, 0)); len(b.Messages) > 0 || b.First != 30 {
			t.Errorf("after their time %d messages, first %d", len(b.Messages), b.First)
		}
		must[Config](t)(c.Create(ctx, "many", Config{}))
		for range 6 {
			must[Position](t)(c.PublishTo(ctx, "many", 0, make([]Record, MaxBatch), Once{}))
		}
		must[Config](t)(c.Create(ctx, "many", Config{KeepMessages: 1}))
		w.Pass(time.Second)
		if n := w.Keys("d/{partition/many/0}/m/"); n != 1 {
			t.Errorf("%d of 6000 messages are left", n)
		}
	})
}

// A topic that is to keep its messages for less time than before does so from then on, and not when the longer time is over.
func TestRetentionMadeShorter(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "logs", Config{KeepFor: 7 * 24 * time.Hour}))
		must[Position](t)(c.PublishTo(ctx, "logs", 0, make([]Record, 3), Once{}))
		w.Pass(time.Hour)
		must[Position](t)(c.Publish(ctx, "logs", Record{}, Once{}))
		for _, step := range []struct {
			keep, pass time.Duration
			first      uint64
		}{{30 * time.Minute, time.Second, 3}, {40 * time.Minute, 35 * time.Minute, 3}, {40 * time.Minute, 6 * time.Minute, 4}} {
			must[Config](t)(c.Create(ctx, "logs", Config{KeepFor: step.keep}))
			w.Pass(step.pass)
			if b := must[Batch](t)(c.Poll(ctx, "logs", 0, 0, 10, 0)); b.First != step.first {
				t.Errorf("%v after it was to keep them for %v: the first of 4 is %d, not %d", step.pass, step.keep, b.First, step.first)
			}
		}
	})
}

func TestPushedUntilAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		to := virtual.ID{Kind: "sink", Name: "s"}
		must[Config](t)(c.Create(ctx, "news", Config{Partitions: 2}))
		for i := range 150 {
			must[Position](t)(c.PublishTo(ctx, "news", i%2, []Record{{Value: fmt.Append(nil, i)}}, Once{}))
		}
		must[struct{}](t)(virtual.Call[int, struct{}](ctx, w.Host(0), to, "fail", 3))
		for range 2 { // the second changes nothing
			if err := c.Subscribe(ctx, "news", "sub", to, "take", 0); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 150 {
			must[Position](t)(c.PublishTo(ctx, "news", i%2, []Record{{Value: fmt.Append(nil, 150+i)}}, Once{}))
			if i%50 == 49 {
				w.Lead(i / 50 % 2)
			}
		}
		w.Pass(time.Minute)
		got := must[sink](t)(virtual.Call[struct{}, sink](ctx, w.Host(0), to, "look", struct{}{}))
		for p := range 2 {
			if len(got.Got[p]) != 150 {
				t.Fatalf("partition %d: %d messages arrived", p, len(got.Got[p]))
			}
			for i, value := range got.Got[p] {
				if value != fmt.Sprint(2*i+p) {
					t.Fatalf("partition %d: message %d is %s", p, i, value)
				}
			}
			if at := must[uint64](t)(c.Committed(ctx, "news", p, "sub")); at != 150 {
				t.Errorf("partition %d has %d acknowledged", p, at)
			}
		}
		if err := c.Unsubscribe(ctx, "news", "sub"); err != nil {
			t.Fatal(err)
		}
		must[Position](t)(c.PublishTo(ctx, "news", 0, []Record{{}}, Once{}))
		w.Pass(time.Minute)
		if got := must[sink](t)(virtual.Call[struct{}, sink](ctx, w.Host(0), to, "look", struct{}{})); len(got.Got[0]) != 150 {
			t.Errorf("pushed after the end: %d", len(got.Got[0]))
		}
		if n := w.Keys("o/"); n != 0 {
			t.Errorf("%d messages wait", n)
		}
	})
}
