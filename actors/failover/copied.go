package failover

import (
	"math"
	"slices"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/tracing"
)

// The entry of a story of copies is one without a node, as that of moves and of switches; its record says which it is.

// recordOf is what an entry says, if it is one without a node that is about something of a kind; else nil.
func recordOf(entry *cluster.Drain, kind tracing.Kind) *tracing.Failover {
	if entry.Node != "" {
		return nil
	}
	record, err := tracing.DecodeFailover(entry.Record)
	if err != nil || record.Kind != kind {
		return nil
	}
	return record
}

// deathOf is what is known of how a life ended: by the story that goes on, or by what the cluster keeps of it.
func (w *Watch) deathOf(m *cluster.Member) death {
	if x := w.stories.find(string(m.ID), uint64(m.Epoch)); x != nil {
		return death{x.Declared, x.Reason}
	}
	if entry := w.c.Group.State().FindFailover(m.ID, m.Epoch); entry != nil {
		if f, err := tracing.DecodeFailover(entry.Record); err == nil {
			return death{f.Declared, f.Reason}
		}
	}
	return death{}
}

// copied works through the stories of copies, and says when to look again; 0: not before something happens. Who leads gives the cluster an entry of each
// once a copy is tried, or at its end, and then it is closed as that of moves.
func (w *Watch) copied(state *cluster.State, now int64) (again int64) {
	if now >= w.copies.sighted+drainPause || !w.copies.large() { // a plan is told of at once, by what has been tried by then
		w.copies.follow(state, w.deathOf, now)
	}
	for _, x := range w.copies.open {
		if len(x.Shards) == 0 || x.listed || x.after == math.MaxInt64 {
			continue
		}
		if now < w.copies.after {
			again = w.copies.after
			break
		}
		if w.list(x); !x.listed && x.after != math.MaxInt64 {
			w.hush(nanos())
			again = w.copies.after
			break
		}
	}
	w.copies.open = slices.DeleteFunc(w.copies.open, func(x *drain) bool {
		switch {
		case x.Done == 0:
			return false
		case x.listed && now < x.Done+int64(arrivalWait) && !x.heard():
			again = sooner(again, x.Done+int64(arrivalWait))
			return false
		case x.listed:
			w.drains.ended = append(w.drains.ended, x)
		case len(x.Shards) == 0:
		case x.after == math.MaxInt64:
			w.keep(&x.Failover)
		default:
			return false
		}
		return true
	})
	return again
}

// hush has what is given to the cluster wait, since it has not answered: each try may last as long as commitTimeout, in which nothing else is told.
func (w *Watch) hush(now int64) {
	w.copies.after = max(w.copies.after, now+keepPause)
	w.stories.later(now)
}

// heard says that primaries have told of every copy that has come.
func (x *drain) heard() bool {
	return !slices.ContainsFunc(x.Shards, func(s tracing.Shard) bool { a := s.Last(); return a.ToID != "" && a.Failed == "" && a.Source == "" })
}

// large says that to follow is work.
func (s *copies) large() bool {
	n := 0
	for _, x := range s.open {
		n += len(x.Shards) + len(x.lacks)
	}
	return n >= largeDrain
}

// tells says that an entry is that of a story of copies.
func (s *copies) tells(at uint64) bool {
	return slices.ContainsFunc(s.open, func(x *drain) bool { return x.Since == at })
}

// unlisted says that a story may have an entry and not know of it.
func (s *copies) unlisted() bool {
	return slices.ContainsFunc(s.open, func(x *drain) bool { return !x.listed && len(x.Shards) > 0 })
}

// missing says whether a decision replaces a copy that a dead node had.
func missing(state *cluster.State, d *allocator.Decision) bool {
	if d.Lane != allocator.Missing || d.Move.Kind != cluster.MoveAllocate || len(d.Candidates) > 0 {
		return false
	}
	r := state.Shard(d.Shard)
	return r != nil && slices.ContainsFunc(r.Copies, func(c cluster.Copy) bool { return !lives(state, c.Node) })
}
