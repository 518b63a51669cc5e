package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// nodeActions are what an operator may do with a member, by the last word of the path.
var nodeActions = map[string]func(*cluster.MemberChange, bool){
	"drain":       func(c *cluster.MemberChange, _ bool) { c.Draining = truth(true) },
	"undrain":     func(c *cluster.MemberChange, _ bool) { c.Draining = truth(false) },
	"maintenance": func(c *cluster.MemberChange, on bool) { c.Maintained = truth(on) },
	"exclude":     func(c *cluster.MemberChange, _ bool) { c.Excluded = truth(true) },
	"include":     func(c *cluster.MemberChange, _ bool) { c.Excluded = truth(false) },
	"forget":      func(c *cluster.MemberChange, _ bool) { c.Forget = true },
}

func truth(b bool) *bool { return &b }

// switched reads enabled, which is true unless it is said.
func (q *query) switched() bool { return !q.values.Has("enabled") || q.flag("enabled") }

// changeMember drains, forgets or maintains the member that the path names.
func changeMember(action string) handler {
	return func(s *Server, x *exchange, q *query) error {
		on := q.switched()
		if q.err != nil {
			return q.err
		}
		c, state, err := s.agreed()
		if err != nil {
			return err
		}
		m, err := member(state, x.r.PathValue("node"))
		if err != nil {
			return err
		}
		change := &cluster.MemberChange{Node: m.ID}
		nodeActions[action](change, on)
		if change.Excluded != nil && *change.Excluded {
			if err := state.MayExclude(m.ID); err != nil {
				return err
			}
		}
		if change.Forget {
			return s.remove(x, c, &cluster.Command{Member: change})
		}
		return s.propose(x, c, &cluster.Command{Member: change})
	}
}

// maintenance begins or ends that of the whole cluster: reads only.
func (s *Server) maintenance(x *exchange, q *query) error {
	on := q.switched()
	if q.err != nil {
		return q.err
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	return s.propose(x, c, s.signed(x, state, cluster.SettingsChange{ReadOnly: &on}))
}

// transfer makes the node that the query names the leader.
func (s *Server) transfer(x *exchange, q *query) error {
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	m, err := member(state, q.values.Get("node"))
	if err != nil {
		return err
	}
	if !m.Has(cluster.RoleMeta) {
		return invalid("node %s cannot lead: it has not the role meta", m.Name)
	}
	if err := c.Transfer(x.r.Context(), m.ID); err != nil {
		return err
	}
	state, _ = c.State()
	x.json(http.StatusOK, Acknowledged{Acknowledged: true, Changed: true, Version: state.Version, Warnings: deaf(state, m)})
	return nil
}

// deaf says which policies in force a node cannot ask while it leads.
func deaf(state *cluster.State, m *cluster.Member) (warnings []string) {
	for i := range state.Policies {
		p := &state.Policies[i]
		v := p.At(p.Active.Version)
		if v == nil {
			continue
		}
		if problem, _ := state.Module(v.Digest).ReadyOn(m.ID, m.Epoch); problem != "" {
			warnings = append(warnings, fmt.Sprintf("node %s cannot ask policy %s, which is in force: %s; while it leads nothing moves for balance: have another node lead", m.Name, p.Name, problem))
		}
	}
	return warnings
}

// KeyspaceSettings are what a keyspace is made with, or what is changed of it: fields that are nil stay as they are.
type KeyspaceSettings struct {
	Shards     *int    `json:"shards,omitempty"` // fixed for the keyspace's life
	Replicas   *int    `json:"replicas,omitempty"`
	MinInSync  *int    `json:"min_in_sync,omitempty"` // without it, a number that no longer fits becomes the default
	Durability *string `json:"durability,omitempty"`
	MaxMemory  *int64  `json:"max_memory,omitempty"` // bytes on one node; 0 = no limit
	Eviction   *string `json:"eviction,omitempty"`
}

// Apply overlays what is given, and validates the whole.
func (c *KeyspaceSettings) Apply(k *shards.Keyspace) error {
	if c.Shards != nil {
		if k.Shards != 0 && k.Shards != *c.Shards {
			return invalid("keyspace %s has %d shards; the count is fixed for its life", k.Name, k.Shards)
		}
		if k.Shards = *c.Shards; k.Shards == 0 {
			return invalid("keyspace %s: 0 shards; must be 1 to %d", k.Name, shards.Slots)
		}
	}
	if c.Replicas != nil {
		if k.Replicas = *c.Replicas; k.Replicas == 0 {
			k.Replicas = shards.NoReplicas
		}
		if k.MinInSync > k.Copies() {
			k.MinInSync = 0
		}
	}
	if c.MinInSync != nil {
		k.MinInSync = *c.MinInSync
	}
	if c.MaxMemory != nil {
		k.MaxMemory = *c.MaxMemory
	}
	var err error
	if c.Durability != nil {
		err = k.Durability.UnmarshalText([]byte(*c.Durability))
	}
	if c.Eviction != nil && err == nil {
		err = k.Eviction.UnmarshalText([]byte(*c.Eviction))
	}
	if err == nil {
		err = k.Validate()
	}
	if err != nil {
		return invalid("%v", err)
	}
	if k.Aimless() {
		return invalid("keyspace %s: eviction %v does nothing without a limit; give max_memory, too", k.Name, k.Eviction)
	}
	return nil
}

// getKeyspace describes one keyspace.
func (s *Server) getKeyspace(x *exchange, _ *query) error {
	o := s.overview()
	o.ask(x.r.Context(), s.backend.Cluster())
	var names []string
	for _, info := range keyspaceInfos(o.keyspaces, slices.Values(o.copies)) {
		if info.Name == x.r.PathValue("keyspace") {
			x.json(http.StatusOK, info)
			return nil
		}
		names = append(names, info.Name)
	}
	return notFound("no keyspace %q; there are %s", clip(x.r.PathValue("keyspace")), shorten(names))
}

// putKeyspace makes a keyspace, or changes what may change of one.
func (s *Server) putKeyspace(x *exchange, q *query) error {
	condition, _ := q.condition()
	if q.err != nil {
		return q.err
	}
	var body KeyspaceSettings
	if err := x.document(&body); err != nil {
		return err
	}
	for {
		c, state, err := s.agreed()
		if err != nil {
			return err
		}
		command, err := body.command(state, x.r.PathValue("keyspace"), condition)
		if err != nil {
			return err
		}
		err = s.propose(x, c, command)
		if overtaken := errors.Is(err, &cluster.Refusal{Why: cluster.WhyStale}); !overtaken {
			return err
		}
		if now, _ := c.State(); now.Version == state.Version { // else what has come in between is known: two who change different things both mean it
			return err
		}
	}
}

// command is the change that somebody wants of a keyspace who has seen this state.
func (c *KeyspaceSettings) command(state *cluster.State, name string, condition store.Condition) (*cluster.Command, error) {
	if c.Replicas != nil && *c.Replicas < 0 { // NoReplicas is how programs say 0, and no number of people's
		return nil, invalid("keyspace %s: %d replicas; must be 0 to %d", name, *c.Replicas, shards.MaxReplicas)
	}
	k := shards.Keyspace{Name: name}
	known := state.KeyspaceByName(name)
	switch {
	case known != nil && condition == store.IfAbsent:
		return nil, conflict("keyspace %s is there already", name)
	case known == nil && condition == store.IfPresent:
		return nil, notFound("no keyspace %q", clip(name))
	case known != nil:
		k = known.Keyspace
	}
	if err := c.Apply(&k); err != nil {
		return nil, err
	}
	return state.KeyspaceCommand(k), nil
}
