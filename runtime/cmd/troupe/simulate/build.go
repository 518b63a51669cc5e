package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// nodesOf is a line that brings nodes, read.
type nodesOf struct {
	count, zones, racks, hosts int
	name, zone, rack           string
	roles                      cluster.Roles
	release                    string
	attributes                 map[string]string
	machine                    machine
}

func readNodes(l *line) (*nodesOf, error) {
	text, err := l.need("how many nodes")
	if err != nil {
		return nil, err
	}
	n := &nodesOf{attributes: map[string]string{}, name: l.option("name", "n"), zone: l.option("zone", ""), rack: l.option("rack", ""), release: l.option("release", "")}
	if n.count, err = number("the number of nodes", text, 1, cluster.MaxMembers); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		name string
		to   *int
	}{{"zones", &n.zones}, {"racks", &n.racks}, {"hosts", &n.hosts}} {
		if *x.to, err = l.count(x.name, 0, 1, cluster.MaxMembers); err != nil {
			return nil, err
		}
	}
	if n.roles, err = cluster.ParseRoles(l.option("roles", "")); err != nil {
		return nil, err
	}
	m := &n.machine
	if m.capacity.CPU, err = l.float("cpu", 0, 0, 1e6); err != nil {
		return nil, err
	}
	if m.capacity.Memory, err = l.size("memory", ""); err != nil {
		return nil, err
	}
	if m.capacity.Disk, err = l.size("disk", ""); err != nil {
		return nil, err
	}
	if m.bandwidth, err = l.size("bandwidth", "100mb"); err != nil {
		return nil, err
	}
	if m.bandwidth < 1 {
		return nil, fmt.Errorf("bandwidth is 0; a recovery would never end")
	}
	m.measured = m.capacity != policies.Load{}
	for _, name := range slices.Sorted(maps.Keys(l.set)) {
		if attribute, found := strings.CutPrefix(name, "attr."); found {
			n.attributes[attribute] = l.option(name, "")
		}
	}
	return n, l.done()
}

// join brings the nodes in.
func (n *nodesOf) join(w *World) error {
	first := 1
	for w.State.MemberByName(fmt.Sprintf("%s%d", n.name, first)) != nil {
		first++
	}
	for i := range n.count {
		name := fmt.Sprintf("%s%d", n.name, first+i)
		m := cluster.Member{ID: shards.NodeID(name), Name: name, Raft: uint64(len(w.State.Members) + 1), Epoch: 1, Roles: n.roles, Host: "host-" + name, Release: n.release, Format: cluster.Format}
		for _, other := range w.State.Members {
			m.Raft = max(m.Raft, other.Raft+1)
		}
		attributes := maps.Clone(n.attributes)
		zone := n.zone
		if n.zones > 0 {
			zone = fmt.Sprintf("z%d", i%n.zones+1)
		}
		rack := n.rack
		if n.racks > 0 {
			rack = fmt.Sprintf("r%d", i/max(1, n.zones)%n.racks+1)
			if zone != "" {
				rack = zone + "-" + rack
			}
		}
		if n.hosts > 0 {
			m.Host = fmt.Sprintf("%s-host%d", n.name, i%n.hosts+1)
		}
		for key, value := range map[string]string{"zone": zone, "rack": rack} {
			if value != "" {
				attributes[key] = value
			}
		}
		for _, key := range slices.Sorted(maps.Keys(attributes)) {
			m.Attributes = append(m.Attributes, cluster.Attribute{Name: key, Value: attributes[key]})
		}
		if err := w.welcome(m, n.machine); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) welcome(m cluster.Member, x machine) error {
	c := &cluster.Command{Join: &cluster.Join{Member: m}}
	if w.State.Cluster == "" {
		c = &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: m}}
	}
	if err := w.apply(c); err != nil {
		return err
	}
	x.kept = map[shards.ShardID]bool{}
	w.machines[m.ID] = &x
	w.judge(m.ID, liveness.Alive, "")
	return nil
}

// keyspaceOf is a line about a keyspace, read.
type keyspaceOf struct {
	shards.Keyspace
	each       policies.Load // of one copy that leads, of a middling shard
	replicaCPU float64
	exponent   float64 // of the power law by which shards differ; 0: they do not
}

func readKeyspace(l *line) (*keyspaceOf, error) {
	name, err := l.need("the name of the keyspace")
	if err != nil {
		return nil, err
	}
	k := &keyspaceOf{Keyspace: shards.Keyspace{Name: name}}
	if k.Shards, err = l.count("shards", 0, 1, shards.Slots); err != nil {
		return nil, err
	}
	if k.Replicas, err = l.count("replicas", 1, 0, shards.MaxReplicas); err != nil {
		return nil, err
	}
	if k.Replicas == 0 {
		k.Replicas = shards.NoReplicas
	}
	switch d := l.option("durability", "fsync"); d {
	case "fsync":
	case "interval":
		k.Durability = shards.DurabilityInterval
	case "memory":
		k.Durability = shards.DurabilityMemory
	default:
		return nil, fmt.Errorf("durability is %q; must be fsync, interval or memory", d)
	}
	if k.each.Disk, err = l.size("data", "1gb"); err != nil {
		return nil, err
	}
	if k.each.Memory, err = l.size("memory", ""); err != nil {
		return nil, err
	}
	if k.each.CPU, err = l.float("cpu", 0, 0, 1e6); err != nil {
		return nil, err
	}
	if k.replicaCPU, err = l.float("replica_cpu", 0.5, 0, 1); err != nil {
		return nil, err
	}
	if k.exponent, err = l.float("skew", 1, 0, 10); err != nil {
		return nil, err
	}
	switch load := l.option("load", "uniform"); load {
	case "uniform":
		k.exponent = 0
	case "skew":
	default:
		return nil, fmt.Errorf("load is %q; must be uniform or skew", load)
	}
	return k, l.done()
}

// make makes the keyspace, or changes its replicas.
func (k *keyspaceOf) make(w *World) error {
	known := w.State.KeyspaceByName(k.Name)
	if known != nil {
		changed := known.Keyspace
		changed.Replicas, changed.MinInSync = k.Replicas, 0
		return w.apply(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: changed}})
	}
	if k.Shards == 0 {
		return fmt.Errorf("keyspace %s is new: say shards=N", k.Name)
	}
	if err := w.apply(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k.Keyspace}}); err != nil {
		return err
	}
	rows := w.State.ShardsOf(w.State.KeyspaceByName(k.Name).ID)
	weights := k.weights(len(rows))
	for i := range rows {
		c := &cost{primary: policies.Load{CPU: k.each.CPU * weights[i], Memory: k.each.Memory * weights[i], Disk: k.each.Disk * weights[i]}, hot: 1}
		c.replica = c.primary
		c.replica.CPU *= k.replicaCPU
		w.costs[rows[i].ID] = c
	}
	return nil
}

// weights give each shard's size, in any order, with a mean of 1.
func (k *keyspaceOf) weights(n int) []float64 {
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -k.exponent)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] *= float64(n) / sum
	}
	seed := seedOf(k.Name)
	rand.New(rand.NewPCG(seed, cmp.Or(seed, 1))).Shuffle(n, func(i, j int) { weights[i], weights[j] = weights[j], weights[i] })
	return weights
}
