package metadata

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Receive takes a message of the group, of transport.KindRaft. What cannot be read, and what comes too fast, is dropped: Raft
// sends it again.
func (g *Group) Receive(peer transport.Hello, body []byte) {
	id := g.belongs.Load()
	if id == nil || peer.Cluster != "" && peer.Cluster != *id {
		return
	}
	m := &raftpb.Message{}
	if err := proto.Unmarshal(body, m); err != nil {
		g.config.Logger.Warn("a message of the metadata group cannot be read", "node", peer.Node, "error", err)
		return
	}
	select {
	case g.inbox <- &received{peer, m}:
	default:
	}
}

// Serve answers calls of transport.KindCommand, KindJoin and KindDiscover.
func (g *Group) Serve(ctx context.Context, peer transport.Hello, kind transport.Kind, body []byte) ([]byte, error) {
	switch kind {
	case transport.KindCommand:
		return g.serveCommand(ctx, peer, body)
	case transport.KindJoin:
		return g.serveJoin(ctx, peer, body)
	case transport.KindDiscover:
		d := discovery{cluster: g.cluster(), list: strings.Join(g.config.Initial, ","), members: g.whereabouts(ctx, peer)}
		if m := g.State().Member(peer.Node); m != nil && peer.Cluster == d.cluster {
			d.known = m.Epoch
		}
		return d.encode(asksForKnown(body)), nil
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("the metadata group serves no calls of kind %s", kind)}
}

// cluster is the id of the cluster that this node belongs to, or is about to.
func (g *Group) cluster() string {
	if id := g.belongs.Load(); id != nil {
		return *id
	}
	return g.noted // not yet: but it is none that could form another one
}

// members are the addresses that the state knows.
func (g *Group) members() (list []transport.Address) {
	state := g.State()
	for i := range state.Members {
		m := &state.Members[i]
		list = append(list, transport.Address{Node: m.ID, Epoch: m.Epoch, Addr: m.Peer})
	}
	return list
}

// whereabouts are where the members were heard of last. If whoever asks is a member that has come up elsewhere the next one is told so.
func (g *Group) whereabouts(ctx context.Context, asks transport.Hello) (list []transport.Address) {
	err := g.ask(ctx, func(c *Core) {
		if asks.Cluster == g.cluster() && c.State().Member(asks.Node) != nil {
			g.loop.learn(transport.Address{Node: asks.Node, Epoch: asks.Epoch, Addr: asks.Address})
		}
		list = g.members()
		for i := range list {
			if newer, found := g.loop.book[list[i].Node]; found && newer.Epoch > list[i].Epoch {
				list[i] = newer
			}
		}
	})
	if err != nil { // it stops
		return g.members()
	}
	return list
}

func (g *Group) serveCommand(ctx context.Context, peer transport.Hello, body []byte) ([]byte, error) {
	p, err := decodeProposal(body)
	if err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if !g.knows(peer.Node, p.ID.Proposer) {
		a := answer{verdict: verdictElsewhere}
		if g.leads(ctx) && !g.knows(peer.Node, p.ID.Proposer) { // else this node may not have seen it join yet
			a = answer{verdict: verdictRefused, text: fmt.Sprintf("node %s is no member of the cluster; it must join before it changes anything", peer.Node)}
		}
		return a.encode(), nil
	}
	a, err := g.submit(ctx, p, nil)
	if a.verdict == 0 {
		return nil, err
	}
	return a.encode(), nil
}

// knows says whether a node is a member here, with that number in the group.
func (g *Group) knows(node shards.NodeID, number uint64) bool {
	m := g.State().Member(node)
	return m != nil && m.Raft == number
}

// leads says whether this node leads, as a quorum has confirmed since it was asked. Then its state has all that was committed before.
func (g *Group) leads(ctx context.Context) bool {
	if !g.Status().Won {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.Patience)
	defer cancel()
	return g.Barrier(ctx) == nil && g.Status().Won
}

func (g *Group) serveJoin(ctx context.Context, peer transport.Hello, body []byte) ([]byte, error) {
	join, err := decodeJoin(body)
	switch {
	case err != nil:
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	case join.Member.ID != peer.Node || join.Member.Epoch != peer.Epoch:
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("node %s asks to join as %s", peer.Node, join.Member.ID)}
	}
	a := welcome{cluster: g.cluster()}
	if a.cluster == "" || g.State().Cluster == "" {
		a.verdict, a.text = verdictElsewhere, "that node belongs to no cluster yet"
		return a.encode(), nil
	}
	a.outcome, err = g.Propose(ctx, &cluster.Command{Join: join})
	var refused *shards.Error
	switch {
	case err == nil:
		a.verdict, a.members = verdictApplied, g.members()
	case errors.As(err, &refused) && refused.Kind == shards.KindInvalid:
		a.verdict, a.text = verdictRefused, err.Error()
	default:
		a.verdict, a.text = verdictUnknown, err.Error()
	}
	return a.encode(), nil
}
