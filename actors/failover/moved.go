package failover

import (
	"math"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// moved gives the cluster the moves that have begun, before it looks whether they are over, and says when to try again if it does not
// know what became of that; 0: it need not.
func (w *Watch) moved(state *cluster.State, now int64) (again int64) {
	if x := w.moves.open; x != nil && !x.listed && now >= x.after {
		w.list(x)
	}
	again = w.listSwitches(state, now)
	over := w.moves.follow(state, now)
	switch {
	case over != nil && over.listed:
		w.drains.ended = append(w.drains.ended, over)
	case over != nil:
		w.keep(&over.Failover)
	case w.moves.open != nil && !w.moves.open.listed && w.moves.open.after != math.MaxInt64:
		return sooner(again, w.moves.open.after)
	}
	w.forget(w.c.Group.State())
	if w.moves.open != nil && w.moves.until > now {
		return sooner(again, w.moves.until)
	}
	return again
}

// sooner is the earlier of two times, of which 0 is none.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// list has the cluster open an entry of moves, or of a switch of policies. One that releases cannot read which are members is told by this node alone.
func (w *Watch) list(x *drain) {
	for i := range w.c.Group.State().Drains { // an earlier try may have been taken after all
		entry := &w.c.Group.State().Drains[i]
		if entry.Open && entry.Node == "" && x.proposed(entry.Record) {
			x.Since, x.listed, x.sent = entry.At, true, nil
			return
		}
	}
	record, kept := x.Encode(), len(x.Plans)
	outcome, err := w.propose(&cluster.Command{Moves: &cluster.BeginMoves{Record: record}})
	switch {
	case err != nil:
		w.log(&x.story).Debug("the beginning of "+x.Kind.String()+" was not committed yet", "error", err)
		x.doubt(record)
		x.after = nanos() + endPause
	case outcome.Err != nil:
		w.log(&x.story).Debug("the cluster does not keep the story of "+x.Kind.String(), "reason", outcome.Err)
		x.after = math.MaxInt64
	default:
		x.Since, x.listed, x.kept, x.sent = outcome.Version, true, kept, nil
	}
}

// forget closes entries of moves and switches that are nobody's: a beginning that was taken after its writer had tried again.
func (w *Watch) forget(state *cluster.State) {
	for i := range state.Drains {
		entry := &state.Drains[i]
		own := func(x *drain) bool { return x != nil && x.Since == entry.At }
		if !entry.Open || entry.Node != "" || own(w.moves.open) || own(w.switches.open) || w.copies.tells(entry.At) || slices.ContainsFunc(w.drains.ended, own) {
			continue
		}
		if x := w.moves.open; x != nil && !x.listed || len(w.switches.unlisted()) > 0 || w.copies.unlisted() {
			return // it may be this one's
		}
		if _, err := w.propose(&cluster.Command{Drain: &cluster.DrainChange{At: entry.At, Close: true}}); err != nil {
			w.c.Log.Debug("an entry of moves that nobody tells of was not closed", "error", err)
			return
		}
	}
}
