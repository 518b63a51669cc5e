package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// ten are the deciders that deaths are measured with beside all of them: those that say something of this world.
var ten = []string{"same_node", "same_host", "awareness", "role", "filter", "alive", "draining", "disk", "memory", "throttling"}

// failure is a part of the world that dies at once, and how long placing what it held may take.
type failure struct {
	name   string
	dies   func(m *cluster.Member) bool
	target float64 // milliseconds
}

var failures = []failure{
	{"rack of 20 dies", func(m *cluster.Member) bool { return m.Attribute("rack") == "r000" }, 20},
	{"zone dies", func(m *cluster.Member) bool { return m.Attribute("zone") == "z0" }, 150},
}

// only gives a town that asks those deciders alone whose names are in a list; nil: all.
func (t *town) only(names []string) *town {
	u := t.fork()
	set := *t.policies
	set.Deciders = nil
	for _, d := range t.policies.Deciders {
		if names == nil || slices.Contains(names, d.Name()) {
			set.Deciders = append(set.Deciders, d)
		}
	}
	set.Forget()
	u.policies = &set
	return u
}

// deaths prints the third table, for a settled town: what it takes from the evidence of the deaths until every copy that is missing
// has a place, plan by plan as the leader makes them; least is what placing took in the run that others disturbed least. Before each death
// the leader has planned, as it does all the time.
func (t *town) deaths(times int, minds, which string) {
	fmt.Printf("deaths: %d deciders in %s: %s; median of %d\n\n", len(t.policies.Deciders), minds, strings.Join(names(t.policies), " "), times)
	fmt.Printf("%-18s %9s %9s %9s %9s %9s %8s %8s %8s %8s   %s\n", "what", "promote", "place", "least", "cpu ms", "wall ms", "plans", "promoted", "placed", "missing", "target ms")
	for _, f := range failures {
		if !strings.HasPrefix(f.name, which) {
			continue
		}
		var promote, place, all, walls []float64
		var plans, promoted, placed, missing int
		for range times {
			u, memory := t.fork(), &allocator.Memory{}
			memory.Make(u.input())
			for i := range u.state.Members {
				if f.dies(&u.state.Members[i]) {
					u.evidence[i].State = liveness.Dead
				}
			}
			plans, promoted, placed = 0, 0, 0
			wall, cpu := 0.0, 0.0
			for round := 0; ; round++ {
				c := start()
				p := memory.Make(u.input())
				w, m := c.since()
				wall, cpu = wall+w, cpu+m
				plans++
				copies := lanes(p, allocator.Missing)
				if promoted, placed = promoted+lanes(p, allocator.Emergency), placed+copies; round == 0 {
					promote = append(promote, m)
				}
				if u.apply(p); round > 0 && (copies == 0 || u.missing() == 0) || !p.Again {
					break
				}
			}
			missing = u.missing()
			place, all, walls = append(place, cpu-promote[len(promote)-1]), append(all, cpu), append(walls, wall)
		}
		fmt.Printf("%-18s %9.1f %9.1f %9.1f %9.1f %9.1f %8d %8d %8d %8d   %.0f\n",
			f.name, median(promote), median(place), slices.Min(place), median(all), median(walls), plans, promoted, placed, missing, f.target)
	}
	fmt.Println()
}

func names(s *policies.Set) (list []string) {
	for _, d := range s.Deciders {
		list = append(list, d.Name())
	}
	return list
}

// lanes counts the moves of a plan that were made for one reason.
func lanes(p *allocator.Plan, lane allocator.Lane) (n int) {
	for i := range p.Decisions {
		if d := &p.Decisions[i]; d.Lane == lane && d.Move.Kind != 0 {
			n++
		}
	}
	return n
}

// missing counts the copies on living nodes that shards lack.
func (t *town) missing() (n int) {
	down := map[string]bool{}
	for i := range t.state.Members {
		down[string(t.state.Members[i].ID)] = t.state.Members[i].Down
	}
	for i := range t.state.Shards {
		n += replicas
		for _, c := range t.state.Shards[i].Copies {
			if !down[string(c.Node)] && !policies.Replaced(&t.state.Shards[i], c.ID) {
				n--
			}
		}
	}
	return n
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
