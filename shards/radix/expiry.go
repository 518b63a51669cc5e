package radix

import (
	"bytes"
	"cmp"
	"slices"
)

// tick is one key's place in the expiry index. tie is a seedless hash of the key, so that the order of keys that expire in
// the same millisecond depends on content alone.
type tick struct {
	at       int64
	tie, ref uint32
}

func (a tick) compare(b tick) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.tie, b.tie), cmp.Compare(a.ref, b.ref))
}

func tie(key []byte) uint32 { return uint32(hash(0, key) >> 32) }

// expiry orders the keys that expire: buckets of sorted ticks without pointers, cut where they get long, so that one key
// costs little whether all expire in one second or each in another year.
//
//	lows:     [1000]            [5200]            [9000]           binary search
//	buckets:  1000 1001 … 5100  5200 5300 … 8999  9000 …           at most tickLimit each, sorted
//
// Entries are exact: they change with their leaf, so nothing stale is kept when a key's expiry is put off again and again.
type expiry struct {
	lows    []tick // sorted; no entry of bucket i is below lows[i]
	buckets [][]tick
	n       int
	held    int64 // bytes of the buckets
}

const (
	tickLimit = 256
	tickSize  = 16
)

// bucket is the index of the bucket that holds e or would.
func (x *expiry) bucket(e tick) int {
	i, exact := slices.BinarySearchFunc(x.lows, e, tick.compare)
	if exact {
		return i
	}
	return max(i-1, 0)
}

func (x *expiry) add(e tick) {
	x.n++
	if len(x.buckets) == 0 {
		x.insertBucket(0, e, nil)
	}
	if e.compare(x.lows[0]) < 0 {
		x.lows[0] = e
	}
	i := x.bucket(e)
	if len(x.buckets[i]) == tickLimit {
		i = x.cut(i, e)
	}
	b := x.buckets[i]
	at, _ := slices.BinarySearchFunc(b, e, tick.compare)
	x.held -= int64(cap(b)) * tickSize
	x.buckets[i] = slices.Insert(b, at, e)
	x.held += int64(cap(x.buckets[i])) * tickSize
}

// cut divides a full bucket and says which part e belongs to. Ever later expiries leave full buckets behind.
func (x *expiry) cut(i int, e tick) int {
	b := x.buckets[i]
	if i == len(x.buckets)-1 && b[tickLimit-1].compare(e) < 0 {
		x.insertBucket(i+1, e, nil)
		return i + 1
	}
	x.insertBucket(i+1, b[tickLimit/2], slices.Clone(b[tickLimit/2:]))
	x.buckets[i] = b[:tickLimit/2]
	if x.lows[i+1].compare(e) <= 0 {
		return i + 1
	}
	return i
}

func (x *expiry) insertBucket(i int, low tick, b []tick) {
	x.lows = slices.Insert(x.lows, i, low)
	x.buckets = slices.Insert(x.buckets, i, b)
	x.held += int64(cap(b)) * tickSize
}

func (x *expiry) remove(e tick) {
	i := x.bucket(e)
	at, found := slices.BinarySearchFunc(x.buckets[i], e, tick.compare)
	if !found {
		panic("radix: a key with an expiry is missing from the index")
	}
	x.n--
	x.buckets[i] = slices.Delete(x.buckets[i], at, at+1)
	if len(x.buckets[i]) == 0 {
		x.held -= int64(cap(x.buckets[i])) * tickSize
		x.lows = slices.Delete(x.lows, i, i+1)
		x.buckets = slices.Delete(x.buckets, i, i+1)
	}
	if x.n == 0 {
		*x = expiry{}
	}
}

// memory is the bytes held.
func (x *expiry) memory() int64 {
	return x.held + int64(cap(x.lows))*tickSize + int64(cap(x.buckets))*24
}

// NextExpiry is the earliest expiry in Unix milliseconds, 0 if no key has one.
func (t *Tree) NextExpiry() int64 {
	if t.due.n == 0 {
		return 0
	}
	return t.due.buckets[0][0].at
}

// Due visits up to limit keys whose expiry is at or before now (Unix milliseconds) and returns how many. The order is by
// expiry, then by a fixed hash of the key, then by key: equal content gives equal order. Nothing is changed, and visit
// must not write to the tree.
func (t *Tree) Due(now int64, limit int, visit func(key []byte)) int {
	visited := 0
	var tied [][]byte
	var last tick
	flush := func() {
		if len(tied) > 1 {
			slices.SortFunc(tied, bytes.Compare)
		}
		for _, key := range tied[:min(len(tied), limit-visited)] {
			visit(key)
			visited++
		}
		tied = tied[:0]
	}
	for _, bucket := range t.due.buckets {
		for _, e := range bucket {
			if e.at != last.at || e.tie != last.tie {
				flush()
			}
			if e.at > now || visited >= limit {
				return visited
			}
			last = e
			tied = append(tied, t.leafKey(t.at(e.ref)))
		}
	}
	flush()
	return visited
}
