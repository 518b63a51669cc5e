package failover

import (
	"cmp"
	"slices"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// copies are the stories of copies that dead nodes had, until each has been replaced or has come back: one for each life that ended while
// shards had too few copies without it. That is long after its failover has been told, so it is a trace of its own, which leads to that one.
//
//	state: a member is down, and shards lack its copies ──► begun: the shards are known, and that they wait
//	state: a copy recovers, or the node is back ──────────► tried; again if that fails
//	plan:  a copy shall be put there ─────────────────────► decided, and why
//	state: that copy is in sync ──────────────────────────► back
//	state: nothing is lacked any more ────────────────────► done; or returned, if the node came back with some of them
//	state: the node, which was back, is down again ───────► died: the story of its next life goes on with what is lacked
//
// Everything but the plans is in the rows, so whoever leads next goes on with a story of which the cluster has no entry yet. It gets one
// when the first copy is tried; entries of it hold no shard that still waits, since a release before counts on tries. It is pure, like stories.
type copies struct {
	self, name string
	open       []*drain                       // of which the rows and the outcome of a drain are not used
	known      map[shards.NodeID]shards.Epoch // lives of members that are down and have been looked at; asked by key only
	version    uint64                         // of the state that was followed...
	sighted    int64                          // ...and when
	after      int64                          // no entry is asked for before
}

// death is what is known of how a life ended, from its failover.
type death struct {
	at     int64 // declared
	reason string
}

// follow takes a state, once for each of its versions. deaths says what is known of the end of a life.
func (s *copies) follow(state *cluster.State, deaths func(*cluster.Member) death, now int64) {
	if state.Version <= s.version {
		return
	}
	s.version, s.sighted = state.Version, now
	if s.known == nil {
		s.known = map[shards.NodeID]shards.Epoch{}
	}
	for i := range state.Members {
		switch m := &state.Members[i]; {
		case !m.Down:
			delete(s.known, m.ID)
		case s.known[m.ID] != m.Epoch:
			s.known[m.ID] = m.Epoch
			s.begin(state, m, deaths(m), now)
		}
	}
	for _, x := range s.open {
		if x.Done == 0 {
			s.look(state, x, now)
		}
	}
}

// begin opens the story of a life, if shards lack what it had.
func (s *copies) begin(state *cluster.State, m *cluster.Member, d death, now int64) {
	if slices.ContainsFunc(s.open, func(x *drain) bool { return x.Node == string(m.ID) && x.Epoch == uint64(m.Epoch) }) {
		return
	}
	x := &drain{at: map[shards.ShardID]int{}, story: story{began: now, Failover: tracing.Failover{Kind: tracing.KindCopies, Cluster: state.Cluster, Node: string(m.ID), Name: m.Name,
		Epoch: uint64(m.Epoch), Declared: cmp.Or(d.at, now), Detector: s.name, DetectorID: s.self, Reason: cmp.Or(d.reason, "it is down")}}}
	if s.lack(state, x); len(x.lacks) > 0 {
		for _, before := range s.open {
			if before.Node == x.Node && before.Done == 0 {
				before.Done, before.Outcome, before.lacks = now, tracing.OutcomeDied, nil // the new one goes on with what it lacked
			}
		}
		s.open = append(s.open, x)
	}
}

// lack notes the shards that have too few copies without the one of the dead node, but for those of which something was tried. What is in sync on a
// node that is back is not lacked: if the shard is short, it is for the sake of another's.
func (s *copies) lack(state *cluster.State, x *drain) {
	for i := range state.Shards {
		r := &state.Shards[i]
		own := r.CopyOn(shards.NodeID(x.Node))
		if _, tried := x.at[r.ID]; !tried && own != nil && !(own.InSync && lives(state, own.Node)) && short(state, r) {
			x.lacks = append(x.lacks, r.ID)
		}
	}
}

// short says that a shard has fewer copies in sync on living members than it is to have. One whose place another has come to take does not count: a lead
// that moves waits for its hand-over, and then it goes.
func short(state *cluster.State, r *cluster.Shard) bool {
	space, good := state.Keyspace(r.ID.Keyspace()), 0
	counts := func(c *cluster.Copy) bool { return c.InSync && lives(state, c.Node) }
	for i := range r.Copies {
		leaves := func(o cluster.Copy) bool { return o.Source == r.Copies[i].ID && counts(&o) }
		if counts(&r.Copies[i]) && !slices.ContainsFunc(r.Copies, leaves) {
			good++
		}
	}
	return space != nil && good < space.Copies()
}

func lives(state *cluster.State, id shards.NodeID) bool {
	m := state.Member(id)
	return m != nil && !m.Down
}

// look compares a story with the rows.
func (s *copies) look(state *cluster.State, x *drain, now int64) {
	x.lacks = slices.DeleteFunc(x.lacks, func(id shards.ShardID) bool {
		r := state.Shard(id)
		if r == nil {
			return true // its keyspace is gone: nobody lacks it
		}
		switch c := s.comes(state, x, r); {
		case c != nil:
			s.tries(state, x, id, attempted(state, id, c.Node, now))
		case !short(state, r):
			s.tries(state, x, id, tracing.Attempt{To: "the others", Told: now, Served: now})
		default:
			return false
		}
		return true
	})
	settled, back, last := len(x.lacks) == 0, false, int64(0)
	for i := range x.Shards {
		shard := &x.Shards[i]
		if !shard.Serving() && shard.Problem == "" {
			s.progress(state, x, shard, now)
		}
		settled = settled && (shard.Serving() || shard.Problem != "")
		back, last = back || shard.Serving() && shard.Last().ToID == x.Node, max(last, shard.Last().Served)
	}
	if !settled {
		return
	}
	x.Done, x.Outcome = cmp.Or(last, now), tracing.OutcomeDone
	if back {
		x.Outcome = tracing.OutcomeReturned
	}
}

// tries notes the first try of a shard.
func (s *copies) tries(state *cluster.State, x *drain, id shards.ShardID, a tracing.Attempt) {
	x.at[id] = len(x.Shards)
	x.Shards = append(x.Shards, tracing.Shard{ID: uint32(id), Name: state.ShardName(id), From: x.Name, Plan: -1, Attempts: []tracing.Attempt{a}})
}

// comes is the copy of a row that takes the lost one's place: one that recovers, and that no other story counts on; or the node's own, once it is back. nil: there
// is none.
func (s *copies) comes(state *cluster.State, x *drain, r *cluster.Shard) *cluster.Copy {
	for i := range r.Copies {
		c := &r.Copies[i]
		if own := c.Node == shards.NodeID(x.Node); c.Source != 0 || c.Failed || !lives(state, c.Node) || c.InSync && !own || s.counted(x, own, r.ID, c.Node) {
			continue
		}
		return c
	}
	return nil
}

// counted says that another story counts on the copy of a shard on a node, or will: it is that node's own, which is back.
func (s *copies) counted(x *drain, own bool, id shards.ShardID, node shards.NodeID) bool {
	return !own && s.owned(x, id, node) || slices.ContainsFunc(s.open, func(y *drain) bool {
		at, tried := y.at[id]
		return y != x && tried && y.Shards[at].Last().Failed == "" && y.Shards[at].Last().ToID == string(node)
	})
}

// owned says that a node lost its copy of a shard in another story, which waits for it to bring that back, or has found it.
func (s *copies) owned(x *drain, id shards.ShardID, node shards.NodeID) bool {
	return slices.ContainsFunc(s.open, func(y *drain) bool {
		if y == x || y.Node != string(node) {
			return false
		}
		if at, tried := y.at[id]; tried {
			last := y.Shards[at].Last()
			return last.Failed != "" || last.ToID == string(node)
		}
		_, lacks := slices.BinarySearch(y.lacks, id)
		return lacks
	})
}

// progress compares the newest try of a shard with its row.
func (s *copies) progress(state *cluster.State, x *drain, shard *tracing.Shard, now int64) {
	id, last := shards.ShardID(shard.ID), shard.Last()
	r := state.Shard(id)
	if r == nil {
		last.Failed, shard.Problem = "the keyspace is gone", "the keyspace is gone"
		return
	}
	if last.Failed == "" {
		c := copyOn(r, shards.NodeID(last.ToID))
		switch alive := lives(state, shards.NodeID(last.ToID)); {
		case !alive, last.ToID != x.Node && s.owned(x, id, shards.NodeID(last.ToID)): // or it has died, and is back
			last.Failed = "node " + last.To + " died"
		case c == nil || c.Failed:
			last.Failed = gaveUp(last)
		case c.InSync:
			last.Served = now
		}
	}
	if last.Failed == "" {
		return
	}
	if c := s.comes(state, x, r); c != nil {
		shard.Attempts = append(shard.Attempts, attempted(state, id, c.Node, now))
	} else if !short(state, r) {
		shard.Attempts = append(shard.Attempts, tracing.Attempt{To: "the others", Told: now, Served: now})
	}
}

// planned takes a plan that was proposed, with the state after it: what it says of copies that are missing belongs to the story that counts on them.
func (s *copies) planned(state *cluster.State, d *placement.Planned, told *telltale, now int64) {
	if d.Commit == 0 || d.Err != nil || d.Outcome.Err != nil {
		return
	}
	plan := planOf(s.self, s.name, d, now)
	for _, x := range s.open {
		part := false
		for i := range d.Plan.Decisions {
			decision := &d.Plan.Decisions[i]
			at, known := x.at[decision.Shard]
			if !known || decision.Lane != allocator.Missing || decision.Move.Kind != cluster.MoveAllocate {
				continue
			}
			shard := &x.Shards[at]
			if to := chosen(state, decision.Shard, &decision.Move); shard.Plan < 0 && shard.Last().To == to || x.Undecided(shard, to) {
				x.decide(state, shard, decision, len(x.Plans), plan.Began+plan.Took, told)
				part = true
			}
		}
		if part {
			x.Plans = append(x.Plans, plan)
		}
	}
}

// arrived takes what a primary tells of a copy that has come.
func (s *copies) arrived(state *cluster.State, a *Arrival) {
	for _, x := range s.open {
		if at, known := x.at[a.Shard]; known {
			if last := x.Shards[at].Last(); last.ToID == string(a.Node) && last.Failed == "" {
				last.Source, last.Bytes, last.Operations = state.NodeName(a.By), a.Bytes, a.Operations
			}
		}
	}
}

// lead takes up what another leader has left. Of a life that has two entries the older was begun by one that did not know what had become of
// it: of that nobody need hear. ended are stories whose end this node has seen.
func (s *copies) lead(state *cluster.State, ended []*drain, term uint64, now int64) {
	type life struct {
		node  string
		epoch uint64
	}
	told := map[life]bool{} // asked by key only
	s.open, s.known, s.version = nil, map[shards.NodeID]shards.Epoch{}, 0
	for i := len(state.Drains) - 1; i >= 0; i-- {
		entry := &state.Drains[i]
		record := recordOf(entry, tracing.KindCopies)
		if record == nil || told[life{record.Node, record.Epoch}] {
			continue
		}
		told[life{record.Node, record.Epoch}] = true
		if m := state.Member(shards.NodeID(record.Node)); m != nil && uint64(m.Epoch) == record.Epoch {
			s.known[m.ID] = m.Epoch
		}
		if over := slices.ContainsFunc(ended, func(x *drain) bool { return x.Since == entry.At }); entry.Open && !over {
			s.open = append(s.open, s.resume(state, record, entry.At, term, now))
		}
	}
	slices.Reverse(s.open)
	s.part()
}

// part has the newer of two tries keep the copy that both count on: the older one's failed, which its entry does not say yet.
func (s *copies) part() {
	type place struct {
		shard uint32
		node  string
	}
	newest := map[place]*tracing.Attempt{} // asked by key only
	for _, x := range s.open {
		for i := range x.Shards {
			a := x.Shards[i].Last()
			if a.ToID == "" || a.Served != 0 || a.Failed != "" {
				continue
			}
			at := place{x.Shards[i].ID, a.ToID}
			older := newest[at]
			if older == nil || older.Told < a.Told {
				newest[at], a = a, older
			}
			if a != nil {
				a.Failed = gaveUp(a)
			}
		}
	}
}

// resume goes on with what an entry has of a story. Shards that the record only counts are lacked still, or are not looked at any more.
func (s *copies) resume(state *cluster.State, record *tracing.Failover, at uint64, term uint64, now int64) *drain {
	x := &drain{at: map[shards.ShardID]int{}, story: story{Failover: *record, began: now, listed: true}}
	x.Since, x.kept = at, len(record.Plans)
	for i := range x.Shards {
		x.at[shards.ShardID(x.Shards[i].ID)] = i
	}
	s.lack(state, x)
	x.Omitted -= min(x.Omitted, len(x.lacks))
	if x.Declared < now {
		x.Elections = append(x.Elections, tracing.Election{Term: term, By: s.name, ByID: s.self, Began: now, Won: now, Resume: true})
	}
	return x
}
