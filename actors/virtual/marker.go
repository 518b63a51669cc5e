package virtual

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/troupe-actors/troupe/shards"
)

// markers remembers what shards keep for all of their actors. What it says of a shard is true in the term in which it was read: only the
// primary of that term changes it, through this node.
type markers struct {
	mu      sync.Mutex
	tags    map[shards.ShardID]string
	known   map[markerID]marker
	changes map[shards.ShardID]uint64      // how often a marker of the shard was changed, or may have been
	unsure  map[shards.ShardID]shards.Term // in which a change of a marker may come to be late: nothing of the shard is remembered then
}

type markerID struct {
	shard shards.ShardID
	name  string
}

type marker struct {
	Stored
	term shards.Term
}

// marked is a marker that a message depends on.
type marked struct {
	name string
	key  string
	Stored
	set bool // by this message, to Bytes
}

// Marker reads what the actor's shard keeps for all of its actors under a name; nil if there is nothing. What the message
// changes depends on it from then on: if the marker is changed before the commit, the message is handled again.
func (t *Turn) Marker(name string) ([]byte, error) {
	m, err := t.marker(name)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(m.Bytes), nil
}

// SetMarker changes a marker, together with all that the message changes. Messages of other actors that have read it and are not
// committed yet are handled again: a marker is for what changes rarely.
func (t *Turn) SetMarker(name string, value []byte) error {
	m, err := t.marker(name)
	if err != nil {
		return err
	}
	t.size += len(m.key) + len(value)
	m.Bytes, m.set = bytes.Clone(value), true
	return nil
}

func (t *Turn) marker(name string) (*marked, error) {
	if err := t.used(); err != nil {
		return nil, err
	}
	for _, m := range t.marked {
		if m.name == name {
			return m, nil
		}
	}
	if text := tooLong("the name of marker", name); text != "" {
		return nil, refuse(CodeTooLarge, "%s", text)
	}
	key, err := t.host.markerKey(t.kind.keyspace, t.shard, name)
	if err != nil {
		return nil, t.told(err)
	}
	s, err := t.host.marker(t, key, name)
	if err != nil {
		return nil, t.told(err)
	}
	m := &marked{name: name, key: key, Stored: s}
	t.marked = append(t.marked, m)
	return m, nil
}

// marker reads a marker, from memory if it is known there.
func (h *Host) marker(t *Turn, key, name string) (Stored, error) {
	c, id := &h.markers, markerID{t.shard, name}
	c.mu.Lock()
	known, found := c.known[id]
	change := c.changes[t.shard]
	c.mu.Unlock()
	if found && known.term == t.term {
		return known.Stored, nil
	}
	ctx, cancel := t.m.patient(t.ctx)
	defer cancel()
	values, err := h.c.Storage.Read(ctx, t.kind.keyspace, []string{key})
	if err != nil {
		return Stored{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes[t.shard] == change && c.unsure[t.shard] != t.term {
		c.known[id] = marker{values[0], t.term}
	}
	return values[0], nil
}

// doubt drops what is known of markers that a commit has set, or has found to be others. One that has set some, and of which nobody knows whether it did, has
// markers read each time for as long as this node leads the shard in that term.
func (c *markers) doubt(shard shards.ShardID, term shards.Term, list []*marked, unsure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if unsure {
		c.unsure[shard] = term
	}
	for _, m := range list {
		delete(c.known, markerID{shard, m.name})
		c.changes[shard]++
	}
}

// markerKey is where a shard keeps a marker: under a tag whose slot the shard owns.
func (h *Host) markerKey(keyspace string, shard shards.ShardID, name string) (string, error) {
	c := &h.markers
	c.mu.Lock()
	defer c.mu.Unlock()
	tag, found := c.tags[shard]
	for n := 0; !found; n++ {
		tag = "v/{" + strconv.Itoa(n) + "}/"
		owner, _, err := h.c.Storage.Locate(keyspace, tag)
		if err != nil {
			return "", err
		}
		found = owner == shard
	}
	c.tags[shard] = tag
	return tag + name, nil
}
