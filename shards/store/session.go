package store

import "math/bits"

// session is which numbers of one client have been ordered.
//
//	        all of them      some of them                 none
//	1 ─────────────── base │ base+2  base+5  base+6 ─────────────►
//	                       └ seen: one bit a number, at most sessionSpan of them
//
// Numbers come in any order. One that never comes (its transaction was refused before it was ordered) leaves a hole, and base
// waits below it until the client has gone sessionSpan numbers further: then base is moved on, and of the holes that it passes
// nobody can tell any more whether a late transaction is new.
//
// Invariants:
//  1. client is not 0. forced <= base: up to forced a number may be a hole; from there to base each was ordered.
//  2. The bit of base+1 is clear, and above counts the bits that are set. Bits stand for base+1 to base+64*len(seen).
//  3. len(seen) is 0 or a power of two, at most sessionSpan/64.
//  4. used is the transaction that the client was last heard in; no two sessions of a store share it.
type session struct {
	client uint64
	used   uint64
	base   uint64
	forced uint64
	above  int
	seen   []uint64 // number n is bit n%64 of word n/64 modulo its length
}

// sessionSpan is how many numbers apart the transactions of one client may be while they are under way to one shard: the
// highest number that was ordered, less the lowest that is not. It is part of the format: all copies must agree.
const sessionSpan = 1 << 16

// sessionLast is the highest number of a client: far from where additions to it would overflow.
const sessionLast = 1 << 62

// has says whether a number was ordered, as far as is known.
func (c *session) has(n uint64) bool {
	return n <= c.base || n-c.base <= c.span() && c.seen[c.word(n)]&(1<<(n%64)) != 0
}

// tooOld says that nobody knows whether a number was ordered, although has says yes.
func (c *session) tooOld(n uint64) bool { return n <= c.forced }

func (c *session) span() uint64      { return uint64(len(c.seen)) * 64 }
func (c *session) word(n uint64) int { return int(n / 64 % uint64(len(c.seen))) }

// mark notes a number that has says no to.
func (c *session) mark(n uint64) {
	if n == c.base+1 && c.above == 0 {
		c.base = n
		return
	}
	if n-c.base > c.span() {
		c.stretch(n)
	}
	c.seen[c.word(n)] |= 1 << (n % 64)
	c.above++
	c.settle()
}

// settle moves base over the numbers that follow it.
func (c *session) settle() {
	for c.above > 0 && c.seen[c.word(c.base+1)]&(1<<((c.base+1)%64)) != 0 {
		c.base++
		c.seen[c.word(c.base)] &^= 1 << (c.base % 64)
		c.above--
	}
}

// stretch makes room for the bit of n: by more memory, and by moving base where that is not allowed.
func (c *session) stretch(n uint64) {
	if n-c.base > sessionSpan {
		c.force(n - sessionSpan)
	}
	words := max(1, len(c.seen))
	for uint64(words)*64 < n-c.base {
		words *= 2
	}
	if words == len(c.seen) {
		return
	}
	old := *c
	c.seen = make([]uint64, words)
	for i := range old.span() {
		if m := old.base + 1 + i; old.seen[old.word(m)]&(1<<(m%64)) != 0 {
			c.seen[c.word(m)] |= 1 << (m % 64)
		}
	}
}

// force moves base to a number, over holes.
func (c *session) force(to uint64) {
	if to-c.base >= c.span() {
		clear(c.seen)
		c.above = 0
	} else {
		for n := c.base + 1; n <= to; n++ {
			if bit := uint64(1) << (n % 64); c.seen[c.word(n)]&bit != 0 {
				c.seen[c.word(n)] &^= bit
				c.above--
			}
		}
	}
	c.base, c.forced = to, to
	c.settle()
}

// window appends the bits above base, the lowest first, without trailing zero bytes: what is the same whatever memory they
// are kept in.
func (c *session) window(dst []byte) []byte {
	left := c.above
	for n := c.base + 1; left > 0; n += 8 {
		var b byte
		for i := range uint64(8) {
			if c.has(n + i) {
				b |= 1 << i
			}
		}
		left -= bits.OnesCount8(b)
		dst = append(dst, b)
	}
	return dst
}

// restore is the inverse of window, on a session that has base and forced; it says whether the bits can be.
func (c *session) restore(window []byte) bool {
	if c.base > sessionLast || len(window) > sessionSpan/8 || len(window) > 0 && (window[0]&1 != 0 || window[len(window)-1] == 0) {
		return false
	}
	for i, b := range window {
		for ; b != 0; b &= b - 1 {
			c.mark(c.base + 1 + uint64(i*8+bits.TrailingZeros8(b)))
		}
	}
	return true
}

// check panics if an invariant does not hold.
func (c *session) check() {
	set := 0
	for _, word := range c.seen {
		set += bits.OnesCount64(word)
	}
	switch {
	case c.client == 0 || c.forced > c.base:
		panic("store: a session without client, or forced beyond its base")
	case set != c.above || c.above > 0 && c.has(c.base+1):
		panic("store: a session has bits that it does not count, or one that belongs to its base")
	case len(c.seen)&(len(c.seen)-1) != 0 || len(c.seen) > sessionSpan/64:
		panic("store: a session's bits have a length that they may not have")
	}
}
