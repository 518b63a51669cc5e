package failover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// switches are the stories of other policies that came into force: what changed, and the first plan that was made with them. Every node
// follows them by the state. Who leads gives the cluster an entry of each, as of moves, and closes it when it is over: it is told once.
type switches struct {
	self, name string
	known      bool // the next three are of a state
	at         uint64
	policies   []cluster.Policy
	quarantine []cluster.Quarantined
	open       *drain   // waits for its plan; nil: none. Of a drain only what an entry needs is used
	over       []*drain // ended, and the state has no entry of them yet
}

// maxShifts bounds the moves that are told of a plan: what a switch moves in all is in the plan's own record.
const maxShifts = 32

// old is the age in seconds at which a switch is no news.
const old = 60

// follow takes a state. It returns the story that ended since another began, or nil.
func (s *switches) follow(state *cluster.State, now int64) (ended *drain) {
	if s.known && s.at != state.PoliciesAt {
		if texts, names := s.changes(state, now); len(texts) > 0 {
			ended = s.end(now, tracing.OutcomeGivenUp)
			s.open = &drain{story: story{began: now, Failover: tracing.Failover{Kind: tracing.KindPolicies, Cluster: state.Cluster, Node: "policies", Name: strings.Join(names, ","),
				Epoch: state.PoliciesAt, Declared: now, Detector: s.name, DetectorID: s.self, Reason: strings.Join(texts, ", ")}}}
			for _, text := range texts {
				s.open.check(now, text)
			}
		}
	}
	s.known, s.at, s.policies, s.quarantine = true, state.PoliciesAt, state.Policies, state.Quarantine
	return ended
}

// changes says what is in force and was not, or the other way round, and in which policies.
func (s *switches) changes(state *cluster.State, now int64) (texts, names []string) {
	note := func(name, text string) {
		texts = append(texts, text)
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range state.Policies {
		p, was := &state.Policies[i], cluster.PolicyUse{}
		if at := slices.IndexFunc(s.policies, func(x cluster.Policy) bool { return x.Name == p.Name }); at >= 0 {
			was = s.policies[at].Active
		}
		if text := shift(p, was); text != "" && (p.Since == 0 || now/1e9-p.Since < old) { // a node that catches up sees what was long ago
			note(p.Name, text)
		}
	}
	for i := range s.policies {
		p := &s.policies[i]
		if p.Active.Version != 0 && !slices.ContainsFunc(state.Policies, func(x cluster.Policy) bool { return x.Name == p.Name }) {
			note(p.Name, p.Name+" removed")
		}
	}
	for _, q := range state.Quarantine {
		if !slices.ContainsFunc(s.quarantine, func(x cluster.Quarantined) bool { return x.Digest == q.Digest }) {
			note(cmp.Or(q.Policy, q.Digest.Short()), fmt.Sprintf("module %s of %s in quarantine: %s", q.Digest.Short(), q.Policy, q.Reason))
		}
	}
	for _, q := range s.quarantine {
		if !slices.ContainsFunc(state.Quarantine, func(x cluster.Quarantined) bool { return x.Digest == q.Digest }) {
			note(cmp.Or(q.Policy, q.Digest.Short()), fmt.Sprintf("module %s of %s in quarantine no more", q.Digest.Short(), q.Policy))
		}
	}
	return texts, names
}

// shift says how what is in force of a policy has changed; empty: it has not.
func shift(p *cluster.Policy, was cluster.PolicyUse) string {
	is, module := p.Active, ""
	if is == was {
		return ""
	}
	for _, v := range p.Versions {
		if v.Number == is.Version {
			module = ", module " + v.Digest.Short()
		}
	}
	switch {
	case is.Version == 0:
		return fmt.Sprintf("%s %d in force no more", p.Name, was.Version)
	case was.Version == 0:
		return fmt.Sprintf("%s %d in force%s", p.Name, is.Version, module)
	case is.Version == was.Version:
		return fmt.Sprintf("%s %d with other settings", p.Name, is.Version)
	}
	return fmt.Sprintf("%s %d→%d in force%s", p.Name, was.Version, is.Version, module)
}

func (s *switches) end(now int64, outcome tracing.Outcome) *drain {
	x := s.open
	if x != nil {
		x.Done, x.Outcome, s.open = now, outcome, nil
	}
	return x
}

// planned takes a plan that was proposed, or one that changes nothing. It returns the story that ends with it, or nil.
func (s *switches) planned(state *cluster.State, d *placement.Planned, told *telltale, now int64) *drain {
	x := s.open
	if x == nil || d.Plan.Version < x.Epoch {
		return nil
	}
	plan := planOf(s.self, s.name, d, now)
	for i := range d.Plan.Decisions {
		decision := &d.Plan.Decisions[i]
		if decision.Move.Kind == 0 || len(x.Shards) == maxShifts {
			continue
		}
		shard := tracing.Shard{ID: uint32(decision.Shard), Name: decision.Name, From: "nobody", Plan: -1}
		if r := state.Shard(decision.Shard); r != nil {
			from := decision.Move.Source
			switch decision.Move.Kind {
			case cluster.MoveHandTo:
				from, shard.Led = r.Primary, true
			case cluster.MoveDrop:
				from = decision.Move.Copy
			}
			if c := r.Copy(from); c != nil {
				shard.From = state.NodeName(c.Node)
			}
		}
		to := x.decide(state, &shard, decision, len(x.Plans), plan.Began+plan.Took, told)
		if decision.Move.Kind == cluster.MoveDrop {
			to = ""
		}
		shard.Attempts = []tracing.Attempt{{To: cmp.Or(to, "nobody"), Told: now, Served: now}}
		if x.shard(decision.Shard) == nil { // of two moves of a shard the first
			x.Shards = append(x.Shards, shard)
		}
	}
	x.Plans = append(x.Plans, plan)
	if plan.Error != "" {
		return nil
	}
	return s.end(now, tracing.OutcomeDone)
}

// planOf is what a record says of a plan.
func planOf(self, name string, d *placement.Planned, now int64) tracing.Plan {
	plan := tracing.Plan{Version: d.Plan.Version, Term: d.Term, By: name, ByID: self, Began: now - int64(d.Took) - int64(d.Commit), Took: int64(d.Took), Moves: d.Plan.Moves()}
	for i := range d.Plan.Decisions {
		plan.Weighed += len(d.Plan.Decisions[i].Candidates)
	}
	switch {
	case d.Err != nil:
		plan.Error = d.Err.Error()
	case d.Outcome.Err != nil:
		plan.Error = d.Outcome.Err.Text
	case d.Commit != 0:
		plan.Committed, plan.Became = now, d.Outcome.Version
	}
	return plan
}

// chosen is the name of the node that a move is about, or empty.
func chosen(state *cluster.State, id shards.ShardID, m *cluster.Move) string {
	if m.Node != "" {
		return state.NodeName(m.Node)
	}
	if r := state.Shard(id); r != nil {
		if c := r.Copy(m.Copy); c != nil {
			return state.NodeName(c.Node)
		}
	}
	return ""
}
