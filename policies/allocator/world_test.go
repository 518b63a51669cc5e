package allocator

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

const tickLength = 100 * time.Millisecond

// world is a cluster whose placement leader is the allocator, and whose nodes do at once, or when told, what the table says.
type world struct {
	testing.TB
	state    *cluster.State
	evidence []liveness.Status
	policies *policies.Set
	seed     uint64
	ticks    int64
	moves    []cluster.Move                  // all that were planned
	weights  []policies.ShardLoad            // what shards cost, if that is measured
	power    map[shards.NodeID]policies.Load // what nodes can bear
	behind   []cluster.Behind
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{TB: t, state: &cluster.State{}, policies: &policies.Set{Deciders: deciders.All()}, seed: seed}
}

func (w *world) apply(c *cluster.Command) cluster.Outcome {
	w.Helper()
	after, o := w.state.Apply(c)
	if err := cluster.CheckStep(w.state, after); err != nil {
		w.Fatal(err)
	}
	w.state = after
	return o
}

func (w *world) must(c *cluster.Command) {
	w.Helper()
	if o := w.apply(c); o.Err != nil || len(o.Rows) > 0 {
		w.Fatalf("refused: %v %v", o.Err, o.Rows)
	}
}

func nodeID(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("n%03d", i)) }

// join adds a member, or begins its next life; host, roles and zone may be empty.
func (w *world) join(i int, host string, roles cluster.Roles) {
	m := cluster.Member{ID: nodeID(i), Name: fmt.Sprintf("N%d", i), Raft: uint64(i), Epoch: 1, Roles: roles, Host: host, Format: cluster.Format}
	if known := w.state.Member(m.ID); known != nil {
		m.Epoch = known.Epoch + 1
		m.Host, m.Roles = known.Host, known.Roles
	}
	if w.state.Cluster == "" {
		w.must(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: m}})
	} else {
		w.must(&cluster.Command{Join: &cluster.Join{Member: m}})
	}
	w.judge(m.ID, liveness.Alive, "")
}

// judge sets the evidence about a member.
func (w *world) judge(id shards.NodeID, s liveness.State, reason string) {
	e := liveness.Status{Node: id, Epoch: w.state.Member(id).Epoch, State: s, Since: w.ticks, Reason: reason}
	at, found := slices.BinarySearchFunc(w.evidence, id, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
	if !found {
		w.evidence = slices.Insert(w.evidence, at, e)
	}
	w.evidence[at] = e
}

func (w *world) keyspace(name string, n, replicas int) {
	if replicas == 0 {
		replicas = shards.NoReplicas
	}
	w.must(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: name, Shards: n, Replicas: replicas}}})
}

func (w *world) input() Input {
	return Input{State: w.state, Evidence: w.evidence, Policies: w.policies, Seed: w.seed, Ticks: w.ticks, TickLength: tickLength, Now: w.now(), Loads: w.measure(), Behind: w.behind}
}

// now is what the leader's clock says: the world begins on a Monday.
func (w *world) now() time.Time {
	return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Duration(w.ticks) * tickLength)
}

// compiles says whether a node is not ready yet for the actors of a keyspace.
func (w *world) compiles(id shards.NodeID, space shards.KeyspaceID, yes bool) {
	w.behind = slices.DeleteFunc(slices.Clone(w.behind), func(b cluster.Behind) bool { return b.Node == id && b.Keyspace == space })
	if yes {
		w.behind = append(w.behind, cluster.Behind{Keyspace: space, Node: id, Reason: "node " + w.state.NodeName(id) + " compiles"})
	}
	slices.SortFunc(w.behind, func(a, b cluster.Behind) int {
		return cmp.Or(cmp.Compare(a.Keyspace, b.Keyspace), cmp.Compare(a.Node, b.Node))
	})
}

// late says whether a node is not ready for the actors of a shard's keyspace.
func (w *world) late(r *cluster.Shard, id shards.NodeID) bool {
	return slices.ContainsFunc(w.behind, func(b cluster.Behind) bool { return b.Node == id && b.Keyspace == r.ID.Keyspace() })
}

// measure is what members would report, if they are to measure at all.
func (w *world) measure() (l policies.Loads) {
	if w.power == nil {
		return l
	}
	l.Shards = w.weights
	for i := range w.state.Members {
		m := &w.state.Members[i]
		n := policies.NodeLoad{Node: m.ID, Epoch: m.Epoch, Capacity: w.power[m.ID]}
		for j := range w.state.Shards {
			r := &w.state.Shards[j]
			at, known := slices.BinarySearchFunc(w.weights, r.ID, func(l policies.ShardLoad, id shards.ShardID) int { return cmp.Compare(l.Shard, id) })
			if c := r.CopyOn(m.ID); c != nil && known {
				if c.ID == r.Primary {
					n.Used = n.Used.Plus(w.weights[at].Primary)
				} else {
					n.Used = n.Used.Plus(w.weights[at].Replica)
				}
			}
		}
		l.Nodes = append(l.Nodes, n)
	}
	return l
}

// reroute plans once and commits what was planned.
func (w *world) reroute() *Plan {
	w.Helper()
	p := Make(w.input())
	if c := p.Command(); c != nil {
		w.must(&cluster.Command{Reroute: c})
		if err := cluster.Check(w.state); err != nil {
			w.Fatal(err)
		}
	}
	for _, r := range p.Rows {
		w.moves = append(w.moves, r.Moves...)
	}
	return p
}

// work lets living nodes do what the table asks of them: open fresh copies, recover, hand over. It says whether anything was done.
func (w *world) work() bool {
	before := w.state.Version
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		p := r.PrimaryCopy()
		if p == nil || !w.alive(p.Node) {
			continue
		}
		c := &cluster.InSync{Shard: r.ID, Term: r.Term, Primary: r.Primary}
		for _, x := range r.Copies {
			if !x.InSync && w.alive(x.Node) {
				c.Add = append(c.Add, x.ID)
			}
		}
		if len(c.Add) > 0 || p.Fresh {
			w.must(&cluster.Command{InSync: c})
		}
		r = &w.state.Shards[i]
		to := r.HandTo
		for _, x := range r.Copies {
			if x.InSync && x.Source == r.Primary {
				to = x.ID
			}
		}
		if to != 0 && w.alive(r.Copy(to).Node) {
			w.must(&cluster.Command{HandOver: &cluster.HandOver{Shard: r.ID, Term: r.Term, From: r.Primary, To: to}})
		}
	}
	return w.state.Version != before
}

// alive is the truth about a node, as far as evidence has it: the dead do no work.
func (w *world) alive(id shards.NodeID) bool {
	at, found := slices.BinarySearchFunc(w.evidence, id, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
	return found && w.evidence[at].State != liveness.Dead
}

// settle plans and works until nothing is left to do, and proves that planning once more does nothing. It gives the rounds.
func (w *world) settle() int {
	w.Helper()
	for round := range 10000 {
		p := w.reroute()
		if worked := w.work(); !worked && p.Command() == nil {
			if again := Make(w.input()); again.Command() != nil {
				w.Fatalf("a fixed point that is none: %+v", again.Command())
			}
			return round
		}
	}
	w.Fatalf("no end in 10000 rounds")
	return 0
}

// number reads a setting of a line.
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

// spread prints what each living node holds and leads, as in "N1 4/2".
func (w *world) spread() string {
	var out []string
	for i := range w.state.Members {
		m := &w.state.Members[i]
		held, led := 0, 0
		for j := range w.state.Shards {
			r := &w.state.Shards[j]
			if c := r.CopyOn(m.ID); c != nil {
				held++
				if c.ID == r.Primary {
					led++
				}
			}
		}
		text := fmt.Sprintf("%s %d/%d", m.Name, held, led)
		if m.Down {
			text += " down"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
