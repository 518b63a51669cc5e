package failover

import (
	"context"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// drained works through the drains and moves that go on and those that are over, and says when to look again; 0: not before something happens. Who
// leads gives the cluster what it knows of the first, and closes the others. The entry is closed once, and who closed it tells:
//
//	leader                     cluster state                other nodes
//	over ── close, record ──►  closed ───────────────────►  over as well: the state has it, forget
//	  ◄── committed: tell       │
//	  ◄── nobody knows          ▼
//	      is it closed, and with the record sent? tell: there is nobody else who knows that it may
func (w *Watch) drained(state *cluster.State, now int64) (again int64) {
	if w.leading {
		moving := sooner(w.copied(state, now), w.moved(state, now))
		others := append(w.copies.open[:len(w.copies.open):len(w.copies.open)], w.moves.open)
		x, at := w.drains.unsaved(now, others)
		for ; x != nil; x, at = w.drains.unsaved(now, others) {
			outcome, err := w.note(x, x.Encode(), false)
			if err != nil || outcome.Err != nil {
				w.log(&x.story).Debug("what is known of "+x.Kind.String()+" was not committed", "error", err, "reason", outcome.Err)
			}
			if err == nil { // what is refused would be so again
				x.kept = len(x.Plans)
			}
		}
		again = sooner(at, moving)
	}
	w.drains.ended = slices.DeleteFunc(w.drains.ended, func(x *drain) bool {
		entry := w.c.Group.State().FindDrain(x.Since)
		switch {
		case entry == nil: // too many came after it; or this node is behind, and looks again
			return state.Version > x.Since
		case !entry.Open:
			if x.proposed(entry.Record) {
				w.tell(&x.Failover)
			}
			return true
		case !w.leading:
			return false
		}
		if now >= x.after && w.close(x) {
			return true
		}
		again = sooner(again, x.after)
		return false
	})
	return again
}

// close has the cluster take the end of a drain, tells it, and says whether it is done with.
func (w *Watch) close(x *drain) bool {
	record := x.Encode()
	outcome, err := w.note(x, record, true)
	switch {
	case err != nil:
		w.log(&x.story).Debug("the end of "+x.Kind.String()+" was not committed yet", "error", err)
		x.doubt(record)
		x.after = nanos() + endPause
		return false
	case outcome.Err != nil && outcome.Err.Why == cluster.WhyStale:
		x.after = nanos() + endPause
		return false // closed meanwhile: the next look says by whom
	case outcome.Err != nil:
		w.log(&x.story).Warn("the cluster does not keep the story of "+x.Kind.String(), "reason", outcome.Err)
		w.hold(&x.Failover)
	}
	w.tell(&x.Failover)
	return true
}

func (w *Watch) note(x *drain, record []byte, end bool) (cluster.Outcome, error) {
	return w.propose(&cluster.Command{Drain: &cluster.DrainChange{At: x.Since, Record: record, Close: end}})
}

func (w *Watch) propose(c *cluster.Command) (cluster.Outcome, error) {
	ctx, cancel := context.WithTimeout(w.ctx, commitTimeout)
	defer cancel()
	return w.c.Group.ProposeIn(ctx, w.stories.term, c)
}

// arrived takes what primaries tell of copies that are in sync by now, or will be in a moment.
func (w *Watch) arrived(state *cluster.State, list []Arrival) {
	if len(list) > 0 {
		w.sight(state, nanos())
	}
	for i := range list {
		w.drains.arrived(state, &list[i])
		w.moves.arrived(state, &list[i])
		w.copies.arrived(state, &list[i])
	}
}
