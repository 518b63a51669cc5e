package failover

import "github.com/troupe-actors/troupe/shards"

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
