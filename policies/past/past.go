package past

import (
	"slices"
	"unsafe"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Book is a bounded past. Its owner guards it; what it gives away is never written to again. A copy of it may be read without a guard while the
// original goes on.
//
// Invariants:
//
//  1. Changes ascend by version and, unless a clock was set back, by time; of two with one version the second changed the leader only.
//  2. Undoing all of them, from the newest state on, gives the table as it was before the oldest.
//  3. Their size is at most limit, unless there is only one.
type Book struct {
	limit   int
	size    int
	state   *cluster.State // the newest; nil: none was noted yet
	leader  shards.NodeID
	began   int64 // when the past begins: the table before the oldest change was the table from then on
	changes []change
}

// change is what a moment replaced.
type change struct {
	at      int64 // nanoseconds since 1970
	version uint64
	leader  shards.NodeID // who led from then on

	// What was before.
	oldVersion uint64
	oldLeader  shards.NodeID
	rows       []cluster.Shard    // that were changed, by id
	count      int                // of rows in all: those beyond were added
	members    []cluster.Member   // of then, if these have changed
	keyspaces  []cluster.Keyspace // likewise
}

// New makes an empty past of at most so many bytes.
func New(limit int) *Book { return &Book{limit: limit} }

// Sizes in memory, about.
const (
	changeBytes   = int(unsafe.Sizeof(change{}))
	rowBytes      = int(unsafe.Sizeof(cluster.Shard{}))
	copyBytes     = int(unsafe.Sizeof(cluster.Copy{}))
	memberBytes   = int(unsafe.Sizeof(cluster.Member{})) + 256 // with its texts
	keyspaceBytes = int(unsafe.Sizeof(cluster.Keyspace{}))
)

func (c *change) bytes() int {
	n := changeBytes + len(c.rows)*rowBytes + len(c.members)*memberBytes + len(c.keyspaces)*keyspaceBytes
	for i := range c.rows {
		n += len(c.rows[i].Copies) * copyBytes
	}
	return n
}

// Note takes the newest state and who leads by then. What is not newer, and changes neither table, members nor leader, is no change.
func (b *Book) Note(s *cluster.State, leader shards.NodeID, at int64) {
	switch {
	case b.state == nil || b.state.Cluster != s.Cluster: // the first, or of another cluster
		*b = Book{limit: b.limit, state: s, leader: leader, began: at}
		return
	case s.Version < b.state.Version:
		return
	}
	c := change{at: at, version: s.Version, leader: leader, oldVersion: b.state.Version, oldLeader: b.leader, count: len(b.state.Shards), rows: replaced(b.state.Shards, s.Shards)}
	if !cluster.Same(b.state.Members, s.Members) {
		c.members = b.state.Members
	}
	if !cluster.Same(b.state.Keyspaces, s.Keyspaces) {
		c.keyspaces = b.state.Keyspaces
	}
	changed := len(c.rows) > 0 || c.count != len(s.Shards) || c.members != nil || c.keyspaces != nil || leader != b.leader
	b.state, b.leader = s, leader
	if !changed {
		return
	}
	b.changes = append(b.changes, c)
	b.size += c.bytes()
	drop := 0
	for b.size > b.limit && drop < len(b.changes)-1 {
		b.size -= b.changes[drop].bytes()
		b.began = b.changes[drop].at
		drop++
	}
	b.changes = b.changes[drop:] // what is dropped goes when append makes a new array: readers may have the old one
}

// replaced are the rows of before that are others now.
func replaced(before, now []cluster.Shard) (rows []cluster.Shard) {
	if len(before) == 0 || len(now) > 0 && &before[0] == &now[0] {
		return nil
	}
	for i := range before {
		if before[i].Version != now[i].Version {
			rows = append(rows, before[i])
		}
	}
	return rows
}

// Began is when the past begins that is remembered, in nanoseconds since 1970; 0: nothing is.
func (b *Book) Began() int64 { return b.began }

// Moment is the table as it was from a time on.
type Moment struct {
	At        int64         // nanoseconds since 1970
	Version   uint64        // of the cluster state that made it
	Leader    shards.NodeID // who led from then on; "": nobody was known to
	Whole     bool          // Rows is the whole table, as in the first of a list; in others it is what has changed
	Rows      []cluster.Shard
	Members   []cluster.Member   // all of them
	Keyspaces []cluster.Keyspace // likewise
}

// Between lists the moments of a span of time, in nanoseconds since 1970: first the one that held at from, or the oldest that is remembered;
// then each change until to. Changes come as long as they and their rows are at most so many together, and one comes in any case: more says that
// there were others, later, which come when it is asked again from the last At on.
func (b *Book) Between(from, to int64, rows int) (list []Moment, more bool) {
	if b.state == nil {
		return nil, false
	}
	table := slices.Clone(b.state.Shards)
	now := Moment{Leader: b.leader, Version: b.state.Version, Members: b.state.Members, Keyspaces: b.state.Keyspaces}
	at := len(b.changes)
	for ; at > 0 && b.changes[at-1].at > from; at-- {
		c := &b.changes[at-1]
		if c.at <= to {
			m := now
			m.At = c.at
			for i := range c.rows {
				m.Rows = append(m.Rows, table[index(table, c.rows[i].ID)])
			}
			m.Rows = append(m.Rows, table[c.count:]...)
			list = append(list, m)
		}
		for i := range c.rows {
			table[index(table, c.rows[i].ID)] = c.rows[i]
		}
		table = table[:c.count]
		now.Leader, now.Version = c.oldLeader, c.oldVersion
		if c.members != nil {
			now.Members = c.members
		}
		if c.keyspaces != nil {
			now.Keyspaces = c.keyspaces
		}
	}
	now.At, now.Whole, now.Rows = b.began, true, table
	if at > 0 {
		now.At = b.changes[at-1].at
	}
	list = append(list, now)
	slices.Reverse(list)
	for i, left := 1, rows; i < len(list); i++ {
		if left -= 1 + len(list[i].Rows); left < 0 && i > 1 {
			return list[:i], true
		}
	}
	return list, false
}

// index finds a row, which is there.
func index(table []cluster.Shard, id shards.ShardID) int {
	i, _ := slices.BinarySearchFunc(table, id, func(s cluster.Shard, id shards.ShardID) int { return int(int64(s.ID) - int64(id)) })
	return i
}
