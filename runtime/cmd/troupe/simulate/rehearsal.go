package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Rehearsal is what losing a part of a cluster would come to.
type Rehearsal struct {
	Part        Part             `json:"-"`
	Lost        string           `json:"lost"`        // as in "rack r1"
	Nodes       []string         `json:"nodes"`       // that are lost with it
	Led         int              `json:"led"`         // shards that lose their primary
	Single      int              `json:"single_copy"` // shards of which one copy in sync is left, until they have recovered
	Gone        []string         `json:"gone"`        // shards of which none is left: what is not served until a node is back
	Unplaceable []Unplaceable    `json:"unplaceable"` // shards that lack copies which no node may have
	Keyspaces   []KeyspaceHealth `json:"keyspaces"`   // at the end
	Unmeasured  int              `json:"unmeasured"`  // shards whose size is not known: bytes and times lack them
	World       *World           `json:"-"`           // at the end
	*Result     `json:"result"`
}

// Unplaceable says why a copy has no place.
type Unplaceable struct {
	Shard string   `json:"shard"`
	Why   string   `json:"why"`
	Words []string `json:"words"`      // of each node that lives: the strictest rule and its sentence
	InWay []string `json:"in_the_way"` // the fewest rules that together leave no node
}

// KeyspaceHealth counts the shards of a keyspace.
type KeyspaceHealth struct {
	Name   string `json:"keyspace"`
	Shards int    `json:"shards"`
	Red    int    `json:"red"`
	Yellow int    `json:"yellow"`
}

// Survived says whether the cluster gets over the loss by itself: all is served, and every copy has a place.
func (r *Rehearsal) Survived() bool { return len(r.Gone) == 0 && len(r.Unplaceable) == 0 && r.Red == 0 }

// maxListed bounds the shards that a rehearsal explains.
const maxListed = 20

// rehearsedLooks bounds the looks for the sake of policies that look at the time: one a minute of a day, since clusters may be large, and
// there may be many parts to lose.
const rehearsedLooks = 1440

// Rehearse loses a part of the cluster that a leader saw, and lets what follows come to its end, for as long as horizon at most. over is World.Over.
func Rehearse(in allocator.Input, set *policies.Set, p Part, silent bool, horizon time.Duration, over func() error) (*Rehearsal, error) {
	w := Copy(in, set)
	w.patience, w.Over = horizon/rehearsedLooks, over
	r := &Rehearsal{Part: p, Lost: p.Kind + " " + p.Name, Nodes: []string{}, Gone: []string{}, Unplaceable: []Unplaceable{}, Unmeasured: w.Unmeasured()}
	lost := map[shards.NodeID]bool{}
	for i := range in.State.Members {
		if m := &in.State.Members[i]; p.Of(m) {
			lost[m.ID] = true
			r.Nodes = append(r.Nodes, m.Name)
		}
	}
	if len(lost) == 0 {
		return nil, fmt.Errorf("there is no %s %q", p.Kind, p.Name)
	}
	r.hurt(w, lost)
	if err := w.Lose(p, silent); err != nil {
		return nil, err
	}
	var err error
	if r.Result, err = w.Run("lose "+r.Lost, horizon, nil); err != nil {
		return nil, err
	}
	r.Keyspaces, r.World = w.keyspaces(), w
	return r, w.unplaceable(r)
}

// hurt counts what the loss does at once.
func (r *Rehearsal) hurt(w *World, lost map[shards.NodeID]bool) {
	for i := range w.State.Shards {
		s := &w.State.Shards[i]
		left, had := 0, 0
		for n := range s.Copies {
			c := &s.Copies[n]
			if !c.InSync || c.Failed || !w.alive(c.Node) {
				continue
			}
			had++
			if !lost[c.Node] {
				left++
			}
		}
		if p := s.PrimaryCopy(); p != nil && lost[p.Node] {
			r.Led++
		}
		switch {
		case had == left:
		case left == 0:
			r.Gone = append(r.Gone, w.State.ShardName(s.ID))
		case left == 1:
			r.Single++
		}
	}
}

func (w *World) keyspaces() (out []KeyspaceHealth) {
	for i := range w.State.Keyspaces {
		k := &w.State.Keyspaces[i]
		h := KeyspaceHealth{Name: k.Name, Shards: k.Shards}
		for _, s := range w.State.ShardsOf(k.ID) {
			in := 0
			for n := range s.Copies {
				if c := &s.Copies[n]; c.InSync && w.alive(c.Node) {
					in++
				}
			}
			switch {
			case !w.served(&s):
				h.Red++
			case in < k.Copies():
				h.Yellow++
			}
		}
		out = append(out, h)
	}
	return out
}

// homeless says that a plan found no place for a copy: one that is missing, or may not stay where it is. A shard without a primary is red
// instead; and what is refused for evenness, or of copies that are too many, is no loss.
func homeless(d *allocator.Decision) bool {
	switch d.Lane {
	case allocator.Create, allocator.Missing, allocator.Evacuate:
		return d.Move.Kind == 0 && d.Verdict == policies.No
	}
	return false
}

// unplaceable explains what the last plan found no place for.
func (w *World) unplaceable(r *Rehearsal) error {
	if w.plan == nil {
		return nil
	}
	seen := map[shards.ShardID]bool{}
	for i := range w.plan.Decisions {
		d := &w.plan.Decisions[i]
		if !homeless(d) || seen[d.Shard] {
			continue
		}
		seen[d.Shard] = true
		u := Unplaceable{Shard: d.Name, Why: d.Reason}
		if len(r.Unplaceable) < maxListed {
			e, err := allocator.Explain(w.Input(), d.Shard)
			if err != nil {
				return err
			}
			u.Words = w.words(e)
			for n := range e.Conflict {
				u.InWay = append(u.InWay, e.Conflict[n].String())
			}
		}
		r.Unplaceable = append(r.Unplaceable, u)
	}
	return nil
}

// words are the strictest sentences about each living node that could hold copies at all.
func (w *World) words(e *allocator.Explanation) (out []string) {
	for i := range e.Nodes {
		m := w.State.MemberByName(e.Nodes[i].Node)
		if m == nil || m.Down || !m.Has(cluster.RoleData) {
			continue
		}
		word := e.Place(i).Decisive()
		out = append(out, fmt.Sprintf("%s %v: [%s] %s", e.Nodes[i].Node, word.Verdict, word.Decider, word.Reason))
	}
	return out
}

// Parts lists what of a kind a cluster could lose: node, host, rack, zone, or any other attribute. Nodes that are down are lost already.
func Parts(s *cluster.State, kind string) (parts []Part) {
	var names []string
	for i := range s.Members {
		m := &s.Members[i]
		name := map[string]string{"node": m.Name, "host": m.Host}[kind]
		if kind != "node" && kind != "host" {
			name = m.Attribute(kind)
		}
		if name != "" && !m.Down {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		parts = append(parts, Part{kind, name})
	}
	return parts
}
