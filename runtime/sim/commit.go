package sim

import (
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
)

// committer is a node's one writer of the log: what gathers while an fsync is under way goes into the next one.
type committer struct {
	n       *Node
	pending []task
	busy    bool
	unsafe  bool // written and not synced, which interval allows for a second
}

// task is what one copy wants written, in order.
type task struct {
	shard    shards.ShardID
	truncate shards.SeqNo // from here on, before entries; 0: no
	entries  []replica.Entry
	sync     bool // done must wait for the fsync
	done     func()
}

func (c *committer) write(t task) {
	c.pending = append(c.pending, t)
	c.next()
}

func (c *committer) next() {
	if c.busy || len(c.pending) == 0 {
		return
	}
	tasks := c.pending
	c.pending = nil
	sync := false
	for i := range tasks {
		if err := c.put(&tasks[i]); err != nil {
			c.n.w.Fail(0, "%s: shard %v: its log refuses: %v", c.n.ID, tasks[i].shard, err)
			return
		}
		sync = sync || tasks[i].sync
	}
	c.unsafe = true
	if !sync {
		c.busy = true
		c.n.after(0, func() { c.finish(tasks) })
		return
	}
	c.busy = true
	c.n.fsync(func(err error) {
		if err != nil {
			c.n.w.Fail(0, "%s: fsync: %v", c.n.ID, err)
			return
		}
		c.unsafe = false
		c.finish(tasks)
	})
}

func (c *committer) finish(tasks []task) {
	c.busy = false
	for _, t := range tasks {
		t.done()
	}
	c.next()
}

func (c *committer) put(t *task) error {
	if t.truncate != 0 {
		if err := c.n.disk.TruncateSuffix(t.shard, t.truncate); err != nil {
			return err
		}
	}
	if c.n.bug(BugReorderLog) {
		t.entries = swapped(t.entries)
	}
	records := make([]wal.Record, len(t.entries))
	for i, e := range t.entries {
		records[i] = wal.Record{Shard: t.shard, Term: e.Term, First: e.First, Last: e.Last, Payload: e.Payload, Shrinks: e.Shrinks}
	}
	if len(records) == 0 {
		return nil
	}
	return c.n.disk.Append(records, false)
}

// swapped is BugReorderLog: two neighbours of one length change places.
func swapped(entries []replica.Entry) []replica.Entry {
	entries = slices.Clone(entries)
	for i := 0; i+1 < len(entries); i += 2 {
		a, b := &entries[i], &entries[i+1]
		if a.Last-a.First == b.Last-b.First {
			a.Payload, b.Payload = b.Payload, a.Payload
		}
	}
	return entries
}

// tick syncs what durability interval has left, once a second.
func (c *committer) tick(ticks int) {
	if ticks%20 == 0 && c.unsafe && !c.busy {
		c.busy = true
		c.unsafe = false
		c.n.fsync(func(error) { c.finish(nil) })
	}
}

// flush gives the log what a copy that stops in order has applied and not written.
func (c *committer) flush() {
	for i := range c.pending {
		if err := c.put(&c.pending[i]); err != nil {
			c.n.w.Fail(0, "%s: shard %v: its log refuses: %v", c.n.ID, c.pending[i].shard, err)
		}
	}
	c.pending = nil
}

// cancel forgets what a shard wanted written and has not begun to be: a snapshot takes its place.
func (c *committer) cancel(shard shards.ShardID) {
	c.pending = slices.DeleteFunc(c.pending, func(t task) bool { return t.shard == shard })
}
