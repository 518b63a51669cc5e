package past

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// world is a cluster at whose table things happen, with every state that it had.
type world struct {
	testing.TB
	rand   *rand.Rand
	book   *Book
	state  *cluster.State
	leader shards.NodeID
	now    int64
	states map[uint64]*cluster.State // by version
}

func newWorld(t testing.TB, limit int, seed uint64) *world {
	w := &world{TB: t, rand: rand.New(rand.NewPCG(seed, 1)), book: New(limit), state: &cluster.State{}, leader: "n1", now: 1000, states: map[uint64]*cluster.State{}}
	space := shards.Keyspace{Name: "orders", Shards: 8}
	if err := space.Validate(); err != nil {
		t.Fatal(err)
	}
	w.apply(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: member(1), Keyspaces: []shards.Keyspace{space}}})
	for i := 2; i <= 4; i++ {
		w.apply(&cluster.Command{Join: &cluster.Join{Member: member(i)}})
	}
	return w
}

func member(i int) cluster.Member {
	return cluster.Member{ID: id(i), Name: fmt.Sprintf("N%d", i), Raft: uint64(i), Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format}
}

func id(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("n%d", i)) }

func (w *world) apply(c *cluster.Command) {
	w.Helper()
	after, o := w.state.Apply(c)
	if o.Err != nil {
		w.Fatal(o.Err)
	}
	w.state = after
	w.states[after.Version] = after
	w.now += 1 + int64(w.rand.IntN(9))
	w.book.Note(after, w.leader, w.now)
}

// step changes a row, a member, a setting, the keyspaces or who leads.
func (w *world) step() {
	row := &w.state.Shards[w.rand.IntN(len(w.state.Shards))]
	node := id(1 + w.rand.IntN(4))
	move := func(m cluster.Move) {
		w.apply(&cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: row.ID, Base: row.Version, Moves: []cluster.Move{m}}}}})
	}
	switch n := w.rand.IntN(12); {
	case n < 8 && len(row.Copies) == 0:
		move(cluster.Move{Kind: cluster.MoveCreate, Node: node})
	case n < 8 && row.CopyOn(node) == nil:
		move(cluster.Move{Kind: cluster.MoveAllocate, Node: node})
	case n < 8 && !row.CopyOn(node).InSync:
		move(cluster.Move{Kind: cluster.MoveDrop, Copy: row.CopyOn(node).ID})
	case n == 8:
		yes := w.rand.IntN(2) == 0
		w.apply(&cluster.Command{Member: &cluster.MemberChange{Node: node, Draining: &yes}})
	case n == 9:
		w.apply(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: "a", Value: fmt.Sprint(w.now)}}}})
	case n == 10 && len(w.state.Keyspaces) < 4:
		w.apply(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: fmt.Sprintf("k%d", w.now), Shards: 2}}})
	case n == 11:
		w.leader, w.now = node, w.now+1
		w.book.Note(w.state, w.leader, w.now)
	}
}

// check plays the moments forward, and compares each with the state that there was.
func (w *world) check(list []Moment) {
	w.Helper()
	var table []cluster.Shard
	for i, m := range list {
		if m.Whole != (i == 0) || i > 0 && (m.At < list[i-1].At || m.Version < list[i-1].Version) {
			w.Fatalf("moment %d of %d: at %d, version %d, whole: %v", i, len(list), m.At, m.Version, m.Whole)
		}
		for _, r := range m.Rows {
			at, found := slices.BinarySearchFunc(table, r.ID, func(s cluster.Shard, id shards.ShardID) int { return int(int64(s.ID) - int64(id)) })
			if found {
				table[at] = r
			} else {
				table = slices.Insert(table, at, r)
			}
		}
		s := w.states[m.Version]
		if !reflect.DeepEqual(table, s.Shards) && len(table)+len(s.Shards) > 0 || !reflect.DeepEqual(m.Members, s.Members) || !reflect.DeepEqual(m.Keyspaces, s.Keyspaces) {
			w.Fatalf("moment %d: version %d had\n%+v\nand is remembered as\n%+v", i, m.Version, s.Shards, table)
		}
	}
}

// Every moment that is remembered is the table that there was, whatever was forgotten before it, and from wherever one looks.
func TestMomentsAreWhatWas(t *testing.T) {
	for seed := range uint64(30) {
		w := newWorld(t, 20_000, seed)
		for range 400 {
			w.step()
			if w.book.size > w.book.limit {
				t.Fatalf("%d bytes of %d", w.book.size, w.book.limit)
			}
		}
		all, more := w.book.Between(0, w.now, 1<<30)
		if more || len(all) != len(w.book.changes)+1 || len(all) < 20 || len(all) > 390 {
			t.Fatalf("%d moments, more: %v", len(all), more)
		}
		w.check(all)
		for range 20 {
			from := w.book.Began() + w.rand.Int64N(w.now-w.book.Began()+1)
			to := from + w.rand.Int64N(w.now-from+1)
			part, _ := w.book.Between(from, to, 1<<30)
			w.check(part)
			if part[0].At > from || part[len(part)-1].At > to || len(part) > 1 && part[1].At <= from {
				t.Fatalf("asked for %d to %d, got %d to %d", from, to, part[0].At, part[len(part)-1].At)
			}
			if next := slices.IndexFunc(all, func(m Moment) bool { return m.At > to }); next > 0 && all[next-1].At != part[len(part)-1].At {
				t.Fatalf("the last until %d is of %d, and there was one of %d", to, part[len(part)-1].At, all[next-1].At)
			}
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t, 1<<20, 7)
	for range 200 {
		w.step()
	}
	all, _ := w.book.Between(0, w.now, 1<<30)
	part, more := w.book.Between(0, w.now, 20)
	if !more || len(part) < 5 || len(part) > 21 {
		t.Fatalf("%d moments, more: %v", len(part), more)
	}
	w.check(part)
	rest, _ := w.book.Between(part[len(part)-1].At, w.now, 1<<30)
	if len(part)+len(rest)-1 != len(all) {
		t.Errorf("%d moments, and from the last of them on %d, of %d", len(part), len(rest), len(all))
	}
}

// A change of more rows than are asked for comes whole, alone, and what follows it can be asked for.
func TestLargeChangesComeAlone(t *testing.T) {
	w := newWorld(t, 1<<20, 7)
	space := shards.Keyspace{Name: "large", Shards: 100}
	if err := space.Validate(); err != nil {
		t.Fatal(err)
	}
	before := w.now
	w.apply(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: space}})
	large := w.now
	w.step()
	list, more := w.book.Between(before, w.now, 20)
	if !more || len(list) != 2 || list[1].At != large || len(list[1].Rows) < 100 {
		t.Fatalf("%d moments, more: %v", len(list), more)
	}
	w.check(list)
	if list, more = w.book.Between(large, w.now, 20); more || len(list) != 2 || list[1].At <= large {
		t.Errorf("behind it %d moments, more: %v", len(list), more)
	}
}

// A copy may be read while the book goes on, whatever it forgets meanwhile.
func TestCopiesStay(t *testing.T) {
	w := newWorld(t, 20_000, 3)
	for range 50 {
		w.step()
	}
	was, now := *w.book, w.now
	before, _ := was.Between(0, now, 1<<30)
	for range 200 {
		w.step()
	}
	if after, _ := was.Between(0, now, 1<<30); !reflect.DeepEqual(before, after) || w.book.Began() <= was.Began() {
		t.Error("what a copy tells has changed")
	}
}

// An empty book tells nothing; a state of another life of the cluster begins another past; an older one is no news.
func TestBeginnings(t *testing.T) {
	if list, more := New(100).Between(0, 10, 10); list != nil || more || New(100).Began() != 0 {
		t.Errorf("of nothing %d moments", len(list))
	}
	w := newWorld(t, 1<<20, 1)
	old := w.state
	for range 20 {
		w.step()
	}
	n := len(w.book.changes)
	w.book.Note(old, w.leader, w.now+1)
	w.book.Note(w.state, w.leader, w.now+2)
	if len(w.book.changes) != n {
		t.Error("what is not newer was noted")
	}
	other := *w.state
	other.Cluster = strings.Repeat("1", 40)
	w.book.Note(&other, "n1", w.now+3)
	if len(w.book.changes) != 0 || w.book.Began() != w.now+3 {
		t.Error("the past of another cluster goes on")
	}
}

func BenchmarkNote(b *testing.B) {
	w := newWorld(b, 1<<20, 1)
	for range 100 {
		w.step()
	}
	states := make([]*cluster.State, 0, len(w.states))
	for v := range uint64(len(w.states)) {
		if s := w.states[v+1]; s != nil {
			states = append(states, s)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(states) == 0 {
			w.book = New(1 << 20)
		}
		w.book.Note(states[i%len(states)], "n1", int64(i))
	}
}
