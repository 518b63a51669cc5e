package policies

import (
	"fmt"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// sorted is a classifier: shards with an even number are of one class, and those above 9 are classes of their own.
type sorted struct{ stern }

func (d sorted) Class(_ *View, q *Question) (uint64, bool) {
	n := q.Shard.ID.Index()
	return uint64(n % 2), n < 10
}

func (d sorted) Allocate(v *View, q *Question, r Row) {
	*d.asked++
	r.Raise(q.Shard.ID.Index()%2, Say(No, 3))
}

// crowded refuses nodes with so many copies.
type crowded struct {
	limit   int
	metered *int
}

func (crowded) Name() string   { return "crowded" }
func (crowded) PerShard() bool { return false }
func (d crowded) Allocate(v *View, q *Question, r Row) {
	for n := range v.Nodes {
		r.Raise(n, d.Meter(v, q, n))
	}
}

func (d crowded) Meter(v *View, _ *Question, n int) Answer {
	*d.metered++
	if v.Nodes[n].Copies >= d.limit {
		return Say(No, 1)
	}
	return 0
}

func (crowded) Reason(*View, *Question, int, Answer) string { return "it is full" }

// wide is a view of three nodes with many shards.
func wide(rows int) *View {
	v := view()
	v.State.Keyspaces = v.State.Keyspaces[:1]
	v.State.Shards = make([]cluster.Shard, rows)
	for i := range v.State.Shards {
		v.State.Shards[i].ID = shards.NewShardID(0, i)
	}
	return NewView(v.State, Facts{})
}

func TestRowsOfAClassAreAskedOnce(t *testing.T) {
	v, asked := wide(14), 0
	s := Set{Deciders: []Decider{sorted{stern{"one", No, true, &asked}}}}
	for range 3 {
		for shard := range v.State.Shards {
			row := s.Ask(v, question(v, Allocate, 0, shard))
			if row[shard%2].Verdict() != No || row[1-shard%2] != 0 {
				t.Fatalf("shard %d: %v", shard, row)
			}
		}
	}
	if asked != 2+3*4 {
		t.Errorf("asked %d times, want once for each class and three times for each of the four that have none", asked)
	}
	other := NewView(v.State, Facts{})
	s.Ask(other, question(other, Allocate, 0, 0))
	if asked != 15 {
		t.Errorf("asked %d times: a view made anew has to be asked about anew", asked)
	}
}

func TestNodesAreMeteredAgainWhenTheirSumsChange(t *testing.T) {
	v, metered := wide(4), 0
	s := Set{Deciders: []Decider{crowded{2, &metered}}}
	want := func(counts, answers string) {
		t.Helper()
		row := s.Ask(v, question(v, Allocate, 0, 3))
		text := ""
		for n := range row {
			text += fmt.Sprintf("%d %v ", v.Nodes[n].Copies, row[n].Verdict())
		}
		if text != answers || fmt.Sprint(metered) != counts {
			t.Errorf("%s after %d meterings; want %s after %s", text, metered, answers, counts)
		}
	}
	put := func(shard int, node int) {
		r := &v.State.Shards[shard]
		v.Count(r, -1)
		r.Copies = append(slices.Clone(r.Copies), cluster.Copy{ID: shards.CopyID(1 + len(r.Copies)), Node: v.Nodes[node].ID, InSync: true, Started: true})
		v.Count(r, 1)
	}
	want("3", "0 YES 0 YES 0 YES ")
	want("3", "0 YES 0 YES 0 YES ")
	put(0, 1)
	want("4", "0 YES 1 YES 0 YES ")
	put(1, 1)
	want("5", "0 YES 2 NO 0 YES ")
	put(0, 0) // its row has two copies now: both nodes are looked at, one of them twice, and so all are
	want("8", "1 YES 2 NO 0 YES ")
}

func TestKeptRowsAreBounded(t *testing.T) {
	v, asked := wide(8000), 0
	s := Set{Deciders: []Decider{lonely{stern{"one", No, true, &asked}}}}
	for shard := range v.State.Shards {
		if s.Ask(v, question(v, Allocate, 0, shard)); s.kept > maxGroups+2 {
			t.Fatalf("%d rows are kept", s.kept)
		}
	}
	if asked != len(v.State.Shards) {
		t.Errorf("asked %d times", asked)
	}
}

// lonely puts each shard into a class of its own.
type lonely struct{ stern }

func (lonely) Class(_ *View, q *Question) (uint64, bool) { return uint64(q.Shard.ID) + 1, true }

// follower is told what changes, has a digest, and changes its mind at two times.
type follower struct {
	stern
	told *[]int
	at   int64
}

func (d follower) Changed(_ *View, shard int) { *d.told = append(*d.told, shard) }
func (d follower) Digest() string             { return "abc" }
func (d follower) Next(*View) int64           { return d.at }

func TestWhoFollowsIsTold(t *testing.T) {
	v, told, asked := view(), []int{}, 0
	d := follower{stern{"one", No, false, &asked}, &told, 9}
	late := d
	late.at = 20
	s := Set{Deciders: []Decider{stern{"two", No, false, &asked}, late, d}, Scorers: []Scorer{constant{1, 1}}}
	s.Changed(v, 1)
	if !slices.Equal(told, []int{1, 1}) {
		t.Errorf("told %v", told)
	}
	if next := s.Next(v); next != 9 {
		t.Errorf("next at %d", next)
	}
	v.Ticks = 9
	if next := s.Next(v); next != 20 {
		t.Errorf("what has been is not next: %d", next)
	}
	if got := s.Names(); !slices.Equal(got, []string{"two", "one@abc", "one@abc", "constant"}) {
		t.Errorf("%v", got)
	}
}

func TestPlacesAreFound(t *testing.T) {
	v := wide(5)
	q := question(v, Allocate, 0, 3)
	for _, hint := range []int{0, 3, 99} {
		if q.Place = hint; v.Place(q) != 3 {
			t.Errorf("with the hint %d it is at %d", hint, v.Place(q))
		}
	}
	if _, known := v.Setback(q.Shard.ID); known || v.ShardLoad(q.Shard.ID) != nil {
		t.Error("something is known that nobody measured")
	}
}
