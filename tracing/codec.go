package tracing

import (
	"bytes"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/troupe-actors/troupe/shards/wire"
)

// MaxRecord bounds an encoded record: the cluster keeps hundreds of them.
const MaxRecord = 16 << 10

// maxPlain bounds a record before it is packed, so that a few hostile bytes cannot ask for memory.
const maxPlain = 4 << 20

var recordLimits = wire.Limits{Depth: 8, Elements: 1 << 20}

// format is the first byte of an encoded record.
const format = 1

// Encode packs the record into at most MaxRecord bytes: one byte for the format, and the fields in order as msgpack,
// deflated. Of a record that is too large the shards in trouble and then the slowest are kept, as many as there is room for, and of
// these only the first with what was said of their candidates, and with where their first write is to be found. Omitted counts the others and Groups says where they went, so that
// their number, and the bars of the groups, stay what they were. Where there would be no room for a shard, half is given to the newest of what else
// there are many of. The record itself is not changed.
func (f *Failover) Encode() []byte {
	packed := f.pack()
	if len(packed) <= MaxRecord {
		return packed
	}
	x := f.shorten()
	packed = x.first(0).pack()
	if len(packed) > MaxRecord {
		most := max(len(f.Plans), len(f.Elections), len(f.Clients), len(f.Checks), len(x.from.Groups)+len(x.order))
		x.recent = sort.Search(most, func(n int) bool {
			x.recent = n + 1
			return len(x.first(0).pack()) > MaxRecord/2
		})
		packed = x.first(0).pack()
	}
	for low, high := 1, len(x.order); low <= high; { // what is packed grows with what is kept
		middle := (low + high) / 2
		if more := x.first(middle).pack(); len(more) <= MaxRecord {
			packed, low = more, middle+1
		} else {
			high = middle - 1
		}
	}
	return packed
}

// shortening makes a record shorter.
type shortening struct {
	from   *Failover // without what was said of candidates of all but the first shards
	order  []Shard   // of these those that tell most come first
	groups []Group   // what is left of each, if it is not kept by itself
	recent int       // how many of the newest plans, and of other lists, are kept
}

func (f *Failover) shorten() *shortening {
	bare := *f
	x := &shortening{from: &bare, order: slices.Clone(f.Shards), recent: math.MaxInt}
	slices.SortStableFunc(x.order, func(a, b Shard) int {
		return cmp.Or(-cmp.Compare(troubles(&a), troubles(&b)), -cmp.Compare(a.last(), b.last()))
	})
	first := f.first()
	silent := map[uint32]bool{} // asked by key only
	for i := range x.order {
		s := &x.order[i]
		x.groups = append(x.groups, f.group(s, first))
		if i >= slowest {
			s.Candidates, silent[s.ID] = nil, true
			s.Attempts = unlinked(s.Attempts)
		}
	}
	bare.Earlier = slices.Clone(f.Earlier)
	for i := range bare.Earlier {
		if silent[bare.Earlier[i].Shard] {
			bare.Earlier[i].Candidates = nil
		}
	}
	return x
}

// unlinked are attempts without their first writes' ids, which do not pack.
func unlinked(list []Attempt) []Attempt {
	list = slices.Clone(list)
	for i := range list {
		list[i].WriteTrace, list[i].WriteSpan = "", ""
	}
	return list
}

func troubles(s *Shard) int {
	if s.trouble() {
		return 1
	}
	return 0
}

// first is the record with n of its shards by themselves, and the rest in groups.
func (x *shortening) first(n int) *Failover {
	small := *x.from
	small.Shards = slices.Clone(x.order[:n])
	small.Groups = slices.Clone(x.from.Groups)
	small.Omitted += len(x.order) - n
	places := map[string]int{} // asked by key only
	for i := range small.Groups {
		places[small.Groups[i].To] = i
	}
	for _, g := range x.groups[n:] {
		if at, known := places[g.To]; known {
			small.Groups[at].join(g)
		} else {
			places[g.To] = len(small.Groups)
			small.Groups = append(small.Groups, g)
		}
	}
	small.Groups = fewer(small.Groups, x.recent)
	slices.SortFunc(small.Groups, func(a, b Group) int { return cmp.Compare(a.To, b.To) })
	slices.SortFunc(small.Shards, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
	small.prune(x.from)
	small.forgetPlans(x.recent)
	small.Elections = newest(small.Elections, x.recent)
	small.Checks = newest(small.Checks, x.recent)
	small.Clients = fewerWaits(small.Clients, x.recent)
	return &small
}

func newest[E any](list []E, n int) []E { return list[max(0, len(list)-n):] }

// forgetPlans drops the oldest plans but the first, the n newest, and those that a shard or a decision names.
func (f *Failover) forgetPlans(n int) {
	if len(f.Plans) <= n {
		return
	}
	named := map[int]bool{0: true} // asked by key only
	for i := range f.Shards {
		named[f.Shards[i].Plan] = true
	}
	for i := range f.Earlier {
		named[f.Earlier[i].Plan] = true
	}
	var plans []Plan
	places := map[int]int{-1: -1} // asked by key only
	for i := range f.Plans {
		if named[i] || i >= len(f.Plans)-n {
			places[i] = len(plans)
			plans = append(plans, f.Plans[i])
		}
	}
	place := func(plan int) int {
		if at, known := places[plan]; known {
			return at
		}
		return -1 // a damaged record
	}
	for i := range f.Shards {
		f.Shards[i].Plan = place(f.Shards[i].Plan)
	}
	for i := range f.Earlier {
		f.Earlier[i].Plan = place(f.Earlier[i].Plan)
	}
	f.OmittedPlans += len(f.Plans) - len(plans)
	f.Plans = plans
}

// others stands in a record for the nodes that are not in it one by one.
const others = "others"

// fewer keeps the n largest groups, and makes one of the rest. It may change the list.
func fewer(list []Group, n int) []Group {
	if len(list) <= n {
		return list
	}
	slices.SortStableFunc(list, func(a, b Group) int {
		return cmp.Or(last(a.To, b.To), cmp.Compare(b.Shards, a.Shards), cmp.Compare(a.To, b.To))
	})
	rest := list[n]
	rest.To, rest.ToID = others, others
	for _, g := range list[n+1:] {
		rest.join(g)
	}
	return append(list[:n], rest)
}

// fewerWaits keeps the n nodes on which most requests waited, and makes one of the rest.
func fewerWaits(list []Wait, n int) []Wait {
	if len(list) <= n {
		return list
	}
	list = slices.SortedStableFunc(slices.Values(list), func(a, b Wait) int { return cmp.Or(last(a.Node, b.Node), cmp.Compare(b.Requests, a.Requests)) })
	rest := Wait{Node: others, ID: others}
	for _, w := range list[n:] {
		rest.Requests += w.Requests
		rest.Began, rest.Ended, rest.Longest = earliest(rest.Began, w.Began), max(rest.Ended, w.Ended), max(rest.Longest, w.Longest)
	}
	return append(list[:n], rest)
}

// last has the others come last.
func last(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == others:
		return 1
	case b == others:
		return -1
	}
	return 0
}

// prune keeps those of the words and earlier decisions of another record that the shards still need.
func (f *Failover) prune(from *Failover) {
	f.Words, f.Earlier = nil, nil
	places := make([]int, len(from.Words)) // the new ones, and one more; 0: not needed yet
	for i := range f.Shards {
		f.Shards[i].Candidates = f.copyWords(from, places, f.Shards[i].Candidates)
	}
	kept := map[uint32]bool{} // asked by key only
	for i := range f.Shards {
		kept[f.Shards[i].ID] = true
	}
	for _, d := range from.Earlier {
		if kept[d.Shard] {
			d.Candidates = f.copyWords(from, places, d.Candidates)
			f.Earlier = append(f.Earlier, d)
		}
	}
}

// copyWords is a list of candidates whose words were in another record, and are in this from now on.
func (f *Failover) copyWords(from *Failover, places []int, candidates []Candidate) []Candidate {
	candidates = slices.Clone(candidates)
	for c := range candidates {
		words := make([]int, 0, len(candidates[c].Words))
		for _, at := range candidates[c].Words {
			if at < 0 || at >= len(places) {
				continue // a damaged record
			}
			if places[at] == 0 {
				f.Words = append(f.Words, from.Words[at])
				places[at] = len(f.Words)
			}
			words = append(words, places[at]-1)
		}
		candidates[c].Words = words
	}
	return candidates
}

func (f *Failover) pack() []byte {
	var b bytes.Buffer
	b.WriteByte(format)
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	if _, err := w.Write(wire.Marshal(*f)); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// DecodeFailover reads what Encode wrote, here or in another release.
func DecodeFailover(packed []byte) (*Failover, error) {
	if len(packed) == 0 || packed[0] != format {
		return nil, errors.New("tracing: not a record of a failover, or one of a newer format")
	}
	r := flate.NewReader(bytes.NewReader(packed[1:]))
	plain, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err != nil {
		return nil, fmt.Errorf("tracing: a damaged record: %w", err)
	}
	if len(plain) > maxPlain {
		return nil, fmt.Errorf("tracing: a record of more than %d bytes", maxPlain)
	}
	f := &Failover{}
	if err := f.read(plain); err != nil {
		return nil, fmt.Errorf("tracing: a record: %w", err)
	}
	return f, nil
}
