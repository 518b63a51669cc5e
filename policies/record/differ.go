package record

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// firstDifference says in a sentence where two plans part.
func firstDifference(a, b *allocator.Plan) string {
	for i := range max(len(a.Down), len(b.Down)) {
		switch {
		case i >= len(a.Down):
			return fmt.Sprintf("node %s is declared dead, and was not", b.Down[i].Node)
		case i >= len(b.Down):
			return fmt.Sprintf("node %s was declared dead, and is not", a.Down[i].Node)
		case a.Down[i] != b.Down[i]:
			return fmt.Sprintf("death %d was of %+v and is of %+v", i, a.Down[i], b.Down[i])
		}
	}
	for i := range max(len(a.Decisions), len(b.Decisions)) {
		switch {
		case i >= len(a.Decisions):
			return fmt.Sprintf("decision %d is one more: %s", i, sentence(&b.Decisions[i]))
		case i >= len(b.Decisions):
			return fmt.Sprintf("decision %d is gone: %s", i, sentence(&a.Decisions[i]))
		case sentence(&a.Decisions[i]) != sentence(&b.Decisions[i]):
			return fmt.Sprintf("decision %d was %s and is %s", i, sentence(&a.Decisions[i]), sentence(&b.Decisions[i]))
		}
	}
	return fmt.Sprintf("the same decisions, in version %d and %d, with %d and %d rows, %d and %d waiting, next look at %d and %d",
		a.Version, b.Version, len(a.Rows), len(b.Rows), a.Waiting, b.Waiting, a.Next, b.Next)
}

func sentence(d *allocator.Decision) string {
	text := fmt.Sprintf("%v %v %s: %s", d.Lane, d.Verdict, d.Name, d.Reason)
	for i := range d.Candidates {
		text += "; " + d.Candidates[i].String()
	}
	return text
}

// Difference is what another plan for the same input would have done otherwise.
type Difference struct {
	Shards []ShardDifference // by shard; only those about which the plans differ
	Same   int               // shards about which both decided the same
}

// ShardDifference is what two plans decide about one shard.
type ShardDifference struct {
	Shard   shards.ShardID
	Name    string
	Was, Is []allocator.Decision
}

// Differ compares plans for one input by what they do and refuse, and not by the sentences.
func Differ(was, is *allocator.Plan) (d Difference) {
	a, b := byShard(was), byShard(is)
	for _, id := range order(was, is) {
		if alike(a[id], b[id]) {
			d.Same++
			continue
		}
		x := ShardDifference{Shard: id, Was: a[id], Is: b[id]}
		for _, one := range append(append([]allocator.Decision{}, x.Was...), x.Is...) {
			x.Name = one.Name
		}
		d.Shards = append(d.Shards, x)
	}
	return d
}

// byShard sorts decisions by what they are about; the map is only asked.
func byShard(p *allocator.Plan) map[shards.ShardID][]allocator.Decision {
	m := map[shards.ShardID][]allocator.Decision{}
	for _, d := range p.Decisions {
		m[d.Shard] = append(m[d.Shard], d)
	}
	return m
}

func order(plans ...*allocator.Plan) (ids []shards.ShardID) {
	for _, p := range plans {
		for i := range p.Decisions {
			ids = append(ids, p.Decisions[i].Shard)
		}
	}
	return compact(ids)
}

func alike(a, b []allocator.Decision) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Lane != y.Lane || x.Verdict != y.Verdict || wordless(x.Move) != wordless(y.Move) {
			return false
		}
	}
	return true
}

func wordless(m cluster.Move) cluster.Move {
	m.Reason = ""
	return m
}

// compact sorts ids and leaves each once.
func compact(ids []shards.ShardID) []shards.ShardID {
	slices.Sort(ids)
	return slices.Compact(ids)
}
