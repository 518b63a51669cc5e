package tracing

import (
	"cmp"
	"fmt"
	"slices"
)

// Decision is one about a shard that another has followed: its node died as well, or the copy came to nothing. The newest is in Shard.
type Decision struct {
	Shard      uint32      `json:"shard"`
	Plan       int         `json:"plan"` // place in Failover.Plans
	To         string      `json:"to"`   // node
	Reason     string      `json:"reason"`
	Candidates []Candidate `json:"candidates"`
}

// maxDecisions bounds those of one shard: the first and the newest are kept.
const maxDecisions = 8

// Decide notes another decision of a shard, made at a time; of plan -1 that nobody knows why its next attempt was made. What was decided before is
// kept, unless it could not be committed and nothing came of it.
func (f *Failover) Decide(s *Shard, d Decision, at int64) {
	list := f.decisions(s)
	if n := len(list) - 1; n >= 0 && s.Plan >= 0 {
		before := list[n]
		nothing := before.Plan == d.Plan || before.Plan < len(f.Plans) && f.Plans[before.Plan].Error != ""
		attempts := s.Attempts
		if last := s.Last(); last != nil && last.To == d.To && last.Failed == "" { // it is known before the decision that it carries out
			attempts = attempts[:len(attempts)-1]
		}
		if !nothing || slices.Contains(carried(list, attempts), n) {
			f.Earlier = append(f.Earlier, before)
			f.forget(s.ID)
		} else if n == 0 && f.planned() {
			s.Decided = at // a plan that failed stopped nothing
		}
	}
	s.Plan, s.To, s.Reason, s.Candidates = d.Plan, d.To, d.Reason, d.Candidates
	s.Decided = cmp.Or(s.Decided, at)
}

// forget drops the second of too many decisions about a shard.
func (f *Failover) forget(shard uint32) {
	n, second := 0, -1
	for i := range f.Earlier {
		if f.Earlier[i].Shard == shard {
			if n++; n == 2 {
				second = i
			}
		}
	}
	if n >= maxDecisions {
		f.Earlier = slices.Delete(f.Earlier, second, second+1)
	}
}

// decisions are all that are known of a shard, the oldest first.
func (f *Failover) decisions(s *Shard) (list []Decision) {
	for i := range f.Earlier {
		if f.Earlier[i].Shard == s.ID {
			list = append(list, f.Earlier[i])
		}
	}
	if s.Plan >= 0 {
		d := Decision{Shard: s.ID, Plan: s.Plan, To: s.To, Reason: s.Reason, Candidates: s.Candidates}
		if at := slices.IndexFunc(s.Candidates, func(c Candidate) bool { return c.Chosen }); d.To == "" && at >= 0 { // written by a release before
			d.To = s.Candidates[at].Node
		}
		list = append(list, d)
	}
	return list
}

// carried says which decision each attempt carries out, by its place; -1: nobody has noted it. Decisions and attempts are in the order in
// which they were made, and a decision is carried out once or not at all. Where decisions may have been forgotten, which are those that
// follow the first, the others are told from the newest on backwards.
func carried(list []Decision, attempts []Attempt) []int {
	places := make([]int, len(attempts))
	for i := range places {
		places[i] = -1
	}
	next := 0
	if len(list) < maxDecisions || len(attempts) < len(list) {
		for i := range attempts {
			for at := next; at < len(list); at++ {
				if list[at].To == attempts[i].To {
					places[i], next = at, at+1
					break
				}
			}
		}
		return places
	}
	if attempts[0].To == list[0].To {
		places[0], next = 0, 1
	}
	end := len(list)
	for i := len(attempts) - 1; i >= next; i-- {
		for at := end - 1; at >= next; at-- {
			if list[at].To == attempts[i].To {
				places[i], end = at, at
				break
			}
		}
	}
	return places
}

// Undecided says that the newest attempt is to a node, and that no decision is known which it carries out.
func (f *Failover) Undecided(s *Shard, to string) bool {
	last := s.Last()
	if last == nil || last.To != to {
		return false
	}
	places := carried(f.decisions(s), s.Attempts)
	return places[len(places)-1] < 0
}

// maker is who made the plan of a decision, as id and name; of one that is not known, who tells the story.
func (p *projection) maker(list []Decision, at int) (id, name string) {
	if at >= 0 && at < len(list) {
		if plan := list[at].Plan; plan >= 0 && plan < len(p.f.Plans) {
			return p.f.Plans[plan].ByID, p.f.Plans[plan].By
		}
	}
	return p.by()
}

// decide shows what every decider said of every candidate, at each decision. Which of them are kept may differ between two looks at a story that
// goes on, so the second and later ones are counted.
func (p *projection) decide(s *Shard, list []Decision, parent string) {
	for i := range list {
		d := &list[i]
		if d.Plan < 0 || d.Plan >= len(p.f.Plans) {
			continue
		}
		step, again := "decide/"+s.Name, ""
		if i > 0 {
			step, again = fmt.Sprintf("decide/%s/%d", s.Name, i+1), " again"
		}
		plan := &p.f.Plans[d.Plan]
		at := cmp.Or(plan.Began+plan.Took, s.Decided)
		x := Span{Name: "decide " + s.Name + again + " @" + plan.By, NodeID: plan.ByID, Node: plan.By, Start: at, End: at,
			Attributes: []Attribute{Text(attributeShard, s.Name), Text(attributeReason, d.Reason)}}
		for j := range d.Candidates {
			x.Events = append(x.Events, p.said(&d.Candidates[j], at)...)
		}
		p.add(step, parent, x)
	}
}

// said is what the deciders said of a candidate.
func (p *projection) said(c *Candidate, at int64) (events []Event) {
	name := c.Node + " " + c.Verdict
	if c.Chosen {
		name = "chosen: " + name
	}
	events = append(events, Event{At: at, Name: name, Attributes: []Attribute{Text(attributeCandidate, c.Node), Text(attributeVerdict, c.Verdict)}})
	for _, w := range c.Words {
		if w >= 0 && w < len(p.f.Words) {
			events = append(events, p.f.Words[w].event(at, c.Node))
		}
	}
	for _, s := range c.Scores {
		events = append(events, Event{At: at, Name: fmt.Sprintf("%s: %s scores %.2f", c.Node, s.Scorer, s.Score), Attributes: []Attribute{
			Text(attributeCandidate, c.Node), Text(attributeDecider, s.Scorer), Text(attributeScore, fmt.Sprintf("%.2f", s.Score))}})
	}
	return events
}

func (w *Word) event(at int64, candidate string) Event {
	e := Event{At: at, Name: fmt.Sprintf("%s: %s %s", candidate, w.Decider, w.Verdict), Attributes: []Attribute{
		Text(attributeCandidate, candidate), Text(attributeDecider, w.Decider), Text(attributeVerdict, w.Verdict)}}
	if w.Reason != "" {
		e.Attributes = append(e.Attributes, Text(attributeSentence, w.Reason))
	}
	if w.Module != "" {
		e.Attributes = append(e.Attributes, Text(attributeModule, w.Module), Number(attributeFuel, w.Fuel))
	}
	return e
}
