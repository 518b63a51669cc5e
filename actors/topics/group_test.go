package topics

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

func holds(m *Consumer) (list []int) {
	for _, a := range m.Holds() {
		list = append(list, a.Partition)
	}
	return list
}

// poll has members say their heartbeats, as often as it takes to agree, and gives what they have read meanwhile.
func poll(t *testing.T, w *virtualtest.World, members ...*Consumer) (read []string) {
	t.Helper()
	for range 4 {
		w.Pass(3 * time.Second)
		for _, m := range members {
			read = append(read, values(must[Records](t)(m.Poll(t.Context(), 1, 0)).Messages)...)
		}
	}
	return read
}

// Promised: "consumer groups that rebalance when members, topics or partitions change (each change is told through heartbeats)".
func TestGroupsRebalance(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 4}))
		a, b := c.Join("g", 0, "jobs"), NewClient(w.Host(0)).Join("g", 0, "jobs")
		poll(t, w, a)
		if got := holds(a); !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Fatalf("one member works on %v", got)
		}
		poll(t, w, a, b)
		if got := append(holds(a), holds(b)...); len(got) != 4 || len(holds(a)) != 2 {
			t.Fatalf("two members work on %v and %v", holds(a), holds(b))
		}
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 6}))
		poll(t, w, a, b)
		if len(holds(a)) != 3 || len(holds(b)) != 3 {
			t.Fatalf("with two more partitions they work on %v and %v", holds(a), holds(b))
		}
		must[Config](t)(c.Create(ctx, "later", Config{Partitions: 2}))
		other := c.Join("g", 0, "later")
		poll(t, w, a, b, other)
		if got := holds(other); !slices.Equal(got, []int{0, 1}) || len(holds(a))+len(holds(b)) != 6 {
			t.Errorf("who wants another topic works on %v", got)
		}
		w.Lead(1)
		if err := b.Close(ctx); err != nil {
			t.Fatal(err)
		}
		poll(t, w, a, other)
		if got := holds(a); len(got) != 6 {
			t.Errorf("the one that stays works on %v", got)
		}
	})
}

// Nobody waits for the next heartbeat in its time: a first member hears of its partitions as soon as the group does, and a second one
// gets its own when the first has committed what it was at.
func TestMembersBeginSoon(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		first := c.Join("g", 0, "t")
		if _, err := first.Poll(ctx, 10, 0); !errors.Is(err, ErrNoTopic) {
			t.Errorf("a topic that is not there: %v", err)
		}
		must[Config](t)(c.Create(ctx, "t", Config{Partitions: 2}))
		for p := range 2 {
			must[Position](t)(c.PublishTo(ctx, "t", p, []Record{{}, {}}, Once{}))
		}
		begun := time.Now()
		soon := func(what string) {
			t.Helper()
			if took := time.Since(begun); took > time.Second {
				t.Errorf("%s after %v", what, took)
			}
			begun = time.Now()
		}
		r := must[Records](t)(first.Poll(ctx, 1, defaultTimeout))
		soon("the first message")
		second := c.Join("g", 0, "t")
		must[Records](t)(second.Poll(ctx, 1, 0))
		if err := first.Commit(ctx, r); err != nil {
			t.Fatal(err)
		}
		must[Records](t)(first.Poll(ctx, 1, 0))
		if r := must[Records](t)(second.Poll(ctx, 1, defaultTimeout)); len(r.Messages) == 0 {
			t.Error("the second member got nothing")
		}
		soon("the second member's first message")
	})
}

// A member that was not heard is replaced, and what it commits later is refused.
func TestOldMembersAreFenced(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 1}))
		for i := range 10 {
			must[Position](t)(c.Publish(ctx, "jobs", Record{Value: fmt.Append(nil, i)}, Once{}))
		}
		old, young := c.Join("g", 0, "jobs"), NewClient(w.Host(0)).Join("g", 0, "jobs")
		first := must[Records](t)(old.Poll(ctx, 3, time.Minute))
		if err := old.Commit(ctx, first); err != nil {
			t.Fatal(err)
		}
		second := must[Records](t)(old.Poll(ctx, 3, 0))
		old.Again(second)
		if again := must[Records](t)(old.Poll(ctx, 3, 0)); !slices.Equal(values(again.Messages), []string{"3", "4", "5"}) {
			t.Errorf("asked for %v again, got %v", values(second.Messages), values(again.Messages))
		}
		got := append(poll(t, w, young), poll(t, w, young)...)
		if len(got) == 0 || got[0] != "3" {
			t.Fatalf("the younger one goes on with %v", got)
		}
		if err := old.Commit(ctx, second); !errors.Is(err, ErrFenced) {
			t.Errorf("the old one commits: %v", err)
		}
		if at := must[uint64](t)(virtual.Call[Assignment, uint64](ctx, w.Host(0), groupID("g"), "committed", Assignment{Topic: "jobs"})); at != 3 {
			t.Errorf("the group is at %d", at)
		}
		if len(holds(young)) != 1 {
			t.Errorf("the younger one works on %v", holds(young))
		}
		if err := young.Commit(ctx, Records{"jobs", 0, young.Holds()[0].Generation, []Message{{Offset: 9}}}); err != nil {
			t.Error(err)
		}
		if young.Holds()[0].Generation <= first.Generation {
			t.Errorf("generations %d, then %d", first.Generation, young.Holds()[0].Generation)
		}
	})
}

// When nobody could be heard, since the group's shard had no primary, nobody is dismissed.
func TestAbsenceOfTheGroup(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 2}))
		a, b := c.Join("g", 0, "jobs"), c.Join("g", 0, "jobs")
		poll(t, w, a, b)
		before := must[group](t)(virtual.Call[struct{}, group](ctx, w.Host(0), groupID("g"), "look", struct{}{}))
		w.Lead(-1)
		w.Pass(time.Minute)
		w.Lead(0)
		w.Pass(time.Second)
		after := must[group](t)(virtual.Call[struct{}, group](ctx, w.Host(0), groupID("g"), "look", struct{}{}))
		if after.Generation != before.Generation || len(after.Members) != 2 {
			t.Errorf("before %+v, after %+v", before, after)
		}
		w.Pass(20 * time.Second)
		after = must[group](t)(virtual.Call[struct{}, group](ctx, w.Host(0), groupID("g"), "look", struct{}{}))
		if len(after.Members) != 0 {
			t.Errorf("members that say nothing stay: %+v", after.Members)
		}
	})
}

// A group whose reminder is lost, set aside since it was overrun, say, dismisses those that say nothing all the same.
func TestGroupWithoutItsReminder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := virtualtest.New(t, 2, func() []*virtual.Kind {
			k := &virtual.KindOf[group]{Kind: groupKind(nil)}
			virtual.Handle(k, "lose", func(c *virtual.Context[group], _ struct{}) (struct{}, error) {
				c.Forget("expire")
				return struct{}{}, nil
			})
			return []*virtual.Kind{topicKind(nil), partitionKind(nil), k.Kind}
		})
		ctx, c := t.Context(), NewClient(w.Host(1))
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 2}))
		a, b := c.Join("g", 0, "jobs"), c.Join("g", 0, "jobs")
		poll(t, w, a, b)
		must[struct{}](t)(virtual.Call[struct{}, struct{}](ctx, w.Host(0), groupID("g"), "lose", struct{}{}))
		for range 10 { // a says nothing any more
			poll(t, w, b)
		}
		if got := holds(b); len(got) != 2 {
			t.Errorf("the one that stays works on %v", got)
		}
	})
}

// Who has left its group gets no messages, and hears so at once: it would come back into the group unnoticed.
func TestWhoHasLeftGetsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 1}))
		m := c.Join("g", 0, "jobs")
		poll(t, w, m)
		for range 2 {
			if err := m.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
		must[Position](t)(c.Publish(ctx, "jobs", Record{Value: []byte("1")}, Once{}))
		begun := time.Now()
		if r, err := m.Poll(ctx, 10, time.Minute); !errors.Is(err, ErrLeft) || len(r.Messages) != 0 || time.Since(begun) > 0 {
			t.Errorf("%d messages, %v, after %v", len(r.Messages), err, time.Since(begun))
		}
		w.Pass(time.Minute)
		if g := must[group](t)(virtual.Call[struct{}, group](ctx, w.Host(0), groupID("g"), "look", struct{}{})); len(g.Members) != 0 {
			t.Errorf("members: %+v", g.Members)
		}
	})
}

// What the group is done with stays so, in whichever order a member commits what it has worked on.
func TestCommitsTakeNothingBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		must[Config](t)(c.Create(ctx, "jobs", Config{Partitions: 1}))
		must[Position](t)(c.PublishTo(ctx, "jobs", 0, make([]Record, 4), Once{}))
		m := c.Join("g", 0, "jobs")
		first, second := must[Records](t)(m.Poll(ctx, 2, time.Second)), must[Records](t)(m.Poll(ctx, 2, time.Second))
		for _, r := range []Records{second, first} {
			if err := m.Commit(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if r := must[Records](t)(c.Join("g", 0, "jobs").Poll(ctx, 4, time.Second)); len(r.Messages) != 0 {
			t.Errorf("%d messages that were committed come again, from %d", len(r.Messages), r.Messages[0].Offset)
		}
	})
}

// model is what a seeded run knows: every message, who has worked on it, and what must hold.
type model struct {
	t         *testing.T
	w         *virtualtest.World
	chance    *rand.Rand
	clients   []*Client
	published map[int][]string // by partition, acknowledged, in order
	seq       uint64
	done      map[string]int // messages worked on, how often
	committed map[int]uint64
	members   []*Consumer
}

// TestModel plays publishing, consuming, failovers and faults of commits by chance.
func TestModel(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{t: t, w: virtualtest.New(t, 2, kinds), chance: rand.New(rand.NewPCG(seed, 7)), published: map[int][]string{}, done: map[string]int{}, committed: map[int]uint64{}}
				for i := range 2 {
					m.clients = append(m.clients, NewClient(m.w.Host(i)))
				}
				m.play()
			})
		})
	}
}

const modelPartitions = 3

func (m *model) play() {
	must[Config](m.t)(m.clients[0].Create(m.t.Context(), "t", Config{Partitions: modelPartitions}))
	faults := rand.New(rand.NewPCG(m.chance.Uint64(), 3))
	m.w.Faults(func(int) virtualtest.Fault {
		switch faults.IntN(20) {
		case 0:
			return virtualtest.Refused
		case 1:
			return virtualtest.Unknown
		}
		return virtualtest.Fine
	})
	for range 300 {
		switch m.chance.IntN(12) {
		case 0:
			m.w.Lead(m.chance.IntN(2))
		case 1:
			if len(m.members) < 4 {
				m.members = append(m.members, m.clients[m.chance.IntN(2)].Join("g", 0, "t"))
			}
		case 2:
			m.lose()
		case 3:
			m.w.Pass(time.Duration(m.chance.IntN(8)) * time.Second)
		case 4, 5, 6, 7:
			m.publish()
		default:
			m.consume()
		}
	}
	m.w.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
	m.members = append(m.members, m.clients[0].Join("g", 0, "t"))
	for range 400 {
		m.consume()
		m.w.Pass(time.Second)
	}
	m.check()
}

// publish tries until it is known that a message is there; that there is one of it is checked at the end.
func (m *model) publish() {
	m.seq++
	value := fmt.Sprint("v", m.seq)
	partition := m.chance.IntN(modelPartitions)
	for {
		at, err := m.clients[m.chance.IntN(2)].PublishTo(m.t.Context(), "t", partition, []Record{{Value: []byte(value)}}, Once{"p", m.seq})
		if err != nil {
			continue
		}
		if int(at.Offset) != len(m.published[partition]) {
			m.t.Fatalf("message %s is at %+v; %d are there", value, at, len(m.published[partition]))
		}
		m.published[partition] = append(m.published[partition], value)
		return
	}
}

// lose has a member leave, or say nothing any more.
func (m *model) lose() {
	if len(m.members) == 0 {
		return
	}
	i := m.chance.IntN(len(m.members))
	if m.chance.IntN(2) == 0 {
		_ = m.members[i].Close(m.t.Context()) // if it is not heard it will be missed
	}
	m.members = slices.Delete(m.members, i, i+1)
}

func (m *model) consume() {
	if len(m.members) == 0 {
		return
	}
	c := m.members[m.chance.IntN(len(m.members))]
	r, err := c.Poll(m.t.Context(), 1+m.chance.IntN(20), 0)
	if err != nil || len(r.Messages) == 0 {
		return
	}
	for i := range r.Messages {
		at := r.Messages[i].Offset
		if i > 0 && at != r.Messages[i-1].Offset+1 {
			m.t.Fatalf("message %d after %d", at, r.Messages[i-1].Offset)
		}
		if value := string(r.Messages[i].Value); int(at) >= len(m.published[r.Partition]) || m.published[r.Partition][at] != value {
			m.t.Fatalf("%s/%d: message %d is %q", r.Topic, r.Partition, at, value)
		}
		m.done[string(r.Messages[i].Value)]++
	}
	if first := r.Messages[0].Offset; first > m.committed[r.Partition] && m.unseen(r.Partition, first) {
		m.t.Fatalf("partition %d goes on at %d; committed is %d", r.Partition, first, m.committed[r.Partition])
	}
	if m.chance.IntN(5) == 0 {
		m.w.Pass(time.Duration(m.chance.IntN(15)) * time.Second) // slow work, perhaps too slow
	}
	switch err := c.Commit(m.t.Context(), r); {
	case err == nil:
		m.committed[r.Partition] = r.Messages[len(r.Messages)-1].Offset + 1
	case !errors.Is(err, ErrFenced) && !errors.Is(err, context.Canceled):
		m.t.Logf("commit: %v", err)
	}
}

// unseen says whether a message before an offset was worked on by nobody.
func (m *model) unseen(partition int, until uint64) bool {
	for i := m.committed[partition]; i < until; i++ {
		if m.done[m.published[partition][i]] == 0 {
			return true
		}
	}
	return false
}

func (m *model) check() {
	twice := 0
	for p, list := range m.published {
		b := must[Batch](m.t)(m.clients[0].Poll(m.t.Context(), "t", p, 0, MaxBatch, 0))
		if got := values(b.Messages); !slices.Equal(got, list) {
			m.t.Errorf("partition %d has %v; published %v", p, got, list)
		}
		for _, value := range list {
			switch n := m.done[value]; {
			case n == 0:
				m.t.Errorf("nobody has worked on %s", value)
			case n > 1:
				twice++
			}
		}
	}
	if m.t.Failed() {
		m.t.Logf("the group: %+v", must[group](m.t)(virtual.Call[struct{}, group](m.t.Context(), m.w.Host(0), groupID("g"), "look", struct{}{})))
	}
	m.t.Logf("%d messages, %d of them worked on more than once", m.seq, twice)
}
