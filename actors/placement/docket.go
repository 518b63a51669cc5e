package placement

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// docket counts how often modules have failed on this node, whoever asked them, so that a mind which is made anew does not
// begin to count again. Its methods may be called concurrently.
type docket struct {
	mu    sync.Mutex
	cases map[cluster.Digest]*file
}

// file is what is known against one module.
type file struct {
	policy string
	faults int
	last   string // the newest fault's text
	shut   bool   // the state has had it quarantined
}

// enter adds faults.
func (d *docket) enter(faults []hosted.Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range faults {
		if d.cases == nil {
			d.cases = map[cluster.Digest]*file{}
		}
		c := d.cases[cluster.Digest(f.Digest)]
		if c == nil {
			c = &file{}
			d.cases[cluster.Digest(f.Digest)] = c
		}
		if c.policy, c.last = f.Policy, f.Text; f.Spared {
			continue
		}
		if c.faults++; f.Out {
			c.faults = max(c.faults, hosted.Strikes) // it had several faults in one
		}
	}
}

// strikes is how often a module has failed, as far as that counts by a state: not what led to a quarantine that was lifted.
func (d *docket) strikes(s *cluster.State, digest cluster.Digest) int {
	shut := s.Quarantined(digest) != nil
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cases[digest]
	switch {
	case shut:
		return hosted.Strikes
	case c == nil || c.shut:
		return 0
	}
	return min(c.faults, hosted.Strikes)
}

// close notes that a module has been quarantined.
func (d *docket) close(digest cluster.Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.cases[digest]; c != nil {
		c.shut = true
	}
}

// due lists the modules that must be quarantined and are not by this state. One whose quarantine was lifted begins anew.
func (d *docket) due(s *cluster.State) (list []*cluster.QuarantineModule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for digest, c := range d.cases {
		switch shut := s.Quarantined(digest) != nil; {
		case shut:
			c.shut = true
		case c.shut:
			delete(d.cases, digest)
		case c.faults >= hosted.Strikes:
			reason := fmt.Sprintf("it failed %d times; the last time: %s", c.faults, c.last)
			list = append(list, &cluster.QuarantineModule{Digest: digest, Policy: c.policy, Reason: cluster.ShortReason(reason)})
		}
	}
	slices.SortFunc(list, func(a, b *cluster.QuarantineModule) int { return cmp.Compare(a.Digest, b.Digest) })
	return list
}

// judge proposes the quarantines that are due, and takes back a policy that makes the cluster restless. It is called between
// plans.
func (p *Placement) judge(term uint64) {
	s := p.c.Group.State()
	for _, q := range p.docket.due(s) {
		q.At = time.Now().Unix()
		if p.order(term, &cluster.Command{Quarantine: q}) {
			p.docket.close(q.Digest)
			p.c.Log.Error("a policy is quarantined", "policy", q.Policy, "module", q.Digest.Short(), "reason", q.Reason)
		}
	}
	if slow := p.unrest.lingering(s, time.Now()); slow != nil && p.unrest.slow%stallTries == 0 {
		p.c.Log.Warn("plans are slow, and most of the work in them is a policy's that has been in force for long: nothing is taken back for that", "policy", slow.Name, "version", slow.Active.Version,
			"share", fmt.Sprintf("%d%%", p.unrest.share(slow)), "plans", p.unrest.slow, "last", p.unrest.slowed)
	}
	if r := p.unrest.verdict(s, time.Now()); r != nil {
		if p.order(term, &cluster.Command{Retire: r}) {
			p.c.Log.Error("a policy is taken back", "policy", r.Name, "version", r.If, "reason", r.Note)
			p.tails.log(r.Name, "error", r.Note, false)
		}
	}
}

// order proposes a command of the leader's own, and says whether it changed something.
func (p *Placement) order(term uint64, c *cluster.Command) bool {
	ctx, cancel := context.WithTimeout(p.ctx, p.c.Timeout)
	defer cancel()
	outcome, err := p.c.Group.ProposeIn(ctx, term, c)
	if err = cmp.Or(err, outcome.Error()); err != nil {
		p.c.Log.Warn("what the policies call for was not committed; it is tried again after the next plan", "error", err)
		return false
	}
	return outcome.Changed
}
