package topics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// Errors of calls about something that is not there.
var (
	ErrNoTopic     = errors.New("topics: there is no such topic; Create makes it")
	ErrNoPartition = errors.New("topics: there is no such partition")
)

// Client publishes and reads, from any node. Its methods may be called concurrently.
type Client struct {
	host *virtual.Host
	turn atomic.Uint64 // of the partition that gets the next message without a key

	mu        sync.Mutex
	known     map[string]known
	failed    tries
	published tries
}

// known is how many partitions a topic had.
type known struct {
	partitions int
	born       int64 // 0: not known
	at         time.Time
}

// refresh is how long a client may not know that a topic has more partitions. Messages that it publishes meanwhile go by the old number.
const refresh = 10 * time.Second

// NewClient uses a node's actors: those of runtime.Node.Actors.
func NewClient(h *virtual.Host) *Client { return &Client{host: h, known: map[string]known{}} }

// Create makes a topic, or changes it: more partitions, other bounds. The partitions of one that is there do not become fewer. It
// gives what the topic is like then. Of one that was just deleted it waits for 10 s until all partitions have heard of that.
func (c *Client) Create(ctx context.Context, topic string, config Config) (Config, error) {
	if err := config.validate(topic); err != nil {
		return config, err
	}
	begun := time.Now()
	made, err := virtual.Call[Config, Config](ctx, c.host, topicID(topic), "create", config)
	for d := firstPause; going(err) && time.Since(begun) < refresh; d = min(2*d, longestPause) {
		if err := pause(ctx, d); err != nil {
			return made, err
		}
		made, err = virtual.Call[Config, Config](ctx, c.host, topicID(topic), "create", config)
	}
	if err != nil {
		return made, err
	}
	c.mu.Lock()
	c.known[topic] = known{partitions: made.Partitions, at: time.Now()}
	c.mu.Unlock()
	return made, nil
}

// Partitions is how many partitions a topic has; ErrNoTopic if there is no such topic.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	c.mu.Lock()
	k := c.known[topic]
	c.mu.Unlock()
	if k.partitions > 0 && time.Since(k.at) < refresh {
		return k.partitions, nil
	}
	t, err := virtual.Call[struct{}, described](ctx, c.host, topicID(topic), "look", struct{}{})
	switch {
	case err != nil:
		return 0, err
	case t.Partitions == 0:
		return 0, fmt.Errorf("%w: %q", ErrNoTopic, topic)
	}
	c.mu.Lock()
	c.known[topic] = known{t.Partitions, t.Born, time.Now()}
	c.mu.Unlock()
	return t.Partitions, nil
}

// counts says how many partitions topics have, as far as they have said so themselves.
func (c *Client) counts(topics []string) (list []counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, topic := range topics {
		if k := c.known[topic]; k.born != 0 {
			list = append(list, counted{Topic: topic, Partitions: k.partitions, Born: k.born})
		}
	}
	return list
}

// exists refuses a partition that a topic does not have: ErrNoTopic, ErrNoPartition. One that was there once is there until its topic is deleted,
// which it says itself: so a partition of a topic that is known needs nothing but its own shard.
func (c *Client) exists(ctx context.Context, topic string, partition int) error {
	c.mu.Lock()
	n := c.known[topic].partitions
	c.mu.Unlock()
	if partition >= 0 && partition < n {
		return nil
	}
	c.forget(topic) // it may have grown
	n, err := c.Partitions(ctx, topic)
	if err == nil && (partition < 0 || partition >= n) {
		err = fmt.Errorf("%w: %d; topic %q has %d, from 0", ErrNoPartition, partition, topic, n)
	}
	return err
}

// forget has a topic looked up when it is asked for next.
func (c *Client) forget(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, topic)
}

// ask has a partition handle a message. One that belongs to no topic, says the topic itself, is ErrNoTopic; one that has not heard of its topic yet is
// asked again.
func ask[Req, Resp any](ctx context.Context, c *Client, topic string, partition int, method string, r Req) (reply Resp, err error) {
	begun := time.Now()
	for d := firstPause; ; d = min(2*d, longestPause) {
		reply, err = virtual.Call[Req, Resp](ctx, c.host, partitionID(topic, partition), method, r)
		if virtual.ReasonOf(err) != reasonNoTopic {
			return reply, err
		}
		c.forget(topic)
		if none := c.exists(ctx, topic, partition); none != nil {
			return reply, none
		}
		if time.Since(begun) > refresh {
			return reply, err
		}
		if err := pause(ctx, d); err != nil {
			return reply, err
		}
	}
}

// Record is what is published.
type Record struct {
	Key   string // UTF-8. Messages of one key are in one partition, in order; without a key partitions take turns
	Value []byte
}

// Once names a publication, so that it is kept once however often it is tried: the producer's name and a number that rises with each
// of its publications. The zero value names none, and a number without a producer is refused. Each partition knows the last one of a producer, for a day after it. Publish chooses the partition,
// and if a topic has got more of them between two tries it chooses the same only in the Client that tried before: it remembers the last 4096 that
// failed, and as many that did not. Where another Client may try again, say after a restart, and the topic may grow meanwhile, the producer
// chooses the partition itself and keeps it with its number: PublishTo.
type Once struct {
	Producer string
	Seq      uint64
}

// Position is where a message is.
type Position struct {
	Topic     string
	Partition int
	Offset    uint64
}

// Publish adds a message to its topic. When it returns without error the message is there to stay.
func (c *Client) Publish(ctx context.Context, topic string, r Record, once Once) (Position, error) {
	n, err := c.Partitions(ctx, topic)
	if err != nil {
		return Position{}, err
	}
	partition := c.partitionOf(topic, &r, once, n)
	at, err := c.PublishTo(ctx, topic, partition, []Record{r}, once)
	c.tried(topic, once, partition, err)
	return at, err
}

// PublishTo adds messages to a partition, all in one go and next to each other, and gives the position of the first. ErrNoTopic,
// ErrNoPartition.
func (c *Client) PublishTo(ctx context.Context, topic string, partition int, list []Record, once Once) (Position, error) {
	for i := range list {
		if err := virtual.CheckText("the key of a message", list[i].Key); err != nil {
			return Position{}, err
		}
	}
	if once.Producer == "" && once.Seq != 0 {
		return Position{}, fmt.Errorf("topics: publication %d has no producer, and would be kept again when it is tried again: Once names both, or neither", once.Seq)
	}
	if err := cmp.Or(virtual.CheckText("producer", once.Producer), c.exists(ctx, topic, partition)); err != nil {
		return Position{}, err
	}
	p := publication{Messages: list, Producer: once.Producer, Seq: once.Seq}
	at, err := ask[publication, position](ctx, c, topic, partition, "publish", p)
	return Position{topic, partition, at.Offset}, err
}

// partitionBy chooses among so many partitions.
func (c *Client) partitionBy(r *Record, once Once, n int) int {
	key := r.Key
	switch {
	case key == "" && once.Producer == "":
		return int(c.turn.Add(1) % uint64(n))
	case key == "": // the same when it is tried again
		return int(once.Seq % uint64(n))
	}
	f := fnv.New32a()
	f.Write([]byte(key))
	return int(f.Sum32() % uint32(n))
}

// The pauses of one that waits for something to happen.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 50 * time.Millisecond
)

// pause waits a while, and says whether ctx goes on.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Poll reads messages from an offset on: at most so many, and at most 1 MiB of them. If there are none it waits for some, as long as
// it is told; then the batch is empty. ErrNoTopic, ErrNoPartition.
func (c *Client) Poll(ctx context.Context, topic string, partition int, offset uint64, most int, wait time.Duration) (Batch, error) {
	if err := c.exists(ctx, topic, partition); err != nil {
		return Batch{}, err
	}
	begun := time.Now()
	for d := firstPause; ; d = min(2*d, longestPause) {
		b, err := c.read(ctx, topic, partition, request{offset, most})
		left := wait - time.Since(begun)
		if err != nil || len(b.Messages) > 0 || left <= 0 {
			return b, err
		}
		if err := pause(ctx, min(d, left)); err != nil {
			return b, err
		}
	}
}

func (c *Client) read(ctx context.Context, topic string, partition int, r request) (Batch, error) {
	return ask[request, Batch](ctx, c, topic, partition, "poll", r)
}

// Commit keeps where a subscriber goes on: the offset after the last message that it is done with. ErrNoTopic, ErrNoPartition.
func (c *Client) Commit(ctx context.Context, topic string, partition int, subscriber string, offset uint64) error {
	if err := cmp.Or(virtual.CheckText("subscriber", subscriber), c.exists(ctx, topic, partition)); err != nil {
		return err
	}
	_, err := ask[position, struct{}](ctx, c, topic, partition, "commit", position{subscriber, offset})
	return err
}

// Committed is where a subscriber goes on; 0 if it has not committed anything. ErrNoTopic, ErrNoPartition.
func (c *Client) Committed(ctx context.Context, topic string, partition int, subscriber string) (uint64, error) {
	if err := cmp.Or(virtual.CheckText("subscriber", subscriber), c.exists(ctx, topic, partition)); err != nil {
		return 0, err
	}
	return ask[string, uint64](ctx, c, topic, partition, "committed", subscriber)
}

// Subscribe has every partition of a topic push its messages, from an offset on, to a method of an actor, as Delivery. The actor
// acknowledges each with Delivery.Done. Partitions that a topic gets later want another Subscribe; for the others that changes nothing. The
// subscriber is named in at most virtual.MaxName bytes. Where nothing can be sent (virtual.ID.Check) is refused.
func (c *Client) Subscribe(ctx context.Context, topic, subscriber string, to virtual.ID, method string, from uint64) error {
	s := subscription{Subscriber: subscriber, To: to, Method: method, From: from}
	if err := s.check(); err != nil {
		return err
	}
	return c.subscription(ctx, topic, s)
}

// Unsubscribe ends that. What is on its way still arrives.
func (c *Client) Unsubscribe(ctx context.Context, topic, subscriber string) error {
	if err := virtual.CheckText("subscriber", subscriber); err != nil {
		return err
	}
	return c.subscription(ctx, topic, subscription{Subscriber: subscriber, Ended: true})
}

func (c *Client) subscription(ctx context.Context, topic string, s subscription) error {
	n, err := c.Partitions(ctx, topic)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := ask[subscription, struct{}](ctx, c, topic, i, "subscribe", s); err != nil {
			return err
		}
	}
	return nil
}
