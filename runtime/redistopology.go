package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
)

// drawing is a topology as it was drawn for one version of the cluster state.
type drawing struct {
	version uint64
	nodes   [][]resp.Node // by place of the keyspace
}

// Nodes is the cluster, this node first, with the slots of one keyspace. It is drawn once for each version of the state.
func (r *redis) Nodes(index int) []resp.Node {
	state := r.node.state()
	if d := r.drawn.Load(); d != nil && d.version == state.Version && index < len(d.nodes) {
		return d.nodes[index]
	}
	d := &drawing{version: state.Version}
	for _, k := range r.node.keyspaces() {
		d.nodes = append(d.nodes, r.draw(state, k))
	}
	r.drawn.Store(d)
	return d.nodes[index]
}

func (r *redis) draw(state *cluster.State, k *keyspace) []resp.Node {
	var nodes []resp.Node
	place := map[shards.NodeID]int{}
	for i := range state.Members {
		m := &state.Members[i]
		host, port := hostPort(m.RESP)
		if host == "" {
			host, _ = hostPort(m.Peer)
		}
		_, bus := hostPort(m.Peer)
		place[m.ID] = len(nodes)
		nodes = append(nodes, resp.Node{ID: string(m.ID), Name: m.Name, Host: host, Port: port, Bus: bus, Epoch: uint64(m.Epoch), Down: m.Down})
	}
	r.doubt(nodes, place)
	rows := state.ShardsOf(k.ID)
	for i := range rows {
		c := rows[i].PrimaryCopy()
		if c == nil {
			continue
		}
		first, last := k.SlotRange(i)
		at := place[c.Node]
		nodes[at].Ranges = appendRange(nodes[at].Ranges, resp.SlotRange{First: first, Last: last, Replicas: replicasOf(&rows[i])})
	}
	if own, found := place[r.node.id.Node]; found {
		nodes[0], nodes[own] = nodes[own], nodes[0]
		slices.SortStableFunc(nodes[1:], func(a, b resp.Node) int { return strings.Compare(a.Name, b.Name) })
	} else { // forgotten, or not a member yet
		host, port := hostPort(r.node.RESPAddr())
		self := resp.Node{ID: string(r.node.id.Node), Name: r.node.config.Name, Host: host, Port: port, Epoch: uint64(r.node.epoch())}
		nodes = slices.Insert(nodes, 0, self)
	}
	return nodes
}

// doubt marks the members that this node, if it is the placement leader, suspects.
func (r *redis) doubt(nodes []resp.Node, place map[shards.NodeID]int) {
	l := r.node.life.Load()
	if l == nil || l.member.Load() == nil { // not a member yet
		return
	}
	for _, known := range l.member.Load().Evidence().Nodes {
		if at, found := place[known.Node]; found {
			nodes[at].Suspect = known.State == liveness.Suspect
			nodes[at].Heard = known.HeardAt.UnixMilli()
		}
	}
}

// replicasOf are the nodes of the in-sync copies that do not lead.
func replicasOf(row *cluster.Shard) (ids []string) {
	for i := range row.Copies {
		if c := &row.Copies[i]; c.InSync && c.ID != row.Primary {
			ids = append(ids, string(c.Node))
		}
	}
	return ids
}

// appendRange adds a range, to the one before it if that ends there and has the same replicas.
func appendRange(ranges []resp.SlotRange, r resp.SlotRange) []resp.SlotRange {
	if n := len(ranges); n > 0 && ranges[n-1].Last+1 == r.First && slices.Equal(ranges[n-1].Replicas, r.Replicas) {
		ranges[n-1].Last = r.Last
		return ranges
	}
	return append(ranges, r)
}

// Primary is the node that leads the shard of a slot.
func (r *redis) Primary(index int, slot shards.Slot) (node string, here bool) {
	k := r.node.keyspaces()[index]
	id := k.id(k.ShardOf(slot))
	if local := r.node.local(id); local != nil && local.Leads() {
		return string(r.node.id.Node), true
	}
	row := r.node.state().Shard(id)
	if row == nil || row.PrimaryCopy() == nil {
		return "", false
	}
	return string(row.PrimaryCopy().Node), false
}

// errNoReplica is why a failover has nothing to do.
var errNoReplica = errors.New("this node holds no in-sync replica whose primary is elsewhere")

// Failover asks the primaries of all shards of a keyspace of which this node holds an in-sync replica to hand over to it; of
// shards without a primary the replica is promoted. force changes nothing: a living primary is never replaced behind its back,
// since it could still answer reads under its lease, and a dead one is replaced without being asked.
func (r *redis) Failover(ctx context.Context, index int, _ bool) error {
	state := r.node.state()
	command := &cluster.Reroute{}
	rows := state.ShardsOf(r.node.keyspaces()[index].ID)
	for i := range rows {
		c := rows[i].CopyOn(r.node.id.Node)
		if c == nil || !c.InSync || c.ID == rows[i].Primary {
			continue
		}
		move := cluster.Move{Kind: cluster.MoveHandTo, Copy: c.ID, Reason: "CLUSTER FAILOVER"}
		if rows[i].Primary == 0 {
			move.Kind = cluster.MovePromote
		}
		command.Rows = append(command.Rows, cluster.RowChange{Shard: rows[i].ID, Base: rows[i].Version, Moves: []cluster.Move{move}})
	}
	if len(command.Rows) == 0 {
		return &shards.Error{Kind: shards.KindInvalid, Err: errNoReplica}
	}
	return r.node.order(ctx, &cluster.Command{Reroute: command})
}

// Forget removes a member from the cluster.
func (r *redis) Forget(ctx context.Context, node string) error {
	return r.node.order(ctx, &cluster.Command{Member: &cluster.MemberChange{Node: shards.NodeID(node), Forget: true}})
}

// order proposes a command; what the state refuses is an error.
func (n *Node) order(ctx context.Context, command *cluster.Command) error {
	outcome, err := n.propose(ctx, command)
	if err == nil && outcome.Err != nil {
		err = outcome.Err
	}
	if err != nil {
		return fmt.Errorf("the cluster did not agree: %w", err)
	}
	return nil
}

func hostPort(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return host, 0
	}
	return host, port
}
