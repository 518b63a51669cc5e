package store

import (
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Sessions travel in the trailer of a snapshot, in the form that the digest covers: clients in the order in which they were
// heard of last, outcomes in the order in which they came.
//
//	sessions [ [client ...], [outcome ...] ]
//	client   [ client, used, base, forced, window ]     window: bit i%8 of byte i/8 is number base+1+i
//	outcome  [ place, number, bytes ]                   place: in the list of clients, from 0; bytes as AppendResults
//
// At most 128 clients of 8 KiB each and 64 KiB of outcomes: about a megabyte if each of them left holes, and usually a few kilobytes.

// byUse is the places of the clients, the one heard of last at the end.
func (m *sessions) byUse() []int {
	places := make([]int, len(m.list))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int {
		if m.list[a].used < m.list[b].used {
			return -1
		}
		return 1
	})
	return places
}

// encode appends the sessions; equal ones are equal bytes.
func (m *sessions) encode(dst []byte) []byte {
	places := m.byUse()
	order := make([]int, len(places))
	e := wire.NewEncoder(dst)
	e.Array(2)
	e.Array(len(places))
	var window []byte
	for i, place := range places {
		c := &m.list[place]
		order[place] = i
		e.Array(5)
		e.Uint(c.client)
		e.Uint(c.used)
		e.Uint(c.base)
		e.Uint(c.forced)
		window = c.window(window[:0])
		e.Bytes(window)
	}
	count := 0
	for at := m.head; at < len(m.log); at = m.entry(at).end {
		count++
	}
	e.Array(count)
	for at := m.head; at < len(m.log); {
		k := m.entry(at)
		e.Array(3)
		e.Uint(uint64(order[k.place]))
		e.Uint(k.number)
		e.Bytes(k.outcome)
		at = k.end
	}
	return e.Buffer()
}

// encoded is encode of what may not be there.
func (m *sessions) encoded() []byte {
	if m == nil {
		return nil
	}
	return m.encode(nil)
}

// decodeSessions reads what encode wrote for a store at seq. Whatever could break an invariant is refused.
func decodeSessions(d *wire.Decoder, seq shards.SeqNo) *sessions {
	if n := d.Array(); n != 2 && d.Err() == nil {
		d.Refuse("sessions have 2 parts")
	}
	m := (*sessions)(nil).own()
	last := uint64(0)
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		m.decodeClient(d, last, uint64(seq))
		if d.Err() == nil {
			last = m.list[len(m.list)-1].used
		}
	}
	for n := d.Array(); n > 0 && d.Err() == nil; n-- {
		m.decodeOutcome(d)
	}
	if d.Err() == nil && len(m.list) == 0 {
		d.Refuse("sessions without a client")
	}
	return m
}

func (m *sessions) decodeClient(d *wire.Decoder, after, through uint64) {
	n := d.Array()
	c := session{client: d.Uint(), used: d.Uint(), base: d.Uint(), forced: d.Uint()}
	window := d.Bytes()
	if d.Err() != nil {
		return
	}
	_, twice := m.index[c.client]
	if n != 5 || twice || len(m.list) == sessionClients || c.client == 0 || c.used <= after || c.used > through || c.forced > c.base || !c.restore(window) {
		d.Refuse("a client outside its limits")
		return
	}
	m.index[c.client] = len(m.list)
	m.list = append(m.list, c)
	m.words += len(c.seen)
}

func (m *sessions) decodeOutcome(d *wire.Decoder) {
	n := d.Array()
	place, number, outcome := d.Uint(), d.Uint(), d.Bytes()
	if d.Err() != nil {
		return
	}
	if n != 3 || place >= uint64(len(m.list)) || len(outcome) > sessionOutcome || number == 0 || !m.list[place].has(number) {
		d.Refuse("an outcome outside its limits")
		return
	}
	if _, failure, rest, err := DecodeOutcome(outcome, nil); err != nil || failure != nil || len(rest) != 0 {
		d.Refuse("an outcome that cannot be read")
		return
	}
	if m.keep(int(place), number, outcome); m.head != 0 {
		d.Refuse("more outcomes than are kept")
	}
}

// check panics if an invariant does not hold.
func (m *sessions) check() {
	if m == nil {
		return
	}
	if len(m.list) != len(m.index) || len(m.list) > sessionClients || len(m.log)-m.head > sessionBytes {
		panic("store: sessions beyond their limits")
	}
	uses, words := make(map[uint64]bool), 0
	for i := range m.list {
		c := &m.list[i]
		c.check()
		words += len(c.seen)
		if m.index[c.client] != i || uses[c.used] {
			panic("store: a session is not where its index says, or shares its last use")
		}
		uses[c.used] = true
	}
	if words != m.words {
		panic("store: sessions have bits that they do not count")
	}
	for at := m.head; at < len(m.log); {
		k := m.entry(at)
		if k.place >= len(m.list) || !m.list[k.place].has(k.number) {
			panic("store: an outcome of a number that was not ordered")
		}
		at = k.end
	}
}
