package replica

import "fmt"

// tickPeers repeats what was not answered, tells the commit, and looks after the in-sync set.
func (c *Core) tickPeers() {
	for _, p := range c.peers {
		waiting := p.phase == probing || p.phase == streaming
		switch {
		case waiting && c.owes(p) && c.now-p.tried >= p.pause:
			p.pause = min(2*p.pause, 16*c.config.ResendTicks)
			c.again(p)
		case p.phase == streaming && len(p.flight) == 0 && (p.told != c.commit || p.knows < c.commit && c.now-p.tried >= p.pause):
			p.tried = c.now
			c.send(c.appendTo(p, KindSync, nil))
		}
		c.consider(p)
	}
}

// lag is for how many ticks a copy has owed an entry, or an answer.
func (c *Core) lag(p *progress) int {
	if !c.owes(p) {
		p.since = c.now
		return 0
	}
	from := p.since
	if next := p.match + 1; p.answered && next >= c.log.first() && next <= c.log.last {
		from = max(from, c.log.entries[c.log.at(next)].tick)
	}
	return c.now - from
}

// consider proposes that a copy joins the in-sync set, or leaves it, if it is time.
func (c *Core) consider(p *progress) {
	if (p.inSync || p.pending) && p.lost == "" && c.lag(p) >= c.config.LagTicks {
		p.lost = fmt.Sprintf("it has owed an acknowledgement for %d ticks", c.lag(p))
	}
	if c.now-p.asked < c.config.RetryTicks {
		return
	}
	ready := p.phase == streaming && p.answered && p.match >= max(c.commit, c.inherited)
	switch {
	case p.lost != "" && (p.inSync || p.pending): // what proposed it may be carried out yet: under another id it cannot
		c.out.InSync = append(c.out.InSync, Change{Copy: p.id, Reason: p.lost})
		p.asked = c.now
	case p.lost == "" && !p.inSync && (p.pending || ready):
		p.pending = true
		p.open++
		c.out.InSync = append(c.out.InSync, Change{Copy: p.id, Add: true, Reason: "it has caught up"})
		p.asked = c.now
	}
}
