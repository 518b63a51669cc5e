package tracing

import (
	"cmp"
	"fmt"
	"slices"
)

// Names of attributes. They are a public format: searches, dashboards and alerts hold them.
const (
	AttributeFailover    = "troupe.failover.id" // the same on everything that a failover touched: search for it
	attributeReason      = "troupe.failover.reason"
	attributeOutcome     = "troupe.failover.outcome"
	attributeShards      = "troupe.failover.shards"
	attributeUnavailable = "troupe.failover.unavailable_ms"
	attributeNode        = "troupe.node.id"
	attributeEpoch       = "troupe.node.incarnation"
	attributeProof       = "troupe.detector.proof"
	attributeTerm        = "troupe.raft.term"
	attributeVersion     = "troupe.state.version" // of a plan what it was made for, of a commit what it made
	attributeMoves       = "troupe.plan.moves"
	attributeWeighed     = "troupe.plan.candidates"
	attributeShard       = "troupe.shard.id"
	attributeFrom        = "troupe.shard.from"
	attributeTo          = "troupe.shard.to"
	attributeShardTerm   = "troupe.shard.term"
	attributeGap         = "troupe.shard.unavailable_ms"
	attributeEntries     = "troupe.shard.resent"
	attributeWaited      = "troupe.shard.waiting_requests"
	attributeDecider     = "troupe.decider.name"
	attributeVerdict     = "troupe.decider.verdict"
	attributeScore       = "troupe.decider.score"
	attributeSentence    = "troupe.decider.reason"
	attributeModule      = "troupe.decider.module"
	attributeFuel        = "troupe.wasm.fuel"
	attributeCandidate   = "troupe.candidate"
	attributeRawStart    = "troupe.clock.raw_start"
	attributeAhead       = "troupe.clock.ahead_ms"
	attributePrimary     = "troupe.shard.primary"
	attributeSource      = "troupe.recovery.source"
	attributeBytes       = "troupe.recovery.bytes"
	attributeOperations  = "troupe.recovery.ops"
	attributeRequests    = "troupe.clients.waited"
	attributeLongest     = "troupe.clients.longest_ms"
)

// A trace with more shards than grouped shows one span per target node instead, and the slowest by themselves.
const (
	grouped = 200
	slowest = 20
)

// Spans projects the record: the root first, then each step before its own steps. A record that is still open gives what is
// known so far, without a root: a root is told once, at the end.
func (f *Failover) Spans() []Span {
	p := &projection{f: f, trace: f.Trace(), at: map[SpanID]int{}, plans: map[string]int{}}
	p.end = f.Done
	if f.Done != 0 {
		p.root()
	}
	p.detect()
	for i := range f.Elections {
		p.elect(&f.Elections[i])
	}
	for i := range f.Plans {
		p.plan(i)
	}
	if len(f.Shards)+f.Omitted > grouped {
		p.groups()
	} else {
		for i := range f.Shards {
			p.shard(&f.Shards[i])
		}
	}
	for i := range f.Clients {
		p.client(&f.Clients[i])
	}
	p.contain()
	return p.spans
}

// contain has every span end no earlier than its children, which may have been timed by another clock: a page that corrects
// clocks would else correct what is right.
func (p *projection) contain() {
	for i := len(p.spans) - 1; i >= 0; i-- { // children come after their parents
		if parent, known := p.at[p.spans[i].Parent]; known {
			p.spans[parent].End = max(p.spans[parent].End, p.spans[i].End)
		}
	}
}

type projection struct {
	f     *Failover
	trace TraceID
	end   int64
	spans []Span
	at    map[SpanID]int // places in spans; asked by key only
	plans map[string]int // how many there were of a term and version; asked by key only
}

// add appends a step. A start before that of its parent is another clock's: it is moved, and kept as an attribute.
func (p *projection) add(step, parent string, s Span) *Span {
	s.Trace, s.ID = p.trace, p.trace.Span(step)
	if parent != "" {
		s.Parent = p.trace.Span(parent)
		if i, known := p.at[s.Parent]; known && s.Start < p.spans[i].Start {
			s.Attributes = append(s.Attributes, Number(attributeRawStart, s.Start))
			s.Start = p.spans[i].Start
		}
	}
	s.End = max(s.End, s.Start)
	s.Attributes = append(s.Attributes, Text(AttributeFailover, p.f.ID()))
	p.at[s.ID] = len(p.spans)
	p.spans = append(p.spans, s)
	return &p.spans[len(p.spans)-1]
}

func (p *projection) root() {
	f := p.f
	name, s := fmt.Sprintf("%s %s", f.Kind, f.Name), Span{Start: f.begun(), End: f.Done}
	s.Name = name
	s.NodeID, s.Node = p.by()
	s.Attributes = []Attribute{
		Text(attributeReason, f.Reason), Text(attributeOutcome, f.Outcome.String()), Text(attributeNode, f.Node),
		Number(attributeEpoch, f.Epoch), Number(attributeShards, len(f.Shards)+f.Omitted),
	}
	if f.Back() && f.Seen() {
		s.Attributes = append(s.Attributes, Number(attributeUnavailable, f.Unavailable()/1e6))
	}
	if requests, longest := f.waits(); requests > 0 {
		s.Attributes = append(s.Attributes, Number(attributeRequests, requests), Number(attributeLongest, longest/1e6))
	}
	if f.Outcome == OutcomeRed || f.Outcome == OutcomeGivenUp {
		s.Error = "outcome " + f.Outcome.String()
	}
	p.add("root", "", s)
}

// by is who told the story, as id and name: whoever made the last plan, or noticed.
func (p *projection) by() (id, name string) {
	if n := len(p.f.Plans); n > 0 {
		return p.f.Plans[n-1].ByID, p.f.Plans[n-1].By
	}
	return p.detector(), p.f.Detector
}

func (p *projection) detect() {
	f := p.f
	if f.planned() {
		p.change()
		return
	}
	if f.Suspected == 0 && f.Declared == 0 {
		return
	}
	s := Span{Name: fmt.Sprintf("detect %s @%s", f.Name, f.Detector), NodeID: p.detector(), Node: f.Detector, Start: f.begun(), End: cmp.Or(f.Declared, f.Done, f.Suspected)}
	s.Attributes = []Attribute{Text(attributeReason, f.Reason), Truth(attributeProof, f.Proof)}
	for _, c := range f.Checks {
		s.Events = append(s.Events, Event{At: c.At, Name: c.Text})
	}
	slices.SortStableFunc(s.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	p.add("detect", "root", s)
}

// detector is the id of the node that noticed. Releases before did not write it: then it is known where that one planned as well.
func (p *projection) detector() string {
	if p.f.DetectorID != "" {
		return p.f.DetectorID
	}
	for _, x := range p.f.Plans {
		if x.By == p.f.Detector {
			return x.ByID
		}
	}
	return p.f.Detector
}

func (p *projection) elect(e *Election) {
	name := fmt.Sprintf("elect term %d @%s", e.Term, e.By)
	if e.Resume {
		name = fmt.Sprintf("resume in term %d @%s", e.Term, e.By)
	}
	s := Span{Name: name, NodeID: e.ByID, Node: e.By, Start: cmp.Or(e.Began, e.Won), End: e.Won, Attributes: []Attribute{Number(attributeTerm, e.Term)}}
	if trace, err := ParseTraceID(e.Former); err == nil && trace != p.trace {
		s.Links = append(s.Links, Link{Trace: trace, Span: trace.Span("root"), Why: "the failover of the leader before"})
	}
	p.add(fmt.Sprintf("election/%d", e.Term), "root", s)
}

func (p *projection) plan(i int) {
	x := &p.f.Plans[i]
	step := fmt.Sprintf("%d/%d", x.Term, x.Version)
	p.plans[step]++
	if n := p.plans[step]; n > 1 { // the one before was not committed in time, and nothing else has changed
		step = fmt.Sprintf("%s/%d", step, n)
	}
	s := Span{Name: fmt.Sprintf("plan %d moves @%s", x.Moves, x.By), NodeID: x.ByID, Node: x.By, Start: x.Began, End: x.Began + x.Took,
		Attributes: []Attribute{Number(attributeVersion, x.Version), Number(attributeTerm, x.Term), Number(attributeMoves, x.Moves)}}
	if x.Weighed != 0 {
		s.Attributes = append(s.Attributes, Number(attributeWeighed, x.Weighed))
	}
	p.add("plan/"+step, "root", s)
	if x.Committed != 0 || x.Error != "" {
		s = Span{Name: "commit @" + x.By, NodeID: x.ByID, Node: x.By, Start: x.Began + x.Took, End: cmp.Or(x.Committed, x.Began+x.Took), Error: x.Error, Attributes: []Attribute{Number(attributeTerm, x.Term)}}
		if x.Became != 0 {
			s.Attributes = append(s.Attributes, Number(attributeVersion, x.Became))
		}
		p.add("commit/"+step, "root", s)
	}
}

// shard adds the span of one shard, from the decision to the first write, with its decision and its promotions below.
func (p *projection) shard(s *Shard) {
	if p.f.planned() {
		p.move(s)
		return
	}
	step := "shard/" + s.Name
	to, end, failed := "nobody", cmp.Or(p.end, s.Decided), s.Problem
	if a := s.Last(); a != nil {
		to, end = a.To, cmp.Or(a.Written, a.Served, p.end, a.Told)
		if s.Serving() {
			failed = ""
		}
	}
	decisions := p.f.decisions(s)
	id, by := p.maker(decisions, 0)
	x := Span{Name: fmt.Sprintf("shard %s %s→%s", s.Name, s.From, to), NodeID: id, Node: by, Start: cmp.Or(s.Decided, p.f.Declared, end), End: end, Error: failed}
	x.Attributes = []Attribute{Text(attributeShard, s.Name), Text(attributeFrom, s.From), Text(attributeTo, to)}
	if a := s.Last(); a != nil && a.Served != 0 {
		if p.f.Seen() {
			x.Attributes = append(x.Attributes, Number(attributeGap, max(0, a.Served-p.f.Gone())/1e6))
		}
		x.Attributes = append(x.Attributes, Number(attributeShardTerm, a.Term))
	}
	p.add(step, "root", x)
	p.decide(s, decisions, step)
	for i, at := range carried(decisions, s.Attempts) {
		id, by := p.maker(decisions, at)
		p.attempt(s, i, step, id, by)
	}
}

// attempt shows one promotion: the side of the leader that ordered it from the commit on, and below it the target's own, by the target's clock.
func (p *projection) attempt(s *Shard, i int, parent, id, by string) {
	a := &s.Attempts[i]
	step := fmt.Sprintf("promote/%s/%d", s.Name, i+1)
	name := fmt.Sprintf("promote %s @%s", s.Name, a.To)
	if i > 0 {
		name = fmt.Sprintf("promote %s again @%s", s.Name, a.To)
	}
	told := a.Told // as the leader saw it: the target may have known before
	if a.Heard != 0 {
		told = min(told, a.Heard)
	}
	end := cmp.Or(a.Served, p.end, told)
	if a.Failed != "" && i+1 < len(s.Attempts) {
		end = s.Attempts[i+1].Told
	}
	p.add(step, parent, Span{Name: name, Kind: Client, NodeID: id, Node: by, Start: told, End: max(end, told), Error: a.Failed,
		Attributes: []Attribute{Text(attributeShard, s.Name), Text(attributeTo, a.To), Number(attributeShardTerm, a.Term)}})
	if a.Served == 0 {
		return
	}
	serve := Span{Name: fmt.Sprintf("take over %s @%s", s.Name, a.To), Kind: Server, NodeID: a.ToID, Node: a.To, Start: cmp.Or(a.Heard, told), End: a.Served,
		Attributes: []Attribute{Text(attributeShard, s.Name), Number(attributeEntries, a.Entries), Number(attributeWaited, a.Waited)}}
	if a.Ahead != 0 {
		serve.Attributes = append(serve.Attributes, Number(attributeAhead, a.Ahead/1e6))
	}
	p.add(step+"/serve", step, serve)
	if a.Written != 0 { // not below the promotion, which has ended: Jaeger would take the one for the other's skewed clock
		p.add(step+"/write", parent, Span{Name: fmt.Sprintf("first write %s @%s", s.Name, a.To), NodeID: a.ToID, Node: a.To, Start: a.Served, End: a.Written,
			Attributes: []Attribute{Text(attributeShard, s.Name)}, Links: a.write()})
	}
}

// write is where the first write is to be found in the trace of its client, if it was traced.
func (a *Attempt) write() []Link {
	trace, err := ParseTraceID(a.WriteTrace)
	span, damaged := ParseSpanID(a.WriteSpan)
	if err != nil || damaged != nil || trace == (TraceID{}) || span == (SpanID{}) {
		return nil
	}
	return []Link{{Trace: trace, Span: span, Why: "the client's write"}}
}

// groups shows very many shards: the slowest and those in trouble by themselves, the rest by target node.
func (p *projection) groups() {
	order := make([]int, len(p.f.Shards))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.f.Shards[b].last(), p.f.Shards[a].last()) })
	single := map[int]bool{}
	for i, at := range order {
		if s := &p.f.Shards[at]; i < slowest || s.trouble() {
			single[at] = true
		}
	}
	first := p.f.first()
	groups := map[string]*Group{} // asked by key only: order decides who is next
	var targets []string
	join := func(g Group) {
		switch known := groups[g.To]; {
		case known == nil:
			groups[g.To], targets = &g, append(targets, g.To)
		default:
			known.join(g)
		}
	}
	for i := range p.f.Shards {
		if s := &p.f.Shards[i]; single[i] {
			p.shard(s)
		} else {
			join(p.f.group(s, first))
		}
	}
	for _, g := range p.f.Groups {
		join(g)
	}
	slices.Sort(targets)
	for _, to := range targets {
		p.group(groups[to])
	}
}

// first has of each shard that was decided anew the plan of the first decision that is known. It is asked by key only.
func (f *Failover) first() map[uint32]int {
	plans := map[uint32]int{}
	for i := len(f.Earlier) - 1; i >= 0; i-- {
		plans[f.Earlier[i].Shard] = f.Earlier[i].Plan
	}
	return plans
}

// group is what is kept of a shard that is not kept by itself.
func (f *Failover) group(s *Shard, first map[uint32]int) Group {
	g := Group{Shards: 1, Decided: s.Decided}
	plan, again := first[s.ID]
	if !again {
		plan = s.Plan
	}
	if plan >= 0 && plan < len(f.Plans) {
		g.By, g.ByID = f.Plans[plan].By, f.Plans[plan].ByID
	}
	if a := s.Last(); a != nil {
		g.To, g.ToID, g.Served = a.To, a.ToID, a.Served
	}
	return g
}

func (g *Group) join(other Group) {
	g.Shards += other.Shards
	if g.By == "" || other.By != "" && other.Decided < g.Decided {
		g.By, g.ByID = other.By, other.ByID
	}
	g.Decided, g.Served = min(g.Decided, other.Decided), max(g.Served, other.Served)
}

// trouble says that a shard is worth a look: it does not serve, or not at the first try.
func (s *Shard) trouble() bool { return !s.Serving() || len(s.Attempts) > 1 }

// last orders shards from the fastest to the slowest.
func (s *Shard) last() int64 {
	if a := s.Last(); a != nil {
		return cmp.Or(a.Served, a.Told)
	}
	return 1 << 62 // nobody leads it: the slowest of all
}

func (p *projection) group(g *Group) {
	name := fmt.Sprintf("promote %d shards @%s", g.Shards, g.To)
	if p.f.planned() {
		name = fmt.Sprintf("recover %d copies @%s", g.Shards, g.To)
	}
	id, by := g.ByID, g.By
	if by == "" {
		id, by = p.by()
	}
	p.add("group/"+g.To, "root", Span{Name: name, Kind: Client, NodeID: id, Node: by, Start: cmp.Or(g.Decided, p.f.Declared), End: g.Served,
		Attributes: []Attribute{Text(attributeTo, g.To), Number(attributeShards, g.Shards)}})
}
