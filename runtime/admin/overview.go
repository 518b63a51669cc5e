package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// overview is the cluster at one moment, as tables and health show it: the agreed state with the evidence beside it, or the
// one node that there is.
type overview struct {
	node      Node
	nodes     []Node
	keyspaces []shards.Keyspace
	copies    []Shard // every copy of every shard, sorted by id, primary first; those that are missing as well
	now       int64
	evidence  Evidence
	state     *cluster.State // nil for a node without cluster
	views     map[shards.NodeID]View
}

// MembersOf lists the members of a node's cluster by name, as /_nodes does.
func MembersOf(b Backend) []Node { return overviewOf(b).nodes }

// HealthNow judges a node's cluster, as /_cluster/health does.
func HealthNow(b Backend) Health { return overviewOf(b).health() }

func (s *Server) overview() *overview { return overviewOf(s.backend) }

// overviewOf looks at the cluster as this node knows it. It asks nobody; figures of copies are there only for a node alone.
func overviewOf(b Backend) *overview {
	o := &overview{node: b.Node(), keyspaces: b.Keyspaces(), now: b.Now()}
	c := b.Cluster()
	if c == nil {
		o.nodes, o.copies = b.Nodes(), slices.Collect(b.Shards())
		o.evidence.Leader = o.node.ID
		return o
	}
	o.state, _ = c.State()
	o.evidence = c.Evidence()
	if len(o.state.Members) == 0 { // not yet let in
		o.node.Leader = false
		o.nodes = []Node{o.node}
		return o
	}
	o.keyspaces = nil
	for i := range o.state.Keyspaces {
		o.keyspaces = append(o.keyspaces, o.state.Keyspaces[i].Keyspace)
	}
	o.members()
	for i := range o.state.Shards {
		o.row(&o.state.Shards[i])
	}
	return o
}

// members describes every member, sorted by name.
func (o *overview) members() {
	held, led := map[shards.NodeID]int{}, map[shards.NodeID]int{}
	for i := range o.state.Shards {
		r := &o.state.Shards[i]
		for _, c := range r.Copies {
			held[c.Node]++
			if c.ID == r.Primary {
				led[c.Node]++
			}
		}
	}
	for i := range o.state.Members {
		m := &o.state.Members[i]
		n := o.describe(m)
		n.Copies, n.Primaries = held[m.ID], led[m.ID]
		o.nodes = append(o.nodes, n)
	}
	slices.SortFunc(o.nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
}

func (o *overview) describe(m *cluster.Member) Node {
	voters := o.state.Voters
	if o.evidence.Voters != nil {
		voters = o.evidence.Voters
	}
	n := Node{
		ID: m.ID, Name: m.Name, Cluster: o.node.Cluster, RESP: m.RESP, HTTP: m.HTTP, Peer: m.Peer, Version: m.Release, Epoch: m.Epoch,
		Roles: strings.Split(m.Roles.String(), ","), Leader: m.ID == o.evidence.Leader, Host: m.Host,
		Draining: m.Draining, Maintenance: m.Maintained, Excluded: m.Excluded, Voter: slices.Contains(voters, m.Raft),
	}
	if m.ID == o.node.ID {
		n.Started = o.node.Started
	}
	for _, a := range m.Attributes {
		if n.Attributes == nil {
			n.Attributes = map[string]string{}
		}
		n.Attributes[a.Name] = a.Value
	}
	seen := o.evidence.Members[m.ID]
	n.State, n.Reason, n.Load = seen.State, cmp.Or(seen.Reason, o.held(m.ID)), seen.Load
	if o.evidence.Leaderless > 0 && m.ID != o.node.ID {
		n.State, n.Reason, n.Load = Unknown, "no placement leader is known, who would say how it is", nil
	}
	if m.Down {
		n.State, n.Load = Dead, nil
		if n.Reason == "" {
			n.Reason = "it was declared dead, and has not come back"
		}
	}
	return n
}

// row adds the copies of one shard: the primary first, and at the end what is missing.
func (o *overview) row(r *cluster.Shard) {
	k := o.state.Keyspace(r.ID.Keyspace())
	from := len(o.copies)
	relocating := map[shards.CopyID]bool{}
	for _, c := range r.Copies {
		relocating[c.Source] = true
	}
	listed := len(r.Copies)
	for i := range r.Copies {
		c := &r.Copies[i]
		if c.Source != 0 { // it is there for another one, and not beside it
			listed--
		}
		o.copies = append(o.copies, o.copyOf(r, k, c, relocating[c.ID]))
	}
	missing := Shard{ID: r.ID, Keyspace: k.Name, State: ShardUnassigned, Term: r.Term, Durability: k.Durability}
	if r.Primary == 0 {
		lost := missing
		lost.Primary, lost.Reason = true, "the shard has no primary"
		o.copies = append(o.copies, lost)
		listed = max(1, listed)
	}
	for range k.Copies() - listed {
		missing.Reason = "no node has been given this copy"
		o.copies = append(o.copies, missing)
	}
	slices.SortStableFunc(o.copies[from:], func(a, b Shard) int { return order(b.Primary) - order(a.Primary) })
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (o *overview) copyOf(r *cluster.Shard, k *cluster.Keyspace, c *cluster.Copy, relocating bool) Shard {
	s := Shard{
		ID: r.ID, Keyspace: k.Name, Node: c.Node, Copy: c.ID, Primary: c.ID == r.Primary, InSync: c.InSync, State: ShardInitializing,
		Term: r.Term, Durability: k.Durability,
	}
	m := o.state.Member(c.Node)
	switch {
	case m == nil || m.Down:
		s.State, s.Reason = ShardUnassigned, "its node is down"
	case c.Failed:
		s.State, s.Reason = ShardUnassigned, "its node cannot open it"
	case c.InSync && relocating:
		s.State = ShardRelocating
	case c.InSync:
		s.State = ShardStarted
	case c.Source != 0:
		s.Reason = "it will take the place of another copy"
	default:
		s.Reason = "it is coming in sync"
	}
	return s
}

// viewTimeout bounds how long a table waits for members that do not answer.
const viewTimeout = 2 * time.Second

// ask adds the figures of each copy, as its node knows them. What does not come in time is left out.
func (o *overview) ask(ctx context.Context, c Cluster) {
	if o.state == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	views := make([]View, len(o.state.Members))
	var asked sync.WaitGroup
	for i := range o.state.Members {
		m := &o.state.Members[i]
		if m.Down {
			continue
		}
		asked.Go(func() {
			if v, err := c.View(ctx, m.ID, true); err == nil { // else the table shows no figures of it
				views[i] = v
			}
		})
	}
	asked.Wait()
	type place struct {
		shard shards.ShardID
		node  shards.NodeID
	}
	told := map[place]*Shard{}
	coming := map[shards.CopyID]*Recovery{}
	o.views = map[shards.NodeID]View{}
	for i := range views {
		o.views[o.state.Members[i].ID] = views[i]
		for j := range views[i].Arriving {
			coming[views[i].Arriving[j].Copy] = &views[i].Arriving[j].Recovery
		}
		for j := range views[i].Copies {
			c := &views[i].Copies[j]
			told[place{c.ID, o.state.Members[i].ID}] = c
		}
	}
	for i := range o.copies {
		c := &o.copies[i]
		if t := told[place{c.ID, c.Node}]; t != nil {
			c.Told = t.LastTerm > 0 || t.Reason == "" && t.Applied == 0 // a node of a release before says nothing of its end
			c.Last, c.LastTerm = t.Last, t.LastTerm
			c.Applied, c.Rolling, c.Keys, c.Bytes, c.LogBytes = t.Applied, t.Rolling, t.Keys, t.Bytes, t.LogBytes
			c.Reason = cmp.Or(t.Reason, c.Reason)
		}
		if r := coming[c.Copy]; r != nil && !c.InSync {
			c.Recovery = r
		}
	}
}

// nodeName is the name of a node for people; a dash where there is none.
func (o *overview) nodeName(id shards.NodeID) string {
	for i := range o.nodes {
		if o.nodes[i].ID == id {
			return o.nodes[i].Name
		}
	}
	return dash(string(id))
}
