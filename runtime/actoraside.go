package runtime

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// asideTold is what a node tells of messages that were set aside in the shards that it leads.
type asideTold struct {
	Aside     []admin.ActorMail
	More      bool
	Keyspaces []string         // of the kinds that are known there
	Seen      []shards.ShardID // that were looked into
}

// asideHere looks into the shards that this node leads.
func (n *Node) asideHere(ctx context.Context, p *virtual.AsidePage) (told asideTold) {
	for _, k := range n.actors.Kinds() {
		if !slices.Contains(told.Keyspaces, k.Keyspace) {
			told.Keyspaces = append(told.Keyspaces, k.Keyspace)
		}
	}
	for _, name := range told.Keyspaces {
		space := n.state().KeyspaceByName(name)
		for i := 0; space != nil && i < space.Shards; i++ {
			id := shards.NewShardID(space.ID, i)
			if !(actorStorage{n}).Leads(id) {
				continue
			}
			list, more, err := n.actors.Aside(ctx, id, *p)
			if err != nil {
				continue // it is led elsewhere by now, or time is over
			}
			for j := range list {
				told.Aside = append(told.Aside, n.mail(&list[j]))
			}
			told.Seen, told.More = append(told.Seen, id), told.More || more
			told.cut(p.Limit)
		}
	}
	return told
}

// mailEvents are the words for how a message has come, or was to come.
var mailEvents = map[virtual.Event]string{virtual.EventTell: "message", virtual.EventReply: "answer", virtual.EventReminder: "reminder"}

func (n *Node) mail(a *virtual.Aside) admin.ActorMail {
	return admin.ActorMail{
		ID: a.ID, Event: mailEvents[a.Event], Node: n.Name(), From: a.From.String(), To: a.To.String(), Method: a.Method, Body: a.Payload, Reason: a.Reason, Tries: a.Tries, At: a.At.UnixMilli(),
	}
}

// cut keeps the first of them.
func (t *asideTold) cut(limit int) {
	slices.SortFunc(t.Aside, func(a, b admin.ActorMail) int { return strings.Compare(a.ID, b.ID) })
	if len(t.Aside) > limit {
		t.Aside, t.More = t.Aside[:limit], true
	}
}

// Aside asks every node, all at once, and says which shards nobody has looked into.
func (a actorsAPI) Aside(ctx context.Context, from, to string, p admin.Page) (list admin.AsideList, err error) {
	n := a.node
	q := virtual.AsidePage{After: p.After, Limit: p.Limit, From: from, To: to}
	// The shards of nodes that do not answer are unseen.
	_, told, _ := askAll(ctx, n, askLimit, inquiry{Aside: &q}, func(ctx context.Context) (asideTold, error) { return n.asideHere(ctx, &q), nil })
	all, seen, spaces := asideTold{Aside: []admin.ActorMail{}}, map[shards.ShardID]bool{}, map[string]bool{}
	for i := range told {
		all.Aside, all.More = append(all.Aside, told[i].Aside...), all.More || told[i].More
		for _, id := range told[i].Seen {
			seen[id] = true
		}
		for _, name := range told[i].Keyspaces {
			spaces[name] = true
		}
	}
	all.cut(p.Limit)
	list.Aside, list.More = all.Aside, all.More
	for _, space := range n.state().Keyspaces {
		for i := 0; spaces[space.Name] && i < space.Shards; i++ {
			if !seen[shards.NewShardID(space.ID, i)] {
				list.Unseen = append(list.Unseen, space.ShardName(i))
			}
		}
	}
	return list, nil
}

// mending asks a node to send a message again that was set aside, or to drop it.
type mending struct {
	ID   string
	Drop bool
}

// Mend asks the nodes where the actors live that keep the messages, one after the other.
func (a actorsAPI) Mend(ctx context.Context, ids []string, drop bool) []admin.Mended {
	list := make([]admin.Mended, len(ids))
	for i, id := range ids {
		list[i] = a.mend(ctx, &mending{id, drop})
	}
	return list
}

func (a actorsAPI) mend(ctx context.Context, m *mending) (told admin.Mended) {
	keeper, err := virtual.Keeper(m.ID)
	if err != nil {
		return m.told(err)
	}
	switch _, node, err := a.node.actors.Where(keeper); {
	case err != nil:
		return m.told(err)
	case node == a.node.id.Node:
		return a.node.mend(ctx, m)
	case node == "":
		return m.told(errors.New("the shard of actor " + keeper.String() + " has no primary now; try again"))
	default:
		if err := a.node.ask(ctx, node, inquiry{Mend: m}, &told); err != nil {
			return m.told(err)
		}
		return told
	}
}

// mend does it on the node where the actor lives.
func (n *Node) mend(ctx context.Context, m *mending) admin.Mended {
	if m.Drop {
		return m.told(n.actors.Drop(ctx, m.ID))
	}
	return m.told(n.actors.Redrive(ctx, m.ID))
}

func (m *mending) told(err error) admin.Mended {
	if err == nil {
		return admin.Mended{ID: m.ID}
	}
	return admin.Mended{ID: m.ID, Problem: err.Error(), Gone: errors.Is(err, virtual.ErrNotAside)}
}
