package replica

import (
	"fmt"
	"sort"

	"github.com/troupe-actors/troupe/shards"
)

// tail is what a copy knows of its log: the term of every number from base on, and the newest entries themselves.
//
//	base          runs: term 2 from 11, term 4 from 18
//	 ▼
//	10 │ 11 12 13 14 15 16 17 │ 18 19 20 21 22 │
//	              └ entries: in memory from here┘last
//
// Invariants:
//
//  1. Terms and first numbers of runs ascend, and the first begins at base.Seq+1; without runs last is base.Seq.
//  2. entries adjoin, end at last, and have the terms that runs say.
//  3. bytes is the sum of their sizes.
type tail struct {
	base    Position
	runs    []Position
	last    shards.SeqNo
	entries []stamped
	bytes   int
}

// stamped is an entry with the tick at which it came.
type stamped struct {
	Entry
	tick int
}

func newTail(base Position) tail { return tail{base: base, last: base.Seq} }

// end is the position of the last entry.
func (t *tail) end() Position { return Position{t.termAt(t.last), t.last} }

// termAt is the term of a number from base on; 0 if it is not known.
func (t *tail) termAt(seq shards.SeqNo) shards.Term {
	if seq > t.last || seq < t.base.Seq {
		return 0
	}
	if seq == t.base.Seq {
		return t.base.Term
	}
	i := sort.Search(len(t.runs), func(i int) bool { return t.runs[i].Seq > seq })
	return t.runs[i-1].Term
}

// lastWith is the last position whose term is at most term and whose number is at most seq, not below base.
func (t *tail) lastWith(p Position) shards.SeqNo {
	seq := min(p.Seq, t.last)
	for i := len(t.runs) - 1; i >= 0 && seq > t.base.Seq; i-- {
		if t.runs[i].Seq > seq {
			continue
		}
		if t.runs[i].Term <= p.Term {
			return seq
		}
		seq = t.runs[i].Seq - 1
	}
	return max(seq, t.base.Seq)
}

// append adds an entry at the end.
func (t *tail) append(e Entry, tick int) {
	if e.First != t.last+1 || e.Last < e.First || e.Term < t.end().Term {
		panic(fmt.Sprintf("replica: entry %d..%d of term %d after %v", e.First, e.Last, e.Term, t.end()))
	}
	if n := len(t.runs); n == 0 || t.runs[n-1].Term != e.Term {
		t.runs = append(t.runs, Position{e.Term, e.First})
	}
	t.last = e.Last
	t.entries = append(t.entries, stamped{e, tick})
	t.bytes += e.Size()
}

// truncate drops everything from a number on, which is the first of an entry and above base.
func (t *tail) truncate(from shards.SeqNo) {
	for n := len(t.entries); n > 0 && t.entries[n-1].First >= from; n-- {
		t.bytes -= t.entries[n-1].Size()
		t.entries[n-1] = stamped{}
		t.entries = t.entries[:n-1]
	}
	for n := len(t.runs); n > 0 && t.runs[n-1].Seq >= from; n-- {
		t.runs = t.runs[:n-1]
	}
	t.last = from - 1
}

// first is the lowest number that is in memory; last+1 if none is.
func (t *tail) first() shards.SeqNo {
	if len(t.entries) == 0 {
		return t.last + 1
	}
	return t.entries[0].First
}

// at is the index of the entry that holds seq, which is in memory.
func (t *tail) at(seq shards.SeqNo) int {
	return sort.Search(len(t.entries), func(i int) bool { return t.entries[i].Last >= seq })
}

// forget drops entries from memory, the oldest first, while they take more than budget and end at or before through. What
// comes after wanted stays until it takes more than limit.
func (t *tail) forget(through shards.SeqNo, budget int, wanted shards.SeqNo, limit int) {
	n := 0
	for n < len(t.entries) && t.bytes > budget && t.entries[n].Last <= through {
		if t.entries[n].Last > wanted && t.bytes <= limit {
			break
		}
		t.bytes -= t.entries[n].Size()
		t.entries[n] = stamped{}
		n++
	}
	t.entries = t.entries[n:]
	if len(t.entries) == 0 {
		t.entries = nil
	}
}

// jump takes everything up to end for granted: it is in the log, or not needed any more.
func (t *tail) jump(end Position) {
	if end.Seq > t.last {
		if n := len(t.runs); n == 0 || t.runs[n-1].Term != end.Term {
			t.runs = append(t.runs, Position{end.Term, t.last + 1})
		}
		t.last = end.Seq
	}
	t.entries, t.bytes = nil, 0
}

func (t *tail) check() error {
	next := t.base.Seq + 1
	for i, r := range t.runs {
		if i == 0 && r.Seq != next || i > 0 && (r.Seq <= t.runs[i-1].Seq || r.Term <= t.runs[i-1].Term) || r.Seq > t.last {
			return fmt.Errorf("tail 1: runs %v from base %v to %d", t.runs, t.base, t.last)
		}
	}
	if len(t.runs) == 0 && t.last != t.base.Seq {
		return fmt.Errorf("tail 1: no runs from base %v to %d", t.base, t.last)
	}
	bytes := 0
	for i := range t.entries {
		e := &t.entries[i]
		adjoins := i == 0 || e.First == t.entries[i-1].Last+1
		if !adjoins || e.Last < e.First || t.termAt(e.Last) != e.Term || t.termAt(e.First) != e.Term {
			return fmt.Errorf("tail 2: entry %d..%d of term %d in %v", e.First, e.Last, e.Term, t.runs)
		}
		bytes += e.Size()
	}
	if n := len(t.entries); n > 0 && t.entries[n-1].Last != t.last {
		return fmt.Errorf("tail 2: memory ends at %d, the log at %d", t.entries[n-1].Last, t.last)
	}
	if bytes != t.bytes {
		return fmt.Errorf("tail 3: %d bytes counted, %d there", t.bytes, bytes)
	}
	return nil
}
