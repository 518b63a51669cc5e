package radix

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// census is what a full walk of a tree adds up to.
type census struct {
	keys, live, used, expiring int64
	blocks                     map[uint32]bool // offsets that the live tree reaches
}

// check runs every numbered invariant of the type docs and panics on the first that does not hold.
func (t *Tree) check() {
	c := census{blocks: map[uint32]bool{}}
	if t.root != 0 {
		t.checkBelow(&c, t.root, nil, int64(t.version))
	}
	s := t.Stats()
	must(c.keys == s.Keys && c.live == s.LiveBytes && c.used == s.Used, "counters %+v, walk %d keys %d live %d used", s, c.keys, c.live, c.used)
	t.checkArena(&c)
	t.checkSidecar()
	t.checkExpiry(&c)
	must(t.frozen < 0 || t.newest != nil && t.frozen == int64(t.newest.version), "frozen %d without its snapshot", t.frozen)
}

func must(ok bool, format string, args ...any) {
	if !ok {
		panic("invariant: " + fmt.Sprintf(format, args...))
	}
}

// checkBelow checks the subtree at ref, all of whose keys begin with path. above is the birth of the parent.
func (t *Tree) checkBelow(c *census, ref uint32, path []byte, above int64) {
	b, kind := t.at(ref), ref&kindMask
	born := int64(birth(b))
	must(born <= above || born <= t.frozen, "block born at %d below a parent born at %d, frozen %d", born, above, t.frozen)
	must(!c.blocks[ref&^kindMask], "block %x reached twice", ref)
	c.blocks[ref&^kindMask] = true
	_, block := class(t.sizeOf(ref, b))
	c.used += int64(block)
	if kind == kindLeaf {
		t.checkLeaf(c, ref, path)
		return
	}
	path = append(path[:len(path):len(path)], t.prefix(ref, len(path))...)
	n := edges(b, kind)
	must(n+min(int(term(b)), 1) >= 2, "node with %d edges and term %x", n, term(b))
	must(n <= room[kind] && n > shrinkAt[kind], "kind %d with %d edges", kind, n)
	if ends := term(b); ends != 0 {
		must(string(t.leafKey(t.at(ends))) == string(path), "term %q at %q", t.leafKey(t.at(ends)), path)
		t.checkBelow(c, ends, path, max(born, above))
	}
	seen, last := 0, -1
	for place := range span(b, kind) {
		below := childAt(b, kind, place)
		if below == 0 {
			continue
		}
		e := byteAt(b, kind, place)
		must(int(e) > last && child(b, kind, e) == below, "edge %d after %d", e, last)
		last = int(e)
		seen++
		t.checkBelow(c, below, append(path[:len(path):len(path)], e), max(born, above))
	}
	must(seen == n, "count %d, edges %d", n, seen)
}

func (t *Tree) checkLeaf(c *census, ref uint32, path []byte) {
	key, it := t.entry(t.at(ref))
	must(bytes.HasPrefix(key, path), "leaf %q below %q", key, path)
	must(t.lookup(key) == ref, "lookup of %q does not find its leaf", key)
	c.keys++
	c.live += int64(len(key) + len(it.Value))
	if it.ExpireAt != 0 {
		c.expiring++
		b := t.due.buckets[t.due.bucket(tick{it.ExpireAt, tie(key), ref})]
		found := false
		for _, e := range b {
			found = found || e == tick{it.ExpireAt, tie(key), ref}
		}
		must(found, "%q is missing from the expiry index", key)
	}
}

// checkArena checks that live, dead and free blocks are apart, and that with the rest they fill the chunks.
func (t *Tree) checkArena(c *census) {
	var limbo, bigLimbo, free int64
	for s := t.newest; s != nil; s = s.older {
		for _, ref := range s.dead {
			must(!c.blocks[ref&^kindMask], "dead block %x is reachable", ref)
			c.blocks[ref&^kindMask] = true
			_, block := class(t.sizeOf(ref, t.at(ref)))
			limbo += int64(block)
			bigLimbo += t.bigOf(ref, t.at(ref))
		}
	}
	must(limbo == t.limbo && bigLimbo == t.bigLimbo, "limbo %d and %d, dead lists hold %d and %d", t.limbo, t.bigLimbo, limbo, bigLimbo)
	for index, head := range t.free {
		for ; head != 0; head = get32(t.at(head), 0) {
			must(!c.blocks[head], "free block %x is reachable", head)
			c.blocks[head] = true
			free += int64(blockOf(uint32(index)))
		}
	}
	if len(t.chunks) > 0 {
		lost := t.arenaBytes - 8 - t.used - limbo - free - int64(t.end-t.next)
		must(lost >= 0 && lost < 8*int64(len(t.chunks)), "%d bytes of the arena are lost", lost)
	}
	var arena, big int64
	for _, chunk := range t.chunks {
		arena += int64(len(chunk))
	}
	for _, value := range t.big {
		big += int64(cap(value))
	}
	must(arena == t.arenaBytes && big == t.bigBytes, "arena %d of %d, big %d of %d", t.arenaBytes, arena, t.bigBytes, big)
}

func (t *Tree) checkSidecar() {
	if t.side.dir == nil {
		return
	}
	var entries, held int64
	partial := false
	var last []uint64
	for _, segment := range t.side.dir {
		if last != nil && &last[0] == &segment[0] {
			continue
		}
		last = segment
		n := 0
		for _, slot := range segment[1:] {
			if slot != 0 {
				n++
				must(t.hash(t.leafKey(t.at(uint32(slot)))) == uint32(slot>>32), "slot with a foreign hash")
			}
		}
		must(n == count(segment), "segment of %d counts %d", n, count(segment))
		entries += int64(n)
		held += int64(len(segment)) * 8
		partial = partial || lossy(segment)
	}
	held += int64(len(t.side.dir)) * 24
	must(partial || entries == int64(t.n), "sidecar holds %d of %d", entries, t.n)
	must(held == t.side.bytes, "sidecar counts %d bytes of %d", t.side.bytes, held)
}

func (t *Tree) checkExpiry(c *census) {
	var n, held int64
	var last tick
	for i, b := range t.due.buckets {
		low := t.due.lows[i]
		must(low.compare(b[0]) <= 0 && (i == 0 || last.compare(low) < 0), "bucket %d begins at %v, low %v", i, b[0], low)
		must(len(b) > 0 && len(b) <= tickLimit, "bucket of %d", len(b))
		held += int64(cap(b)) * tickSize
		for _, e := range b {
			must(last.compare(e) < 0, "ticks out of order")
			last = e
			n++
		}
	}
	must(n == c.expiring && n == int64(t.due.n) && held == t.due.held, "expiry %d of %d, bytes %d of %d", n, c.expiring, held, t.due.held)
}

// shape prints the tree, one node or leaf in brackets: (prefix term 'edge'child …).
func (t *Tree) shape() string {
	var out strings.Builder
	if t.root != 0 {
		t.shapeOf(&out, t.root, 0)
	}
	return out.String()
}

func (t *Tree) shapeOf(out *strings.Builder, ref uint32, depth int) {
	b, kind := t.at(ref), ref&kindMask
	if kind == kindLeaf {
		fmt.Fprintf(out, "%s", t.leafKey(b))
		return
	}
	fmt.Fprintf(out, "(%q", t.prefix(ref, depth))
	depth += prefixLen(b)
	if term(b) != 0 {
		fmt.Fprintf(out, " .%s", t.leafKey(t.at(term(b))))
	}
	for place := range span(b, kind) {
		if below := childAt(b, kind, place); below != 0 {
			fmt.Fprintf(out, " %c:", byteAt(b, kind, place))
			t.shapeOf(out, below, depth+1)
		}
	}
	out.WriteString(")")
}

func checked(t *testing.T, tree *Tree) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("%v", r)
		}
	}()
	tree.check()
}
