package resp

import (
	"github.com/troupe-actors/troupe/shards/store"
)

// LCS finds the longest common subsequence of two values by the usual table of prefixes against prefixes. It reads the values in the
// shard's turn and computes in the connection's goroutine, so that others wait for nothing but a processor.
//
// Of the table one row is kept, and of each cell one bit, which says where the way back goes: a thirty-second of what Redis takes.
//
//	      ""  b  a  c
//	""     0  0  0  0        equal bytes: both back, and the byte is part of the result
//	a      0  0  1  1        else up, where that is more than to the left (the bit)
//	c      0  0  1  2        else to the left
const (
	lcsCell  = 4         // bytes of a cell in Redis' table
	lcsTable = 512 << 20 // what that may be at most: Redis' default of proto-max-bulk-len
)

// lcsOptions are the words after LCS key1 key2.
type lcsOptions struct {
	length, ranges, lengths bool
	least                   int64 // the shortest range that is told
}

func (q *request) parseLCS() (o lcsOptions, err error) {
	for i := 3; i < len(q.args); i++ {
		switch word := upper(q.args[i]); {
		case word == "IDX":
			o.ranges = true
		case word == "LEN":
			o.length = true
		case word == "WITHMATCHLEN":
			o.lengths = true
		case word == "MINMATCHLEN" && i+1 < len(q.args):
			i++
			var ok bool
			if o.least, ok = parseInt(q.args[i]); !ok {
				return o, errNotInteger
			}
		default:
			return o, errSyntax
		}
	}
	if o.ranges && o.length {
		return o, errLCSOptions
	}
	return o, nil
}

func compileLCS(q *request) error {
	if _, err := q.parseLCS(); err != nil {
		return err
	}
	q.op(store.Op{Kind: store.OpGet, Key: q.args[1]})
	q.op(store.Op{Kind: store.OpGet, Key: q.args[2]})
	return nil
}

// resultLCS keeps a copy of both values, one behind the other.
func resultLCS(q *request, _ int, r *store.Result) {
	if q.afford(int64(len(r.Value))) {
		q.counted += int64(len(r.Value))
		q.out = append(q.out, r.Value...)
	}
	q.ends = append(q.ends, len(q.out))
}

func finishLCS(q *request) {
	o, err := q.parseLCS()
	if err != nil {
		panic("resp: options were right once and not twice: " + err.Error())
	}
	a, b := q.out[:q.ends[0]], q.out[q.ends[0]:]
	if uint64(len(a)+1)*uint64(len(b)+1)*lcsCell > lcsTable {
		q.fail(errLCSTable)
		return
	}
	t := lcs{a: a, b: b}
	if size := t.size(!o.length); !q.budget.take(size) {
		q.fail(errLCSMemory)
		return
	} else {
		defer q.budget.force(-size)
	}
	length := t.fill(!o.length)
	switch {
	case o.length:
		q.out = appendInt(nil, int64(length))
	case o.ranges:
		q.out = t.appendRanges(nil, &o, length, q.v3)
	default:
		q.out = appendBulk(nil, t.common(length))
	}
}

// lcs is the table for two texts.
type lcs struct {
	a, b []byte
	row  []uint32 // how long the subsequence is, of the bytes of a so far with each prefix of b
	up   []uint64 // one bit for each pair of bytes
}

// size is what fill takes, in bytes.
func (t *lcs) size(way bool) int64 {
	size := 4 * int64(len(t.b)+1)
	if way {
		size += 8 * t.words()
	}
	return size
}

func (t *lcs) words() int64 { return (int64(len(t.a))*int64(len(t.b)) + 63) / 64 }

// fill computes the table, with the way back if that is wanted, and returns the length of the longest subsequence.
func (t *lcs) fill(way bool) int {
	t.row = make([]uint32, len(t.b)+1)
	if way {
		t.up = make([]uint64, t.words())
	}
	cell := 0
	for _, c := range t.a {
		left, corner := uint32(0), uint32(0)
		for j, d := range t.b {
			above := t.row[j+1]
			switch {
			case c == d:
				left = corner + 1
			case above > left:
				left = above
				if way {
					t.up[cell>>6] |= 1 << (cell & 63)
				}
			}
			t.row[j+1], corner = left, above
			cell++
		}
	}
	return int(t.row[len(t.b)])
}

// back walks from the ends of both texts to the start of one, and calls match for each pair of places that belongs to the result.
func (t *lcs) back(match func(i, j int)) {
	for i, j := len(t.a)-1, len(t.b)-1; i >= 0 && j >= 0; {
		cell := i*len(t.b) + j
		switch {
		case t.a[i] == t.b[j]:
			match(i, j)
			i, j = i-1, j-1
		case t.up[cell>>6]&(1<<(cell&63)) != 0:
			i--
		default:
			j--
		}
	}
}

// common is the subsequence itself.
func (t *lcs) common(length int) []byte {
	text := make([]byte, length)
	t.back(func(i, _ int) {
		length--
		text[length] = t.a[i]
	})
	return text
}

// lcsRange is a part that both texts have as it is: n bytes from i of the first, and from j of the second.
type lcsRange struct{ i, j, n int }

// appendRanges lists the parts, the last first, as LCS IDX does.
func (t *lcs) appendRanges(out []byte, o *lcsOptions, length int, v3 bool) []byte {
	var all []lcsRange
	t.back(func(i, j int) {
		if last := len(all) - 1; last >= 0 && all[last].i == i+1 && all[last].j == j+1 {
			all[last] = lcsRange{i, j, all[last].n + 1}
			return
		}
		all = append(all, lcsRange{i, j, 1})
	})
	told := 0
	for _, r := range all {
		told += btoi(int64(r.n) >= o.least)
	}
	out = appendArray(appendBulk(appendMap(out, 2, v3), "matches"), told)
	for _, r := range all {
		if int64(r.n) < o.least {
			continue
		}
		out = appendArray(out, 2+btoi(o.lengths))
		for _, from := range []int{r.i, r.j} {
			out = appendInt(appendInt(appendArray(out, 2), int64(from)), int64(from+r.n-1))
		}
		if o.lengths {
			out = appendInt(out, int64(r.n))
		}
	}
	return appendInt(appendBulk(out, "len"), int64(length))
}
