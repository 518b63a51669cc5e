package resp

// maxPattern bounds a pattern, so that a match costs at most its length times the key's (CVE-2022-36021).
const maxPattern = 1 << 10

// match is Redis' stringmatchlen: * any bytes, ? one byte, [a-z] [^a] one of a set, \ takes the next byte as it is.
//
// A mismatch after a star goes back to the latest star only, never to an earlier one: what the latest star has passed by no
// earlier one could use better. So the work is bounded by len(pattern) * len(s), where Redis' recursion is exponential. What could
// take long for all that is matched by matchLong.
func match(pattern, s []byte) bool {
	if len(pattern)*len(s) > maxMatchSteps && len(pattern) <= maxPattern {
		return matchLong(pattern, s)
	}
	return matchShort(pattern, s)
}

// maxMatchSteps are some milliseconds.
const maxMatchSteps = 1 << 20

func matchShort(pattern, s []byte) bool {
	p, i := 0, 0
	star, from := -1, 0
	for i < len(s) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				star, from = p, i
				p++
				continue
			}
			if next, ok := matchOne(pattern, p, s[i]); ok {
				p, i = next, i+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// stateWords hold a bit for each element of a pattern, and one for its end.
const stateWords = maxPattern/64 + 1

// states are sets of elements of a pattern that may be the next to be compared; that behind the last is its end.
type states [stateWords]uint64

func (s *states) add(element int)      { s[element/64] |= 1 << (element % 64) }
func (s *states) has(element int) bool { return s[element/64]&(1<<(element%64)) != 0 }

// matchLong is match in len(pattern)/64 steps for each byte of s, however bad the pattern is: instead of trying one way after the
// other it goes all ways at once. An element that a star precedes may be the next again, whatever byte comes.
//
//	a*bc    stars: b    takes['b']: b    "a" ─► {b}   "ab" ─► {b, c}   "abb" ─► {b, c}   "abbc" ─► {b, end}: it matches
func matchLong(pattern, s []byte) bool {
	var stars states
	takes := new([256]states)
	elements := 0
	for p := 0; p < len(pattern); {
		if pattern[p] == '*' {
			stars.add(elements)
			p++
			continue
		}
		next := 0
		for c := range takes {
			var ok bool
			if next, ok = matchOne(pattern, p, byte(c)); ok {
				takes[c].add(elements)
			}
		}
		p = next
		elements++
	}
	var at states
	at.add(0)
	words := elements/64 + 1
	for _, c := range s {
		taken, carry, some := &takes[c], uint64(0), uint64(0)
		for w := range words {
			advance := at[w] & taken[w]
			at[w] = at[w]&stars[w] | advance<<1 | carry
			carry = advance >> 63
			some |= at[w]
		}
		if some == 0 {
			return false
		}
	}
	return at.has(elements)
}

// matchOne compares one byte with the element at p and returns where the next element begins.
func matchOne(pattern []byte, p int, c byte) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c
}

// matchClass compares one byte with a set; p is behind the bracket. A set without end reaches to the pattern's end.
func matchClass(pattern []byte, p int, c byte) (next int, ok bool) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		low := pattern[p]
		switch {
		case low == '\\' && p+1 < len(pattern):
			p++
			ok = ok || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			high := pattern[p+2]
			p += 2
			ok = ok || min(low, high) <= c && c <= max(low, high)
		default:
			ok = ok || low == c
		}
	}
	return min(p+1, len(pattern)), ok != negated
}

// literalPrefix is what every match of a pattern starts with.
func literalPrefix(pattern []byte) (prefix []byte) {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return prefix
		case '\\':
			if i+1 < len(pattern) {
				i++
			}
		}
		prefix = append(prefix, pattern[i])
	}
	return prefix
}
