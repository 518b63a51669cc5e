package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// from is a transaction of a client.
func from(client, number uint64, ops ...Op) *Txn {
	return &Txn{Time: 5, Client: client, Seq: number, Ops: ops}
}

func increment(key string) Op { return Op{Kind: OpIncrement, Key: []byte(key), Int: 1} }

// "Writes carry (client, sequence) so that a retry across a failover is applied once" (DESIGN.md, section 4).
func TestRepeatedTransactionIsAppliedOnce(t *testing.T) {
	s := New(Options{})
	first := s.do(from(7, 1, increment("n")))
	other := s.do(from(8, 1, increment("n")))
	again := s.do(from(7, 1, increment("n")))
	if first[0].Int != 1 || other[0].Int != 2 || !reflect.DeepEqual(again, first) {
		t.Fatalf("first %+v, of another client %+v, again %+v", first, other, again)
	}
	var r Result
	if s.Read(5, &Op{Kind: OpGet, Key: []byte("n")}, &r); string(r.Value) != "2" || r.Version != 2 || s.Applied() != 3 {
		t.Fatalf("%+v at %d", r, s.Applied())
	}
	if again := s.do(from(7, 1, increment("n"), increment("n"))); !errors.Is(again[0].Err, ErrInvalid) || !errors.Is(again[1].Err, ErrInvalid) {
		t.Fatalf("the number of another transaction answered %+v", again)
	}
	w := s.Watch(nil, 0, 0)
	s.do(from(8, 1, increment("n")))
	if c, ok := w.Next(); ok {
		t.Fatalf("a repeated transaction was seen by a watcher: %+v", c)
	}
}

// What the first one answered is answered again, whatever that was.
func TestEveryOutcomeIsAnsweredAgain(t *testing.T) {
	s := New(Options{})
	s.must(t, 5, put("text", "x"), put("n", "1"))
	for number, txn := range []*Txn{
		nil,
		from(7, 1),
		from(7, 2, Op{Kind: OpSet, Key: []byte("text"), Value: []byte("y"), WantOld: true}),
		from(7, 3, Op{Kind: OpSet, If: IfAbsent, Key: []byte("text"), WantOld: true}, put("b", ""), increment("text")),
		from(7, 4, Op{Kind: OpIncrementFloat, Key: []byte("n"), Float: 0.5}),
		{Time: 9, Client: 7, Seq: 5, Atomic: true, Ops: []Op{increment("a"), increment("text")}},
		{Time: 9, Client: 7, Seq: 6, Guards: []Guard{{If: IfPresent, Key: []byte("none")}}, Ops: []Op{increment("a"), {Kind: OpGet, Key: []byte("b")}}},
		from(7, 7, Op{Kind: OpGet, Key: []byte("b")}, Op{Kind: OpExpireAt, Key: []byte("b"), ExpireAt: 1 << 40}, Op{Kind: OpDelete, Key: []byte("c")}),
	} {
		if number == 0 {
			continue
		}
		first, before := s.do(txn), s.tree.Stats().Keys
		for range 2 {
			if again := s.do(txn); !reflect.DeepEqual(again, first) || s.tree.Stats().Keys != before {
				t.Fatalf("transaction %d answered %+v, then %+v", number, first, again)
			}
		}
	}
}

func TestLongResultIsNotKept(t *testing.T) {
	s := New(Options{})
	s.must(t, 5, put("long", string(make([]byte, sessionOutcome))))
	swap := from(7, 1, Op{Kind: OpSet, Key: []byte("long"), Value: []byte("short"), WantOld: true}, increment("n"))
	if first := s.do(swap); len(first[0].Value) != sessionOutcome {
		t.Fatalf("%+v", first)
	}
	for _, r := range s.do(swap) {
		if !errors.Is(r.Err, ErrResultLost) || r.Value != nil {
			t.Fatalf("%+v", r)
		}
	}
	if it, _ := s.tree.Get([]byte("n")); string(it.Value) != "1" {
		t.Fatalf("n is %q", it.Value)
	}
}

func TestNumbersBelowTheSpanAreTooOldToTell(t *testing.T) {
	s := New(Options{})
	s.do(from(7, 1, increment("n")))
	s.do(from(7, 3, increment("n"))) // 2 is on its way
	s.do(from(7, sessionSpan+2, increment("n")))
	if r := s.do(from(7, 2, increment("n"))); !errors.Is(r[0].Err, ErrTooOld) {
		t.Fatalf("number 2: %+v", r)
	}
	var typed interface{ ErrorKind() shards.ErrorKind }
	if !errors.As(ErrTooOld, &typed) || typed.ErrorKind() != shards.KindOutcomeUnknown {
		t.Fatal("ErrTooOld does not say that the outcome is unknown")
	}
	if r := s.do(from(7, 4, increment("n"))); r[0].Err != nil {
		t.Fatalf("number 4, which may still come: %+v", r)
	}
	if it, _ := s.tree.Get([]byte("n")); string(it.Value) != "4" {
		t.Fatalf("n is %q", it.Value)
	}
	if errors.As(ErrResultLost, &typed) {
		t.Fatal("ErrResultLost has a kind: its outcome is known")
	}
}

func TestClientNotHeardOfForTheLongestIsForgotten(t *testing.T) {
	s := New(Options{})
	for client := range uint64(sessionClients) {
		s.do(from(client+1, 1, increment("n")))
	}
	s.do(from(1, 2, increment("n"))) // so that 2 is the oldest
	s.do(from(1000, 1, increment("n")))
	s.sessions.check()
	for client, again := range map[uint64]bool{1: false, 3: false, 1000: false} {
		if r := s.do(from(client, 1, increment("n"))); r[0].Err != nil || r[0].Int > int64(sessionClients)+2 != again {
			t.Fatalf("client %d: %+v", client, r)
		}
	}
	if r := s.do(from(2, 1, increment("n"))); r[0].Int != sessionClients+3 {
		t.Fatalf("a forgotten client: %+v", r)
	}
	s.sessions.check()
}

// remembered is what sessions should hold, told simply.
type remembered struct {
	seen  map[[2]uint64][]Result // by client and number
	order [][2]uint64            // of the outcomes that are kept
	sizes []int
	bytes int
}

func (m *remembered) note(txn *Txn, rs []Result) {
	id := [2]uint64{txn.Client, txn.Seq}
	m.seen[id] = rs
	outcome := len(AppendResults(nil, rs))
	if outcome > sessionOutcome {
		return
	}
	size := 1 + len(binary.AppendUvarint(binary.AppendUvarint(nil, txn.Seq), uint64(outcome))) + outcome
	m.order, m.sizes, m.bytes = append(m.order, id), append(m.sizes, size), m.bytes+size
	for m.bytes > sessionBytes {
		m.bytes -= m.sizes[0]
		m.order, m.sizes = m.order[1:], m.sizes[1:]
	}
}

func (m *remembered) answer(txn *Txn) []Result {
	id := [2]uint64{txn.Client, txn.Seq}
	for _, kept := range m.order {
		if kept == id {
			return m.seen[id]
		}
	}
	rs := make([]Result, len(txn.Ops))
	failAll(rs, -1, ErrResultLost)
	return rs
}

// Random transactions of a few clients, out of order and repeated at random, answer as the model says; the content is that
// of a store that got each of them once; and a copy that loaded a snapshot on the way ends with the same bytes.
func TestSessionsAgreeWithModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			v := invention{rand.New(rand.NewPCG(seed, 11))}
			s, loaded := New(Options{}), New(Options{})
			m, memory := &model{keys: map[string]entry{}}, &remembered{seen: map[[2]uint64][]Result{}}
			var sent, held []*Txn
			numbers := map[uint64]uint64{}
			for i := range *rounds {
				txn := v.txn(m)
				switch v.IntN(6) {
				case 0: // again
					if len(sent) > 0 {
						txn = sent[max(0, len(sent)-1-v.IntN(1+v.IntN(len(sent))))]
					}
				case 1: // one that was under way for long
					if len(held) > 0 {
						j := v.IntN(len(held))
						txn = held[j]
						held = append(held[:j], held[j+1:]...)
					}
				default:
					txn.Client = 1 + v.Uint64N(5)
					numbers[txn.Client]++
					txn.Seq = numbers[txn.Client]
					if v.IntN(8) == 0 {
						txn.Ops = append(txn.Ops, Op{Kind: OpSet, Key: []byte("fat"), Value: make([]byte, v.IntN(1200)), WantOld: true})
						txn.Atomic = false
					}
					if v.IntN(4) == 0 {
						held = append(held, txn)
						continue
					}
				}
				checkOnce(t, seed, i, s, m, memory, txn)
				sent = append(sent, txn)
				loaded.do(txn)
				if s.sessions.check(); i%500 == 250 {
					var err error
					if loaded, err = load(chunksOf(s, 200)); err != nil {
						t.Fatalf("seed %d, round %d: %v", seed, i, err)
					}
				}
				if i%16 == 0 { // the digest walks over all that is remembered
					mustEqual(t, loaded, s)
				}
			}
			mustEqual(t, loaded, s)
			if !reflect.DeepEqual(chunksOf(s, 99), chunksOf(loaded, 99)) {
				t.Fatalf("seed %d: the copies' snapshots differ", seed)
			}
			if memory.bytes < sessionBytes-sessionOutcome-20 {
				t.Fatalf("seed %d: %d bytes of outcomes never met the limit", seed, memory.bytes)
			}
			compareContent(t, seed, *rounds, s, m)
		})
	}
}

func checkOnce(t *testing.T, seed uint64, i int, s *Store, m *model, memory *remembered, txn *Txn) {
	t.Helper()
	_, repeated := memory.seen[[2]uint64{txn.Client, txn.Seq}]
	if txn.Client == 0 || !repeated {
		want := m.apply(txn)
		got := s.do(txn)
		compareResults(t, seed, i, txn, got, want)
		if txn.Client != 0 {
			memory.note(txn, got)
		}
		return
	}
	want := memory.answer(txn)
	m.seq++
	m.now = max(m.now, txn.Time)
	if got := s.do(txn); !reflect.DeepEqual(got, want) {
		t.Fatalf("seed %d, round %d: client %d, number %d again: got %+v, want %+v", seed, i, txn.Client, txn.Seq, got, want)
	}
}

// Numbers in any order, some never, some far ahead: has says yes to those marked, and what it cannot tell it calls too old.
func TestSessionAgreesWithASet(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 13))
		c, marked, high := session{client: 1}, map[uint64]bool{}, uint64(0)
		for range 4000 {
			n := max(1, high-min(high, r.Uint64N(40))+r.Uint64N(50))
			if r.IntN(500) == 0 {
				n = high + r.Uint64N(2*sessionSpan)
			}
			if n == 0 || c.has(n) != (marked[n] || c.tooOld(n)) {
				t.Fatalf("seed %d: has(%d) is %v, marked %v, too old %v", seed, n, c.has(n), marked[n], c.tooOld(n))
			}
			if c.has(n) {
				continue
			}
			c.mark(n)
			c.check()
			marked[n], high = true, max(high, n)
			if c.tooOld(n) || high-c.base > sessionSpan || c.forced > 0 && c.forced+sessionSpan < c.base && c.forced+2*sessionSpan > high {
				t.Fatalf("seed %d: %+v after %d of %d", seed, c, n, high)
			}
		}
		again := session{client: 1, base: c.base, forced: c.forced}
		if !again.restore(c.window(nil)) {
			t.Fatalf("seed %d: the window cannot be restored", seed)
		}
		for n := range high + 100 {
			if n > 0 && again.has(n) != c.has(n) {
				t.Fatalf("seed %d: number %d is %v after being restored", seed, n, again.has(n))
			}
		}
	}
}

// A snapshot shows what was remembered when it was taken, however the store goes on.
func TestSnapshotKeepsItsSessions(t *testing.T) {
	s := New(Options{})
	for i := range uint64(50) {
		s.do(from(1+i%3, 1+i/3*2, increment("n")))
	}
	snapshot, want, chunks := s.Snapshot(), s.Digest(), chunksOf(s, 0)
	for i := range uint64(50) {
		s.do(from(1+i%5, 2+i/3*2, increment("n")))
	}
	var got [][]byte
	for chunk := range snapshot.Chunks(nil, 0) {
		got = append(got, bytes.Clone(chunk))
	}
	if snapshot.Digest() != want || !reflect.DeepEqual(got, chunks) {
		t.Fatal("the snapshot changed with the store")
	}
	snapshot.Close()
}

// Two stores with equal keys that remember different transactions are told apart.
func TestSessionsCountInDigestAndRollingHash(t *testing.T) {
	seen, rolled := map[Digest]int{}, map[uint64]int{}
	for i, txns := range [][]*Txn{
		{from(0, 0, put("k", "v"))}, {from(7, 1, put("k", "v"))}, {from(8, 1, put("k", "v"))}, {from(7, 2, put("k", "v"))},
		{from(7, 1, put("k", "v")), from(7, 1, put("k", "v"))}, {from(7, 1, put("k", "v")), from(0, 0)}, {from(0, 0, put("k", "v")), from(7, 1)},
	} {
		s := New(Options{})
		for _, txn := range txns {
			s.do(txn)
		}
		if j, twice := seen[s.Digest()]; twice {
			t.Errorf("histories %d and %d have one digest", j, i)
		}
		if j, twice := rolled[s.Rolling()]; twice {
			t.Errorf("histories %d and %d have one rolling hash", j, i)
		}
		seen[s.Digest()], rolled[s.Rolling()] = i, i
	}
}

// A snapshot file of a release that knew no clients: it loads, and its hashes are still computed as they were.
func TestSnapshotOfBeforeClientsLoads(t *testing.T) {
	var chunks [][]byte
	for _, text := range []string{
		"0f00000002000000dfd3150d950102c0c09194c40161c401310100",
		"13000000020000003ca4542c950102c40161c09194c40162c40374776f0100",
		"30000000020000004f02b987950102c401629403c41026bca239b8e6a865dd2712acf7885dd009cfad1242e8bb2344119194c40163c4017802cd03e8",
	} {
		chunk, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk)
	}
	s, err := load(chunks)
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest().String() != "26bca239b8e6a865dd2712acf7885dd0" || s.Rolling() != 0xad1242e8bb234411 {
		t.Fatalf("digest %v, rolling %x", s.Digest(), s.Rolling())
	}
	if !reflect.DeepEqual(chunksOf(s, 40), chunks) {
		t.Fatal("the snapshot is written differently now")
	}
	same := New(Options{})
	same.must(t, 7, put("a", "1"), put("b", "two"))
	same.must(t, 9, Op{Kind: OpSet, Key: []byte("c"), Value: []byte("x"), ExpireAt: 1000})
	mustEqual(t, same, s)
}

func TestLoaderRefusesSessionsOutsideTheirLimits(t *testing.T) {
	s := New(Options{})
	s.do(from(7, 2, put("k", "v")))
	good := s.sessions.encode(nil)
	if d := wire.NewDecoder(good); decodeSessions(&d, 1) == nil || d.Finish() != nil {
		t.Fatal("what was encoded is refused")
	}
	build := func(clients [][5]uint64, window []byte, outcomes int, place, number uint64, outcome []byte) []byte {
		e := wire.NewEncoder(nil)
		e.Array(2)
		e.Array(len(clients))
		for _, c := range clients {
			e.Array(int(c[4]))
			for _, v := range c[:4] {
				e.Uint(v)
			}
			e.Bytes(window)
		}
		e.Array(outcomes)
		for range outcomes {
			e.Array(3)
			e.Uint(place)
			e.Uint(number)
			e.Bytes(outcome)
		}
		return e.Buffer()
	}
	ok, outcome := [][5]uint64{{7, 1, 3, 0, 5}}, AppendResults(nil, []Result{{Found: true}})
	many := make([][5]uint64, sessionClients+1)
	for i := range many {
		many[i] = [5]uint64{uint64(i + 1), uint64(i + 1), 0, 0, 5}
	}
	for name, frame := range map[string][]byte{
		"no client": build(nil, nil, 0, 0, 0, nil), "client 0": build([][5]uint64{{0, 1, 0, 0, 5}}, nil, 0, 0, 0, nil),
		"used later": build([][5]uint64{{7, 1001, 0, 0, 5}}, nil, 0, 0, 0, nil), "used never": build([][5]uint64{{7, 0, 0, 0, 5}}, nil, 0, 0, 0, nil),
		"one client twice": build([][5]uint64{{7, 1, 0, 0, 5}, {7, 2, 0, 0, 5}}, nil, 0, 0, 0, nil),
		"used in one":      build([][5]uint64{{7, 1, 0, 0, 5}, {8, 1, 0, 0, 5}}, nil, 0, 0, 0, nil),
		"four fields":      build([][5]uint64{{7, 1, 0, 0, 4}}, nil, 0, 0, 0, nil), "forced beyond": build([][5]uint64{{7, 1, 3, 4, 5}}, nil, 0, 0, 0, nil),
		"far numbers": build([][5]uint64{{7, 1, sessionLast + 1, 0, 5}}, nil, 0, 0, 0, nil), "too many": build(many, nil, 0, 0, 0, nil),
		"bit of the base": build(ok, []byte{1}, 0, 0, 0, nil), "empty end": build(ok, []byte{2, 0}, 0, 0, 0, nil),
		"long window": build(ok, append(make([]byte, sessionSpan/8), 1), 0, 0, 0, nil), "place": build(ok, nil, 1, 1, 1, outcome),
		"number 0": build(ok, nil, 1, 0, 0, outcome), "not ordered": build(ok, nil, 1, 0, 4, outcome), "not an outcome": build(ok, nil, 1, 0, 1, []byte{0x90}),
		"a failure": build(ok, nil, 1, 0, 1, AppendFailure(nil, errors.New("x"))), "long": build(ok, nil, 1, 0, 1, make([]byte, sessionOutcome+1)),
		"too much": build(ok, nil, sessionBytes/6, 0, 1, outcome),
	} {
		if d := wire.NewDecoder(frame); decodeSessions(&d, 1000) == nil || d.Err() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
