package topics

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// ErrFenced says that a member does not own a partition any more, and what it wanted to commit was not. Another may have done, or does,
// the same work.
var ErrFenced = errors.New("topics: the partition belongs to another member, or to this one anew")

// ErrLeft says that a member was asked for messages after its Close.
var ErrLeft = errors.New("topics: the member has left its group; Join makes another")

// Consumer is one member of a consumer group. It belongs to one goroutine, and needs no other: Poll says the heartbeats too.
type Consumer struct {
	client  *Client
	group   string
	name    string
	topics  []string
	timeout time.Duration
	beaten  time.Time     // when the last heartbeat that was answered was sent
	heard   uint64        // the group's generation then
	rest    time.Duration // from that heartbeat to the next
	asked   bool          // the group does not know how many partitions some topics have
	met     int           // of topics: those that are known to be there
	held    []cursor      // in order
	turn    int           // of the partition that is asked first
	left    bool          // it was closed

	// rests are partitions, by their actors' names, that did not answer, and until when they are left out; also if they are given to the member anew,
	// since it was silent for so long.
	rests map[string]time.Time
}

// cursor is a partition that the consumer works on, and what it reads next.
type cursor struct {
	Assignment
	next uint64
}

// Records are messages of one partition, for a member of a group.
type Records struct {
	Topic      string
	Partition  int
	Generation uint64
	Messages   []Message
}

// Join makes a member of a group; it takes part from its first Poll on. A member that does not Poll for its session timeout (0: 10 s)
// is dismissed, and its partitions go to others: so the timeout is above the longest time that the work on one Poll takes.
func (c *Client) Join(group string, timeout time.Duration, topics ...string) *Consumer {
	return &Consumer{client: c, group: group, name: rand.Text(), topics: topics, timeout: cmp.Or(timeout, defaultTimeout), asked: true, rests: map[string]time.Time{}}
}

// Name is unique.
func (m *Consumer) Name() string { return m.name }

// Holds lists the partitions that the consumer works on, as far as it knows.
func (m *Consumer) Holds() (list []Assignment) {
	for i := range m.held {
		list = append(list, m.held[i].Assignment)
	}
	return list
}

// Poll gives the next messages of one of the member's partitions, at most so many. If there are none it waits for some, as long as it
// is told; then there are no Messages. With the call the member says that it is done with what it got before: if a partition is
// taken from it, what it has not committed by now goes to another. ErrNoTopic if one of the topics was not created, or was deleted: the member
// takes no part before all are there, and may Poll again. ErrLeft after Close. The error of a partition whose shard nobody leads says so after the
// node's patience; the next Polls ask the others alone for a while, so that they go on.
func (m *Consumer) Poll(ctx context.Context, most int, wait time.Duration) (Records, error) {
	if m.left {
		return Records{}, ErrLeft
	}
	begun := time.Now()
	for d := firstPause; ; d = min(2*d, longestPause) {
		if time.Since(m.beaten) >= m.rest {
			if err := m.meet(ctx); err != nil {
				return Records{}, err
			}
			if err := m.beat(ctx); err != nil {
				return Records{}, err
			}
		}
		r, err := m.read(ctx, most)
		if errors.Is(err, ErrNoTopic) { // it was deleted: take no part until it is there again
			m.beaten, m.met = time.Time{}, 0
		}
		left := wait - time.Since(begun)
		if err != nil || len(r.Messages) > 0 || left <= 0 {
			return r, err
		}
		if err := pause(ctx, min(d, left)); err != nil {
			return Records{}, err
		}
	}
}

// meet finds out whether the topics are there.
func (m *Consumer) meet(ctx context.Context) error {
	if err := virtual.CheckText("the name of group", m.group); err != nil {
		return err
	}
	for ; m.met < len(m.topics); m.met++ {
		if _, err := m.client.Partitions(ctx, m.topics[m.met]); err != nil {
			return err
		}
	}
	return nil
}

// read asks each partition once, another one first each time. One that did not answer is left out for a while, unless all are: so long that
// those which do not answer take less than half of the time, however many they are.
func (m *Consumer) read(ctx context.Context, most int) (Records, error) {
	for range m.held {
		m.turn++
		at, now := &m.held[m.turn%len(m.held)], time.Now()
		name, resting := PartitionName(at.Topic, at.Partition), m.resting(now)
		if m.rests[name].After(now) && resting < len(m.held) {
			continue
		}
		b, err := m.client.read(ctx, at.Topic, at.Partition, request{at.next, most})
		if err != nil {
			if ctx.Err() == nil {
				m.rests[name] = time.Now().Add(time.Duration(2*(resting+1)) * time.Since(now))
			}
			return Records{}, err
		}
		delete(m.rests, name)
		if n := len(b.Messages); n > 0 {
			at.next = b.Messages[n-1].Offset + 1
			return Records{at.Topic, at.Partition, at.Generation, b.Messages}, nil
		}
	}
	return Records{}, nil
}

func (m *Consumer) resting(now time.Time) (n int) {
	for i := range m.held {
		if m.rests[PartitionName(m.held[i].Topic, m.held[i].Partition)].After(now) {
			n++
		}
	}
	return n
}

// The pauses between heartbeats while the member waits for a partition: until the group has heard how many a topic has, or another
// member has given one up. Else it is a quarter of the session timeout.
const (
	firstRest   = 5 * time.Millisecond
	longestRest = 250 * time.Millisecond
)

// beat tells the group that the member lives, and takes and gives up what it says. Giving up is said at once.
func (m *Consumer) beat(ctx context.Context) error {
	for {
		sent := time.Now()
		h := heartbeat{Member: m.name, Topics: m.topics, Timeout: m.timeout.Milliseconds(), Holds: m.Holds()}
		if m.asked {
			h.Counts = m.client.counts(m.topics)
		}
		d, err := virtual.Call[heartbeat, directive](ctx, m.client.host, groupID(m.group), "heartbeat", h)
		if err != nil {
			return err
		}
		m.beaten, m.heard, m.asked = sent, d.Generation, d.Asks
		if d.Waits {
			m.met = 0 // perhaps a topic is not there any more
			m.rest = min(max(2*m.rest, firstRest), longestRest, m.timeout/4)
		} else {
			m.rest = m.timeout / 4
		}
		if !m.take(d.Assigned) {
			return nil
		}
	}
}

// take makes what was assigned the partitions that the consumer works on, and says whether it has given up any.
func (m *Consumer) take(list []Assignment) (gaveUp bool) {
	old := m.held
	m.held = nil
	kept := 0
	for _, a := range list {
		at := slices.IndexFunc(old, func(c cursor) bool {
			return c.Topic == a.Topic && c.Partition == a.Partition && c.Generation == a.Generation
		})
		if at < 0 {
			m.held = append(m.held, cursor{a, a.Offset})
			continue
		}
		m.held = append(m.held, old[at])
		kept++
	}
	return kept < len(old)
}

// Commit says that the group is done with these messages, and with those before them. ErrFenced if the partition is not the member's
// any more.
func (m *Consumer) Commit(ctx context.Context, r Records) error {
	if len(r.Messages) == 0 {
		return nil
	}
	a := Assignment{r.Topic, r.Partition, r.Generation, r.Messages[len(r.Messages)-1].Offset + 1}
	o, err := virtual.Call[progress, outcome](ctx, m.client.host, groupID(m.group), "commit", progress{m.name, []Assignment{a}})
	if err != nil {
		return err
	}
	if len(o.Fenced) > 0 || o.Generation != m.heard {
		m.beaten = time.Time{} // hear at once what there is to work on: another member may wait for a partition of this one
	}
	if len(o.Fenced) > 0 {
		return fmt.Errorf("%w: %s/%d was given at generation %d; group %s is at %d", ErrFenced, r.Topic, r.Partition, r.Generation, m.group, o.Generation)
	}
	return nil
}

// Again has messages that were not worked on come again with the next Poll of their partition, and all behind them. Without it, or a
// change of members, what was read and not committed is passed: the next Commit of the partition covers it.
func (m *Consumer) Again(r Records) {
	for i := range m.held {
		at := &m.held[i]
		if len(r.Messages) > 0 && at.Topic == r.Topic && at.Partition == r.Partition && at.Generation == r.Generation {
			at.next = min(at.next, r.Messages[0].Offset)
		}
	}
}

// Close leaves the group: others get the partitions at once. If it fails they get them after the session timeout; it may be called again.
func (m *Consumer) Close(ctx context.Context) error {
	m.held, m.left = nil, true
	_, err := virtual.Call[string, struct{}](ctx, m.client.host, groupID(m.group), "leave", m.name)
	return err
}
