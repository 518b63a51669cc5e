package allocator

import (
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// rules asks for the rows of the keyspaces, and models how their copies are spread, so that the search does not run into what
// deciders refuse; theirs is the last word.
func (s *solver) rules(problem *fit.Problem) {
	p := s.p
	state := p.trial.State()
	attribute := s.zone(problem.Nodes)
	zones := zones(problem.Nodes)
	first := 0
	s.sure = make([]bool, len(state.Keyspaces))
	for k := range state.Keyspaces {
		space := &state.Keyspaces[k]
		last := first + space.Shards
		problem.Classes[k].Row, s.sure[k] = p.classRow(first, last, s.places != nil)
		p.keep(problem.Classes[k].Row, k)
		for _, n := range p.shut {
			problem.Classes[k].Row[n] = fit.Refused
		}
		problem.Classes[k].PerHost = p.view.Settings.SameHost
		names, _ := state.Scoped(space.Name, cluster.SettingAwareness)
		if list := cluster.Names(names); attribute != "" && len(list) > 0 && list[0] == attribute {
			problem.Classes[k].PerZone = perZone(space.Copies(), zones)
			for n := range problem.Nodes {
				if problem.Nodes[n].Zone == fit.None {
					problem.Classes[k].Row[n] = fit.Refused
				}
			}
		}
		s.sure[k] = s.sure[k] && s.spreads(cluster.Names(names), attribute)
		first = last
	}
}

// spreads says whether the search keeps a keyspace's copies apart as deciders do: by no attribute, or by one without values that there
// should be.
func (s *solver) spreads(list []string, attribute string) bool {
	if len(list) == 0 {
		return true
	}
	return len(list) == 1 && list[0] == attribute &&
		s.p.trial.State().Value(cluster.SettingAwarenessForce+attribute+cluster.SettingAwarenessForceEnd) == ""
}

// perZone is how many copies one zone may have: as few as can be.
func perZone(copies, zones int) int32 { return int32((copies + zones - 1) / max(1, zones)) }

// zones is how many there are.
func zones(nodes []fit.Node) (count int) {
	for n := range nodes {
		if !nodes[n].Away {
			count = max(count, int(nodes[n].Zone)+1)
		}
	}
	return count
}

// zone numbers the values of the first attribute that copies are spread over, those of homes first, and the hosts.
func (s *solver) zone(nodes []fit.Node) (attribute string) {
	state := s.p.trial.State()
	if list := cluster.Names(state.Value(cluster.SettingAwareness)); len(list) > 0 {
		attribute = list[0]
	}
	values, hosts := map[string]int32{}, map[string]int32{} // only asked, never visited
	number := func(of map[string]int32, name string) int32 {
		if name == "" {
			return fit.None
		}
		x, known := of[name]
		if !known {
			x = int32(len(of))
			of[name] = x
		}
		return x
	}
	for _, away := range []bool{false, true} {
		for n := range nodes {
			if nodes[n].Away != away {
				continue
			}
			if attribute != "" {
				nodes[n].Zone = number(values, s.p.view.Nodes[n].Attribute(attribute))
			}
			nodes[n].Host = number(hosts, s.p.view.Nodes[n].Host)
		}
	}
	return attribute
}

// How many shards of a keyspace are asked for its row, at most, and how many in a row may bring nothing new where nodes are many.
const (
	samples = 64
	barren  = 2
)

// classRow is what the shards of a keyspace, from one place of the table to another, have in common: what nobody can tell apart by
// more than their keyspace, or else of some of them, spread over all, the mildest word on each node. What one shard's own copies forbid
// another's do not: the search keeps these apart itself. missing: it is about copies that are missing alone. sure: nobody says more about
// any of the shards.
func (p *planner) classRow(first, last int, missing bool) (row []byte, sure bool) {
	row = make([]byte, len(p.view.Nodes))
	for n := range row {
		row[n] = fit.Refused
	}
	idle := 0
	count := min(samples, last-first)
	for at := range count {
		i := first + at*(last-first)/count
		r := p.row(i)
		q := &policies.Question{Capability: policies.Allocate, Keyspace: p.keyspace(i), Shard: r, Place: i, New: len(r.Copies) == 0, Primary: len(r.Copies) == 0}
		milder, plain := p.sample(row, q, missing)
		if idle++; milder {
			idle = 0
		}
		if sure = plain; plain || !slices.ContainsFunc(row, func(v byte) bool { return v != fit.Yes }) || idle >= barren && len(row) > few {
			break
		}
	}
	return row, sure
}

// sample softens a row by what is said of one shard: each of its copies may go where the others let it. plain says that the same is
// said of all.
func (p *planner) sample(row []byte, q *policies.Question, missing bool) (milder, plain bool) {
	copies := q.Shard.Copies
	if len(copies) == 0 || missing {
		answers, plain := p.in.Policies.Common(p.view, q)
		return soften(row, answers), plain
	}
	plain = true
	var known [2]bool // by whether it leads: what is said of all copies of the kind
	for c := range copies {
		q.Copy = &copies[c]
		q.Primary = q.Copy.ID == q.Shard.Primary
		kind := 0
		if q.Primary {
			kind = 1
		}
		if known[kind] {
			continue
		}
		answers, same := p.in.Policies.Common(p.view, q)
		milder = soften(row, answers) || milder
		known[kind], plain = same, plain && same
	}
	return milder, plain
}

// keep lets nodes that have copies of a keyspace keep them: what is full, or has a copy of each shard, may have no other for now.
func (p *planner) keep(row []byte, keyspace int) {
	for n, copies := range p.copies[keyspace] {
		if copies > 0 && p.home(n) {
			row[n] = min(row[n], fit.Waits)
		}
	}
}

// soften takes over what is milder, and says whether anything is.
func soften(row []byte, answers policies.Row) (milder bool) {
	for n, a := range answers {
		if v := byte(a.Verdict()); v < row[n] {
			row[n], milder = v, true
		}
	}
	return milder
}
