package sim

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// unserved gives an actor that has not changed since the world healed, though it could have.
func (a *acts) unserved(w *World) (string, bool) {
	if a.served == nil {
		return "", false
	}
	for _, name := range a.names {
		if !a.served[name] && !w.excused(w.rowOf(keyOf('s', name, "")).ID) {
			return name, true
		}
	}
	return "", false
}

// undelivered gives a letter, an answer or a reminder that has not come, though it could have, and the invariant that it breaks; 0: none.
func (a *acts) undelivered(w *World) (what string, invariant int) {
	for _, name := range a.names {
		from := a.lines[name]
		for _, to := range a.names {
			mine, come := from.sent[to], a.lines[to].next[name]
			if come < len(mine) && !a.lost(w, from) && !a.lost(w, a.lines[to]) {
				return fmt.Sprintf("letter %d of actor %s to %s", mine[come].number, name, to), invariantLetters
			}
		}
	}
	for _, name := range a.names {
		from := a.lines[name]
		for _, number := range slices.Sorted(maps.Keys(from.asked)) {
			if !a.lost(w, from) && !a.lost(w, a.lines[from.asked[number]]) {
				return fmt.Sprintf("the answer to question %d of actor %s to %s", number, name, from.asked[number]), invariantAsks
			}
		}
		for _, b := range slices.Sorted(maps.Keys(from.bells)) {
			if due := from.bells[b].Due; due < a.horizon && !a.lost(w, from) {
				return fmt.Sprintf("reminder %s of actor %s, due at %d", b, name, due), invariantBells
			}
		}
	}
	return "", 0
}

// lost says that nothing is asked of an actor any more: its shard may have lost what it had, or waits for an operator.
func (a *acts) lost(w *World, l *line) bool {
	return a.forgiven(w, l) || w.excused(w.rowOf(keyOf('s', l.name, "")).ID)
}

// judge holds what the actors are to what they should have become, when everything is quiet: invariants 14 and 16.
func (a *acts) judge(w *World) {
	for _, name := range a.names {
		l := a.lines[name]
		if a.lost(w, l) || w.failure != nil {
			continue
		}
		row := w.rowOf(keyOf('s', name, ""))
		h := w.nodeByID(row.PrimaryCopy().Node).proc.copies.held[row.ID]
		var r store.Result
		h.store.Read(h.c.p.n.wall(), &store.Op{Kind: store.OpGet, Key: []byte(keyOf('s', name, ""))}, &r)
		got := sum{}
		if r.Found {
			got = decodeSum(r.Value[8:])
		}
		if got != l.now() {
			w.Fail(invariantOnce, "actor %s has count %d, and %d messages have changed it", name, got.count, l.now().count)
		}
		if why := l.explain(a.history(l)); why != "" {
			w.Fail(invariantActs, "no order of the messages explains the answers of actor %s: %s", name, why)
		}
	}
}

// seen is a message in the history of an actor: what it came to, and between which times.
type seen struct {
	c            *errand
	got          outcome
	begun, ended int64
	at           int // its place in the order that explains all: 2k is the message that made the count k, 2k+1 what was answered then
}

func (s *seen) String() string { return fmt.Sprintf("%d..%d %v", s.begun, s.ended, s.c) }

// history is what callers saw of an actor. Of calls that nobody saw the end of, and of letters, it has those that were handled: at
// whatever time after their beginning explains the rest.
func (a *acts) history(l *line) (list []seen) {
	for _, c := range a.all {
		if c.m.to != l.name {
			continue
		}
		handled, is := l.handled[tokenOf(c.m.call)]
		switch {
		case c.end == answered:
			list = append(list, seen{c: c, got: c.got, begun: c.begun, ended: c.ended})
		case is:
			list = append(list, seen{c: c, got: handled, begun: c.begun, ended: math.MaxInt64})
		}
	}
	letter := func(at token, do deed, begun int64) {
		c := &errand{m: message{to: l.name, do: do}, begun: begun, end: answered}
		c.m.call.Client, c.m.call.Lane, c.m.call.Seq = at.client, at.lane, at.seq
		if got, is := l.handled[at]; is {
			c.got = got
			list = append(list, seen{c: c, got: got, begun: begun, ended: math.MaxInt64})
		}
	}
	for _, name := range a.names {
		for _, m := range a.lines[name].sent[l.name] {
			if at := (token{client: clientOf(name), seq: m.number}); !slices.Contains(l.strange, at) {
				letter(at, m.do, m.begun)
			}
		}
	}
	for _, at := range l.own {
		letter(at, add, 0)
	}
	for _, at := range l.strange { // what they ask for is not known any more
		do := map[bool]deed{true: add, false: odd}[l.handled[at].done]
		if l.handled[at].refused {
			do = even
		}
		letter(at, do, 0)
	}
	return list
}

// explain looks for an order of messages that gives each its outcome, and that no two of them contradict of which one ended before
// the other began; it gives the reason if there is none. It need not search: an answer says which messages came before it, but for
// a refusal, which fits wherever the count is odd. The earliest place that a refusal can have leaves most to the others.
func (l *line) explain(list []seen) string {
	made := make([]bool, len(l.sums))
	for i := range list {
		s := &list[i]
		k := int(s.got.sum.count)
		s.at = 2*k + 1
		before := k
		if s.got.done {
			before, s.at = k-1, 2*k
		}
		if !s.got.refused && (before < 0 || k >= len(l.sums) || s.c.m.do.do(l.sums[before], tokenOf(s.c.m.call)) != s.got || s.got.sum != l.sums[k]) {
			return fmt.Sprintf("%v was answered %+v, which it never came to", s, s.got)
		}
		if s.got.done {
			made[k] = true
		}
	}
	most := 0
	for most+1 < len(made) && made[most+1] {
		most++
	}
	for i := range list {
		s := &list[i]
		if s.got.refused {
			k := earliest(list, s) / 2
			s.at = 2*(k+1-k%2) + 1
		}
		if k := s.at / 2; k > most || s.got.refused && s.c.m.do != even {
			return fmt.Sprintf("%v: %d messages have changed the actor, and it was answered %+v", s, most, s.got)
		}
	}
	slices.SortStableFunc(list, func(a, b seen) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.begun, b.begun)) })
	last := 0
	for i := range list {
		if list[i].ended < list[last].begun {
			return fmt.Sprintf("%v came after %v", &list[i], &list[last])
		}
		if list[i].begun > list[last].begun {
			last = i
		}
	}
	return ""
}

// earliest is the place of the last message that had ended when a refusal began.
func earliest(list []seen, refused *seen) (at int) {
	for i := range list {
		if s := &list[i]; !s.got.refused && s.ended < refused.begun {
			at = max(at, s.at)
		}
	}
	return at
}

// settle waits until every letter has come, and its sender knows, every question is answered, and reminders have come that were due
// soon. Those that a clock which was wrong has put off for an hour are not waited for.
func (a *acts) settle(w *World, most time.Duration) {
	a.horizon = worldBegins + (w.now + latestBell).Milliseconds()
	if _, ok := w.Until(most, func() bool { _, broken := a.undelivered(w); return broken == 0 }); !ok && w.failure == nil {
		what, broken := a.undelivered(w)
		w.Fail(broken, "%v after the cluster turned green: %s has not come", most, what)
	}
}

// busy says whether a call is under way.
func (a *acts) busy(w *World) bool {
	return slices.ContainsFunc(a.all, func(c *errand) bool { return c.end == open && c.alive(w) })
}

// alive says whether the caller's life goes on.
func (c *errand) alive(w *World) bool {
	n := w.nodeByID(c.from)
	return n.alive && n.proc.actors != nil && n.proc.actors.client == c.m.call.Client
}
