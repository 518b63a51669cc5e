package runtime

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/recipes"
	"github.com/troupe-actors/troupe/actors/topics"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// Topics, groups and sessions are found wherever they live, through every node, and after one of them has died.
func TestOperatorsSeeWhatServicesCoordinateBy(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 2))
	ctx := t.Context()
	if l, err := (coordinationAPI{c.nodes[0]}).Topics(ctx, admin.Page{Limit: 10}); err != nil || len(l.Topics) > 0 || !strings.Contains(l.Problem, "register topics.Kinds()") {
		t.Errorf("where nobody has registered anything: %+v, %v", l, err)
	}
	if _, err := (actorsAPI{c.nodes[0]}).Names(ctx, topics.KindTopic, admin.Page{Limit: 10}); !admin.NotFound(err) {
		t.Errorf("the names of a kind that nobody knows: %v", err)
	}
	coordinated(t, c.nodes...)
	client := topics.NewClient(c.nodes[0].Actors())
	names := []string{"a", "b/c", "d"}
	for _, name := range names {
		if _, err := client.Create(ctx, name, topics.Config{Partitions: 2}); err != nil {
			t.Fatal(err)
		}
		for p := range 2 {
			if _, err := client.PublishTo(ctx, name, p, make([]topics.Record, 3), topics.Once{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	member := client.Join("g", time.Hour, "b/c")
	var got topics.Records
	eventually(t, "the member has something", func() bool {
		var err error
		if got, err = member.Poll(ctx, 1, 0); err != nil {
			t.Fatal(err)
		}
		return len(got.Messages) > 0
	})
	eventually(t, "it works on all", func() bool {
		i, err := (coordinationAPI{c.nodes[0]}).Group(ctx, "g")
		return err == nil && len(i.By) == 1 && len(i.By[0].Holds) == 2
	})
	if err := errors.Join(member.Commit(ctx, got), client.Commit(ctx, "b/c", 0, "s", 2)); err != nil {
		t.Fatal(err)
	}
	s, err := recipes.Open(ctx, c.nodes[0].Actors(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	over, err := recipes.Open(ctx, c.nodes[0].Actors(), time.Hour)
	if err == nil {
		err = over.Close(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := recipes.NewLock(c.nodes[0].Actors(), "l").Acquire(ctx, s); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session has heard of its lock", func() bool { // by a message, which may come after the lock is held
		v, err := (coordinationAPI{c.nodes[0]}).Session(ctx, s.Name())
		return err == nil && len(v.Holds) == 1
	})
	see := func(n *Node) {
		t.Helper()
		api := coordinationAPI{n}
		var list admin.TopicList
		var groups admin.GroupList
		var sessions admin.SessionList
		var err error
		eventually(t, "every shard is seen", func() bool { // one that is handed over is led by nobody for a moment
			if list, err = api.Topics(ctx, admin.Page{After: "a", Limit: 1}); err == nil && len(list.Unseen) == 0 {
				groups, err = api.Groups(ctx, admin.Page{Limit: 10})
			}
			if err == nil && len(list.Unseen)+len(groups.Unseen) == 0 {
				sessions, err = api.Sessions(ctx, admin.Page{Limit: 10})
			}
			return err == nil && len(list.Unseen)+len(groups.Unseen)+len(sessions.Unseen) == 0
		})
		if len(list.Topics) != 1 || !list.More {
			t.Fatalf("through %s: %+v", n.Name(), list)
		}
		if r := list.Topics[0]; r.Topic != "b/c" || r.Partitions != 2 || r.Messages != 6 || r.Published != 6 || r.Newest == 0 || !slices.Equal(r.Groups, []string{"g"}) || r.Problem != "" {
			t.Errorf("through %s: %+v", n.Name(), r)
		}
		i, err := api.Topic(ctx, "b/c")
		if err != nil || len(i.Parts) != 2 || i.Parts[0].Next != 3 || i.Parts[0].Shard == "" || i.Parts[0].Node == "" || i.Parts[0].Subscribers[0].Lag != 1 ||
			len(i.By) != 1 || i.By[0].Members != 1 || i.By[0].Lag != 5 || len(i.By[0].Shares) != 2 {
			t.Errorf("through %s: %+v, %v", n.Name(), i, err)
		}
		if len(groups.Groups) != 1 || groups.Groups[0].Lag != 5 || groups.Groups[0].Members != 1 || groups.Groups[0].Unowned != 0 || !slices.Equal(groups.Groups[0].Topics, []string{"b/c"}) {
			t.Errorf("through %s: %+v", n.Name(), groups)
		}
		if len(sessions.Sessions) != 1 || sessions.Sessions[0].Session != s.Name() || sessions.Sessions[0].Held != 1 {
			t.Errorf("through %s: %+v", n.Name(), sessions)
		}
		one, err := api.Session(ctx, s.Name())
		if err != nil || len(one.Holds) != 1 || one.Holds[0].Actor != "lock/l" || one.Holds[0].Token != 1 {
			t.Errorf("through %s: %+v, %v", n.Name(), one, err)
		}
	}
	for _, n := range c.nodes {
		see(n)
	}
	all, err := (actorsAPI{c.nodes[1]}).Names(ctx, recipes.KindSession, admin.Page{Limit: 10})
	if err != nil || len(all.Names) != 2 || all.Keyspace != "actors" {
		t.Errorf("the one that has ended has kept something: %+v, %v", all, err)
	}
	for _, gone := range []func() error{
		func() error { _, err := (coordinationAPI{c.nodes[0]}).Topic(ctx, "x"); return err },
		func() error { _, err := (coordinationAPI{c.nodes[0]}).Group(ctx, "x"); return err },
		func() error { _, err := (coordinationAPI{c.nodes[0]}).Session(ctx, over.Name()); return err },
	} {
		if err := gone(); !admin.NotFound(err) {
			t.Errorf("what is not there: %v", err)
		}
	}
	c.kill(1)
	eventually(t, "every shard is seen again", func() bool {
		l, err := (coordinationAPI{c.nodes[0]}).Topics(ctx, admin.Page{Limit: 10})
		return err == nil && len(l.Unseen) == 0 && len(l.Topics) == 3
	})
	see(c.nodes[0])
}

// A topic that was deleted is not listed, though some of its partitions have not heard of that yet, and its actor waits for them.
func TestDeletedTopicsAreNotListed(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
	ctx, api := t.Context(), coordinationAPI{c.nodes[0]}
	for _, n := range c.nodes {
		for _, k := range topics.Kinds() {
			if k.Name() == topics.KindPartition {
				continue // nobody hears
			}
			if err := n.Register(ctx, k); err != nil {
				t.Fatal(err)
			}
		}
	}
	client := topics.NewClient(c.nodes[0].Actors())
	for _, name := range []string{"old", "present"} {
		if _, err := client.Create(ctx, name, topics.Config{Partitions: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := api.DeleteTopic(ctx, "old"); err != nil {
		t.Fatal(err)
	}
	names, err := (actorsAPI{c.nodes[0]}).Names(ctx, topics.KindTopic, admin.Page{Limit: 10})
	if err != nil || !slices.Equal(names.Names, []string{"old", "present"}) {
		t.Fatalf("actors %v, %v: the deleted one was to wait", names.Names, err)
	}
	if list, err := api.Topics(ctx, admin.Page{Limit: 10}); err != nil || len(list.Topics) != 1 || list.Topics[0].Topic != "present" {
		t.Errorf("%+v, %v", list, err)
	}
}

// A list that is cut says so, and so does a partition that a topic has not.
func TestCutListsSaySo(t *testing.T) {
	whole := topics.View{Topic: "t", Partitions: make([]topics.PartitionView, 2)}
	many := topics.View{Topic: "t", Partitions: []topics.PartitionView{{}, {More: true, Subscribers: make([]topics.SubscriberView, 3)}}}
	groups := []topics.GroupView{{Group: "g"}, {Group: "h", More: true, Shares: make([]topics.ShareView, 4)}}
	for _, c := range []struct{ got, want string }{
		{unshown(&whole, groups[:1]), ""},
		{unshown(&many, groups), "partition 1 has more subscribers than the 3 that are shown"},
		{unshown(&whole, groups), "group h has more partitions than the 4 that were looked at: some of this topic may be missing"},
		{unlisted(&admin.ActorNames{}, nil), ""},
		{unlisted(&admin.ActorNames{}, errors.New("nobody answers")), "nobody answers"},
		{unlisted(&admin.ActorNames{Names: []string{"g", "h"}, Part: admin.Part{More: true}}, nil), "there are more groups than the 2 that were asked"},
		{unlisted(&admin.ActorNames{Part: admin.Part{Unseen: []string{"a/0", "a/1", "a/2", "a/3"}}}, nil), "groups in 4 shards without a primary that answers were not asked: a/0, a/1, a/2, …"},
		{shareRow(&topics.ShareView{Topic: "t", Partition: 1}, &whole, nil).Problem, ""},
		{shareRow(&topics.ShareView{Topic: "t", Partition: 7}, &whole, nil).Problem, "topic t has 2 partitions now, and not this one"},
	} {
		if c.got != c.want {
			t.Errorf("it says %q, not %q", c.got, c.want)
		}
	}
}
