package virtual

import (
	"iter"
	"slices"
	"strings"
)

// Span is a part of keys that are in order, that of their bytes.
//
//	Prefix "k/"   k/a  k/b  k/c  k/d
//	From   "k/b"       ▔▔▔▔▔▔▔▔▔▔▔▔▔      itself included
//	To     "k/d"       ▔▔▔▔▔▔▔▔           itself not
//	Last               k/c, then k/b
type Span struct {
	Prefix string // which all of them begin with
	From   string // the first, or what would stand before it; empty: from the beginning
	To     string // what stands behind the last one; empty: to the end
	Last   bool   // the last come first
}

// Bounds gives the same span as the keys from one on and before another; an empty to is the end of all keys. It has none of them if to is not
// empty, and not beyond from.
func (s Span) Bounds() (from, to string) {
	from, to = max(s.Prefix, s.From), beyond(s.Prefix)
	if s.To != "" && (to == "" || s.To < to) {
		to = s.To
	}
	return from, to
}

// Holds says whether a key is one of the span.
func (s Span) Holds(key string) bool {
	return strings.HasPrefix(key, s.Prefix) && key >= s.From && (s.To == "" || key < s.To)
}

// beyond is the least text that comes after all that begin with a prefix; empty: there is none.
func beyond(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

// under is the span of the actor's data as its shard keeps it.
func (s Span) under(t *Turn) Span {
	s.Prefix = t.dataKey(s.Prefix)
	if s.From != "" {
		s.From = t.dataKey(s.From)
	}
	if s.To != "" {
		s.To = t.dataKey(s.To)
	}
	return s
}

// Entry is a key with its value.
type Entry struct {
	Key   string
	Value []byte
}

// Scan visits the keys that begin with prefix, in order, as the handler has left them so far.
func (t *Turn) Scan(prefix string) iter.Seq2[Entry, error] { return t.Range(Span{Prefix: prefix}) }

// Range visits the keys of a span, in order or backwards, as the handler has left them so far: what it changes meanwhile of keys that are still to
// come counts, but for those that were not there when it began. Where it begins is found at once, however many lie before.
func (t *Turn) Range(s Span) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := t.used(); err != nil {
			yield(Entry{}, err)
			return
		}
		t.looked = true
		own := t.changed(s)
		strip := len(t.dataKey(""))
		for e, err := range t.host.c.Storage.Scan(t.ctx, t.kind.keyspace, s.under(t)) {
			if err != nil {
				yield(Entry{}, t.told(err))
				return
			}
			e.Key = e.Key[strip:]
			seen := false
			for len(own) > 0 && (own[0] == e.Key || own[0] < e.Key != s.Last) {
				key := own[0]
				own, seen = own[1:], key == e.Key
				if !t.yield(key, yield) {
					return
				}
			}
			if !seen && !t.show(e, yield) {
				return
			}
		}
		for _, key := range own {
			if !t.yield(key, yield) {
				return
			}
		}
	}
}

// show visits an entry of the shard, unless the handler has changed its key since the range began: then as it is now.
func (t *Turn) show(e Entry, yield func(Entry, error) bool) bool {
	if _, changed := t.touched[e.Key]; changed {
		return t.yield(e.Key, yield)
	}
	return yield(e, nil)
}

// changed lists the keys of a span that the handler has touched, in the order in which they are visited.
func (t *Turn) changed(s Span) (keys []string) {
	for key := range t.touched {
		if s.Holds(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if s.Last {
		slices.Reverse(keys)
	}
	return keys
}
