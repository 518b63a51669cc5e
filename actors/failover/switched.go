package failover

import (
	"math"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/tracing"
)

// The entry of a switch of policies is one without a node, as that of moves; its record says which of both it is.
//
//	policies change ──► every node: open, unlisted
//	leader:  BeginMoves(record) ──► entry ──► every node: listed, by the version at which the policies changed
//	leader:  the first plan ──► over ──► DrainChange(record, close) ──► told by who closed it; the others forget it
//	a leader dies: whoever is next lists what is not, and goes on with what is

// unheard is how long a node that does not lead keeps a switch of which the cluster has no entry.
const unheard = int64(old * time.Second)

// switchOf is what an entry says of a switch of policies; nil if it is of something else, or cannot be read.
func switchOf(entry *cluster.Drain) *tracing.Failover { return recordOf(entry, tracing.KindPolicies) }

// keepsSwitches says that every member reads entries of moves, and so of switches.
func keepsSwitches(state *cluster.State) bool {
	return !slices.ContainsFunc(state.Members, func(m cluster.Member) bool { return m.Format < cluster.FormatMoves })
}

// unlisted are those that the cluster shall have an entry of.
func (s *switches) unlisted() (list []*drain) {
	for _, x := range append(s.over[:len(s.over):len(s.over)], s.open) {
		if x != nil && !x.listed {
			list = append(list, x)
		}
	}
	return list
}

// match looks for the entries of those that have none yet, and returns those that are over and have one. One that another node has closed is
// forgotten: that one tells it.
func (s *switches) match(state *cluster.State) (ended []*drain) {
	for _, x := range s.unlisted() {
		for i := range state.Drains {
			entry := &state.Drains[i]
			if entry.At <= x.Epoch {
				continue // it began before: its record need not be read
			}
			if f := switchOf(entry); f != nil && f.Epoch == x.Epoch {
				x.Since, x.listed, x.sent = entry.At, true, nil
				break
			}
		}
	}
	s.over = slices.DeleteFunc(s.over, func(x *drain) bool {
		if x.listed {
			ended = append(ended, x)
		}
		return x.listed
	})
	if x := s.open; x != nil && x.listed && state.Version > x.Since {
		if entry := state.FindDrain(x.Since); entry == nil || !entry.Open {
			s.open = nil
		}
	}
	return ended
}

// lead goes on with what another leader has left, but for what this node has seen the end of. Of two that are open the older has come to
// nothing: the policies changed again before there was a plan.
func (s *switches) lead(state *cluster.State, over []*drain, term uint64, now int64) (ended []*drain) {
	for i := range state.Drains {
		entry := &state.Drains[i]
		if !entry.Open || slices.ContainsFunc(over, func(x *drain) bool { return x.Since == entry.At }) {
			continue
		}
		f := switchOf(entry)
		if f == nil || s.open != nil && s.open.Since == entry.At && s.open.Detector == f.Detector {
			continue // this one led before, and knows more
		}
		x := &drain{story: story{Failover: *f, began: now, listed: true}}
		x.Since = entry.At
		if s.open != nil && s.open.Epoch > x.Epoch {
			x.Done, x.Outcome = now, tracing.OutcomeGivenUp
			ended = append(ended, x)
			continue
		}
		if s.open != nil && s.open.Epoch < x.Epoch {
			ended = append(ended, s.end(now, tracing.OutcomeGivenUp))
		}
		s.open = x
	}
	if s.open != nil && s.open.Declared < now {
		s.open.Elections = append(s.open.Elections, tracing.Election{Term: term, By: s.name, ByID: s.self, Began: now, Won: now, Resume: true})
	}
	return ended
}

// switched takes switches that are over. Where the cluster keeps no entry of them, who leads tells it and everybody keeps it.
func (w *Watch) switched(state *cluster.State, list ...*drain) {
	for _, x := range list {
		switch {
		case x.listed:
			w.drains.ended = append(w.drains.ended, x)
		case x.after == math.MaxInt64 || !keepsSwitches(state):
			w.over(&x.Failover)
		default:
			w.switches.over = append(w.switches.over, x)
		}
	}
}

// sightSwitches follows the switches of policies.
func (w *Watch) sightSwitches(state *cluster.State, now int64) {
	if x := w.switches.follow(state, now); x != nil {
		w.switched(state, x)
	}
	w.switched(state, w.switches.match(state)...)
	if x := w.switches.open; x != nil && !w.leading && !x.listed && (!keepsSwitches(state) || now-x.began > unheard) {
		w.over(&w.switches.end(now, tracing.OutcomeDone).Failover)
	}
	if !w.leading {
		w.switches.over = slices.DeleteFunc(w.switches.over, func(x *drain) bool { return now-x.began > unheard })
	}
	w.curious.Store(w.switches.open != nil)
}

// listSwitches has the cluster open entries of switches that it has none of, and says when to try again; 0: it need not.
func (w *Watch) listSwitches(state *cluster.State, now int64) (again int64) {
	if !keepsSwitches(state) {
		return 0
	}
	for _, x := range w.switches.unlisted() {
		if now >= x.after {
			w.list(x)
		}
		if !x.listed && x.after != math.MaxInt64 {
			again = sooner(again, x.after)
		}
	}
	over := w.switches.over
	w.switches.over = nil
	w.switched(state, over...)
	return again
}
