package failover

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// unsaved is a story whose entry in the cluster state lacks something, or when to look again: at once when it has its first plan, and later at most once a
// second, since a record may be large. Who gives it says in kept what the entry has.
func (s *stories) unsaved(now int64) (x *story, again int64) {
	for _, x := range s.open {
		if !x.listed || len(x.Plans) == 0 {
			continue
		}
		if at := x.keeps + keepPause; at > now {
			again = sooner(again, at)
			continue
		}
		x.keeps = now
		if x.known() != x.kept {
			return x, 0
		}
	}
	return nil, again
}

// later has all stories wait as if they had just been given: the cluster takes nothing now.
func (s *stories) later(now int64) {
	for _, x := range s.open {
		x.keeps = now
	}
}

// known is a sum of what a story tells of how it went on after the death: another one says that there is news. It is a hash, since a count would stay what it
// was where one thing comes and another goes.
func (x *story) known() int {
	h := fnv.New64a()
	add := func(list ...int) {
		for _, n := range list {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], uint64(n))
			h.Write(b[:]) // a hash takes everything
		}
	}
	add(len(x.Elections), len(x.Plans))
	for i := range x.Shards {
		s := &x.Shards[i]
		add(i, len(s.Attempts), truth(s.Problem != ""))
		for j := range s.Attempts {
			a := &s.Attempts[j]
			add(truth(a.Served != 0), truth(a.Written != 0), truth(a.Failed != ""))
		}
	}
	for i := range x.Clients {
		add(x.Clients[i].Requests)
	}
	return int(h.Sum64())
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ripe takes out the stories that are told, and says when to look again; 0: not before something happens.
func (s *stories) ripe(state *cluster.State, now int64) (told []*story, again int64) {
	for _, x := range slices.Clone(s.open) {
		end, outcome, at := x.conclude(state, now)
		if now < x.after {
			outcome, at = tracing.OutcomeOpen, x.after
		}
		if outcome != tracing.OutcomeOpen {
			s.unlink(x, state)
			told = append(told, s.end(x, end, outcome))
		} else if again == 0 || at < again {
			again = at
		}
	}
	return told, again
}

// conclude says how a story ends, and when it did, or when to look again.
func (x *story) conclude(state *cluster.State, now int64) (end int64, outcome tracing.Outcome, again int64) {
	if x.Kind == tracing.KindSuspicion {
		if now-x.began > giveUp {
			return now, tracing.OutcomeGivenUp, 0
		}
		return 0, tracing.OutcomeOpen, x.began + giveUp + 1
	}
	served, written, serving, stuck := x.progress()
	m := state.Member(shards.NodeID(x.Node))
	declared := x.listed || m == nil || m.Down || uint64(m.Epoch) > x.Epoch
	switch {
	case declared && serving || stuck && x.Declared != 0:
		if x.calm == 0 {
			x.calm = now
		}
		until := x.calm + writeWait
		switch {
		case !serving:
			until = x.calm + redWait
		case written:
			x.wrote = cmp.Or(x.wrote, now)
			until = min(until, x.wrote+feltWait)
		}
		switch {
		case now < until:
			return 0, tracing.OutcomeOpen, until
		case serving:
			return max(served, x.Declared), x.good(m), 0
		}
		return now, tracing.OutcomeRed, 0
	}
	x.calm = 0
	if now-x.began > giveUp {
		return now, tracing.OutcomeGivenUp, 0
	}
	return 0, tracing.OutcomeOpen, x.began + giveUp + 1
}

// progress says when the last shard took a write, or could; whether every shard could, and has taken one; and whether what
// does not serve cannot.
func (x *story) progress() (last int64, written, serving, stuck bool) {
	written, serving, stuck = true, true, false
	for i := range x.Shards {
		s := &x.Shards[i]
		switch {
		case s.Serving():
			a := s.Last()
			last = max(last, a.Served, a.Written)
			written = written && a.Written != 0
		case s.Problem != "":
			serving, stuck = false, true
		default:
			return 0, false, false, false
		}
	}
	return last, written, serving, stuck
}

// good is the outcome when all is well again.
func (x *story) good(m *cluster.Member) tracing.Outcome {
	if m != nil && uint64(m.Epoch) > x.Epoch && slices.ContainsFunc(x.Shards, func(s tracing.Shard) bool { return s.Last() != nil && s.Last().ToID == x.Node }) {
		return tracing.OutcomeReturned
	}
	return tracing.OutcomeRecovered
}
