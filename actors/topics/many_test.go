package topics

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// followed is a topic of a test, which knows who follows it.
type followed struct{ Groups []string }

func followedKind() *virtual.Kind {
	k := virtual.NewKind[followed](KindTopic)
	virtual.Handle(k, "follow", func(c *virtual.Context[followed], f follower) (struct{}, error) {
		if c.State.Groups = nil; !f.Ended {
			c.State.Groups = []string{f.Group}
		}
		return struct{}{}, nil
	})
	virtual.HandleRead(k, "who", func(c *virtual.Reading[followed], _ struct{}) ([]string, error) { return c.State.Groups, nil })
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
			return g, must[[]string](t)(virtual.Call[struct{}, []string](ctx, w.Host(0), topicID(names[len(names)-1]), "who", struct{}{}))
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
