package placement

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// comparisons is how many a leader keeps.
const comparisons = 100

// exposure is a plan that is to be compared with what it would have been.
type exposure struct {
	in   allocator.Input
	plan *allocator.Plan
	term uint64
	took time.Duration
}

// expose gives a plan to the goroutine that compares, if there is something to compare. It never blocks: one that still waits
// is dropped for it.
func (p *Placement) expose(x exposure) {
	if !shadowed(x.in.State) {
		return
	}
	for {
		select {
		case p.exposed <- x:
			return
		default:
		}
		select {
		case <-p.exposed:
		default:
		}
	}
}

// shadowed says whether any policy is in the shadow.
func shadowed(s *cluster.State) bool {
	for i := range s.Policies {
		if s.Policies[i].Shadow.Version != 0 {
			return true
		}
	}
	return false
}

// compare makes each plan that it is given anew, with the policies in the shadow. It takes a third of a processor at most, and
// frees what it holds when nothing is in the shadow any more.
func (p *Placement) compare() {
	active, shadow := &chair{p: p}, &chair{p: p, shadow: true}
	defer active.leave()
	defer shadow.leave()
	idle := time.NewTimer(time.Hour)
	defer idle.Stop()
	for {
		idle.Reset(6 * p.c.Period)
		var x exposure
		select {
		case <-p.ctx.Done():
			return
		case <-idle.C:
			active.leave()
			shadow.leave()
			continue
		case x = <-p.exposed:
		}
		begun := time.Now()
		c := p.contrast(&x, active, shadow)
		p.compared.add(func(number uint64) Comparison { c.Number = number; return *c })
		rest := time.NewTimer(2 * time.Since(begun))
		select {
		case <-rest.C:
		case <-p.ctx.Done():
		}
		rest.Stop()
	}
}

// contrast makes one comparison.
func (p *Placement) contrast(x *exposure, active, shadow *chair) *Comparison {
	s := x.in.State
	before, after := active.sit(s), shadow.sit(s)
	c := &Comparison{At: time.Now().UnixMilli(), Term: x.term, Version: s.Version}
	for i := range s.Policies {
		q := &s.Policies[i]
		if q.Shadow.Version == 0 {
			continue
		}
		digest := q.At(q.Shadow.Version).Digest
		one := Shadowed{Name: q.Name, Version: q.Shadow.Version, Digest: digest, Settings: q.Shadow.Settings}
		switch problem, known := p.shelf.tried(digest); {
		case !known:
			one.Absent = "it is not ready on the leader yet"
		case problem != "":
			one.Absent = problem
		case after.set.Strikes(string(digest)) >= hosted.Strikes:
			one.Absent = fmt.Sprintf("it has failed %d times before, and answers no more", hosted.Strikes)
		}
		c.Policies = append(c.Policies, one)
	}
	in := x.in
	in.Policies = &after.set.Set
	begun := time.Now()
	plan := allocator.Make(in)
	c.Shadow.Micros, c.Active.Micros = time.Since(begun).Microseconds(), x.took.Microseconds()
	c.contrast(&x.in, x.plan, plan)
	c.ask(&x.in, before.set, after.set)
	p.drain(before)
	for _, f := range p.drain(after) {
		c.Faults = append(c.Faults, f.Text)
	}
	if len(p.docket.due(s)) > 0 {
		p.wakeLoop() // the goroutine that plans tells the state of them
	}
	return c
}
