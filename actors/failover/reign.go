package failover

import (
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// reign notes when this node begins to lead, or ends.
func (w *Watch) reign() {
	leader, term := w.c.Group.Leader()
	leads := w.c.Evidence().Leading && leader == w.c.Self
	switch {
	case leads && (!w.leading || term != w.stories.term):
		state := w.c.Group.State()
		w.doubt()
		w.leading, w.won, w.version = true, nanos(), state.Version
		w.sight(state, w.won)
		w.stories.lead(state, w.former, term, w.won)
		w.drains.lead(state, term, w.won)
		w.moves.lead(state, w.drains.ended, term, w.won)
		w.copies.lead(state, w.drains.ended, term, w.won)
		w.switched(state, w.switches.lead(state, w.drains.ended, term, w.won)...)
		w.curious.Store(w.switches.open != nil)
		for _, x := range w.stories.open {
			w.log(x).Info("failover: this node goes on with what another leader began", "term", term)
		}
		w.office.Store(term)
	case !leads && w.leading:
		w.doubt()
		w.office.Store(0)
		w.leading, w.stories.open, w.moves.open, w.copies.open = false, nil, nil, nil
		w.former, w.newcomer = w.c.Self, ""
	}
	if !w.leading && leader != "" && leader != w.c.Self {
		w.reigned(leader, w.c.Group.State().Version)
	}
}

// reigned notes who leads. One under whom the state does not move on may have won and lost in the same moment: then it is the death of
// him before that brought on the election.
func (w *Watch) reigned(leader shards.NodeID, version uint64) {
	switch {
	case leader == w.former:
		w.newcomer = ""
	case w.former == "" || leader == w.newcomer && version > w.came:
		w.former, w.newcomer = leader, ""
	case leader != w.newcomer:
		w.newcomer, w.came = leader, version
	}
}

// Answered says that the placement leader, another node, has answered a heartbeat of this one just now.
func (w *Watch) Answered() { w.answered.Store(nanos()) }

// unheard is when a node was heard last that has said nothing in this reign, and is awaited since a moment. One that led until then has answered
// heartbeats, where others send them. Of one that is known to be dead at once, as by its next life, nobody knows: 0.
func (w *Watch) unheard(c *liveness.Change, led bool, awaited int64) int64 {
	switch answered := w.answered.Load(); {
	case led && answered != 0:
		return min(awaited, answered)
	case c.State == liveness.Dead:
		return 0
	}
	return awaited
}

// unlink has a story that ends lead to no failover of a leader who lives: he has handed over, or lost an election.
func (s *stories) unlink(x *story, state *cluster.State) {
	for i := range x.Elections {
		e := &x.Elections[i]
		if slices.ContainsFunc(state.Members, func(m cluster.Member) bool {
			return !m.Down && s.find(string(m.ID), uint64(m.Epoch)) == nil && e.Former == failoverOf(state, m.ID)
		}) {
			e.Former = ""
		}
	}
}
