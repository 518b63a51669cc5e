package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Bounds on what comes after the last fault, in simulated time.
const (
	healTime  = 3 * time.Minute  // until every shard has all its copies, in sync, and a primary; again, after a node was kept waiting
	holdTime  = 10 * time.Minute // that a node which came back too often is kept waiting: HoldMax of policies/liveness
	serveTime = 30 * time.Second // until every key has taken a write after that
	levelTime = time.Second      // until replicas have applied what their primaries have, once nobody asks for anything
	checkTime = 20 * time.Second // of this machine, for one key's history
)

// Report is what a world was, for statistics.
type Report struct {
	Simulated        time.Duration
	Events, Packets  int
	Acked, Reads     int // by primaries
	Calls            int // of clients that have ended
	Acts, Letters    int // calls of actors; letters that have come
	Undecided        bool
	Hash             uint64
	Healed           time.Duration // from the end of the faults to green
	Terms, Elections uint64
}

// Play lets a world happen from its beginning to its end: faults, healing, and the questions that can be asked only then.
func (w *World) Play() Report {
	r := Report{}
	if w.Run(settleTime + w.o.Length) {
		r.Healed = w.recover()
	}
	if w.failure == nil {
		r.Undecided = w.judge()
	}
	r.Simulated, r.Events, r.Packets, r.Hash = w.now, w.events, w.net.sent, w.Hash()
	r.Acked, r.Reads, r.Calls = w.watch.acked, w.watch.reads, len(w.history.calls)+len(w.loans.calls)
	r.Acts = len(w.acts.all)
	for _, l := range w.acts.lines {
		for _, n := range l.next {
			r.Letters += n
		}
	}
	return r
}

// recover ends the faults, and waits until the cluster is whole and serves: invariant 9.
func (w *World) recover() time.Duration {
	w.heal()
	w.undrain()
	took, ok := w.mend()
	if w.failure != nil {
		return took
	}
	if !ok {
		w.Fail(invariantHeal, "%v after the last fault: %s", took, w.unwell())
		return took
	}
	w.Note("whole again after %v", took)
	w.acts.served = map[string]bool{}
	served, next := map[string]bool{}, 0
	w.finished = func(c *client) {
		if c.call.action != Get && !c.call.got.unknown {
			served[c.call.key] = true
		}
	}
	waiting := func(key string) bool { return !served[key] && !w.excused(w.rowOf(key).ID) }
	w.unserved = func() (string, bool) {
		for next < len(w.keys) && !waiting(w.keys[next]) {
			next++
		}
		return w.keys[next%len(w.keys)], next < len(w.keys)
	}
	if _, ok = w.Until(serveTime, func() bool { _, any := w.unserved(); return !any }); !ok && w.failure == nil {
		key := w.keys[slices.IndexFunc(w.keys, waiting)]
		w.Fail(invariantHeal, "%v after the cluster turned green: no write of key %s was acknowledged: %s", serveTime, key, w.statusOf(w.rowOf(key)))
	}
	if _, ok = w.Until(serveTime, func() bool { _, any := w.acts.unserved(w); return !any }); !ok && w.failure == nil {
		name, _ := w.acts.unserved(w)
		w.Fail(invariantHeal, "%v after the cluster turned green: no call of actor %s has changed it: %s", serveTime, name, w.statusOf(w.rowOf(keyOf('s', name, ""))))
	}
	w.quiet = true
	w.Until(2*clientPatience, func() bool {
		return !slices.ContainsFunc(w.clients, func(c *client) bool { return c.busy }) && !w.acts.busy(w)
	})
	w.acts.settle(w, serveTime)
	w.Run(w.now + 2*time.Second)
	if w.failure == nil {
		w.Until(levelTime, w.level) // else judge says what is wrong
	}
	return took
}

// level says that the copies in sync of each shard have applied as much as each other. A replica hears a moment later what is committed:
// of a reminder that came just now.
func (w *World) level() bool {
	for i := range w.watch.newest.Shards {
		row := &w.watch.newest.Shards[i]
		var first *holding
		for _, c := range row.Copies {
			h := w.nodeByID(c.Node).proc.copies.held[row.ID]
			switch {
			case !c.InSync || h == nil:
			case first == nil:
				first = h
			case h.store.Applied() != first.store.Applied():
				return false
			}
		}
	}
	return true
}

// mend waits until the cluster is whole, for the time that it may take to heal. Where all that is lacking then are copies that
// only a node could take which is kept from new ones, that time begins anew once it is kept no longer.
func (w *World) mend() (time.Duration, bool) {
	begun := w.now
	_, ok := w.Until(w.o.Heal, w.whole)
	if !ok && w.failure == nil && w.kept() {
		w.Note("a node that came back too often is waited for")
		w.Until(holdTime, func() bool { return !slices.ContainsFunc(w.watch.newest.Members, w.isHeld) })
		_, ok = w.Until(w.o.Heal, w.whole)
	}
	return w.now - begun, ok
}

// undrain takes back what operators began.
func (w *World) undrain() {
	if w.quiet {
		return
	}
	if l := w.leader(); l != nil && l.running() && l.proc.table() != nil {
		for _, m := range l.proc.table().Members {
			if m.Draining {
				no := false
				l.proc.meta.propose(&cluster.Command{Member: &cluster.MemberChange{Node: m.ID, Draining: &no}}, nil)
			}
		}
	}
	w.After(time.Second, w.undrain)
}

// whole says that every node has joined in its present life and knows the newest state, and that it is green, or
// excused.
func (w *World) whole() bool {
	return w.stands(func(r cluster.ShardHealth) bool { return w.excused(r.Shard) })
}

// kept is whole, but that shards may lack copies which nobody can take: each node for data has one, or came back too often and
// is kept from new ones.
func (w *World) kept() bool {
	return w.stands(func(r cluster.ShardHealth) bool {
		row := w.row(r.Shard)
		free := func(m cluster.Member) bool { return m.Has(cluster.RoleData) && row.CopyOn(m.ID) == nil && !w.isHeld(m) }
		recovers := func(c cluster.Copy) bool { return !c.InSync }
		return w.excused(r.Shard) || r.Status == cluster.Yellow && !slices.ContainsFunc(row.Copies, recovers) && !slices.ContainsFunc(w.watch.newest.Members, free)
	})
}

// isHeld says that who leads keeps a member from new copies, since it came back too often.
func (w *World) isHeld(m cluster.Member) bool {
	l := w.leader()
	if l == nil || !l.running() || l.proc.member.detector == nil {
		return false
	}
	status, known := l.proc.member.detector.Status(m.ID)
	return known && status.Held > l.proc.member.detector.Now()
}

// stands says that somebody leads, that every node has joined in its present life and knows the newest state, and that
// whatever keeps that state from being green may be.
func (w *World) stands(may func(cluster.ShardHealth) bool) bool {
	s := w.watch.newest
	if s == nil || w.leader() == nil {
		return false
	}
	for _, n := range w.nodes {
		if n.out {
			continue
		}
		if !n.running() || n.proc.meta == nil || !n.proc.present() || n.proc.table().Version != s.Version {
			return false
		}
	}
	return !slices.ContainsFunc(w.watch.healthOf(s).Reasons, func(r cluster.ShardHealth) bool { return !may(r) })
}

// excused says that a shard waits for an operator, and may: a fault damaged one copy, and before that was found the others
// died and left the in-sync set to it.
func (w *World) excused(shard shards.ShardID) bool {
	row := w.row(shard)
	failed := slices.ContainsFunc(row.Copies, func(c cluster.Copy) bool { return c.Failed })
	return failed && len(w.watch.shard(shard).damaged) > 0
}

// healthOf judges a state once, however often it is asked for.
func (v *watch) healthOf(s *cluster.State) *cluster.Health {
	if v.judged != s {
		v.judged, v.health = s, cluster.HealthOf(s)
	}
	return &v.health
}

// unwell says what is wrong with a world that should be whole.
func (w *World) unwell() string {
	var all []string
	if w.leader() == nil {
		all = append(all, "nobody leads")
	}
	s := w.watch.newest
	if s == nil {
		return "there is no cluster state"
	}
	for _, n := range w.nodes {
		switch {
		case n.out:
		case !n.running() || n.proc.meta == nil:
			all = append(all, fmt.Sprintf("%s does not run", n.ID))
		case !n.proc.present():
			all = append(all, fmt.Sprintf("%s has not joined in epoch %d", n.ID, n.epoch))
		case n.proc.table().Version != s.Version:
			all = append(all, fmt.Sprintf("%s knows version %d of %d", n.ID, n.proc.table().Version, s.Version))
		}
	}
	for _, r := range cluster.HealthOf(s).Reasons {
		row := s.Shard(r.Shard)
		all = append(all, fmt.Sprintf("%s is %v: %s (%s)", r.Name, r.Status, r.Reason, w.statusOf(row)))
	}
	return strings.Join(all, "; ")
}

func (w *World) rowOf(key string) *cluster.Shard {
	space := w.spaceOf(w.watch.newest, key)
	return w.row(shards.NewShardID(space.ID, space.ShardOf(shards.SlotOf([]byte(key)))))
}

// statusOf says what the copies of a shard believe.
func (w *World) statusOf(row *cluster.Shard) string {
	all := []string{describe(row)}
	for _, c := range row.Copies {
		if n := w.nodeByID(c.Node); n.running() && n.proc.copies != nil && n.proc.copies.held[row.ID] != nil {
			h := n.proc.copies.held[row.ID]
			all = append(all, fmt.Sprintf("%s: %+v, writable %v, leased %v, %d rounds, %d gathered, %d reads", n.ID, h.core.Status(), h.core.Writable(),
				n.proc.member.leased(), len(h.rounds), len(h.gather), len(h.reads)))
		}
	}
	return strings.Join(all, "; ")
}

func (w *World) shardOf(key string) *lineage {
	space := w.spaceOf(w.watch.newest, key)
	if space == nil {
		return &lineage{}
	}
	return w.watch.shard(shards.NewShardID(space.ID, space.ShardOf(shards.SlotOf([]byte(key)))))
}

// judge looks at what is there when everything is quiet: copies are equal, nothing acknowledged is missing, and the clients'
// history has an explanation. It says whether some key's history could not be decided.
func (w *World) judge() (undecided bool) {
	for i := range w.watch.newest.Shards {
		row := &w.watch.newest.Shards[i]
		if !w.excused(row.ID) {
			w.judgeShard(row, w.watch.shard(row.ID))
		}
	}
	decided := w.explain(invariantLinear, &w.history, register)
	if len(w.loans.calls) > 0 {
		decided = w.explain(invariantExpiry, &w.loans, borrowed) && decided
	}
	w.acts.judge(w)
	return !decided
}

// explain looks for an order of the calls of a history that explains its answers, key by key. It says whether each key's could be decided.
func (w *World) explain(invariant int, h *history, model porcupine.Model) bool {
	counts := func(key string) bool { return !w.shardOf(key).forgiven }
	key, calls, decided := h.check(model, counts, checkTime)
	if key != "" {
		var lines []string
		for i := range calls {
			lines = append(lines, fmt.Sprintf("%d..%d client %d: %v", calls[i].begun, calls[i].ended, calls[i].client, &calls[i]))
		}
		w.Fail(invariant, "no order of the calls explains the answers about %s; the last of %d:\n%s", key, len(lines), strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
	return decided
}

func (w *World) judgeShard(row *cluster.Shard, l *lineage) {
	var first *holding
	for _, c := range row.Copies {
		h := w.nodeByID(c.Node).proc.copies.held[row.ID]
		switch {
		case !c.InSync:
			continue
		case h == nil:
			w.Fail(invariantKept, "shard %v: %s does not hold the in-sync copy %d", row.ID, c.Node, c.ID)
			return
		case !l.forgiven && h.store.Applied() < l.acked:
			w.Fail(invariantKept, "shard %v: %s has applied %d, and %d was acknowledged", row.ID, c.Node, h.store.Applied(), l.acked)
		}
		if first == nil {
			first = h
		}
		w.overdue(row.ID, h)
		if h.store.Digest() != first.store.Digest() {
			w.Fail(invariantEqual, "shard %v: copies on %s and %s differ: %d and %d transactions, digests %v and %v", row.ID,
				first.c.p.n.ID, c.Node, first.store.Applied(), h.store.Applied(), first.store.Digest(), h.store.Digest())
		}
	}
}
