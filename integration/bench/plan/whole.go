package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/policies/modules"
)

// host makes the deciders the shipped modules.
func (t *town) host() error {
	engine, err := hosted.NewEngine(hosted.EngineConfig{})
	if err != nil {
		return err
	}
	versions, err := hosted.LoadBuiltIns(context.Background(), engine, modules.All())
	if err != nil {
		return err
	}
	var list []hosted.Policy
	for _, v := range versions {
		list = append(list, hosted.Policy{Version: v})
	}
	set := hosted.NewSet(nil, list)
	t.policies, t.faults = &set.Set, set.Faults
	return nil
}

// tour prints the second table, for a town that has not begun.
func (t *town) tour(shape Shape, minds string) {
	t = t.fork()
	fmt.Printf("allocator: %d copies on %d nodes, %d deciders in %s: %s\n\n", shape.Copies, shape.Nodes, len(t.policies.Deciders), minds, strings.Join(t.policies.Names(), " "))
	fmt.Printf("%-18s %-34s %9s %9s %8s %8s   %s\n", "what", "step", "wall ms", "cpu ms", "rows", "moves", "hottest node before, after")
	t.desire("cold")
	t.make("")
	t.recover()
	t.make("nothing to do")
	dead := func(what string, which func(m *cluster.Member) bool) {
		u := t.fork()
		for i := range u.state.Members {
			if which(&u.state.Members[i]) {
				u.evidence[i].State = liveness.Dead
			}
		}
		c := start()
		p := allocator.Make(u.input())
		wall, cpu := c.since()
		fmt.Printf("%-18s %-34s %9.1f %9.1f %8d %8d\n", what, "declare dead and promote", wall, cpu, len(p.Rows), p.Moves())
		u.apply(p)
		u.desire("")
		u.make("")
	}
	dead("rack of 20 dies", func(m *cluster.Member) bool { return m.Attribute("rack") == "r000" })
	dead("zone dies", func(m *cluster.Member) bool { return m.Attribute("zone") == "z0" })
	u := t.fork()
	r := rand.New(rand.NewPCG(shape.Seed, 5))
	for n := range shape.Nodes / 10 {
		size := 1.0
		if r.Float64() < bigNodes {
			size = 2
		}
		u.add(shape.Nodes+n, size, r.Float64() < tagged)
	}
	u.desire("+10 % nodes")
	u.once("", "first of many plans")
	u = t.fork()
	for i := range u.loads.Shards {
		if r.IntN(50) == 0 {
			u.loads.Shards[i].Primary.CPU *= 6
			u.loads.Shards[i].Replica.CPU *= 6
		}
	}
	u.desire("2 % hot x6")
	u = t.fork()
	for i := range 10 {
		u.state.Members[i].Draining = true
	}
	u.once("10 nodes drained", "plan")
	fmt.Println()
	if t.faults != nil {
		for faults, more := t.faults(); len(faults) > 0; faults, more = t.faults() {
			fmt.Println("faults:", faults, more)
		}
	}
}

// settled is a town whose copies are all placed and in sync.
func (t *town) settled() *town {
	u := t.fork()
	for {
		p := allocator.Make(u.input())
		if u.apply(p); p.Command() == nil || !p.Again {
			break
		}
	}
	u.recover()
	return u
}

// desire measures how the whole desired assignment is worked out.
func (t *town) desire(what string) {
	c := start()
	d := allocator.Desire(t.input())
	wall, cpu := c.since()
	note := fmt.Sprintf("%.3f %s, %.3f %s", d.Before.Heat, d.Before.Dimension, d.After.Heat, d.After.Dimension)
	if len(d.Unplaced) > 0 {
		note += fmt.Sprintf("; %d unplaced", len(d.Unplaced))
	}
	if d.Bound.Shard != "" {
		note += fmt.Sprintf("; %s alone makes %.2f %s", d.Bound.Shard, d.Bound.Heat, d.Bound.Dimension)
	}
	fmt.Printf("%-18s %-34s %9.1f %9.1f %8d %8d   %s\n", what, "desired assignment", wall, cpu, d.Placed, d.Moves, note)
}

// make plans and commits until nothing is left to plan; recoveries stand still meanwhile.
func (t *town) make(what string) {
	for round := 1; ; round++ {
		p := t.once(what, fmt.Sprintf("plan %d", round))
		if p.Command() == nil || !p.Again {
			return
		}
		what = ""
	}
}

// once plans and commits.
func (t *town) once(what, step string) *allocator.Plan {
	c := start()
	p := allocator.Make(t.input())
	wall, cpu := c.since()
	fmt.Printf("%-18s %-34s %9.1f %9.1f %8d %8d\n", what, step, wall, cpu, len(p.Rows), p.Moves())
	t.apply(p)
	return p
}
