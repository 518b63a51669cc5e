package liveness

import (
	"fmt"
	"strings"
)

// check panics if an invariant of the detector does not hold.
func (d *Detector) check() {
	for i, n := range d.nodes {
		if d.own(n) && n.state == Suspect || i > 0 && strings.Compare(string(d.nodes[i-1].member.ID), string(n.member.ID)) >= 0 {
			panic(fmt.Sprintf("liveness: invariant 1: node %s is out of order, or suspects itself", n.member.ID))
		}
		if n.state == Dead && !n.proof && !n.member.Down && !d.free(n, n.since) {
			panic(fmt.Sprintf("liveness: invariant 2: node %s was declared dead at tick %d with a lease granted at %d", n.member.ID, n.since, n.granted))
		}
		d.checkSuspicion(n)
		if n.held > d.now+int64(d.c.HoldMax) || n.newer != 0 && n.newer <= n.member.Epoch || n.heard > d.now || n.granted > d.now {
			panic(fmt.Sprintf("liveness: invariant 4: node %s is out of bounds", n.member.ID))
		}
	}
	if h := d.ready.Heir.Node; h != "" {
		if n := d.find(h); n == nil || !d.fit(n) {
			panic(fmt.Sprintf("liveness: invariant 5: node %s is the heir, and is not fit to lead", h))
		}
	}
	if d.health < 0 || d.health > d.c.MaxHealth {
		panic(fmt.Sprintf("liveness: invariant 4: ill health %d", d.health))
	}
}

func (d *Detector) checkSuspicion(n *node) {
	s := &n.suspicion
	if n.state != Suspect && (s.redialing || len(s.asked) > 0 || len(s.verdicts) > 0) {
		panic(fmt.Sprintf("liveness: invariant 3: node %s is %v and under inquiry", n.member.ID, n.state))
	}
	for _, by := range s.asked {
		if by == n.member.ID || by == d.c.Self {
			panic(fmt.Sprintf("liveness: invariant 3: node %s is asked about node %s", by, n.member.ID))
		}
	}
}
