package deciders

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// world is a cluster state with evidence, built line by line:
//
//	node N1 [host=H] [roles=R] [state=alive|grey|suspect|dead|none] [since=T] [held=T] [+down] [+draining] [+maintained]
//	keyspace orders [shards=N] [replicas=N]
//	shard orders/0 primary@N1 sync@N2 init@N3>2 [failures=N]     copies; >2 says that it takes the second one's place
//	set NAME VALUE
type world struct {
	*testing.T
	state    cluster.State
	evidence []liveness.Status
}

func newWorld(t *testing.T) *world {
	return &world{T: t, state: cluster.State{Cluster: strings.Repeat("0", 40), Version: 1, NextCopy: 1, Voters: []uint64{1}}}
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
	case "set":
		if known, err := cluster.CheckSetting(bare[1], bare[2]); !known || err != nil {
			w.Fatalf("setting %s: %v", bare[1], err)
		}
		w.state.Settings = slices.DeleteFunc(w.state.Settings, func(s cluster.Setting) bool { return s.Name == bare[1] })
		w.state.Settings = append(w.state.Settings, cluster.Setting{Name: bare[1], Value: bare[2]})
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
	m := cluster.Member{ID: shards.NodeID(strings.ToLower(name)), Name: name, Raft: uint64(len(w.state.Members) + 1), Epoch: 1, Roles: roles, Host: set["host"],
		Down: set["down"] != "", Draining: set["draining"] != "", Maintained: set["maintained"] != ""}
	w.state.Members = append(w.state.Members, m)
	if set["state"] == "none" {
		return
	}
	state, known := states[set["state"]]
	if !known {
		w.Fatalf("state %q", set["state"])
	}
	w.evidence = append(w.evidence, liveness.Status{Node: m.ID, Name: name, Epoch: 1, State: state, Since: int64(w.number(set["since"], 0)),
		Held: int64(w.number(set["held"], 0)), Reason: "its heartbeats stopped"})
}

func (w *world) shard(bare []string, set map[string]string) {
	r := w.row(bare[1])
	r.Term, r.Failures = 1, uint32(w.number(set["failures"], 0))
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
}

func (w *world) row(name string) *cluster.Shard {
	keyspace, index, _ := strings.Cut(name, "/")
	return w.state.Shard(shards.NewShardID(w.state.KeyspaceByName(keyspace).ID, w.number(index, 0)))
}

const tickLength = 100 * time.Millisecond
