package sim

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
)

// bell is a reminder of an actor. It is kept by the actor, delivered by the courier of its shard, and moved on, or removed, when it was
// handled: under the guard of its version, since the actor may have replaced it meanwhile.
//
//	actor ── commit: m/{a:3}/NAME ──► courier: due? ── message ──► actor handles it, and keeps that ──► courier: next time, or removed
type bell struct {
	name string
	activation.Reminder
}

// bellNames are few, so that actors replace reminders.
var bellNames = []string{"x", "y"}

// latestBell is how far ahead a reminder is set at most, with some time for it to come.
const latestBell = 3 * time.Second

func (b *bell) key(actor string) string { return keyOf('m', actor, "/"+b.name) }

func (b *bell) encode() []byte {
	v := binary.LittleEndian.AppendUint64(nil, b.Number)
	v = binary.LittleEndian.AppendUint64(v, uint64(b.Due))
	v = binary.LittleEndian.AppendUint64(v, uint64(b.Every))
	return binary.LittleEndian.AppendUint64(v, b.Set)
}

func decodeBell(rest string, value []byte) bell {
	return bell{strings.TrimPrefix(rest, "/"), activation.Reminder{
		Number: binary.LittleEndian.Uint64(value), Due: int64(binary.LittleEndian.Uint64(value[8:])), Every: int64(binary.LittleEndian.Uint64(value[16:])), Set: binary.LittleEndian.Uint64(value[24:]),
	}}
}

// bellClient is the client of a reminder's messages.
func bellClient(actor, name string) uint64 { return clientOf(actor + "!" + name) }

func (b *bell) token(actor string) token { return tokenOf(b.Call(bellClient(actor, b.name))) }

// lookForBells delivers the reminders of a shard that are due.
func (c *courier) lookForBells(space string) {
	n := c.a.p.n
	var due []string
	c.a.p.copies.held[c.shard].store.Scan(n.wall(), nil, []byte(space+":m/"), 1<<10, func(key []byte, it radix.Item) bool {
		_, _, rest, _ := readKey(string(key))
		b := decodeBell(rest, it.Value)
		inherited := int64(b.Number/1000) < c.begun
		if b.Due <= n.wall() && !c.ringing[string(key)] && !(inherited && n.bug(BugDeafHeir)) {
			due = append(due, string(key))
		}
		return true
	})
	for _, key := range due {
		c.ringing[key] = true
		c.ring(key)
	}
}

// ring delivers one, as it is kept now.
func (c *courier) ring(key string) {
	_, actor, rest, _ := readKey(key)
	over := func() { delete(c.ringing, key) }
	c.a.do(c.shard, store.Txn{Ops: []store.Op{{Kind: store.OpGet, Key: []byte(key)}}}, 0, func(r response) {
		if r.err != nil || !r.results[0].Found {
			over()
			return
		}
		b, version := decodeBell(rest, bytes.Clone(r.results[0].Value)), r.results[0].Version
		if b.Due > c.a.p.n.wall() {
			over()
			return
		}
		patience := 2 * clientPatience
		if c.a.p.n.bug(BugForgetReminder) {
			patience = 0
		}
		m := message{to: actor, do: add, call: b.Call(bellClient(actor, b.name))}
		c.a.deliver(m, patience, func(r acted) {
			if r.err != nil && !c.a.p.n.bug(BugForgetReminder) {
				over()
				return
			}
			c.renew(key, actor, b, version, over)
		})
	})
}

// renew keeps when a reminder comes again, or removes it. When the world has grown quiet none comes again.
func (c *courier) renew(key, actor string, b bell, version uint64, over func()) {
	n := c.a.p.n
	op := store.Op{Kind: store.OpDelete, Key: []byte(key)}
	switch {
	case b.Every == 0 || n.w.quiet:
	case n.bug(BugEachLate):
		due := b.Due + b.Every
		b.Again(n.wall())
		b.Due = due
		op.Kind, op.Value = store.OpSet, b.encode()
	case n.bug(BugOneLane):
		b.Again(n.wall())
		b.Set = 0
		op.Kind, op.Value = store.OpSet, b.encode()
	default:
		b.Again(n.wall())
		op.Kind, op.Value = store.OpSet, b.encode()
	}
	guard := store.Guard{If: store.IfVersion, Key: []byte(key), Version: version}
	c.a.do(c.shard, store.Txn{Atomic: true, Ops: []store.Op{op}, Guards: []store.Guard{guard}}, 0, func(response) { over() })
}

// reminded notes that an actor has set a reminder, with the commit of a message.
func (a *acts) reminded(w *World, l *line, op *store.Op) {
	_, _, rest, _ := readKey(string(op.Key))
	b := decodeBell(rest, op.Value)
	if b.Number <= l.last {
		w.Fail(invariantBells, "actor %s numbers a reminder %d after %d", l.name, b.Number, l.last)
	}
	l.last = b.Number
	at := b.token(l.name)
	if _, is := l.handled[at]; is {
		w.Fail(invariantBells, "actor %s sets reminder %s under number %d, by which one has come: it never will", l.name, b.name, b.Number)
	}
	l.bells[b.name], l.rung[at] = b, true
}

// ringing notes that an actor has handled a reminder: one that it had set.
func (a *acts) ringing(w *World, l *line, at token) {
	if !l.rung[at] {
		w.Fail(invariantBells, "actor %s has handled reminder %x, which it has not set", l.name, at)
	}
	l.low[at] = w.lowestClock()
	l.own = append(l.own, at)
}

// rang notes that a reminder is moved on, or removed, by others than its actor: it has come. It comes again after that, and not once for each
// time that was missed.
func (a *acts) rang(w *World, l *line, op *store.Op) {
	_, _, rest, _ := readKey(string(op.Key))
	name := strings.TrimPrefix(rest, "/")
	before, is := l.bells[name]
	if !is {
		w.Fail(invariantBells, "actor %s: reminder %s is moved on, and was not there", l.name, name)
		return
	}
	at := before.token(l.name)
	if _, come := l.handled[at]; !come {
		w.Fail(invariantBells, "actor %s: reminder %s, number %d, is done with, and has not come", l.name, name, before.Number)
	}
	if op.Kind == store.OpDelete {
		delete(l.bells, name)
		return
	}
	now := decodeBell(rest, op.Value)
	late := min(l.low[at], w.lowestClock()) // clocks jump
	if now.Every != before.Every || now.Due <= before.Due || (now.Due-before.Due)%before.Every != 0 || now.Due <= late {
		w.Fail(invariantBells, "actor %s: reminder %s, due at %d and every %d ms, came when no clock was before %d, and comes again at %d", l.name, name, before.Due, before.Every, late, now.Due)
	}
	if _, is := l.handled[now.token(l.name)]; is {
		w.Fail(invariantBells, "actor %s: reminder %s comes again under number %d, by which it has come: it would not", l.name, name, now.Number)
	}
	l.bells[name], l.rung[now.token(l.name)] = now, true
}

// lowestClock is the wall clock of the node that is most behind.
func (w *World) lowestClock() int64 {
	low := worldBegins + w.now.Milliseconds()
	for _, n := range w.nodes {
		low = min(low, n.wall())
	}
	return low
}
