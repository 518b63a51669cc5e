package store

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/troupe-actors/troupe/shards"
)

// sessions is what a store remembers of transactions that may be sent again: of each client which numbers were ordered (see
// session), and of the newest transactions what came of them.
//
//	clients    7: 1-41, 43, 44      9: 1-5
//	outcomes   ► 7,43: stored ► 9,5: was 3, stored ► 7,44: conflict ►      the newest sessionBytes, whoever sent them
//
//	number     not ordered yet ──► apply; note the number and the outcome
//	           ordered, outcome is there ──► answer it, change nothing
//	           ordered, outcome is gone ──► ErrResultLost
//	           at or below what was forced ──► ErrTooOld
//
// All of it depends on the transactions alone, so that copies agree. It travels in snapshots and counts in digest and rolling
// hash. Outcomes leave in the order in which they came. A new client beyond sessionClients takes the place of the one that was
// not heard of for the longest: should that one come back, its numbers begin afresh.
//
// Invariants:
//  1. index holds the place in list of each client; there are at most sessionClients, so that a place is one byte.
//  2. The log from head on is a sequence of entries, at most sessionBytes together, each of a place in list and of a number
//     that the session there has.
//  3. words counts the words of all sessions' bits.
//  4. A shared value is not written to: a snapshot reads it.
type sessions struct {
	index  map[uint64]int // looked up, never ranged over
	list   []session
	log    []byte // entries: place, number, length, outcome; see AppendResults
	head   int
	hint   int // where the next repeated transaction probably is: they come in the order of the first ones
	words  int // of bits, in all sessions
	buffer []byte
	shared bool
}

// Limits of what is remembered. They are part of the format: all copies must agree.
const (
	sessionClients = 128      // clients of one shard
	sessionBytes   = 64 << 10 // of outcomes of one shard, four bytes or more for each beside its own
	sessionOutcome = 1 << 10  // bytes of one outcome that is kept
	entryHead      = 1 + 2*binary.MaxVarintLen64
)

// begin finds the session of a transaction's client, or makes it.
func (m *sessions) begin(t *Txn, seq shards.SeqNo) *session {
	place, known := m.index[t.Client]
	if !known {
		if place = len(m.list); place < sessionClients {
			m.list = append(m.list, session{})
		} else {
			place = m.evict()
		}
		m.list[place].client = t.Client
		m.index[t.Client] = place
	}
	c := &m.list[place]
	c.used = uint64(seq)
	return c
}

// evict frees the place of the client that was not heard of for the longest.
func (m *sessions) evict() (place int) {
	for i := range m.list {
		if m.list[i].used < m.list[place].used {
			place = i
		}
	}
	others := make([]byte, 0, len(m.log)-m.head)
	for at := m.head; at < len(m.log); {
		e := m.entry(at)
		if e.place != place {
			others = append(others, m.log[at:e.end]...)
		}
		at = e.end
	}
	m.log, m.head, m.hint = others, 0, 0
	delete(m.index, m.list[place].client)
	m.words -= len(m.list[place].seen)
	m.list[place] = session{}
	return place
}

// kept is one entry of the log.
type kept struct {
	place   int
	number  uint64
	outcome []byte
	end     int
}

func (m *sessions) entry(at int) kept {
	e := kept{place: int(m.log[at])}
	at++
	number, n := binary.Uvarint(m.log[at:])
	at += n
	size, n := binary.Uvarint(m.log[at:])
	at += n
	e.number, e.end = number, at+int(size)
	e.outcome = m.log[at:e.end:e.end]
	return e
}

// find looks an outcome up, from where the one before it was found on.
func (m *sessions) find(place int, number uint64) (outcome []byte, found bool) {
	if m.hint < m.head || m.hint > len(m.log) {
		m.hint = m.head
	}
	for _, part := range [2][2]int{{m.hint, len(m.log)}, {m.head, m.hint}} {
		for at := part[0]; at < part[1]; {
			e := m.entry(at)
			if at = e.end; e.place == place && e.number == number {
				m.hint = e.end
				return e.outcome, true
			}
		}
	}
	return nil, false
}

// keep appends an outcome to the log; the oldest ones leave. One that is too long is not kept.
func (m *sessions) keep(place int, number uint64, outcome []byte) {
	if len(outcome) > sessionOutcome {
		return
	}
	var head [entryHead]byte
	h := binary.AppendUvarint(append(head[:0], byte(place)), number)
	h = binary.AppendUvarint(h, uint64(len(outcome)))
	size := len(h) + len(outcome)
	for len(m.log)-m.head+size > sessionBytes {
		m.head = m.entry(m.head).end
	}
	if len(m.log)+size > cap(m.log) && m.head > cap(m.log)/4 {
		n := copy(m.log, m.log[m.head:])
		m.hint -= m.head // below 0 is before the head: find begins there then
		m.log, m.head = m.log[:n], 0
	}
	m.log = append(append(m.log, h...), outcome...)
}

// own is the value to write to: itself, or a copy if a snapshot reads it.
func (m *sessions) own() *sessions {
	switch {
	case m == nil:
		return &sessions{index: make(map[uint64]int)}
	case !m.shared:
		return m
	}
	c := &sessions{index: maps.Clone(m.index), list: slices.Clone(m.list), log: slices.Clone(m.log[m.head:]), words: m.words}
	for i := range c.list {
		c.list[i].seen = slices.Clone(c.list[i].seen)
	}
	return c
}

func (m *sessions) memory() int64 {
	if m == nil {
		return 0
	}
	return int64(len(m.list))*sessionSize + int64(m.words)*8 + int64(cap(m.log))
}

// sessionSize is about what a client costs beside its bits, its place in the index included.
const sessionSize = 112

// repeated begins a transaction with a client. If it was ordered before, it answers what it answered then, and says so;
// otherwise the number is noted, and the caller applies the transaction and has its outcome kept.
func (s *Store) repeated(t *Txn, visit func(i int, r *Result)) bool {
	s.sessions = s.sessions.own()
	m := s.sessions
	c := m.begin(t, s.seq)
	if !c.has(t.Seq) {
		m.words -= len(c.seen)
		c.mark(t.Seq)
		m.words += len(c.seen)
		return false
	}
	answer := ErrResultLost
	if c.tooOld(t.Seq) {
		answer = ErrTooOld
	}
	var rs []Result
	outcome, found := m.find(m.index[t.Client], t.Seq)
	if found {
		rs = mustDecode(outcome, s.results.reset(0))
		s.results.many = rs
		answer = nil
	}
	if !found || len(rs) != len(t.Ops) {
		if found {
			answer = ErrInvalid // the number stood for another transaction
		}
		rs = s.results.reset(len(t.Ops))
		failAll(rs, -1, answer)
	}
	s.rolling = rollRepeat(s.rolling, t, outcome, answer)
	if visit != nil {
		for i := range rs {
			visit(i, &rs[i])
		}
	}
	return true
}

// mustDecode reads an outcome that was kept by this store, or checked when it was loaded.
func mustDecode(outcome []byte, into []Result) []Result {
	rs, failure, rest, err := DecodeOutcome(outcome, into)
	if err != nil || failure != nil || len(rest) != 0 {
		panic("store: an outcome that was kept cannot be read")
	}
	return rs
}

// remember keeps what came of a transaction, unless it is too long.
func (m *sessions) remember(t *Txn, rs []Result) {
	m.buffer = BeginResults(m.buffer[:0], len(rs))
	for i := range rs {
		if len(m.buffer)+len(rs[i].Value) > sessionOutcome {
			return
		}
		m.buffer = AppendResult(m.buffer, &rs[i])
	}
	m.keep(m.index[t.Client], t.Seq, m.buffer)
}

// rollRepeat folds in a transaction that was ordered before, and what is known of it.
func rollRepeat(h uint64, t *Txn, outcome []byte, answer error) uint64 {
	h = rollClient(fold(h, uint64(t.Time)), t)
	switch answer {
	case nil:
		return fold(fold(h, foldRepeat), xxhash.Sum64(outcome))
	case ErrInvalid:
		return fold(h, foldRepeat+1)
	case ErrTooOld:
		return fold(h, foldRepeat+2)
	}
	return fold(h, foldRepeat+3)
}
