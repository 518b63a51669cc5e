package placement

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// docket counts how often modules have failed on this node, whoever asked them, until the cluster state has it: a mind which is made anew
// does not begin to count again, and neither does whoever leads next. Its methods may be called concurrently.
type docket struct {
	mu    sync.Mutex
	seen  *cluster.State // the newest that was looked at
	cases map[cluster.Digest]*file
}

// file is what is known against one module and not in the state yet.
type file struct {
	policy  string
	strikes int    // how often it has failed, those times included that the state has
	noted   int    // how often by the state that was seen
	last    string // the newest fault's text
}

// read brings the files to a state; the caller holds mu. What that has is no file any more; what was lifted since counts no longer.
func (d *docket) read(s *cluster.State) {
	if d.seen != nil && s.Version < d.seen.Version {
		return
	}
	d.seen = s
	for digest, c := range d.cases {
		n := int(s.Strikes(digest))
		if n < c.noted {
			c.strikes -= c.noted
		}
		if c.noted = n; c.strikes <= n || s.Quarantined(digest) != nil {
			delete(d.cases, digest)
		}
	}
}

// enter adds faults, but for those of modules in quarantine.
func (d *docket) enter(s *cluster.State, faults []hosted.Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read(s)
	for _, f := range faults {
		digest := cluster.Digest(f.Digest)
		if f.Spared || d.seen.Quarantined(digest) != nil {
			continue
		}
		c := d.cases[digest]
		if c == nil {
			n := int(d.seen.Strikes(digest))
			c = &file{strikes: n, noted: n}
			if d.cases == nil {
				d.cases = map[cluster.Digest]*file{}
			}
			d.cases[digest] = c
		}
		c.policy, c.last = f.Policy, f.Text
		if c.strikes++; f.Out {
			c.strikes = max(c.strikes, hosted.Strikes) // it had several faults in one
		}
	}
}

// strikes is how often a module has failed, as far as that counts: not what led to a quarantine that was lifted.
func (d *docket) strikes(s *cluster.State, digest cluster.Digest) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read(s)
	switch c := d.cases[digest]; {
	case d.seen.Quarantined(digest) != nil:
		return hosted.Strikes
	case c != nil:
		return min(c.strikes, hosted.Strikes)
	}
	return min(int(d.seen.Strikes(digest)), hosted.Strikes)
}

// close forgets a module that has been quarantined: that may be lifted before a state with it is looked at.
func (d *docket) close(digest cluster.Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.cases, digest)
}

// due lists what the state must be told: modules that have to be quarantined, and how often others have failed by now, where every
// member reads that.
func (d *docket) due(s *cluster.State) (list []*cluster.Command) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read(s)
	at := time.Now().Unix()
	for _, digest := range slices.Sorted(maps.Keys(d.cases)) {
		switch c := d.cases[digest]; {
		case c.strikes >= hosted.Strikes:
			reason := fmt.Sprintf("it failed %d times; the last time: %s", c.strikes, c.last)
			list = append(list, &cluster.Command{Quarantine: &cluster.QuarantineModule{Digest: digest, Policy: c.policy, Reason: cluster.ShortReason(reason), At: at}})
		case d.seen.CountsStrikes():
			list = append(list, &cluster.Command{Strike: &cluster.StrikeModule{Digest: digest, Policy: c.policy, Strikes: uint32(c.strikes), Last: cluster.ShortReason(c.last), At: at}})
		}
	}
	return list
}

// judge proposes what the docket has to tell, quarantines among it, and takes back a policy that makes the cluster restless. It is called
// between plans.
func (p *Placement) judge(term uint64) {
	s := p.c.Group.State()
	for _, c := range p.docket.due(s) {
		if !p.order(term, c) {
			continue
		}
		if q := c.Quarantine; q != nil {
			p.docket.close(q.Digest)
			p.c.Log.Error("a policy is quarantined", "policy", q.Policy, "module", q.Digest.Short(), "reason", q.Reason)
		}
	}
	if slow := p.unrest.lingering(s, time.Now()); slow != nil && p.unrest.slow%stallTries == 0 {
		p.c.Log.Warn("plans are slow, and most of the work in them is a policy's that has been in force for long: nothing is taken back for that", "policy", slow.Name, "version", slow.Active.Version,
			"share", fmt.Sprintf("%d%%", p.unrest.share(slow)), "plans", p.unrest.slow, "last", p.unrest.slowed)
	}
	if r := p.unrest.verdict(s, time.Now()); r != nil {
		p.takeBack(term, r)
	}
}

// retreat takes back settings that their modules refuse, and says whether it has. The plan was made without those modules, and is not to be carried
// out then: another follows at once. What cannot be taken back holds no plan up.
func (p *Placement) retreat(s *cluster.State, term uint64) (done bool) {
	for _, r := range p.refusals.due(s, p.c.Probation, time.Now()) {
		if p.takeBack(term, r) {
			done = true
		} else {
			p.next = min(p.next, 8*p.c.Pause)
		}
	}
	if done {
		p.wakeLoop()
	}
	return done
}

// takeBack has a policy go back, and says so.
func (p *Placement) takeBack(term uint64, r *cluster.RetirePolicy) bool {
	done := p.order(term, &cluster.Command{Retire: r})
	if done {
		p.c.Log.Error("a policy is taken back", "policy", r.Name, "version", r.If, "reason", r.Note)
		p.tails.log(r.Name, "error", r.Note, false)
	}
	return done
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
