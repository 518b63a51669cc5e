package guest

import (
	"iter"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// changes is what a message has put and deleted so far, by key. Its data is what the turn gives, with these on top.
type changes struct {
	keys   []string // in order
	values map[string]change
}

type change struct {
	value   []byte
	deleted bool
}

func (c *changes) set(key string, to change) {
	if c.values == nil {
		c.values = map[string]change{}
	}
	if at, found := slices.BinarySearch(c.keys, key); !found {
		c.keys = slices.Insert(c.keys, at, key)
	}
	c.values[key] = to
}

// after is the first key beyond last that begins with prefix and has a value, from the place where last would be.
func (c *changes) after(last, prefix string, begun bool) (key string, found bool) {
	at, same := slices.BinarySearch(c.keys, last)
	if same && begun {
		at++
	}
	for ; at < len(c.keys) && strings.HasPrefix(c.keys[at], prefix); at++ {
		if !c.values[c.keys[at]].deleted {
			return c.keys[at], true
		}
	}
	return "", false
}

// flush hands them to the turn, in the order of the keys.
func (c *changes) flush(turn Turn) {
	for _, key := range c.keys {
		if v := c.values[key]; v.deleted {
			turn.Delete(key)
		} else {
			turn.Set(key, v.value)
		}
	}
}

// cursor goes through the data of an actor, as it is at each step.
type cursor struct {
	prefix string
	last   string
	begun  bool
	next   func() (virtual.Entry, error, bool) // of what the turn had when the message began
	stop   func()
	kept   virtual.Entry // the next of these, if ahead
	ahead  bool
}

func (g *message) open(prefix string) *cursor {
	c := &cursor{prefix: prefix, last: prefix}
	c.next, c.stop = iter.Pull2(g.turn.Scan(prefix))
	return c
}

// peek is the first entry after the last one, and done says that there is none.
func (c *cursor) peek(changes *changes) (e virtual.Entry, done bool, err error) {
	for {
		if !c.ahead {
			if c.kept, err, c.ahead = c.next(); err != nil {
				return e, true, err
			}
		}
		if !c.ahead {
			break
		}
		_, changed := changes.values[c.kept.Key]
		if !changed && (!c.begun || c.kept.Key > c.last) {
			break
		}
		c.ahead = false // the message has another value for it, or none
	}
	own, found := changes.after(c.last, c.prefix, c.begun)
	switch {
	case c.ahead && (!found || c.kept.Key < own):
		return c.kept, false, nil
	case found:
		return virtual.Entry{Key: own, Value: changes.values[own].value}, false, nil
	}
	return e, true, nil
}

// pass goes beyond an entry that peek gave.
func (c *cursor) pass(key string) {
	c.last, c.begun = key, true
	if c.ahead && c.kept.Key == key {
		c.ahead = false
	}
}
