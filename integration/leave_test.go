package integration

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestDrainedNodeLeaves: a node is drained under load and stopped, and its clients notice nothing: no request fails that is
// tried again as usual clients do. What the hand-overs cost shows as the longest pause between two acknowledgements.
func TestDrainedNodeLeaves(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{})
	leaver := p.other(p.leader())
	p.write(4, leaver)
	p.goesOn(crashLimit, func() {
		p.troupe("drain", leaver.Name)
		p.becomes(leaver, "empty", func(r harness.NodeRow) bool { return r.Copies == 0 })
	})
	p.unnoticed()
	must(t, leaver.Stop(soon(t)))
	p.writing(time.Now())
	p.unnoticed()
	p.green()
	p.troupe("forget", leaver.Name)
	p.waitFor("it is forgotten", func() bool {
		rows, err := p.Nodes(soon(t))
		must(t, err)
		return len(rows) == 2
	})
	p.reckon()
}

// TestDrainedLeaderLeaves: the node that is stopped may lead.
func TestDrainedLeaderLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("one node that leaves is enough")
	}
	p := newTown(t, harness.ClusterConfig{})
	leaver := p.leader()
	p.write(2, leaver)
	p.write(2, p.other(leaver))
	p.troupe("drain", leaver.Name)
	p.goesOn(crashLimit, func() { must(t, leaver.Stop(soon(t))) })
	p.unnoticed()
	must(t, leaver.Start())
	p.operate("/_nodes/" + leaver.Name + "/undrain")
	p.green()
	p.becomes(leaver, "used again", func(r harness.NodeRow) bool { return r.Copies > 0 && r.Primaries > 0 })
	p.green()
	p.reckon()
}

// TestRollingRestart: each node is stopped in order and started again; the load goes on.
func TestRollingRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("three nodes that leave; one is enough")
	}
	p := newTown(t, harness.ClusterConfig{})
	p.writeEverywhere(1)
	for _, m := range p.Members {
		p.goesOn(crashLimit, func() { must(t, m.Stop(soon(t))) })
		p.restart(m)
	}
	p.unnoticed()
	p.reckon()
}
