package deciders

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// world is a cluster state with evidence, built line by line:
//
//	node N1 [host=H] [roles=R] [state=alive|grey|suspect|dead|none] [since=T] [held=T] [+down] [+draining] [+maintained]
//	        [.ATTRIBUTE=VALUE] [peer=P] [format=N] [release=R] [disk=USED/CAPACITY] [memory=USED/CAPACITY]
//	keyspace orders [shards=N] [replicas=N]
//	shard orders/0 primary@N1 sync@N2 init@N3>2 [failures=N] [failed=T] [disk=SIZE] [memory=SIZE]
//	                                       copies; >2 says that it takes the second one's place; SIZE of one copy
//	rebalanced orders/0 at=2026-11-25T12:00 [size=SIZE]     it began to move for balance then
//	set NAME [VALUE]
//
// A line for a node or a shard that is there already says it anew.
type world struct {
	*testing.T
	state  cluster.State
	facts  policies.Facts
	floods map[shards.NodeID]policies.Flood
}

func newWorld(t *testing.T) *world {
	return &world{T: t, floods: map[shards.NodeID]policies.Flood{}, state: cluster.State{Cluster: strings.Repeat("0", 40), Version: 1, NextCopy: 1, Voters: []uint64{1}}}
}

// words cuts a line into its words and its settings, name=value or +name.
func words(text string) (bare []string, set map[string]string) {
	set = map[string]string{}
	for word := range strings.FieldsSeq(text) {
		if flag, found := strings.CutPrefix(word, "+"); found {
			set[flag] = "true"
		} else if name, value, found := strings.Cut(word, "="); found {
			set[name] = value
		} else {
			bare = append(bare, word)
		}
	}
	return bare, set
}

func (w *world) number(text string, otherwise int) int {
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// build takes a line, and says whether it was one of a world's.
func (w *world) build(line string) bool {
	bare, set := words(line)
	switch bare[0] {
	case "node":
		w.node(bare[1], set)
	case "keyspace":
		k := shards.Keyspace{ID: w.state.NextKeyspace, Name: bare[1], Shards: w.number(set["shards"], 1), Replicas: w.number(set["replicas"], 1)}
		if err := k.Validate(); err != nil {
			w.Fatal(err)
		}
		w.state.NextKeyspace++
		w.state.Keyspaces = append(w.state.Keyspaces, cluster.Keyspace{Keyspace: k})
		for i := range k.Shards {
			w.state.Shards = append(w.state.Shards, cluster.Shard{ID: shards.NewShardID(k.ID, i)})
		}
	case "shard":
		w.shard(bare, set)
	case "rebalanced":
		at, err := time.Parse("2006-01-02T15:04", set["at"])
		if err != nil {
			w.Fatal(err)
		}
		for i := range w.state.Members {
			w.state.Members[i].Format = cluster.FormatBudget // they read of it
		}
		w.state.Rebalances = append(w.state.Rebalances, cluster.Rebalance{Shard: w.row(bare[1]).ID, At: at.UnixMilli(), Bytes: uint64(w.size(set["size"]))})
	case "set":
		value := strings.Join(bare[2:], " ")
		if known, err := cluster.CheckSetting(bare[1], value); !known || err != nil {
			w.Fatalf("setting %s: known %t, %v", bare[1], known, err)
		}
		w.state.Settings = slices.DeleteFunc(w.state.Settings, func(s cluster.Setting) bool { return s.Name == bare[1] })
		if value != "" {
			w.state.Settings = append(w.state.Settings, cluster.Setting{Name: bare[1], Value: value})
		}
		slices.SortFunc(w.state.Settings, func(a, b cluster.Setting) int { return strings.Compare(a.Name, b.Name) })
	default:
		return false
	}
	if err := cluster.Check(&w.state); err != nil {
		w.Fatalf("%s: %v", line, err)
	}
	return true
}

var states = map[string]liveness.State{"": liveness.Alive, "alive": liveness.Alive, "grey": liveness.Grey, "suspect": liveness.Suspect, "dead": liveness.Dead}

func (w *world) node(name string, set map[string]string) {
	roles, err := cluster.ParseRoles(set["roles"])
	if err != nil {
		w.Fatal(err)
	}
	id := shards.NodeID(strings.ToLower(name))
	m := cluster.Member{ID: id, Name: name, Raft: uint64(len(w.state.Members) + 1), Epoch: 1, Roles: roles, Host: set["host"], Peer: set["peer"],
		Release: set["release"], Format: uint32(w.number(set["format"], 0)), Down: set["down"] != "", Draining: set["draining"] != "", Maintained: set["maintained"] != ""}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if attribute, found := strings.CutPrefix(key, "."); found {
			m.Attributes = append(m.Attributes, cluster.Attribute{Name: attribute, Value: set[key]})
		}
	}
	if known := w.state.Member(id); known != nil {
		m.Raft, *known = known.Raft, m
		known.Raft = m.Raft
	} else {
		w.state.Members = append(w.state.Members, m)
	}
	w.facts.Evidence = slices.DeleteFunc(w.facts.Evidence, func(e liveness.Status) bool { return e.Node == id })
	w.facts.Loads.Nodes = slices.DeleteFunc(w.facts.Loads.Nodes, func(l policies.NodeLoad) bool { return l.Node == id })
	load := policies.NodeLoad{Node: id, Epoch: 1}
	load.Used.Disk, load.Capacity.Disk = w.part(set["disk"])
	load.Used.Memory, load.Capacity.Memory = w.part(set["memory"])
	w.facts.Loads.Nodes = append(w.facts.Loads.Nodes, load)
	slices.SortFunc(w.facts.Loads.Nodes, func(a, b policies.NodeLoad) int { return cmp.Compare(a.Node, b.Node) })
	if set["state"] == "none" {
		return
	}
	state, known := states[set["state"]]
	if !known {
		w.Fatalf("state %q", set["state"])
	}
	w.facts.Evidence = append(w.facts.Evidence, liveness.Status{Node: id, Name: name, Epoch: 1, State: state, Since: int64(w.number(set["since"], 0)),
		Held: int64(w.number(set["held"], 0)), Reason: "its heartbeats stopped"})
	slices.SortFunc(w.facts.Evidence, func(a, b liveness.Status) int { return cmp.Compare(a.Node, b.Node) })
}

// part reads "30gb/100gb"; no text is 0 of 0.
func (w *world) part(text string) (used, capacity float64) {
	if text == "" {
		return 0, 0
	}
	a, b, _ := strings.Cut(text, "/")
	return w.size(a), w.size(b)
}

func (w *world) size(text string) float64 {
	if text == "" {
		return 0
	}
	n, err := cluster.ParseSize(text)
	if err != nil {
		w.Fatalf("size %q: %v", text, err)
	}
	return n
}

func (w *world) shard(bare []string, set map[string]string) {
	r := w.row(bare[1])
	r.Term, r.Failures, r.Primary, r.Copies = 1, uint32(w.number(set["failures"], 0)), 0, nil
	for _, text := range bare[2:] {
		role, node, _ := strings.Cut(text, "@")
		node, source, _ := strings.Cut(node, ">")
		c := cluster.Copy{ID: w.state.NextCopy, Node: shards.NodeID(strings.ToLower(node)), InSync: role != "init", Started: role != "init"}
		w.state.NextCopy++
		if source != "" {
			c.Source = r.Copies[w.number(source, 0)-1].ID
		}
		switch role {
		case "primary":
			r.Primary = c.ID
		case "fresh":
			r.Primary, c.Fresh = c.ID, true
		case "failed":
			c.Failed = true
		}
		r.Copies = append(r.Copies, c)
	}
	w.measure(r.ID, set)
}

// measure notes what a shard costs and when it failed.
func (w *world) measure(id shards.ShardID, set map[string]string) {
	l := policies.Load{Disk: w.size(set["disk"]), Memory: w.size(set["memory"])}
	w.facts.Loads.Shards = slices.DeleteFunc(w.facts.Loads.Shards, func(l policies.ShardLoad) bool { return l.Shard == id })
	if l != (policies.Load{}) {
		w.facts.Loads.Shards = append(w.facts.Loads.Shards, policies.ShardLoad{Shard: id, Primary: l, Replica: l})
		slices.SortFunc(w.facts.Loads.Shards, func(a, b policies.ShardLoad) int { return cmp.Compare(a.Shard, b.Shard) })
	}
	w.facts.Setbacks = slices.DeleteFunc(w.facts.Setbacks, func(s policies.Setback) bool { return s.Shard == id })
	if at, found := set["failed"]; found {
		w.facts.Setbacks = append(w.facts.Setbacks, policies.Setback{Shard: id, Ticks: int64(w.number(at, 0))})
		slices.SortFunc(w.facts.Setbacks, func(a, b policies.Setback) int { return cmp.Compare(a.Shard, b.Shard) })
	}
}

func (w *world) row(name string) *cluster.Shard {
	keyspace, index, _ := strings.Cut(name, "/")
	return w.state.Shard(shards.NewShardID(w.state.KeyspaceByName(keyspace).ID, w.number(index, 0)))
}

const tickLength = 100 * time.Millisecond
