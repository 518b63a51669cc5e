package tracing

import (
	"bytes"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"

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
// these only the first with what was said of their candidates. Omitted counts the others and Groups says where they went, so that
// their number, and the bars of the groups, stay what they were. The record itself is not changed.
func (f *Failover) Encode() []byte {
	packed := f.pack()
	if len(packed) <= MaxRecord {
		return packed
	}
	order := slices.Clone(f.Shards)
	slices.SortStableFunc(order, func(a, b Shard) int {
		return cmp.Or(-cmp.Compare(troubles(&a), troubles(&b)), -cmp.Compare(a.last(), b.last()))
	})
	bare := *f
	bare.Earlier = slices.Clone(f.Earlier)
	for i := range order[min(slowest, len(order)):] {
		bare.strip(&order[slowest+i])
	}
	packed = bare.first(order, 0).pack()
	for low, high := 1, len(order); low <= high; { // what is packed grows with what is kept
		middle := (low + high) / 2
		if more := bare.first(order, middle).pack(); len(more) <= MaxRecord {
			packed, low = more, middle+1
		} else {
			high = middle - 1
		}
	}
	return packed
}

// strip drops what was said of a shard's candidates.
func (f *Failover) strip(s *Shard) {
	s.Candidates = nil
	for i := range f.Earlier {
		if f.Earlier[i].Shard == s.ID {
			f.Earlier[i].Candidates = nil
		}
	}
}

func troubles(s *Shard) int {
	if s.trouble() {
		return 1
	}
	return 0
}

// first is the record with n of its shards by themselves, and the rest in groups.
func (f *Failover) first(order []Shard, n int) *Failover {
	small := *f
	small.Shards = slices.Clone(order[:n])
	small.Groups = slices.Clone(f.Groups)
	small.Omitted += len(order) - n
	for i := range order[n:] {
		g := f.group(&order[n+i])
		if at := slices.IndexFunc(small.Groups, func(x Group) bool { return x.To == g.To }); at >= 0 {
			small.Groups[at].join(g)
		} else {
			small.Groups = append(small.Groups, g)
		}
	}
	slices.SortFunc(small.Groups, func(a, b Group) int { return cmp.Compare(a.To, b.To) })
	slices.SortFunc(small.Shards, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
	small.prune(f)
	return &small
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
