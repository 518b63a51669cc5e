package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// actorsAPI gives HTTP the virtual actors.
type actorsAPI struct{ node *Node }

// Call has an actor handle a message.
func (a actorsAPI) Call(ctx context.Context, to admin.ActorName, id, method string, payload []byte) ([]byte, error) {
	if k := a.node.state().Kind(to.Kind); k != nil && k.Active == 0 {
		return nil, &admin.Error{Status: http.StatusConflict, Kind: shards.KindConflict.String(), Reason: "no version of kind " + k.Name + " is in use: troupe actor use " + k.Name}
	}
	if id != "" {
		reply, err := a.node.actors.CallOnce(ctx, virtual.ID{Kind: to.Kind, Name: to.Name}, id, method, payload)
		return reply, actorError(err)
	}
	reply, err := a.node.actors.Call(ctx, virtual.ID{Kind: to.Kind, Name: to.Name}, method, payload)
	return reply, actorError(err)
}

// Tell takes a message and waits for nothing.
func (a actorsAPI) Tell(to admin.ActorName, method string, payload []byte) error {
	return actorError(a.node.actors.Tell(virtual.ID{Kind: to.Kind, Name: to.Name}, method, payload))
}

// actorStatus gives each reason not to handle a message its HTTP status and kind.
var actorStatus = map[virtual.Code]admin.Error{
	virtual.CodeFailed:     {Status: http.StatusUnprocessableEntity, Kind: admin.KindFailed},
	virtual.CodePanicked:   {Status: http.StatusInternalServerError, Kind: admin.KindFailed},
	virtual.CodeBadRequest: {Status: http.StatusBadRequest, Kind: shards.KindInvalid.String()},
	virtual.CodeUnknown:    {Status: http.StatusNotFound, Kind: admin.KindNotFound},
	virtual.CodeNoKind:     {Status: http.StatusNotFound, Kind: admin.KindNotFound},
	virtual.CodeBusy:       {Status: http.StatusServiceUnavailable, Kind: admin.KindBusy},
	virtual.CodeTooLarge:   {Status: http.StatusRequestEntityTooLarge, Kind: admin.KindTooLarge},
	virtual.CodeUnable:     {Status: http.StatusServiceUnavailable, Kind: shards.KindUnavailable.String()},
	virtual.CodeAsking:     {Status: http.StatusServiceUnavailable, Kind: admin.KindBusy},
	virtual.CodeHandling:   {Status: http.StatusConflict, Kind: shards.KindConflict.String()},
}

func actorError(err error) error {
	var own *virtual.Error
	if !errors.As(err, &own) {
		return err
	}
	e := actorStatus[own.Code]
	e.Reason, e.Code = err.Error(), own.Reason
	if e.Status == 0 { // a code of a newer release
		e.Status, e.Kind = http.StatusInternalServerError, shards.KindUnknown.String()
	}
	return &e
}

// actorsHere is what this node tells of its actors.
type actorsHere struct {
	Kinds []admin.ActorKind
	Aside []admin.ActorMail
	More  bool // are set aside than Aside has
}

// asideShown bounds the messages set aside that a node tells of.
const asideShown = 100

func (n *Node) actorsHere(ctx context.Context) (h actorsHere, err error) {
	for _, k := range n.actors.Kinds() {
		kind := admin.ActorKind{Kind: k.Kind, Keyspace: k.Keyspace, Active: k.Active, Bytes: k.Bytes}
		if pushed := n.state().Kind(k.Kind); pushed != nil {
			kind.Version = pushed.Active
		}
		h.Kinds = append(h.Kinds, kind)
	}
	told := n.asideHere(ctx, &virtual.AsidePage{Limit: asideShown})
	h.Aside, h.More = told.Aside, told.Next != ""
	return h, ctx.Err()
}

// askLimit is how long a node has to tell of its actors.
const askLimit = 2 * time.Second

// List asks every node, all at once.
func (a actorsAPI) List(ctx context.Context) admin.ActorList {
	members, found, errs := askAll(ctx, a.node, askLimit, inquiry{Actors: true}, a.node.actorsHere)
	list := admin.ActorList{Nodes: make([]admin.ActorNode, len(members)), Aside: []admin.ActorMail{}}
	for i := range found {
		list.Nodes[i] = admin.ActorNode{Node: members[i].Name, Kinds: append([]admin.ActorKind{}, found[i].Kinds...)} // none are a list, too
		if errs[i] != nil {
			list.Nodes[i].Error = errs[i].Error()
		}
		list.Aside, list.MoreAside = append(list.Aside, found[i].Aside...), list.MoreAside || found[i].More
	}
	list.Lacking = lacking(list.Nodes, func(i int) bool { return errs[i] == nil && !members[i].Down && members[i].Has(cluster.RoleData) })
	return list
}

// lacking lists, by name, the kinds that come with programs and that some nodes which may lead their shards do not know.
func lacking(nodes []admin.ActorNode, leads func(i int) bool) (list []admin.KindLack) {
	knows := map[string]map[int]bool{} // nodes, by kind
	for i := range nodes {
		for _, k := range nodes[i].Kinds {
			if k.Version != 0 {
				continue // pushed: it is there when it is compiled
			}
			if knows[k.Kind] == nil {
				knows[k.Kind] = map[int]bool{}
			}
			knows[k.Kind][i] = true
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(knows)) {
		lack := admin.KindLack{Kind: kind}
		for i := range nodes {
			if !knows[kind][i] && leads(i) {
				lack.Nodes = append(lack.Nodes, nodes[i].Node)
			}
		}
		if len(lack.Nodes) > 0 {
			list = append(list, lack)
		}
	}
	return list
}

// Prepare makes the keyspace that actors are to live in.
func (a actorsAPI) Prepare(ctx context.Context, keyspace string) error {
	return a.node.makeActorKeyspace(ctx, keyspace)
}

// Inspect has the node where an actor lives tell what it keeps. Of a kind that nobody knows there may be what it kept when somebody did.
func (a actorsAPI) Inspect(ctx context.Context, name admin.ActorName) (admin.ActorInside, error) {
	id := virtual.ID{Kind: name.Kind, Name: name.Name}
	if err := id.Check("inspect"); err != nil {
		return admin.ActorInside{}, err
	}
	unknown := a.node.unknownKind(ctx, id.Kind)
	inside, err := a.inspect(ctx, id)
	if unknown != nil && (noSuchKeyspace(err) || err == nil && blank(&inside)) {
		return admin.ActorInside{}, unknown
	}
	return inside, err
}

func (a actorsAPI) inspect(ctx context.Context, id virtual.ID) (inside admin.ActorInside, err error) {
	_, node, err := a.node.actors.Where(id)
	switch {
	case err != nil:
		return inside, err
	case node == a.node.id.Node:
		return a.node.inspectActor(ctx, id)
	case node == "":
		return inside, &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("the shard of actor %s has no primary now; try again", id)}
	}
	return inside, a.node.ask(ctx, node, inquiry{Inspect: id.String()}, &inside)
}

// unknownKind is why it cannot be said that any node knows a kind; nil: one does, or it was pushed.
func (n *Node) unknownKind(ctx context.Context, kind string) error {
	if n.actors.Knows(kind) || n.state().Kind(kind) != nil {
		return nil
	}
	_, err := n.names(ctx, namesAsked{Kind: kind, Limit: 1})
	return err
}

// noSuchKeyspace says whether an actor could not be looked for since nobody has made the keyspace that it would live in.
func noSuchKeyspace(err error) bool {
	e, is := errors.AsType[*shards.Error](err)
	return is && e.Kind == shards.KindInvalid
}

// blank says whether an actor is as one that nobody has ever called.
func blank(i *admin.ActorInside) bool {
	return i.State == nil && !i.Active && i.Waiting == 0 && len(i.Data)+len(i.Reminders)+len(i.Outbox) == 0
}

func (n *Node) inspectActor(ctx context.Context, id virtual.ID) (admin.ActorInside, error) {
	marker := guest.MarkerOf(id.Kind)
	i, err := n.actors.Inspect(ctx, id, marker)
	if err != nil {
		return admin.ActorInside{}, err
	}
	inside := admin.ActorInside{
		Actor: id.String(), Shard: n.state().ShardName(i.Shard), Node: n.Name(), Active: i.Active, Handling: i.Handling, Waiting: i.Waiting, State: i.State,
		Version: guest.MarkedVersion(i.Markers[marker]), More: i.MoreData || i.MoreReminders || i.MoreSends,
		Data: []admin.ActorDatum{}, Reminders: []admin.ActorReminder{}, Outbox: []admin.ActorSend{},
	}
	for _, d := range i.Data {
		inside.Data = append(inside.Data, admin.NewActorDatum(d.Key, d.Value))
	}
	for _, r := range i.Reminders {
		inside.Reminders = append(inside.Reminders, admin.ActorReminder{Name: r.Name, Due: r.Due.UnixMilli(), Every: r.Every.Milliseconds(), Method: r.Method})
	}
	for _, o := range i.Outbox {
		inside.Outbox = append(inside.Outbox, admin.ActorSend{Number: o.Number, To: o.To.String(), Method: o.Method, Body: o.Payload, Asked: o.Asked})
	}
	return inside, nil
}
