package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/recipes"
	"github.com/troupe-actors/troupe/actors/topics"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// coordinationAPI gives HTTP the topics, groups and sessions, where programs have registered their kinds.
type coordinationAPI struct{ node *Node }

// lookers is how many topics, groups or sessions are looked at at the same time.
const lookers = 16

// each looks at n things, so many at the same time.
func each(n, together int, look func(i int)) {
	var work sync.WaitGroup
	room := make(chan struct{}, together)
	for i := range n {
		room <- struct{}{}
		work.Go(func() {
			look(i)
			<-room
		})
	}
	work.Wait()
}

// list finds things by name. Where no node knows their kind there are none.
func (c coordinationAPI) list(ctx context.Context, kind, register string, p admin.Page) (admin.ActorNames, error) {
	names, err := c.node.names(ctx, namesAsked{Kind: kind, After: p.After, Limit: p.Limit})
	var none *admin.Error
	if errors.As(err, &none) && none.Kind == admin.KindNotFound {
		names.Problem = none.Reason + ": programs that embed Troupe register " + register + " on their nodes"
		return names, nil
	}
	return names, err
}

// lookError is that of something that is not there, or an actor's.
func lookError(err error) error {
	for _, none := range []error{topics.ErrNoTopic, topics.ErrNoGroup, recipes.ErrNoSession} {
		if errors.Is(err, none) {
			return &admin.Error{Status: http.StatusNotFound, Kind: admin.KindNotFound, Reason: err.Error()}
		}
	}
	if errors.Is(err, topics.ErrHasMembers) {
		return &admin.Error{Status: http.StatusConflict, Kind: shards.KindConflict.String(), Reason: err.Error()}
	}
	return actorError(err)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// orEmpty has JSON write an empty list as one.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// without leaves rows out: of what is gone, and has something to put in order yet.
func without[T any](rows []T, gone []bool) []T {
	left := make([]T, 0, len(rows))
	for i := range rows {
		if !gone[i] {
			left = append(left, rows[i])
		}
	}
	return left
}

// Topics lists topics, and names that groups wait for. A topic that was deleted has an actor until all its partitions have heard of that.
func (c coordinationAPI) Topics(ctx context.Context, p admin.Page) (list admin.TopicList, err error) {
	ctx, cancel := context.WithTimeout(ctx, admin.CoordinationLimit)
	defer cancel()
	names, err := c.list(ctx, topics.KindTopic, "topics.Kinds()", p)
	if err != nil {
		return list, err
	}
	client := topics.NewClient(c.node.actors)
	list = admin.TopicList{Topics: make([]admin.TopicRow, len(names.Names)), Part: names.Part}
	gone := make([]bool, len(list.Topics))
	each(len(list.Topics), lookers, func(i int) {
		v, err := client.Look(ctx, names.Names[i])
		list.Topics[i] = topicRow(&v)
		if gone[i] = errors.Is(err, topics.ErrNoTopic) && len(v.Groups) == 0; err != nil {
			list.Topics[i].Problem = err.Error()
		}
	})
	list.Topics = without(list.Topics, gone)
	return list, nil
}

func topicRow(v *topics.View) admin.TopicRow {
	row := admin.TopicRow{
		Topic: v.Topic, Partitions: v.Config.Partitions, KeepMessages: v.KeepMessages, KeepMillis: v.KeepFor.Milliseconds(), Groups: orEmpty(v.Groups),
	}
	for i := range v.Partitions {
		p := &v.Partitions[i]
		row.Messages += p.Next - p.First
		row.Published += p.Next
		row.Newest = max(row.Newest, millis(p.Newest))
		if p.Err != nil && row.Problem == "" {
			row.Problem = p.Err.Error()
		}
	}
	return row
}

// Topic tells about one.
func (c coordinationAPI) Topic(ctx context.Context, name string) (info admin.TopicInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, admin.CoordinationLimit)
	defer cancel()
	client := topics.NewClient(c.node.actors)
	v, err := client.Look(ctx, name)
	if err != nil {
		return info, lookError(err)
	}
	info = admin.TopicInfo{TopicRow: topicRow(&v), Parts: make([]admin.PartitionRow, len(v.Partitions)), By: []admin.TopicGroup{}}
	for i := range v.Partitions {
		info.Parts[i] = c.partition(i, &v.Partitions[i])
	}
	groups, err := c.list(ctx, topics.KindGroup, "topics.Kinds()", admin.Page{Limit: admin.MaxPage})
	if err != nil {
		groups.Names = v.Groups
	}
	found, looks := make([]admin.TopicGroup, len(groups.Names)), make([]topics.GroupView, len(groups.Names))
	each(len(found), lookers, func(i int) { found[i], looks[i] = c.topicGroup(ctx, client, groups.Names[i], &v) })
	for i := range found {
		if found[i].Members > 0 || len(found[i].Shares) > 0 {
			info.By = append(info.By, found[i])
		}
	}
	info.Problem = cmp.Or(info.Problem, unshown(&v, looks), unlisted(&groups, err))
	return info, nil
}

// unshown says which list of a topic and its groups is cut; empty if none is.
func unshown(v *topics.View, groups []topics.GroupView) string {
	for i := range v.Partitions {
		if p := &v.Partitions[i]; p.More {
			return fmt.Sprintf("partition %d has more subscribers than the %d that are shown", i, len(p.Subscribers))
		}
	}
	for i := range groups {
		if groups[i].More {
			return fmt.Sprintf("group %s has more partitions than the %d that were looked at: some of this topic may be missing", groups[i].Group, len(groups[i].Shares))
		}
	}
	return ""
}

// unlisted says why a topic's groups may be more than those that are told of; empty if they are all.
func unlisted(groups *admin.ActorNames, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case groups.More:
		return fmt.Sprintf("there are more groups than the %d that were asked", len(groups.Names))
	case len(groups.Unseen) > 0:
		return fmt.Sprintf("groups in %d shards without a primary that answers were not asked: %s", len(groups.Unseen), clipped(groups.Unseen))
	}
	return ""
}

// clipped names the first few.
func clipped(names []string) string {
	const few = 3
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func (c coordinationAPI) partition(number int, p *topics.PartitionView) admin.PartitionRow {
	row := admin.PartitionRow{Partition: number, First: p.First, Next: p.Next, Oldest: millis(p.Oldest), Newest: millis(p.Newest), Subscribers: []admin.SubscriberRow{}}
	row.Shard, row.Node = c.where(p.Actor)
	if p.Err != nil {
		row.Problem = p.Err.Error()
	}
	for i := range p.Subscribers {
		s := &p.Subscribers[i]
		to := ""
		if s.To != (virtual.ID{}) {
			to = s.To.String()
		}
		row.Subscribers = append(row.Subscribers, admin.SubscriberRow{Subscriber: s.Subscriber, Offset: s.Offset, Lag: p.Lag(s.Offset), To: to, Method: s.Method, Tries: s.Tries})
	}
	return row
}

// where says in which shard an actor lives, and which node leads that; empty where that is not known.
func (c coordinationAPI) where(id virtual.ID) (shard, node string) {
	at, leads, err := c.node.actors.Where(id)
	if err != nil {
		return "", ""
	}
	if leads != "" {
		node = c.node.state().NodeName(leads)
	}
	return c.node.state().ShardName(at), node
}

// topicGroup tells how far a group has come in a topic; nothing if it has nothing to do with it.
func (c coordinationAPI) topicGroup(ctx context.Context, client *topics.Client, name string, v *topics.View) (admin.TopicGroup, topics.GroupView) {
	row := admin.TopicGroup{Group: name, Shares: []admin.ShareRow{}}
	g, err := client.LookGroup(ctx, name)
	if err != nil {
		if slices.Contains(v.Groups, name) {
			row.Shares = append(row.Shares, admin.ShareRow{Topic: v.Topic, Problem: err.Error()})
		}
		return row, g
	}
	for i := range g.Members {
		if slices.Contains(g.Members[i].Topics, v.Topic) {
			row.Members++
		}
	}
	for i := range g.Shares {
		if g.Shares[i].Topic == v.Topic {
			s := shareRow(&g.Shares[i], v, nil)
			row.Lag += s.Lag
			row.Shares = append(row.Shares, s)
		}
	}
	return row, g
}

// shareRow joins what a group knows of a partition with how that stands.
func shareRow(s *topics.ShareView, v *topics.View, err error) admin.ShareRow {
	row := admin.ShareRow{Topic: s.Topic, Partition: s.Partition, Owner: s.Owner, Target: s.Target, Generation: s.Generation, Offset: s.Offset}
	switch {
	case err != nil:
	case s.Partition < len(v.Partitions):
		p := &v.Partitions[s.Partition]
		row.Next, row.Lag, err = p.Next, p.Lag(s.Offset), p.Err
	default:
		err = fmt.Errorf("topic %s has %d partitions now, and not this one", s.Topic, len(v.Partitions))
	}
	if err != nil {
		row.Problem = err.Error()
	}
	return row
}

// DeleteTopic removes one.
func (c coordinationAPI) DeleteTopic(ctx context.Context, name string) error {
	return lookError(topics.NewClient(c.node.actors).Delete(ctx, name))
}

// DeleteGroup removes one.
func (c coordinationAPI) DeleteGroup(ctx context.Context, name string) error {
	return lookError(topics.NewClient(c.node.actors).DeleteGroup(ctx, name))
}

// Groups lists consumer groups. A topic is looked at once, however many consume it.
func (c coordinationAPI) Groups(ctx context.Context, p admin.Page) (list admin.GroupList, err error) {
	ctx, cancel := context.WithTimeout(ctx, admin.CoordinationLimit)
	defer cancel()
	names, err := c.list(ctx, topics.KindGroup, "topics.Kinds()", p)
	if err != nil {
		return list, err
	}
	client := topics.NewClient(c.node.actors)
	views, failed := make([]topics.GroupView, len(names.Names)), make([]error, len(names.Names))
	each(len(views), lookers, func(i int) { views[i], failed[i] = client.LookGroup(ctx, names.Names[i]) })
	known := lookTopics(ctx, client, views)
	list = admin.GroupList{Groups: make([]admin.GroupRow, len(views)), Part: names.Part}
	gone := make([]bool, len(views))
	for i := range views {
		gone[i] = errors.Is(failed[i], topics.ErrNoGroup)
		list.Groups[i] = groupInfo(&views[i], known).GroupRow
		if failed[i] != nil {
			list.Groups[i] = admin.GroupRow{Group: names.Names[i], Topics: []string{}, Problem: failed[i].Error()}
		}
	}
	list.Groups = without(list.Groups, gone)
	return list, nil
}

// looked is a topic, or why it is not known.
type looked struct {
	topics.View
	err error
}

// lookTopics looks at all topics that groups have to do with.
func lookTopics(ctx context.Context, client *topics.Client, groups []topics.GroupView) map[string]*looked {
	known := map[string]*looked{}
	var list []string
	for i := range groups {
		for j := range groups[i].Shares {
			if topic := groups[i].Shares[j].Topic; known[topic] == nil {
				known[topic] = &looked{}
				list = append(list, topic)
			}
		}
	}
	each(len(list), lookers, func(i int) {
		at := known[list[i]]
		at.View, at.err = client.Look(ctx, list[i])
	})
	return known
}

// Group tells about one.
func (c coordinationAPI) Group(ctx context.Context, name string) (info admin.GroupInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, admin.CoordinationLimit)
	defer cancel()
	client := topics.NewClient(c.node.actors)
	v, err := client.LookGroup(ctx, name)
	if err != nil {
		return info, lookError(err)
	}
	return groupInfo(&v, lookTopics(ctx, client, []topics.GroupView{v})), nil
}

// groupInfo joins what a group knows with how its topics stand.
func groupInfo(v *topics.GroupView, known map[string]*looked) admin.GroupInfo {
	info := admin.GroupInfo{
		GroupRow: admin.GroupRow{Group: v.Group, Generation: v.Generation, Members: len(v.Members), Partitions: len(v.Shares), Topics: []string{}},
		By:       []admin.MemberRow{}, Shares: []admin.ShareRow{},
	}
	if v.More {
		info.Problem = "it has more partitions than are shown"
	}
	at := map[string]int{}
	for i := range v.Members {
		m := &v.Members[i]
		at[m.Member] = i
		info.By = append(info.By, admin.MemberRow{Member: m.Member, Topics: orEmpty(m.Topics), Timeout: m.Timeout.Milliseconds(), Until: m.Until.UnixMilli(), Holds: []string{}})
		info.Topics = append(info.Topics, m.Topics...)
	}
	for i := range v.Shares {
		s := &v.Shares[i]
		row := shareRow(s, &known[s.Topic].View, known[s.Topic].err)
		info.Shares, info.Topics = append(info.Shares, row), append(info.Topics, s.Topic)
		info.Lag += row.Lag
		if row.Problem != "" && info.Problem == "" {
			info.Problem = row.Problem
		}
		if m, there := at[s.Owner]; there {
			info.By[m].Holds = append(info.By[m].Holds, topics.PartitionName(s.Topic, s.Partition))
			info.By[m].Lag += row.Lag
		} else {
			info.Unowned++
		}
	}
	slices.Sort(info.Topics)
	info.Topics = slices.Compact(info.Topics)
	return info
}

// Sessions lists those that are open. One that ends meanwhile is left out.
func (c coordinationAPI) Sessions(ctx context.Context, p admin.Page) (list admin.SessionList, err error) {
	ctx, cancel := context.WithTimeout(ctx, admin.CoordinationLimit)
	defer cancel()
	names, err := c.list(ctx, recipes.KindSession, "recipes.Kinds()", p)
	if err != nil {
		return list, err
	}
	rows := make([]admin.SessionRow, len(names.Names))
	ended := make([]bool, len(rows))
	each(len(rows), lookers, func(i int) {
		v, err := recipes.LookAt(ctx, c.node.actors, names.Names[i])
		rows[i] = sessionRow(&v)
		if ended[i] = errors.Is(err, recipes.ErrNoSession); err != nil {
			rows[i] = admin.SessionRow{Session: names.Names[i], Problem: err.Error()}
		}
	})
	return admin.SessionList{Sessions: without(rows, ended), Part: names.Part}, nil
}

func sessionRow(v *recipes.SessionView) admin.SessionRow {
	return admin.SessionRow{Session: v.Session, TTL: v.TTL.Milliseconds(), Until: millis(v.Until), Held: len(v.Held)}
}

// Session tells about one.
func (c coordinationAPI) Session(ctx context.Context, name string) (info admin.SessionInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, admin.CoordinationLimit)
	defer cancel()
	v, err := recipes.Look(ctx, c.node.actors, name)
	if err != nil {
		return info, lookError(err)
	}
	info = admin.SessionInfo{SessionRow: sessionRow(&v), Holds: []admin.HeldRow{}}
	for i := range v.Held {
		h := &v.Held[i]
		row := admin.HeldRow{Actor: h.Actor.String(), Token: h.Token, Ahead: h.Ahead, Waits: h.Waits, Keys: h.Keys}
		if h.Err != nil {
			row.Problem = h.Err.Error()
		}
		info.Holds = append(info.Holds, row)
	}
	return info, nil
}
