package runtime

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// namesAsked asks a node for the actors of a kind in the shards that it leads.
type namesAsked struct {
	Kind  string
	After string
	Limit int
	Blank bool // also those whose state is that of a new actor
}

// namesTold is the answer. A node that does not know the kind tells nothing.
type namesTold struct {
	Keyspace string // empty: the kind is not known there
	Names    []string
	More     bool
	Seen     []int // shards that were looked into
}

// namesHere looks into the shards that this node leads.
func (n *Node) namesHere(ctx context.Context, q *namesAsked) (told namesTold) {
	told.Keyspace = n.actors.Keyspace(q.Kind)
	space := n.state().KeyspaceByName(told.Keyspace)
	if space == nil {
		return told
	}
	for i := range space.Shards {
		id := shards.NewShardID(space.ID, i)
		if !(actorStorage{n}).Leads(id) {
			continue
		}
		list, more, err := n.actors.Kept(ctx, id, q.Kind, q.After, q.Limit, q.Blank)
		if err != nil {
			continue // it is led elsewhere by now, or time is over
		}
		for _, k := range list {
			told.Names = append(told.Names, k.ID.Name)
		}
		told.Seen, told.More = append(told.Seen, i), told.More || more
		if len(told.Names) > 2*q.Limit {
			told.cut(q.Limit)
		}
	}
	told.cut(q.Limit)
	return told
}

// cut keeps the first names.
func (t *namesTold) cut(limit int) {
	slices.SortFunc(t.Names, virtual.CompareNames)
	t.Names = slices.Compact(t.Names)
	if len(t.Names) > limit {
		t.Names, t.More = t.Names[:limit], true
	}
}

// Names asks every node, all at once, and says which shards nobody has looked into.
func (a actorsAPI) Names(ctx context.Context, kind string, p admin.Page) (admin.ActorNames, error) {
	return a.node.names(ctx, namesAsked{Kind: kind, After: p.After, Limit: p.Limit, Blank: true})
}

func (n *Node) names(ctx context.Context, q namesAsked) (list admin.ActorNames, err error) {
	members, told, failed := askAll(ctx, n, askLimit, inquiry{Names: &q}, func(ctx context.Context) (namesTold, error) { return n.namesHere(ctx, &q), nil })
	list = admin.ActorNames{Kind: q.Kind, Names: []string{}}
	all, seen := namesTold{}, map[int]bool{}
	for i := range told {
		if told[i].Keyspace == "" {
			if err == nil && !members[i].Down { // which leads nothing
				err = failed[i]
			}
			continue
		}
		list.Keyspace = told[i].Keyspace
		all.Names, all.More = append(all.Names, told[i].Names...), all.More || told[i].More
		for _, shard := range told[i].Seen {
			seen[shard] = true
		}
	}
	space := n.state().KeyspaceByName(list.Keyspace)
	switch {
	case space == nil && err != nil:
		return list, err // one that does not answer may know it
	case space == nil:
		return list, &admin.Error{Status: http.StatusNotFound, Kind: admin.KindNotFound, Reason: fmt.Sprintf("no node knows actors of kind %s", q.Kind)}
	}
	all.cut(q.Limit)
	list.Names, list.More = append(list.Names, all.Names...), all.More
	for i := range space.Shards {
		if !seen[i] {
			list.Unseen = append(list.Unseen, space.ShardName(i))
		}
	}
	return list, nil
}

// keyspaceOfKind asks the other nodes in which keyspace the actors of a kind live; empty: none that answers knows it. The first that does ends it.
func (n *Node) keyspaceOfKind(ctx context.Context, kind string) (keyspace string) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	found := make(chan string, 1)
	var asking sync.WaitGroup
	for _, m := range n.state().Members {
		if m.Down || m.ID == n.id.Node {
			continue
		}
		asking.Go(func() {
			told := ""
			if err := n.ask(ctx, m.ID, inquiry{Kind: kind}, &told); err != nil || told == "" {
				return // a node of an earlier release is not asked that, and knows it as little as one that does not answer
			}
			select {
			case found <- told:
				cancel()
			default:
			}
		})
	}
	asking.Wait()
	select {
	case keyspace = <-found:
	default:
	}
	return keyspace
}
