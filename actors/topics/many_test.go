package topics

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// followed is a topic of a test, which knows who follows it, and what that takes it to be.
type followed struct {
	Groups     []string
	Partitions int
}

func followedKind() *virtual.Kind {
	k := virtual.NewKind[followed](KindTopic)
	virtual.Handle(k, "follow", func(c *virtual.Context[followed], f follower) (struct{}, error) {
		if c.State.Groups = nil; !f.Ended {
			c.State.Groups, c.State.Partitions = []string{f.Group}, f.Partitions
		}
		return struct{}{}, nil
	})
	virtual.HandleRead(k, "who", func(c *virtual.Reading[followed], _ struct{}) (followed, error) { return *c.State, nil })
	return k.Kind
}

// A group whose members want more topics than one message may tell follows them in parts, and lets go of them likewise.
func TestAGroupOfManyTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := virtualtest.New(t, 1, func() []*virtual.Kind { return []*virtual.Kind{groupKind(nil), followedKind()} }), t.Context()
		var names []string
		for i := range virtual.MaxSends + 200 {
			names = append(names, fmt.Sprintf("t%04d", i))
		}
		look := func() (g group, last []string) {
			g = must[group](t)(virtual.Call[struct{}, group](ctx, w.Host(0), groupID("g"), "look", struct{}{}))
			return g, must[followed](t)(virtual.Call[struct{}, followed](ctx, w.Host(0), topicID(names[len(names)-1]), "who", struct{}{})).Groups
		}
		h := heartbeat{Member: "m", Topics: names, Timeout: minTimeout.Milliseconds()}
		must[directive](t)(virtual.Call[heartbeat, directive](ctx, w.Host(0), groupID("g"), "heartbeat", h))
		w.Pass(minTimeout / 2)
		if g, last := look(); len(g.Members) != 1 || len(g.Topics) != len(names) || len(last) != 1 {
			t.Errorf("%d members follow %d topics of %d, and the last knows of %v", len(g.Members), len(g.Topics), len(names), last)
		}
		w.Pass(time.Minute) // it is not heard any more
		if g, last := look(); len(g.Members) > 0 || len(g.Topics) > 0 || len(last) > 0 {
			t.Errorf("%d members and %d topics are left, and the last knows of %v", len(g.Members), len(g.Topics), last)
		}
	})
}

// How many partitions its topics have a group hears from its member, of all in a few messages: it does not share everything out anew with the answer of each.
func TestAGroupHearsOfManyTopicsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := virtualtest.New(t, 1, func() []*virtual.Kind { return []*virtual.Kind{groupKind(nil), followedKind()} }), t.Context()
		h := heartbeat{Member: "m", Timeout: minTimeout.Milliseconds()}
		for i := range 2*mostTold + 200 {
			h.Topics = append(h.Topics, fmt.Sprintf("t%04d", i))
			h.Counts = append(h.Counts, counted{Topic: h.Topics[i], Partitions: 2, Born: int64(i + 1)})
		}
		d := must[directive](t)(virtual.Call[heartbeat, directive](ctx, w.Host(0), groupID("g"), "heartbeat", h))
		if !d.Asks || len(d.Assigned) != 2*mostTold {
			t.Errorf("it asks for more: %v, and gives %d", d.Asks, len(d.Assigned))
		}
		w.Pass(minTimeout / 2)
		h.Counts = nil
		d = must[directive](t)(virtual.Call[heartbeat, directive](ctx, w.Host(0), groupID("g"), "heartbeat", h))
		if d.Asks || d.Waits || len(d.Assigned) != 2*len(h.Topics) || d.Generation > 3 {
			t.Errorf("it asks for more: %v; it gives %d partitions of %d, and has shared them out %d times", d.Asks, len(d.Assigned), 2*len(h.Topics), d.Generation)
		}
		for _, topic := range h.Topics {
			f := must[followed](t)(virtual.Call[struct{}, followed](ctx, w.Host(0), topicID(topic), "who", struct{}{}))
			if f.Partitions != 2 {
				t.Fatalf("topic %s was told of %d partitions", topic, f.Partitions)
			}
		}
	})
}

// A member says how many partitions topics have, and those say so if it is not true any more.
func TestAMemberMayKnowAnOldTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx := virtualtest.New(t, 1, func() []*virtual.Kind { return Kinds() }), t.Context()
		client, old := NewClient(w.Host(0)), NewClient(w.Host(0))
		var names []string
		for _, name := range []string{"a", "b", "grown", "again", "gone"} {
			names = append(names, name)
			must[Config](t)(client.Create(ctx, name, Config{Partitions: 2}))
			must[int](t)(old.Partitions(ctx, name))
		}
		w.Pass(time.Second)
		look := func(name string) group {
			return must[group](t)(virtual.Call[struct{}, group](ctx, w.Host(0), groupID(name), "look", struct{}{}))
		}
		m := old.Join("g", time.Minute, names...)
		must[Records](t)(m.Poll(ctx, 1, 0))
		if g := look("g"); g.Generation != 1 || len(m.Holds()) != 10 {
			t.Errorf("at generation %d the member holds %v", g.Generation, m.Holds())
		}

		must[Config](t)(client.Create(ctx, "grown", Config{Partitions: 3}))
		for _, topic := range []string{"again", "gone"} {
			if err := client.Delete(ctx, topic); err != nil {
				t.Fatal(err)
			}
		}
		must[Config](t)(client.Create(ctx, "again", Config{Partitions: 1}))
		w.Pass(time.Second)
		h := heartbeat{Member: "m", Topics: names, Timeout: time.Minute.Milliseconds(), Counts: old.counts(names)}
		if len(h.Counts) != 5 {
			t.Errorf("the old client knows %v", h.Counts)
		}
		must[directive](t)(virtual.Call[heartbeat, directive](ctx, w.Host(0), groupID("late"), "heartbeat", h))
		w.Pass(time.Second)
		g := look("late")
		for topic, parts := range map[string]int{"a": 2, "b": 2, "grown": 3, "again": 1} {
			if len(g.Topics[topic]) != parts {
				t.Errorf("topic %s has %v", topic, g.Topics[topic])
			}
		}
		if _, there := g.Topics["gone"]; there || len(g.Members["m"].Topics) != 4 {
			t.Errorf("of what is gone it knows %v, and members want %v", g.Topics["gone"], g.Members["m"].Topics)
		}
		if left := must[topic](t)(virtual.Call[struct{}, topic](ctx, w.Host(0), topicID("gone"), "status", struct{}{})); len(left.Followers) != 0 {
			t.Errorf("a topic that is gone is followed by %v", left.Followers)
		}
	})
}
