package tck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// World is a cluster state with what is known beside it.
type World struct {
	Name  string
	State *cluster.State
	Facts policies.Facts
}

// View is a new one.
func (w *World) View() *policies.View { return policies.NewView(w.State, w.Facts) }

// tickLength is that of every world.
const tickLength = 100 * time.Millisecond

// Parse reads a world, a line for each thing in it:
//
//	node N1 [host=H] [roles=R] [state=alive|grey|suspect|dead|none] [since=T] [held=T] [format=F] [NAME:VALUE …] [+down]
//	        [+draining] [+maintained] [cpu=USED/CAPACITY] [memory=USED/CAPACITY] [disk=USED/CAPACITY]
//	keyspace orders [shards=N] [replicas=N]
//	shard orders/0 [primary@N1] [fresh@N1] [sync@N2] [init@N3[>2]] [failed@N4] [handto=2] [failures=N] [setback=T]
//	        [disk=PRIMARY/REPLICA] [memory=PRIMARY/REPLICA] [cpu=PRIMARY/REPLICA]     >2: it takes the second copy's place
//	rebalanced orders/0 at=2026-11-23T22:00:00Z [bytes=N]     it began to move for balance then
//	set NAME VALUE
//	ticks T
//	now 2026-11-23T22:30:00Z
//
// Lines that begin with # and empty ones are passed over. A world that no cluster could be in is refused.
func Parse(name, text string) (*World, error) {
	r := &reader{World: &World{Name: name, State: &cluster.State{Cluster: strings.Repeat("0", 40), Version: 1, NextCopy: 1},
		Facts: policies.Facts{TickLength: tickLength}}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := r.line(line); err != nil {
			return nil, fmt.Errorf("tck: %s:%d: %w", name, number, err)
		}
	}
	if len(r.State.Members) > 0 {
		r.State.Voters = []uint64{1}
	}
	slices.SortFunc(r.State.Settings, func(a, b cluster.Setting) int { return strings.Compare(a.Name, b.Name) })
	if err := cluster.Check(r.State); err != nil {
		return nil, fmt.Errorf("tck: %s is no state of a cluster: %w", name, err)
	}
	return r.World, nil
}

// reader is a world that is being read.
type reader struct{ *World }

func (r *reader) line(text string) error {
	words := strings.Fields(text)
	rest := words[min(2, len(words)):]
	switch {
	case len(words) < 2:
		return fmt.Errorf("%q lacks a word", text)
	case words[0] == "node":
		return r.node(words[1], rest)
	case words[0] == "keyspace":
		return r.keyspace(words[1], rest)
	case words[0] == "shard":
		return r.shard(words[1], rest)
	case words[0] == "rebalanced":
		return r.rebalanced(words[1], rest)
	case words[0] == "set":
		value := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(text, "set")), words[1]))
		if known, err := cluster.CheckSetting(words[1], value); !known || err != nil || value == "" {
			return fmt.Errorf("setting %s is %q: known is %v: %w", words[1], value, known, err)
		}
		r.State.Settings = append(r.State.Settings, cluster.Setting{Name: words[1], Value: value})
	case words[0] == "ticks":
		return parse(&r.Facts.Ticks, words[1])
	case words[0] == "now":
		at, err := time.Parse(time.RFC3339, words[1])
		r.Facts.Now = at
		return err
	default:
		return fmt.Errorf("unknown word %q", words[0])
	}
	return nil
}

func (r *reader) rebalanced(name string, words []string) (err error) {
	x := cluster.Rebalance{}
	keyspace, number, _ := strings.Cut(name, "/")
	index, err := strconv.Atoi(number)
	k := r.State.KeyspaceByName(keyspace)
	if err != nil || k == nil {
		return fmt.Errorf("there is no shard %s", name)
	}
	x.Shard = shards.NewShardID(k.ID, index)
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "at":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return err
			}
			x.At = at.UnixMilli()
		case "bytes":
			if x.Bytes, err = strconv.ParseUint(value, 10, 64); err != nil {
				return err
			}
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
	r.State.Rebalances = append(r.State.Rebalances, x)
	return nil
}

func parse[T ~int64 | ~uint32](into *T, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	*into = T(n)
	return err
}

var states = map[string]liveness.State{"alive": liveness.Alive, "grey": liveness.Grey, "suspect": liveness.Suspect, "dead": liveness.Dead, "none": 0}

func (r *reader) node(name string, words []string) (err error) {
	m := cluster.Member{ID: shards.NodeID(strings.ToLower(name)), Name: name, Raft: uint64(len(r.State.Members) + 1), Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.FormatPolicies}
	e := liveness.Status{Node: m.ID, Name: name, Epoch: 1, State: liveness.Alive, Reason: "its heartbeats stopped"}
	load := policies.NodeLoad{Node: m.ID, Epoch: 1}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		attribute, is, attributed := strings.Cut(word, ":")
		switch {
		case key == "host":
			m.Host = value
		case key == "roles":
			m.Roles, err = cluster.ParseRoles(value)
		case key == "state":
			e.State = states[value]
		case key == "since":
			err = parse(&e.Since, value)
		case key == "held":
			err = parse(&e.Held, value)
		case key == "format":
			err = parse(&m.Format, value)
		case key == "cpu" || key == "memory" || key == "disk":
			err = pair(key, value, &load.Used, &load.Capacity)
		case word == "+down":
			m.Down = true
		case word == "+draining":
			m.Draining = true
		case word == "+maintained":
			m.Maintained = true
		case attributed:
			m.Attributes = append(m.Attributes, cluster.Attribute{Name: attribute, Value: is})
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return err
		}
	}
	slices.SortFunc(m.Attributes, func(a, b cluster.Attribute) int { return strings.Compare(a.Name, b.Name) })
	r.State.Members = append(r.State.Members, m)
	if e.State != 0 {
		r.Facts.Evidence = append(r.Facts.Evidence, e)
	}
	if load.Capacity != (policies.Load{}) {
		r.Facts.Loads.Nodes = append(r.Facts.Loads.Nodes, load)
	}
	slices.SortFunc(r.State.Members, func(a, b cluster.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(r.Facts.Evidence, func(a, b liveness.Status) int { return strings.Compare(string(a.Node), string(b.Node)) })
	slices.SortFunc(r.Facts.Loads.Nodes, func(a, b policies.NodeLoad) int { return strings.Compare(string(a.Node), string(b.Node)) })
	return nil
}

// pair reads two figures of one dimension.
func pair(dimension, text string, a, b *policies.Load) error {
	first, second, _ := strings.Cut(text, "/")
	for _, x := range []struct {
		text string
		load *policies.Load
	}{{first, a}, {second, b}} {
		v, err := strconv.ParseFloat(x.text, 64)
		if err != nil {
			return err
		}
		switch dimension {
		case "cpu":
			x.load.CPU = v
		case "memory":
			x.load.Memory = v
		default:
			x.load.Disk = v
		}
	}
	return nil
}

func (r *reader) keyspace(name string, words []string) error {
	k := shards.Keyspace{ID: r.State.NextKeyspace, Name: name}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(value)
		switch {
		case err != nil:
			return err
		case key == "shards":
			k.Shards = n
		case key == "replicas" && n == 0:
			k.Replicas = shards.NoReplicas
		case key == "replicas":
			k.Replicas = n
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
	if err := k.Validate(); err != nil {
		return err
	}
	r.State.NextKeyspace++
	r.State.Keyspaces = append(r.State.Keyspaces, cluster.Keyspace{Keyspace: k})
	for i := range k.Shards {
		r.State.Shards = append(r.State.Shards, cluster.Shard{ID: shards.NewShardID(k.ID, i)})
	}
	return nil
}

func (r *reader) shard(name string, words []string) (err error) {
	keyspace, number, _ := strings.Cut(name, "/")
	index, err := strconv.Atoi(number)
	k := r.State.KeyspaceByName(keyspace)
	if err != nil || k == nil || index < 0 || index >= k.Shards {
		return fmt.Errorf("there is no shard %s", name)
	}
	row := r.State.Shard(shards.NewShardID(k.ID, index))
	row.Term = 1
	load := policies.ShardLoad{Shard: row.ID}
	for _, word := range words {
		key, value, set := strings.Cut(word, "=")
		switch {
		case key == "failures":
			err = parse(&row.Failures, value)
		case key == "setback":
			s := policies.Setback{Shard: row.ID}
			err = parse(&s.Ticks, value)
			r.Facts.Setbacks = append(r.Facts.Setbacks, s)
		case key == "handto":
			n, _ := strconv.Atoi(value)
			if n < 1 || n > len(row.Copies) {
				return fmt.Errorf("shard %s has no copy %s to hand over to", name, value)
			}
			row.HandTo = row.Copies[n-1].ID
		case set:
			err = pair(key, value, &load.Primary, &load.Replica)
		default:
			err = r.copy(row, word)
		}
		if err != nil {
			return err
		}
	}
	if load.Primary != (policies.Load{}) || load.Replica != (policies.Load{}) {
		r.Facts.Loads.Shards = append(r.Facts.Loads.Shards, load)
	}
	return nil
}

func (r *reader) copy(row *cluster.Shard, word string) error {
	role, node, found := strings.Cut(word, "@")
	node, source, replaces := strings.Cut(node, ">")
	if !found || r.State.Member(shards.NodeID(strings.ToLower(node))) == nil {
		return fmt.Errorf("%q names no copy on a node", word)
	}
	c := cluster.Copy{ID: r.State.NextCopy, Node: shards.NodeID(strings.ToLower(node)), InSync: role != "init", Started: role != "init"}
	r.State.NextCopy++
	if replaces {
		n, _ := strconv.Atoi(source)
		if n < 1 || n > len(row.Copies) {
			return fmt.Errorf("%q takes the place of no copy before it", word)
		}
		c.Source = row.Copies[n-1].ID
	}
	switch role {
	case "primary":
		row.Primary = c.ID
	case "fresh":
		row.Primary, c.Fresh = c.ID, true
	case "failed":
		c.Failed = true
	case "sync", "init":
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	row.Copies = append(row.Copies, c)
	return nil
}
