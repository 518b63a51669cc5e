package placement

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// mind is the policies that one goroutine asks, as a state says that they are in force:
//
//	deciders of the house ── as guests, if they are compiled ──┐
//	            │  but one whose name an active policy bears   ├──► hosted.Set
//	active policies, by order and name ── on the shelf ────────┘
//	            └── not on the shelf: left out, and its namesake of the house stays
//
// It is another one only when the state says so, or the shelf has got something: between two plans, and never within one.
type mind struct {
	set     *hosted.Set
	of      []hosted.Policy // that the set asks as guests: of the house, then users'
	at      uint64          // State.PoliciesAt
	edition uint64          // of the shelf
	shadow  bool
	names   map[string]string            // what a policy is called, by its manifest's name; only asked, never visited
	uses    map[string]cluster.PolicyUse // by what the policy is called
	absent  []string                     // sentences: what is in force and not in here
	pending bool                         // some of that is still being compiled
	held    []*volume
	shelf   *shelf
}

// chair is where one goroutine asks policies. shadow: those in the shadow stand in for their active namesakes. native: those of the house
// are asked in Go, which needs no board.
type chair struct {
	p      *Placement
	shadow bool
	native bool
	mind   *mind
}

// sit gives the mind for a state.
func (c *chair) sit(s *cluster.State) *mind {
	edition, _ := c.p.shelf.now()
	if m := c.mind; m != nil && m.at == s.PoliciesAt && m.edition == edition {
		return m
	}
	before := c.mind
	c.mind = c.p.compose(s, c.shadow, c.native)
	plans := c == &c.p.chair
	if plans && (before == nil || !slices.Equal(before.absent, c.mind.absent)) {
		for _, text := range c.mind.absent {
			c.p.c.Log.Warn("a policy is in force, and this node plans without it: it moves nothing for balance; have another node lead", "reason", text)
		}
	}
	if before != nil {
		c.mind.set.TakeOver(before.set)
	}
	before.close()
	if plans {
		c.mind.set.Haste()
	}
	if told := c.p.c.Answered; told != nil && plans {
		m := c.mind
		m.set.Time(hosted.Stopwatch{Now: c.p.clock, Took: func(policy string, ns int64) { told(m.called(policy), time.Duration(ns)) }})
	}
	return c.mind
}

// leave frees the mind.
func (c *chair) leave() {
	c.mind.close()
	c.mind = nil
}

// deaf says which policy that is in force cannot be asked here, and why; empty if all can.
func (m *mind) deaf() string {
	if len(m.absent) == 0 {
		return ""
	}
	return "a policy is in force that the leader cannot ask: " + m.absent[0]
}

func (m *mind) close() {
	if m == nil {
		return
	}
	m.set.Close()
	for _, v := range m.held {
		m.shelf.giveBack(v)
	}
	m.held = nil
}

// inForce lists the uses that make a mind: by Order, then by name.
func inForce(s *cluster.State, shadow bool) (list []named) {
	for i := range s.Policies {
		p := &s.Policies[i]
		use := p.Active
		if shadow && p.Shadow.Version != 0 {
			use = p.Shadow
		}
		if use.Version != 0 {
			list = append(list, named{p, p.At(use.Version), use})
		}
	}
	slices.SortStableFunc(list, func(a, b named) int { return cmp.Compare(a.policy.Order, b.policy.Order) })
	return list
}

type named struct {
	policy  *cluster.Policy
	version *cluster.PolicyVersion
	use     cluster.PolicyUse
}

// compose makes a mind. It compiles nothing: what is not on the shelf is not in it, since a failover would wait for it.
func (p *Placement) compose(s *cluster.State, shadow, native bool) *mind {
	edition, house := p.shelf.now()
	m := &mind{at: s.PoliciesAt, edition: edition, shadow: shadow, names: map[string]string{}, uses: map[string]cluster.PolicyUse{}, shelf: &p.shelf}
	var guests []hosted.Policy
	replaced := map[string]bool{}
	for _, n := range inForce(s, shadow) {
		v := p.shelf.take(n.version.Digest)
		switch {
		case v == nil:
			m.pending = true
			m.absent = append(m.absent, fmt.Sprintf("version %d of policy %s (%s) is not ready on this node yet", n.version.Number, n.policy.Name, n.version.Digest.Short()))
			continue
		case v.version == nil:
			p.shelf.giveBack(v)
			m.absent = append(m.absent, fmt.Sprintf("version %d of policy %s (%s) cannot run on this node: %s", n.version.Number, n.policy.Name, n.version.Digest.Short(), v.problem))
			continue
		}
		m.held = append(m.held, v)
		guests = append(guests, hosted.Policy{Version: v.version, Settings: Settings(n.use.Settings), Strikes: p.docket.strikes(s, n.version.Digest)})
		m.names[v.version.Name()] = n.policy.Name
		if !shadow {
			m.uses[n.policy.Name] = n.use
		}
		replaced[n.policy.Name] = true
	}
	var natives []policies.Decider
	var own []hosted.Policy
	for _, d := range p.c.Deciders {
		if replaced[d.Name()] {
			continue
		}
		at := slices.IndexFunc(house, func(v *hosted.Version) bool { return v.Name() == d.Name() })
		if at < 0 || native {
			natives = append(natives, d)
			continue
		}
		own = append(own, hosted.Policy{Version: house[at], Strikes: p.docket.strikes(s, cluster.Digest(house[at].Digest()))})
	}
	m.of = append(own, guests...)
	m.set = hosted.NewSet(natives, m.of)
	m.set.Scorers = append(slices.Clone(p.c.Scorers), m.set.Scorers...)
	return m
}

// Settings reads the settings that a policy was activated with. They were checked by whoever proposed them.
func Settings(text string) map[string]string {
	values := map[string]string{}
	if text == "" || json.Unmarshal([]byte(text), &values) != nil {
		return nil
	}
	return values
}

// called is what a policy is called in the state.
func (m *mind) called(manifest string) string { return cmp.Or(m.names[manifest], manifest) }

// worked is the fuel that each policy, as the state calls it, has used since an earlier look at the set's.
func (m *mind) worked(since map[string]uint64) map[string]uint64 {
	used := map[string]uint64{}
	for manifest, fuel := range m.set.Fuel() {
		used[m.called(manifest)] += fuel - since[manifest]
	}
	return used
}

// drain takes what the guests have logged, and how they failed, since it was asked last.
func (p *Placement) drain(m *mind) (faults []hosted.Fault) {
	lines, muted := m.set.Lines()
	for _, l := range lines {
		p.tails.log(m.called(l.Policy), levelName(l.Level), l.Text, m.shadow)
	}
	if muted > 0 && len(lines) > 0 {
		p.tails.log(m.called(lines[len(lines)-1].Policy), "warn", fmt.Sprintf("%d more lines were not kept: they came too fast", muted), m.shadow)
	}
	faults, _ = m.set.Faults()
	for i := range faults {
		faults[i].Policy = m.called(faults[i].Policy)
		p.tails.log(faults[i].Policy, "fault", faults[i].Text, m.shadow)
		p.c.Faulted(faults[i])
	}
	s := p.c.Group.State()
	p.docket.enter(s, p.refusals.sort(s, m.uses, faults, p.c.Probation, time.Now()))
	return faults
}
