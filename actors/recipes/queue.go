package recipes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// queue is the state of a queue's actor. Its data, each an entry as JSON unless said:
//
//	q/ID              waits; the order of the keys is that of the line
//	f/ID              in flight: delivered and not acknowledged
//	t/UNTIL/ID        empty: when it comes back, Unix ms
//	p/ID              poison: set aside after so many deliveries
//
// ID and UNTIL have 16 hexadecimal digits.
type queue struct {
	Config   QueueConfig
	Next     uint64 // id of the next item
	Receipt  uint64 // of the last delivery
	Waiting  int
	InFlight int
	Aside    int
	BackAt   int64 // Unix ms of the reminder that brings back what was not acknowledged; 0: there is none
	Going    bool  `json:",omitempty"` // it was dropped, and its items are being removed
}

// QueueConfig is what a queue is like.
type QueueConfig struct {
	Visibility time.Duration // how long a delivery may take before the item comes again; default 30 s, at most 12 h
	Deliveries int           // after so many the item is set aside; default 5
}

// Bounds of a queue.
const (
	MaxItems   = 1_000_000 // those included that were set aside
	maxBody    = 1 << 20
	maxVisible = 12 * time.Hour
	maxBack    = 1000    // items that come back in one turn
	maxBackSum = 2 << 20 // bytes of them, after which the others wait
	maxAside   = 100     // items that are listed at once
)

func (c *QueueConfig) fill() error {
	c.Visibility, c.Deliveries = cmp.Or(c.Visibility, 30*time.Second), cmp.Or(c.Deliveries, 5)
	if c.Visibility < 0 || c.Visibility > maxVisible || c.Deliveries < 0 {
		return fmt.Errorf("a queue with visibility %v and %d deliveries; both above 0, at most %v", c.Visibility, c.Deliveries, maxVisible)
	}
	return nil
}

// entry is an item as it is kept.
type entry struct {
	Body       []byte
	Deliveries int    `json:",omitempty"`
	Receipt    uint64 `json:",omitempty"` // of the present delivery
	Until      int64  `json:",omitempty"` // Unix ms
}

// Delivery is an item that was taken from the queue. It is to be acknowledged, or comes again.
type Delivery struct {
	ID         uint64
	Receipt    uint64 // 0: there was no item
	Deliveries int    // this one counted
	Body       []byte
}

// answering is what one that got a delivery says of it.
type answering struct {
	ID, Receipt uint64
	Back        bool          // give it to somebody else, at once
	Extend      time.Duration // let it take longer
}

// QueueStats is how much there is in a queue.
type QueueStats struct{ Waiting, InFlight, Aside int }

func queueKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[queue](KindQueue, options...)
	virtual.Handle(k, "configure", func(c *virtual.Context[queue], config QueueConfig) (struct{}, error) {
		if c.State.Going {
			return struct{}{}, stillGoing(c.Self())
		}
		c.State.Config = config
		return struct{}{}, c.State.Config.fill()
	})
	virtual.Handle(k, "push", push)
	virtual.Handle(k, "pop", pop)
	virtual.Handle(k, "answer", answer)
	virtual.Handle(k, "back", func(c *virtual.Context[queue], _ struct{}) (struct{}, error) {
		c.State.BackAt = 0
		return struct{}{}, comeBack(c)
	})
	virtual.Handle(k, "look", func(c *virtual.Context[queue], _ struct{}) (QueueStats, error) {
		return QueueStats{c.State.Waiting, c.State.InFlight, c.State.Aside}, nil
	})
	virtual.Handle(k, "aside", aside)
	virtual.Handle(k, "drop", dropQueue)
	virtual.Handle(k, "purge", func(c *virtual.Context[queue], _ struct{}) (struct{}, error) { return purge(c, c.State.Going) })
	virtual.Handle(k, "redrive", func(c *virtual.Context[queue], id uint64) (bool, error) {
		e, there, err := load(c, "p/", id)
		if err != nil || !there || c.State.Going {
			return false, err
		}
		c.Delete(queueKey("p/", id))
		c.State.Aside--
		c.State.Waiting++
		e.Deliveries = 0
		return true, e.save(c, "q/", id)
	})
	return k.Kind
}

func queueKey(class string, id uint64) string { return fmt.Sprintf("%s%016x", class, id) }

func untilKey(until int64, id uint64) string { return fmt.Sprintf("t/%016x/%016x", until, id) }

func load(c *virtual.Context[queue], class string, id uint64) (e entry, there bool, err error) {
	kept, there, err := c.Get(queueKey(class, id))
	if err != nil || !there {
		return e, false, err
	}
	return e, true, json.Unmarshal(kept, &e)
}

// save keeps an item; one that is not in flight has no receipt.
func (e entry) save(c *virtual.Context[queue], class string, id uint64) error {
	if class != "f/" {
		e.Receipt, e.Until = 0, 0
	}
	kept, err := json.Marshal(e)
	if err != nil {
		return err
	}
	c.Set(queueKey(class, id), kept)
	return nil
}

func push(c *virtual.Context[queue], body []byte) (uint64, error) {
	switch n := c.State.Waiting + c.State.InFlight + c.State.Aside; {
	case c.State.Going:
		return 0, stillGoing(c.Self())
	case len(body) > maxBody:
		return 0, fmt.Errorf("an item has %d bytes; at most %d", len(body), maxBody)
	case n >= MaxItems:
		return 0, fmt.Errorf("queue %s has %d items, of which %d are set aside; that is the most", c.Self().Name, n, c.State.Aside)
	}
	if err := c.State.Config.fill(); err != nil {
		return 0, err
	}
	id := c.State.Next
	c.State.Next++
	c.State.Waiting++
	return id, entry{Body: body}.save(c, "q/", id)
}

func pop(c *virtual.Context[queue], _ struct{}) (d Delivery, err error) {
	if c.State.Going {
		return d, stillGoing(c.Self())
	}
	if err := comeBack(c); err != nil {
		return d, err
	}
	for kept, err := range c.Scan("q/") {
		if err != nil {
			return d, err
		}
		var e entry
		if d.ID, err = strconv.ParseUint(strings.TrimPrefix(kept.Key, "q/"), 16, 64); err != nil {
			return d, err
		}
		if err := json.Unmarshal(kept.Value, &e); err != nil {
			return d, err
		}
		if c.State.Receipt == 0 { // higher than those of a queue of that name that was dropped
			c.State.Receipt = uint64(c.Now().UnixMicro())
		}
		c.State.Receipt++
		c.State.Waiting--
		c.State.InFlight++
		e.Deliveries++
		e.Receipt, e.Until = c.State.Receipt, c.Now().Add(c.State.Config.Visibility).UnixMilli()
		c.Delete(kept.Key)
		c.Set(untilKey(e.Until, d.ID), nil)
		d.Receipt, d.Deliveries, d.Body = e.Receipt, e.Deliveries, e.Body
		if err := e.save(c, "f/", d.ID); err != nil {
			return d, err
		}
		return d, remindBack(c, e.Until)
	}
	return d, nil
}

// answer ends a delivery, or has it take longer; false if it is over: somebody else has the item, or had it.
func answer(c *virtual.Context[queue], a answering) (bool, error) {
	e, there, err := load(c, "f/", a.ID)
	if err != nil || !there || e.Receipt != a.Receipt || c.State.Going {
		return false, err
	}
	c.Delete(untilKey(e.Until, a.ID))
	if a.Extend > 0 {
		e.Until = c.Now().Add(min(a.Extend, maxVisible)).UnixMilli() // a node of an older release asks for more
		c.Set(untilKey(e.Until, a.ID), nil)
		if err := e.save(c, "f/", a.ID); err != nil {
			return false, err
		}
		return true, remindBack(c, e.Until)
	}
	if a.Back {
		return true, giveBack(c, a.ID, e)
	}
	c.Delete(queueKey("f/", a.ID))
	c.State.InFlight--
	return true, nil
}

// giveBack puts an item to its place in line, or aside if it was delivered too often.
func giveBack(c *virtual.Context[queue], id uint64, e entry) error {
	c.Delete(queueKey("f/", id))
	c.State.InFlight--
	if e.Deliveries >= c.State.Config.Deliveries {
		c.State.Aside++
		return e.save(c, "p/", id)
	}
	c.State.Waiting++
	return e.save(c, "q/", id)
}

// comeBack gives back what was not acknowledged in time.
func comeBack(c *virtual.Context[queue]) error {
	now, n, bytes := c.Now().UnixMilli(), 0, 0
	for kept, err := range c.Scan("t/") {
		if err != nil {
			return err
		}
		var until int64
		var id uint64
		if _, err := fmt.Sscanf(kept.Key, "t/%x/%x", &until, &id); err != nil {
			return err
		}
		if until > now {
			return remindBack(c, until)
		}
		if n++; n > maxBack || bytes > maxBackSum {
			return remindBack(c, now+1)
		}
		c.Delete(kept.Key)
		e, there, err := load(c, "f/", id)
		if err != nil {
			return err
		}
		if bytes += len(e.Body); there && e.Until == until {
			if err := giveBack(c, id, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// remindBack sees to it that the queue looks at a time, or before.
func remindBack(c *virtual.Context[queue], at int64) error {
	now := c.Now().UnixMilli()
	if c.State.BackAt > now && c.State.BackAt <= at {
		return nil
	}
	c.State.BackAt = at
	return c.Remind("back", time.Duration(max(1, at-now))*time.Millisecond, 0, "back", struct{}{})
}

func aside(c *virtual.Context[queue], after uint64) (list []Delivery, err error) {
	if c.State.Going {
		return nil, nil
	}
	bytes := 0
	for kept, err := range c.Range(virtual.Span{Prefix: "p/", From: queueKey("p/", after)}) {
		if err != nil {
			return nil, err
		}
		var e entry
		id, err := strconv.ParseUint(strings.TrimPrefix(kept.Key, "p/"), 16, 64)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(kept.Value, &e); err != nil {
			return nil, err
		}
		if bytes += len(e.Body); len(list) == maxAside || bytes > maxPageBytes && len(list) > 0 {
			return list, nil
		}
		list = append(list, Delivery{ID: id, Deliveries: e.Deliveries, Body: e.Body})
	}
	return list, nil
}

// ErrReceipt says that a delivery is over: the item came, or comes, again to somebody.
var ErrReceipt = errors.New("recipes: the delivery is over: it took too long, or was answered before")

// Queue hands items to workers: the oldest first, each to one at a time. It is there as soon as somebody uses it.
type Queue struct {
	host *virtual.Host
	id   virtual.ID
}

// NewQueue names a queue.
func NewQueue(h *virtual.Host, name string) Queue {
	return Queue{h, virtual.ID{Kind: KindQueue, Name: name}}
}

// Configure says what the queue is like from the next delivery on.
func (q Queue) Configure(ctx context.Context, config QueueConfig) error {
	_, err := virtual.Call[QueueConfig, struct{}](ctx, q.host, q.id, "configure", config)
	return dropping(err)
}

// Push adds an item of at most 1 MiB at the end, and gives its id: they rise.
func (q Queue) Push(ctx context.Context, body []byte) (id uint64, err error) {
	id, err = virtual.Call[[]byte, uint64](ctx, q.host, q.id, "push", body)
	return id, dropping(err)
}

// Pop takes the first item; false if there is none and none comes while it waits.
func (q Queue) Pop(ctx context.Context, wait time.Duration) (d Delivery, found bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = await(waiting, func() (bool, error) { // the time ends the waiting, never a call: it may have taken an item
		d, err = virtual.Call[struct{}, Delivery](ctx, q.host, q.id, "pop", struct{}{})
		return d.Receipt > 0, err
	})
	if err == nil && d.Receipt == 0 {
		err = ctx.Err()
	}
	return d, d.Receipt > 0, dropping(err)
}

// Ack says that an item is done. ErrReceipt if it took too long: then it comes, or came, again.
func (q Queue) Ack(ctx context.Context, d Delivery) error {
	return q.answer(ctx, answering{ID: d.ID, Receipt: d.Receipt})
}

// Nack gives an item back at once. It counts as delivered.
func (q Queue) Nack(ctx context.Context, d Delivery) error {
	return q.answer(ctx, answering{ID: d.ID, Receipt: d.Receipt, Back: true})
}

// Extend lets a delivery take so much longer, from now: at most 12 h.
func (q Queue) Extend(ctx context.Context, d Delivery, by time.Duration) error {
	if by <= 0 || by > maxVisible {
		return fmt.Errorf("recipes: a delivery is extended by %v; above 0, at most %v", by, maxVisible)
	}
	return q.answer(ctx, answering{ID: d.ID, Receipt: d.Receipt, Extend: by})
}

func (q Queue) answer(ctx context.Context, a answering) error {
	ok, err := virtual.Call[answering, bool](ctx, q.host, q.id, "answer", a)
	if err == nil && !ok {
		return fmt.Errorf("%w: item %d of %s", ErrReceipt, a.ID, q.id)
	}
	return err
}

// Stats is how much there is.
func (q Queue) Stats(ctx context.Context) (QueueStats, error) {
	return virtual.Call[struct{}, QueueStats](ctx, q.host, q.id, "look", struct{}{})
}

// Aside lists items that were set aside, from an id on, some at a time. They count as items of the queue until they are done: each was pushed, and nobody
// but who looks at them knows what is to become of it.
func (q Queue) Aside(ctx context.Context, from uint64) ([]Delivery, error) {
	return virtual.Call[uint64, []Delivery](ctx, q.host, q.id, "aside", from)
}

// Redrive has an item that was set aside delivered again, as if it never had been; false if there is none.
func (q Queue) Redrive(ctx context.Context, id uint64) (bool, error) {
	return virtual.Call[uint64, bool](ctx, q.host, q.id, "redrive", id)
}
