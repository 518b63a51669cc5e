package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/store"
)

// acts is what the observer knows of actors: what each has become, by the first copy that applied it, and what callers were told.
type acts struct {
	names   []string
	lines   map[string]*line
	all     []*errand
	by      map[token]*errand
	from    map[uint64]string        // an actor by the client of its letters
	bells   map[uint64]string        // an actor by the client of a reminder
	served  map[string]bool          // actors that have changed since the world healed; nil before that
	horizon int64                    // in the end: reminders that are due before it must have come
	slow    map[string]time.Duration // how long the next message of an actor takes
}

// line is the one true history of an actor.
type line struct {
	name    string
	sums    []sum  // by count
	told    uint64 // the newest count that a caller has heard of
	handled map[token]outcome
	sent    map[string][]letter // by receiver, in order
	last    uint64              // number of the last one
	next    map[string]int      // by sender: how many of its letters to this actor have been handled
	strange []token             // letters that were handled, of senders whose shard may have lost what it had
	asked   map[uint64]string   // open questions: whom, by number
	bells   map[string]bell     // reminders, by name, as they are kept
	rung    map[token]bool      // those that ever were to come
	low     map[token]int64     // of those that have come: the lowest wall clock of any node then
	own     []token             // answers and reminders that were handled
}

// key is one of an actor's, without its class.
type key struct {
	of   *line
	rest string
}

func (l *line) now() sum { return l.sums[len(l.sums)-1] }

// errand is a call of an actor.
type errand struct {
	m     message
	from  shards.NodeID
	begun int64
	ended int64
	end   ending
	got   outcome
}

// ending is what a caller knows in the end.
type ending uint8

const (
	open     ending = iota // its node has died
	answered               // handled, or refused
	unknown                // it may have been handled
	nothing                // it has not been handled, and will not be
)

func newActs() acts {
	return acts{lines: map[string]*line{}, by: map[token]*errand{}, from: map[uint64]string{}, bells: map[uint64]string{}, slow: map[string]time.Duration{}}
}

func (a *acts) add(name string) {
	a.names = append(a.names, name)
	a.lines[name] = &line{
		name: name, sums: make([]sum, 1), handled: map[token]outcome{}, sent: map[string][]letter{}, next: map[string]int{},
		asked: map[uint64]string{}, bells: map[string]bell{}, rung: map[token]bool{}, low: map[token]int64{},
	}
	a.from[clientOf(name)] = name
	for _, b := range bellNames {
		a.bells[bellClient(name, b)] = name
	}
}

// begin notes a call.
func (a *acts) begin(n *Node, m *message) *errand {
	c := &errand{m: *m, from: n.ID, begun: n.w.history.tick()}
	a.all = append(a.all, c)
	a.by[tokenOf(m.call)] = c
	return c
}

// ended notes what a caller was told: invariant 14.
func (a *acts) ended(w *World, c *errand, shard shards.ShardID, r acted) {
	c.ended = w.history.tick()
	l := a.lines[c.m.to]
	switch {
	case r.err == nil:
		c.end, c.got = answered, r.outcome
		l.told = max(l.told, r.sum.count)
		known := w.watch.shard(shard)
		known.told = max(known.told, r.seq)
	case r.err == errUnknown:
		c.end = unknown
	default:
		c.end = nothing
	}
	w.story.fold(c.m.call.Client, c.m.call.Seq, uint64(c.end), c.got.sum.hash)
	handled, is := l.handled[tokenOf(c.m.call)]
	switch {
	case a.forgiven(w, l):
	case c.end == answered && c.got.done && !is:
		w.Fail(invariantOnce, "actor %s: %v was answered, and no copy has what it did", l.name, c)
	case c.end == answered && is && handled != c.got:
		w.Fail(invariantOnce, "actor %s: %v was answered %+v, and came to %+v", l.name, c, c.got, handled)
	case c.end == nothing && is:
		w.Fail(invariantOnce, "actor %s: %v was given up as not handled, and came to %+v", l.name, c, handled)
	}
	if a.served != nil && r.err == nil && r.done {
		a.served[l.name] = true
	}
}

// String is the call as a reader of a failure sees it.
func (c *errand) String() string {
	s := fmt.Sprintf("%s %s (%x.%d.%d)", deedNames[c.m.do], c.m.to, c.m.call.Client>>48, c.m.call.Lane, c.m.call.Seq)
	switch {
	case c.end == open:
		return s + ": its caller died"
	case c.end == unknown:
		return s + ": unknown"
	case c.end == nothing:
		return s + ": not handled"
	case c.got.refused:
		return s + ": refused"
	}
	return s + fmt.Sprintf(": %d %x %v", c.got.sum.count, c.got.sum.hash>>48, c.got.done)
}

// forgiven says that an actor's shard may have lost what it had acknowledged.
func (a *acts) forgiven(w *World, l *line) bool {
	return w.shardOf(keyOf('s', l.name, "")).forgiven
}

// answers notes that a message is answered: invariant 13. Callers that had heard of more before it was sent would see the actor go back.
func (a *acts) answers(w *World, n *Node, d *delivery, r acted) {
	l := a.lines[d.m.to]
	if r.sum.count < d.m.floor && !a.forgiven(w, l) {
		w.Fail(invariantOldActivation, "actor %s: %s answers %s from count %d, and %d was known before it was asked", l.name, n.ID, deedNames[d.m.do], r.sum.count, d.m.floor)
	}
}

// confirms notes that an activation answers from memory: invariant 13. It knows the newest state then, whichever callers know of it.
func (a *acts) confirms(w *World, n *Node, d *delivery, knows sum) {
	l := a.lines[d.m.to]
	a.undisturbed(w, l, d.m.token(), "answers")
	if knows != l.now() && !a.forgiven(w, l) {
		w.Fail(invariantOldActivation, "actor %s: %s answers %s from memory, at count %d, and the actor is at %d", l.name, n.ID, deedNames[d.m.do], knows.count, l.now().count)
	}
}

// applied notes a transaction that the first copy has carried out, if it is an actor's: invariants 12, 14 and 15.
func (a *acts) applied(w *World, t *store.Txn) {
	if len(a.names) == 0 {
		return
	}
	var l *line
	var after *sum
	var mail []letter
	var at, heard token
	var gone []key
	refused := false
	var rings []*store.Op
	for i := range t.Ops {
		op := &t.Ops[i]
		class, actor, rest, ok := readKey(string(op.Key))
		if !ok {
			return
		}
		if l = a.lines[actor]; l == nil {
			return
		}
		switch {
		case class == 'o' && op.Kind == store.OpDelete:
			gone = append(gone, key{l, rest})
		case class == 'm':
			rings = append(rings, op)
		case class == 'd':
			heard = decodeToken(op.Value)
		case class == 'o':
			letter, err := decodeLetter(rest, op.Value)
			if err != nil {
				w.Fail(invariantLetters, "actor %s: %v", actor, err)
			}
			letter.begun = w.history.tick()
			mail = append(mail, letter)
		case class == 's':
			if now := decodeSum(op.Value[8:]); now != l.now() { // else it goes with an answer that is kept
				after = &now
			}
		case class == 'r':
			at.seq = binary.LittleEndian.Uint64(op.Value)
			kept, _ := activation.Call{Seq: at.seq}.Answered(op.Value)
			refused = kept.Code != 0
			if _, err := fmt.Sscanf(rest, "/%x.%d", &at.client, &at.lane); err != nil {
				w.Fail(invariantOnce, "actor %s: reply %s: %v", actor, rest, err)
			}
		}
	}
	switch {
	case at.seq != 0:
		a.handled(w, l, at, after, refused, mail)
		for _, op := range rings {
			a.reminded(w, l, op)
		}
	case heard.seq != 0:
		a.heard(w, l, heard, after, gone)
	default:
		for _, k := range gone { // perhaps of several actors: a courier has come by
			a.removed(w, k.of, k.rest)
		}
		for _, op := range rings {
			a.rang(w, l, op)
		}
	}
}

// handled notes that an actor has handled a message, and what it has become by that, if anything.
func (a *acts) handled(w *World, l *line, at token, after *sum, refused bool, mail []letter) {
	if before, twice := l.handled[at]; twice {
		w.Fail(invariantOnce, "actor %s: message %x came to %+v, and comes to something again", l.name, at, before)
	}
	a.undisturbed(w, l, at, "handles")
	o := outcome{sum: l.now()}
	if after != nil {
		if want := l.now().with(at); *after != want {
			w.Fail(invariantOneCommit, "actor %s: an activation that knew another state than the newest, of count %d, makes it count %d", l.name, l.now().count, after.count)
		}
		o = outcome{sum: *after, done: true}
		l.sums = append(l.sums, *after)
	}
	if after == nil && refused {
		o = outcome{refused: true}
	}
	if c := a.by[at]; c != nil {
		if late := c.end == answered && (c.got.refused || !c.got.done) && after != nil; late || c.end == nothing {
			w.Fail(invariantOnce, "actor %s: %v has an effect after that", l.name, c)
		}
	} else {
		a.received(w, l, at)
	}
	l.handled[at] = o
	for _, m := range mail {
		if l.last >= m.number {
			w.Fail(invariantLetters, "actor %s numbers a letter %d after %d", l.name, m.number, l.last)
		}
		l.last = m.number
		l.sent[m.to] = append(l.sent[m.to], m)
		if m.asks {
			l.asked[m.number] = m.to
		}
	}
}

// received notes that a letter was handled: the next of its sender's to this actor.
func (a *acts) received(w *World, l *line, at token) {
	if a.bells[at.client] == l.name {
		a.ringing(w, l, at)
		return
	}
	from := a.lines[a.from[at.client]]
	if from == nil || at.lane != 0 {
		w.Fail(invariantLetters, "actor %s has handled message %x, which nobody has sent", l.name, at)
		return
	}
	mine := from.sent[l.name]
	n := l.next[from.name]
	l.next[from.name]++
	switch known := n < len(mine) && mine[n].number == at.seq; {
	case a.forgiven(w, from):
		l.strange = append(l.strange, at)
	case !known:
		w.Fail(invariantLetters, "actor %s has handled letter %d of %s, and %d of its %d letters before", l.name, at.seq, from.name, n, len(mine))
	}
}

// removed notes that a letter is not kept any more: it has been handled.
func (a *acts) removed(w *World, l *line, rest string) {
	at := token{client: clientOf(l.name)}
	if _, err := fmt.Sscanf(rest, "/%x", &at.seq); err != nil {
		w.Fail(invariantLetters, "actor %s: letter %s: %v", l.name, rest, err)
	}
	if to, is := l.asked[at.seq]; is {
		w.Fail(invariantAsks, "actor %s: question %d to %s is removed, and its answer was not handled", l.name, at.seq, to)
	}
	for _, name := range a.names {
		to := a.lines[name]
		if _, is := to.handled[at]; is || a.forgiven(w, to) || a.forgiven(w, l) {
			continue
		}
		if slices.ContainsFunc(l.sent[name], func(m letter) bool { return m.number == at.seq }) {
			w.Fail(invariantLetters, "actor %s: letter %d to %s is removed, and was not handled", l.name, at.seq, name)
		}
	}
}
