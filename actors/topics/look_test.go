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

// An operator sees how far everybody has come, of a group without members, too.
func TestLook(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World, c *Client) {
		ctx := t.Context()
		if _, err := c.Look(ctx, "a/b"); !errors.Is(err, ErrNoTopic) {
			t.Errorf("a topic that is not there: %v", err)
		}
		if _, err := c.LookGroup(ctx, "g"); !errors.Is(err, ErrNoGroup) {
			t.Errorf("a group that is not there: %v", err)
		}
		must[Config](t)(c.Create(ctx, "a/b", Config{Partitions: 2, KeepMessages: 4}))
		w.Pass(time.Second) // until the partitions have heard of it
		begun := time.Now()
		for i := range 6 {
			must[Position](t)(c.PublishTo(ctx, "a/b", 0, []Record{{Value: fmt.Append(nil, i)}}, Once{}))
			w.Pass(time.Second)
		}
		must[Position](t)(c.PublishTo(ctx, "a/b", 1, []Record{{Value: []byte("x")}}, Once{}))
		if err := errors.Join(c.Commit(ctx, "a/b", 0, "z", 5), c.Commit(ctx, "a/b", 0, "late", 1)); err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(ctx, "a/b", "pushed", virtual.ID{Kind: "sink", Name: "s"}, "none", 0); err != nil {
			t.Fatal(err)
		}
		member := c.Join("g", 0, "a/b")
		poll(t, w, member)
		if err := member.Commit(ctx, Records{"a/b", 0, member.Holds()[0].Generation, []Message{{Offset: 3}}}); err != nil {
			t.Fatal(err)
		}

		v := must[View](t)(c.Look(ctx, "a/b"))
		if v.Topic != "a/b" || v.KeepMessages != 4 || !slices.Equal(v.Groups, []string{"g"}) || len(v.Partitions) != 2 {
			t.Fatalf("%+v", v)
		}
		p := v.Partitions[0]
		if p.Actor.String() != "partition/a/b/0" || p.First != 2 || p.Next != 6 || p.Oldest.Sub(begun) != 2*time.Second || p.Newest.Sub(begun) != 5*time.Second || p.More || p.Err != nil {
			t.Errorf("%+v", p)
		}
		var got []string
		for _, s := range p.Subscribers {
			got = append(got, fmt.Sprint(s.Subscriber, " ", s.Offset, " ", p.Lag(s.Offset), " ", s.To.Kind, s.Tries > 0))
		}
		if want := []string{"late 1 4 false", "pushed 2 4 sinktrue", "z 5 1 false"}; !slices.Equal(got, want) {
			t.Errorf("%q; want %q", got, want)
		}
		if p.Lag(9) != 0 {
			t.Errorf("one that is ahead lags by %d", p.Lag(9))
		}

		g := must[GroupView](t)(c.LookGroup(ctx, "g"))
		if len(g.Members) != 1 || g.Members[0].Member != member.Name() || g.Members[0].Timeout != defaultTimeout || !g.Members[0].Until.After(time.Now()) || g.Generation == 0 {
			t.Errorf("%+v", g)
		}
		at := member.Holds()[0].Generation
		want := []ShareView{{"a/b", 0, member.Name(), member.Name(), at, 4}, {"a/b", 1, member.Name(), member.Name(), at, 0}}
		if !slices.Equal(g.Shares, want) {
			t.Errorf("%+v; want %+v", g.Shares, want)
		}
		if err := member.Close(ctx); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Second)
		g = must[GroupView](t)(c.LookGroup(ctx, "g"))
		if len(g.Members) != 0 || !slices.Equal(g.Shares, []ShareView{{"a/b", 0, "", "", 0, 4}}) {
			t.Errorf("without members: %+v", g)
		}
		if v := must[View](t)(c.Look(ctx, "a/b")); len(v.Groups) != 0 {
			t.Errorf("%v consume it", v.Groups)
		}
	})
}
