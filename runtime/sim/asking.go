package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// heard is the answer to a question, as its asker gets it. It changes the asker's sum by what it says, so that the sum tells which
// answers were handled.
type heard struct {
	number uint64 // of the question
	got    outcome
}

// heardLane is the lane of the tokens of answers: no caller has so many.
const heardLane = 1 << 31

// heardKey is where an asker keeps the token of the answer that it has handled, for whoever watches.
const heardKey = "/heard"

func (h *heard) token() token {
	says := uint64(0)
	if h.got.done {
		says = 1
	}
	if h.got.refused {
		says = 2
	}
	f := story{}
	f.fold(h.got.sum.count, h.got.sum.hash, says)
	return token{client: f.hash | 1, lane: heardLane, seq: h.number}
}

// rest is the end of the question's key.
func (h *heard) rest() string { return fmt.Sprintf("/%016x", h.number) }

// token names the message in its actor's history.
func (m *message) token() token {
	if m.heard != nil {
		return m.heard.token()
	}
	return tokenOf(m.call)
}

func (t token) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, t.client)
	b = binary.LittleEndian.AppendUint32(b, t.lane)
	return binary.LittleEndian.AppendUint64(b, t.seq)
}

func decodeToken(b []byte) token {
	return token{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint64(b[12:])}
}

// answerPause is how long a courier waits before it has an answer handled again.
const answerPause = 100 * time.Millisecond

// giveBack has the asker handle the answer to its question. As long as that does not work nothing else goes to the one that was asked.
func (c *courier) giveBack(from string, l letter, at *way, got outcome) {
	if c.a.mail[c.shard] != c { // another reign sees to it
		return
	}
	m := message{to: from, do: add, heard: &heard{l.number, got}}
	c.a.handle(m, func(r acted) {
		if r.err != nil {
			c.a.p.n.after(answerPause, func() { c.giveBack(from, l, at, got) })
			return
		}
		at.busy, at.through = false, max(at.through, l.number)
		if c.a.mail[c.shard] == c {
			c.a.deliverMail()
		}
	})
}

// heard notes that an actor has handled the answer to a question: invariant 17. The question was open, and what the answer says is what the one
// that was asked had come to.
func (a *acts) heard(w *World, l *line, at token, after *sum, gone []key) {
	to, open := l.asked[at.seq]
	asked := (&heard{number: at.seq}).rest()
	switch {
	case !open || !slices.Contains(gone, key{l, asked}):
		w.Fail(invariantAsks, "actor %s handles an answer to question %d, which is not open: %v are", l.name, at.seq, l.asked)
		return
	case after == nil || *after != l.now().with(at):
		w.Fail(invariantOneCommit, "actor %s: an activation that knew another state than the newest, of count %d, handles an answer", l.name, l.now().count)
		return
	}
	from := a.lines[to]
	got, is := from.handled[token{client: clientOf(l.name), seq: at.seq}]
	if said := (&heard{at.seq, got}).token(); (!is || said != at) && !a.forgiven(w, from) {
		w.Fail(invariantAsks, "actor %s is told something else of question %d than that %s handled it (%v) and came to %+v", l.name, at.seq, to, is, got)
	}
	delete(l.asked, at.seq)
	l.sums = append(l.sums, *after)
	l.handled[at] = outcome{sum: *after, done: true}
	l.own = append(l.own, at)
}
