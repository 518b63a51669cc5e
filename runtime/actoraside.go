package runtime

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// asideTold is what a node tells of messages that were set aside in the shards that it leads.
type asideTold struct {
	Aside     []admin.ActorMail
	More      bool
	Next      string           // the ID up to which all of them are told; empty: that is all, or an earlier release tells it
	Keyspaces []string         // of the kinds that are known there
	Seen      []shards.ShardID // that were looked into
}

// asideHere looks into the shards that this node leads.
func (n *Node) asideHere(ctx context.Context, p *virtual.AsidePage) (told asideTold) {
	told.Keyspaces = n.actors.Keyspaces()
	for _, name := range told.Keyspaces {
		space := n.state().KeyspaceByName(name)
		for i := 0; space != nil && i < space.Shards; i++ {
			id := shards.NewShardID(space.ID, i)
			if !(actorStorage{n}).Leads(id) {
				continue
			}
			list, next, err := n.actors.Aside(ctx, id, *p)
			if err != nil {
				continue // it is led elsewhere by now, or time is over
			}
			for j := range list {
				told.Aside = append(told.Aside, n.mail(&list[j]))
			}
			told.Seen = append(told.Seen, id)
			told.upTo(next)
			told.cut(p.Limit)
		}
	}
	told.More = told.Next != ""
	return told
}

// mailEvents are the words for how a message has come, or was to come.
var mailEvents = map[virtual.Event]string{virtual.EventTell: "message", virtual.EventReply: "answer", virtual.EventReminder: "reminder"}

func (n *Node) mail(a *virtual.Aside) admin.ActorMail {
	return admin.ActorMail{
		ID: a.ID, Event: mailEvents[a.Event], Node: n.Name(), From: a.From.String(), To: a.To.String(), Method: a.Method, Body: a.Payload, Reason: a.Reason, Tries: a.Tries, At: a.At.UnixMilli(),
	}
}

// upTo notes that somebody has not looked behind an ID; empty: all was looked at.
func (t *asideTold) upTo(id string) {
	if id != "" && (t.Next == "" || virtual.CompareAsides(id, t.Next) < 0) {
		t.Next = id
	}
}

// asideBytes bounds a page of messages that were set aside, unless it has a single one.
const asideBytes = 1 << 20

// cut keeps the first of them, and none behind what somebody has not looked at: they are of a later page.
func (t *asideTold) cut(limit int) {
	slices.SortFunc(t.Aside, func(a, b admin.ActorMail) int { return virtual.CompareAsides(a.ID, b.ID) })
	size := 0
	for i := range t.Aside {
		m := &t.Aside[i]
		size += len(m.Body) + len(m.Reason)
		switch {
		case t.Next != "" && virtual.CompareAsides(m.ID, t.Next) > 0:
			t.Aside = t.Aside[:i]
			return
		case i > 0 && (i >= limit || size > asideBytes):
			t.Aside, t.Next = t.Aside[:i], t.Aside[i-1].ID
			return
		}
	}
}

// Aside asks every node, all at once, and says which shards nobody has looked into.
func (a actorsAPI) Aside(ctx context.Context, of admin.AsideQuery) (list admin.AsideList, err error) {
	n := a.node
	q := virtual.AsidePage{After: of.After, Limit: of.Limit, From: of.From, To: of.To, NoBodies: of.NoBodies}
	// The shards of nodes that do not answer are unseen.
	_, told, _ := askAll(ctx, n, askLimit, inquiry{Aside: &q}, func(ctx context.Context) (asideTold, error) { return n.asideHere(ctx, &q), nil })
	all, seen, spaces := asideTold{Aside: []admin.ActorMail{}}, map[shards.ShardID]bool{}, map[string]bool{}
	for i := range told {
		all.Aside = append(all.Aside, told[i].Aside...)
		if last := len(told[i].Aside) - 1; told[i].More && told[i].Next == "" && last >= 0 {
			told[i].Next = told[i].Aside[last].ID
		}
		all.upTo(told[i].Next)
		for _, id := range told[i].Seen {
			seen[id] = true
		}
		for _, name := range told[i].Keyspaces {
			spaces[name] = true
		}
	}
	all.cut(of.Limit)
	list.Aside, list.Next, list.More = all.Aside, all.Next, all.Next != ""
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

// mended is what became of it.
type mended struct {
	admin.Mended
	Elsewhere bool `json:"elsewhere,omitempty"` // the problem is that another node leads the shard
}

// mendLimit is how long one message may take.
const mendLimit = 5 * time.Second

// Mend asks the nodes where the actors live that keep the messages. Those of one actor go one after the other, in their order; those of several at
// the same time.
func (a actorsAPI) Mend(ctx context.Context, ids []string, drop bool) []admin.Mended {
	ctx, cancel := context.WithTimeout(ctx, admin.MendLimit)
	defer cancel()
	list, of := make([]admin.Mended, len(ids)), map[virtual.ID]int{}
	var lines [][]int // of each actor where its messages stand
	for i, id := range ids {
		keeper, err := virtual.Keeper(id)
		line, known := of[keeper]
		switch {
		case err != nil:
			list[i] = (&mending{ID: id}).told(err).Mended
		case known:
			lines[line] = append(lines[line], i)
		default:
			of[keeper], lines = len(lines), append(lines, []int{i})
		}
	}
	each(len(lines), lookers, func(line int) {
		for _, i := range lines[line] {
			list[i] = a.mend(ctx, &mending{ids[i], drop})
		}
	})
	return list
}

// mend looks once more for the actor if it has just moved.
func (a actorsAPI) mend(ctx context.Context, m *mending) admin.Mended {
	ctx, cancel := context.WithTimeout(ctx, mendLimit)
	defer cancel()
	told := a.mendWhere(ctx, m)
	if told.Elsewhere {
		told = a.mendWhere(ctx, m)
	}
	return told.Mended
}

func (a actorsAPI) mendWhere(ctx context.Context, m *mending) (told mended) {
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
func (n *Node) mend(ctx context.Context, m *mending) mended {
	if m.Drop {
		return m.told(n.actors.Drop(ctx, m.ID))
	}
	return m.told(n.actors.Redrive(ctx, m.ID))
}

func (m *mending) told(err error) mended {
	if err == nil {
		return mended{Mended: admin.Mended{ID: m.ID}}
	}
	return mended{admin.Mended{ID: m.ID, Problem: err.Error(), Gone: errors.Is(err, virtual.ErrNotAside)}, errors.As(err, new(*shards.NotPrimaryError))}
}
