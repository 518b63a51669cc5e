package failover

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// How long a story waits for what may still come.
const (
	writeWait = int64(time.Second)     // for the first write of a client, once every shard takes writes
	feltWait  = writeWait / 4          // for what clients felt, once every shard has taken one
	endPause  = writeWait / 2          // between two tries to have its end committed
	redWait   = 5 * int64(time.Second) // for a copy that may lead to come back
	giveUp    = 5 * int64(time.Minute) // for anything
)

// story is a record that is being written.
type story struct {
	tracing.Failover
	began  int64 // when it was opened here
	calm   int64 // since when nothing is missing but first writes; 0: something is
	wrote  int64 // since when not even these are
	named  bool  // the log has its trace
	listed bool  // the cluster state has it
	kept   int   // how much of it the entry in the cluster state has: of a failover as known sums it up, of all else its plans
	keeps  int64 // when it was last to be given some, or was looked at for that
	felt   []Felt
	waits  []tracing.Wait // that another leader wrote down
	sent   [][]byte       // records that were proposed as its end, and of which nobody knows whether they were committed
	after  int64          // it is not told before
}

// proposed says whether a record is one of those of which nobody knows what became of them.
func (x *story) proposed(record []byte) bool {
	return slices.ContainsFunc(x.sent, func(sent []byte) bool { return bytes.Equal(sent, record) })
}

// doubt notes a record whose proposal was not answered. Only the newest may be under way.
func (x *story) doubt(record []byte) {
	if x.sent = append(x.sent, record); len(x.sent) > 2 {
		x.sent = x.sent[1:]
	}
}

// stories are those of one reign. It is pure: times are given, in nanoseconds since 1970.
type stories struct {
	self, name string // of the node that writes
	term       uint64 // of the reign
	open       []*story
	lost       []loss     // connections that broke lately, newest last
	early      []Takeover // told before the state here said that somebody was deposed, newest last
}

// loss is a broken connection: the surest sign of when a process died.
type loss struct {
	node  string
	epoch uint64
	at    int64
	cause string
}

// maxLosses bounds what is remembered of broken connections.
const maxLosses = 64

// broke notes that the connection to a node broke.
func (s *stories) broke(node shards.NodeID, epoch shards.Epoch, at int64, cause string) {
	if len(s.lost) == maxLosses {
		s.lost = s.lost[1:]
	}
	l := loss{string(node), uint64(epoch), at, cause}
	s.lost = append(s.lost, l)
	if x := s.find(l.node, l.epoch); x != nil && !x.Seen() { // its next life was quicker
		x.broke(&l)
	}
}

// broke notes the connection that tells when a life ended. What was heard of it came before.
func (x *story) broke(l *loss) {
	x.Lost = l.at
	if x.Heard == 0 || x.Heard > l.at {
		x.Heard = l.at
	}
	x.check(l.at, "the connection broke: "+l.cause)
}

// reached forgets that the connection to a life broke: there is another one, so that was not its end.
func (s *stories) reached(node shards.NodeID, epoch shards.Epoch) {
	s.lost = slices.DeleteFunc(s.lost, func(l loss) bool { return l.node == string(node) && l.epoch == uint64(epoch) })
}

func (s *stories) lossOf(node string, epoch uint64) *loss {
	for i := len(s.lost) - 1; i >= 0; i-- {
		if l := &s.lost[i]; l.node == node && l.epoch == epoch {
			return l
		}
	}
	return nil
}

func (s *stories) find(node string, epoch uint64) *story {
	i := slices.IndexFunc(s.open, func(x *story) bool { return x.Node == node && x.Epoch == epoch })
	if i < 0 {
		return nil
	}
	return s.open[i]
}

// lead begins a reign: the stories of an earlier one are gone, those that the cluster state has open go on.
func (s *stories) lead(state *cluster.State, former shards.NodeID, term uint64, now int64) {
	s.term, s.open = term, nil
	for i := range state.Failovers {
		entry := &state.Failovers[i]
		if !entry.Open {
			continue
		}
		record, err := tracing.DecodeFailover(entry.Record)
		x := &story{began: now, listed: true}
		if err != nil { // nothing was written yet, or by a release that knows more: its shards are known all the same
			x.Failover = found(state, entry, now)
			x.Detector, x.DetectorID, x.Reason = s.name, s.self, "another leader began it, and what he knew of it is not known"
		} else {
			x.Failover, x.waits = *record, record.Clients
		}
		x.kept = x.known()
		x.Elections = append(x.Elections, tracing.Election{Term: term, By: s.name, ByID: s.self, Began: now, Won: now, Resume: true, Former: failoverOf(state, former)})
		s.open = append(s.open, x)
	}
	s.follow(state, now)
}

// failoverOf is the trace that the death of a member would have, in hexadecimal.
func failoverOf(state *cluster.State, id shards.NodeID) string {
	m := state.Member(id)
	if m == nil {
		return ""
	}
	return tracing.KindFailover.Trace(state.Cluster, string(id), uint64(m.Epoch)).String()
}

// elected notes that this reign began because the node had led before. The winner missed it when their connection broke, or from when it was
// heard last.
func (s *stories) elected(x *story, won int64) {
	if slices.ContainsFunc(x.Elections, func(e tracing.Election) bool { return e.Term == s.term }) {
		return
	}
	began := min(won, cmp.Or(x.Heard, won))
	if l := s.lossOf(x.Node, x.Epoch); l != nil {
		began = min(won, l.at)
	}
	x.Elections = append(x.Elections, tracing.Election{Term: s.term, By: s.name, ByID: s.self, Began: began, Won: won})
}

// begin opens the story of a life, or finds it.
func (s *stories) begin(state *cluster.State, kind tracing.Kind, c liveness.Status, heard, now int64) *story {
	x := s.find(string(c.Node), uint64(c.Epoch))
	if x == nil {
		x = &story{Failover: tracing.Failover{Kind: kind, Cluster: state.Cluster, Node: string(c.Node), Name: cmp.Or(c.Name, state.NodeName(c.Node)), Epoch: uint64(c.Epoch)}, began: now}
		if kind == tracing.KindSuspicion { // it may be suspected again
			x.Since = uint64(now)
		}
		s.open = append(s.open, x)
	}
	if x.Detector == "" {
		x.Detector, x.DetectorID = s.name, s.self
	}
	if x.Heard == 0 {
		x.Heard = heard
	}
	if l := s.lossOf(x.Node, x.Epoch); l != nil && x.Lost == 0 {
		x.broke(l)
	}
	return x
}

// changed takes what the detector found out about a node; heard is when it was heard last. It returns the story that ended
// with that, or nil.
func (s *stories) changed(state *cluster.State, c liveness.Change, heard, now int64) *story {
	if m := state.Member(c.Node); m != nil && m.Down && m.Epoch == c.Epoch && s.find(string(c.Node), uint64(c.Epoch)) == nil {
		return nil // its death has been told, and whoever leads now finds it dead once more
	}
	if m := state.Member(c.Node); m != nil && m.Down && m.Epoch == c.Epoch {
		heard = 0 // another leader has declared it dead: this one has only looked for it since
	}
	switch c.State {
	case liveness.Suspect:
		x := s.begin(state, tracing.KindSuspicion, c.Status, heard, now)
		x.Suspected, x.Reason = cmp.Or(x.Suspected, now), c.Reason
		x.asked(&c, now)
		x.check(now, "suspect: "+c.Reason)
	case liveness.Dead:
		x := s.begin(state, tracing.KindFailover, c.Status, heard, now)
		x.Kind, x.Since, x.Reason, x.Proof = tracing.KindFailover, 0, c.Reason, c.Proof
		x.Declared = cmp.Or(x.Declared, now)
		x.asked(&c, now)
		x.check(now, "dead: "+c.Reason)
	default:
		x := s.find(string(c.Node), uint64(c.Epoch))
		if x != nil && x.Kind == tracing.KindSuspicion && c.Outcome == liveness.OutcomeRefuted {
			x.asked(&c, now)
			x.check(now, "alive: "+c.Reason)
			return s.end(x, now, tracing.OutcomeRefuted)
		}
	}
	return nil
}

// maxChecks bounds the checks of a record.
const maxChecks = 64

func (x *story) check(at int64, text string) {
	if len(x.Checks) < maxChecks {
		x.Checks = append(x.Checks, tracing.Check{At: at, Text: text})
	}
}

// asked notes which members were asked about the node, and what each said.
func (x *story) asked(c *liveness.Change, now int64) {
	for i := range c.Probes {
		p := &c.Probes[i]
		at := now - int64(p.Asked)
		switch {
		case !p.Answered:
			x.check(at, p.Name+" was asked, and has not answered")
		case p.Reached:
			x.check(at+int64(p.Took), fmt.Sprintf("%s was asked, and reached it: said after %v", p.Name, p.Took))
		default:
			x.check(at+int64(p.Took), fmt.Sprintf("%s was asked, and did not reach it: said after %v", p.Name, p.Took))
		}
	}
}

// end takes a story out of the open ones.
func (s *stories) end(x *story, now int64, outcome tracing.Outcome) *story {
	x.Done, x.Outcome = now, outcome
	s.open = slices.DeleteFunc(s.open, func(y *story) bool { return y == x })
	return x
}

// follow takes the shards that the cluster state says each dead life led, and who leads them now.
func (s *stories) follow(state *cluster.State, now int64) {
	for i := range state.Failovers {
		entry := &state.Failovers[i]
		if !entry.Open {
			continue
		}
		x := s.find(string(entry.Node), uint64(entry.Epoch))
		if x == nil {
			x = s.unnoticed(state, entry, now)
		}
		if x.Kind == tracing.KindSuspicion { // its next life began before it was declared dead
			x.Kind, x.Since, x.Reason, x.Declared = tracing.KindFailover, 0, nextLife, now
			x.check(now, "dead: "+nextLife)
		}
		x.listed = true
		for _, id := range entry.Deposed {
			if x.shard(id) == nil && state.Shard(id) != nil {
				x.Shards = append(x.Shards, tracing.Shard{ID: uint32(id), Name: state.ShardName(id), From: x.Name, Plan: -1})
			}
		}
	}
	for _, x := range s.open {
		for i := range x.Shards {
			x.primary(state, &x.Shards[i], now)
		}
	}
	early := s.early
	s.early = nil
	for i := range early {
		s.took(state, &early[i])
	}
}

// nextLife is why a life is over that was suspected, and no more.
const nextLife = "its next life began before it was declared dead"

// found is what an entry alone says of a death: not when it was.
func found(state *cluster.State, entry *cluster.Failover, now int64) tracing.Failover {
	return tracing.Failover{Kind: tracing.KindFailover, Cluster: state.Cluster, Node: string(entry.Node), Name: state.NodeName(entry.Node), Epoch: uint64(entry.Epoch), Declared: now}
}

// unnoticed opens the story of a life that nobody suspected: its next one began before.
func (s *stories) unnoticed(state *cluster.State, entry *cluster.Failover, now int64) *story {
	x := &story{Failover: found(state, entry, now), began: now}
	x.Detector, x.DetectorID, x.Reason = s.name, s.self, "its next life began before anybody missed it"
	if l := s.lossOf(x.Node, x.Epoch); l != nil {
		x.broke(l)
	}
	s.open = append(s.open, x)
	return x
}

func (x *story) shard(id shards.ShardID) *tracing.Shard {
	i := slices.IndexFunc(x.Shards, func(s tracing.Shard) bool { return s.ID == uint32(id) })
	if i < 0 {
		return nil
	}
	return &x.Shards[i]
}

// primary compares what is written of a shard with the row: each primary after the dead one is an attempt.
func (x *story) primary(state *cluster.State, s *tracing.Shard, now int64) {
	r := state.Shard(shards.ShardID(s.ID))
	if r == nil {
		s.Problem = "its keyspace is gone"
		return
	}
	c := r.PrimaryCopy()
	last := s.Last()
	if c == nil {
		if last != nil && last.Failed == "" && last.Served == 0 {
			last.Failed = "node " + last.To + " died, or gave its copy up"
		}
		return
	}
	if s.Serving() || last != nil && last.Term >= uint64(r.Term) {
		return
	}
	if last != nil && last.Failed == "" {
		last.Failed = "another was promoted"
		if m := state.Member(shards.NodeID(last.ToID)); m == nil || m.Down {
			last.Failed = "node " + last.To + " died"
		}
	}
	s.Problem = ""
	s.Attempts = append(s.Attempts, tracing.Attempt{To: state.NodeName(c.Node), ToID: string(c.Node), Term: uint64(r.Term), Told: now})
}

// planned takes a plan that was proposed: what it says of shards that have lost their primary belongs to their stories.
func (s *stories) planned(state *cluster.State, d *placement.Planned, told *telltale, now int64) {
	plan := planOf(s.self, s.name, d, now)
	for _, x := range s.open {
		part := slices.ContainsFunc(d.Plan.Down, func(death cluster.Death) bool {
			return string(death.Node) == x.Node && uint64(death.Epoch) == x.Epoch
		})
		at := len(x.Plans)
		for i := range d.Plan.Decisions {
			if decision := &d.Plan.Decisions[i]; decision.Lane == allocator.Emergency {
				// Who takes over may tell that it serves before the plan is told that made it. What is decided once it serves and dies is of another story.
				if shard := x.shard(decision.Shard); shard != nil && (!shard.Serving() || x.Undecided(shard, chosen(state, decision.Shard, &decision.Move))) {
					part = x.decide(state, shard, decision, at, plan.Began+plan.Took, told) != "" || part
				}
			}
		}
		if part {
			x.Plans = append(x.Plans, plan)
		}
	}
}

// decide writes down why a shard goes where it goes, and returns the name of that node; empty: it goes nowhere.
func (x *story) decide(state *cluster.State, s *tracing.Shard, d *allocator.Decision, plan int, at int64, told *telltale) string {
	if d.Move.Kind == 0 {
		s.Problem = d.Reason
		return ""
	}
	to := chosen(state, d.Shard, &d.Move)
	var list []tracing.Candidate
	for _, e := range told.candidates(d) {
		list = append(list, x.candidate(&e, to, told))
	}
	keepBest(list)
	s.Problem = ""
	x.Decide(s, tracing.Decision{Shard: s.ID, Plan: plan, To: to, Reason: d.Reason, Candidates: list}, at)
	return to
}

func (x *story) candidate(e *policies.Explanation, to string, told *telltale) tracing.Candidate {
	c := tracing.Candidate{Node: e.Node, Verdict: e.Verdict.String(), Chosen: e.Node == to}
	for _, w := range e.Words {
		module, fuel := told.of(w.Decider, e.Capability)
		c.Words = append(c.Words, x.Say(tracing.Word{Decider: w.Decider, Verdict: w.Verdict.String(), Reason: w.Reason, Module: module, Fuel: fuel}))
	}
	if e.Verdict <= policies.NotPreferred {
		for _, s := range e.Scores {
			c.Scores = append(c.Scores, tracing.Score{Scorer: s.Scorer, Score: float32(math.Round(s.Score*1000) / 1000)})
		}
	}
	return c
}

// mostScored is how many nodes that were not chosen keep their scores.
const mostScored = 3

// keepBest leaves scores of the chosen node and of the best others: of hundreds of nodes these tell why.
func keepBest(list []tracing.Candidate) {
	var others []int
	for i := range list {
		if !list[i].Chosen && len(list[i].Scores) > 0 {
			others = append(others, i)
		}
	}
	total := func(c *tracing.Candidate) (sum float32) {
		for _, s := range c.Scores {
			sum += s.Score
		}
		return sum
	}
	slices.SortStableFunc(others, func(a, b int) int { return cmp.Compare(total(&list[a]), total(&list[b])) })
	for _, i := range others[min(mostScored, len(others)):] {
		list[i].Scores = nil
	}
}

// took takes a node's word about a shard that it leads now. A node may know of a plan before the one that made it.
func (s *stories) took(state *cluster.State, t *Takeover) {
	if r := state.Shard(t.Shard); r == nil || r.Term < t.Term {
		if s.early = append(s.early, *t); len(s.early) > maxTold {
			s.early = s.early[1:]
		}
		return
	}
	for _, x := range s.open {
		shard := x.shard(t.Shard)
		if shard == nil {
			continue
		}
		i := slices.IndexFunc(shard.Attempts, func(a tracing.Attempt) bool { return a.Term == uint64(t.Term) && a.ToID == string(t.Node) })
		if i < 0 {
			if last := shard.Last(); last != nil && last.Term >= uint64(t.Term) || shard.Serving() {
				continue // of a reign before, or of another death
			}
			shard.Attempts = append(shard.Attempts, tracing.Attempt{To: state.NodeName(t.Node), ToID: string(t.Node), Term: uint64(t.Term)})
			i = len(shard.Attempts) - 1
		}
		a := &shard.Attempts[i]
		written := a.Written
		a.Heard, a.Served, a.Written, a.Entries, a.Waited = t.Heard, t.Served, t.Written, t.Entries, t.Waited
		gone := x.Gone()
		if !x.Seen() {
			gone = 0
		}
		setBack(a, t, gone)
		a.Written = cmp.Or(a.Written, written)
		if t.Written != 0 && t.Write.Valid() {
			a.WriteTrace, a.WriteSpan = t.Write.Trace.String(), t.Write.Span.String()
		}
		if t.Served != 0 {
			a.Failed, shard.Problem = "", ""
		}
	}
}

// setBack corrects times that cannot be: a takeover is told after it happened, and happens after the node that led was gone. What
// could be is left as it was told, since the way of a message would else be taken for a wrong clock.
func setBack(a *tracing.Attempt, t *Takeover, gone int64) {
	if t.received == 0 || a.Ahead == 0 && max(t.Served, t.Written) <= t.received && t.Heard >= gone {
		return
	}
	a.Ahead = t.sent - t.received
	for _, at := range []*int64{&a.Heard, &a.Served, &a.Written} {
		if *at != 0 {
			*at -= a.Ahead
		}
	}
}
