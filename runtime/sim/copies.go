package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// copies are what a node holds, and the reconciler that makes it what the table says.
//
//	table says             here                                what happens
//	─────────────────────  ──────────────────────────────────  ───────────────────────────────────────────────
//	copy, in sync          the record of that id               open what the disk has
//	copy, in sync, fresh   no such record                      begin empty, record it, propose Opened
//	copy, in sync          no such record, or damage           propose Failed
//	copy, not in sync      the record of that id, and damage   propose Failed: what it once acknowledged may be counted on
//	copy, not in sync      anything else                       keep it as a base, record the new id, recover
//	no copy here           something                           remove it, unless the shard has no other in-sync copy
type copies struct {
	p       *process
	held    map[shards.ShardID]*holding
	order   []shards.ShardID // of held, ascending
	log     committer
	touched []*holding                       // since the last check
	given   map[shards.ShardID]shards.CopyID // given up in this life, until the table has another one here
	ticks   int
}

func newCopies(p *process) *copies {
	c := &copies{p: p, held: map[shards.ShardID]*holding{}, given: map[shards.ShardID]shards.CopyID{}}
	c.log.n = p.n
	return c
}

// recordOf is the name of the node record that says which copy of a shard is held.
func recordOf(shard shards.ShardID) string { return fmt.Sprintf("copy/%08x", uint32(shard)) }

func (c *copies) recorded(shard shards.ShardID) shards.CopyID {
	v, ok, _ := c.p.n.disk.Get(recordOf(shard))
	if !ok || len(v) != 8 {
		return 0
	}
	return shards.CopyID(binary.LittleEndian.Uint64(v))
}

func (c *copies) record(shard shards.ShardID, copy shards.CopyID) {
	if err := c.p.n.disk.Set(recordOf(shard), binary.LittleEndian.AppendUint64(nil, uint64(copy))); err != nil {
		c.p.n.w.Fail(0, "%s: record copy %d of shard %v: %v", c.p.n.ID, copy, shard, err)
	}
}

// setBase notes the term of the last transaction of a snapshot file, which the file does not say.
func (c *copies) setBase(shard shards.ShardID, at replica.Position) error {
	value := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(at.Seq)), uint64(at.Term))
	return c.p.n.disk.Set(recordOf(shard)+"/base", value)
}

// baseTerm is the term of the snapshot at seq, or 0 if that is not known.
func (c *copies) baseTerm(shard shards.ShardID, seq shards.SeqNo) shards.Term {
	v, ok, _ := c.p.n.disk.Get(recordOf(shard) + "/base")
	if !ok || len(v) != 16 || binary.LittleEndian.Uint64(v) != uint64(seq) {
		return 0
	}
	return shards.Term(binary.LittleEndian.Uint64(v[8:]))
}

// reconcile makes what runs here what the table says.
func (c *copies) reconcile(s *cluster.State) {
	for i := range s.Shards {
		row := &s.Shards[i]
		mine := row.CopyOn(c.p.n.ID)
		h := c.held[row.ID]
		switch {
		case mine == nil:
			c.remove(row, h)
		case h != nil && !h.failed:
			c.adapt(s, row, mine, h)
		default:
			c.open(s, row, mine)
		}
	}
}

// open begins to hold a copy.
func (c *copies) open(s *cluster.State, row *cluster.Shard, mine *cluster.Copy) {
	space := s.Keyspace(row.ID.Keyspace())
	known := c.recorded(row.ID)
	memory := space.Durability == shards.DurabilityMemory
	switch {
	case mine.Failed:
		return // said so, and nobody has decided yet
	case c.given[row.ID] == mine.ID:
		c.fail(row.ID, mine.ID, "it was given up") // the table has not heard
		return
	case mine.InSync && known != mine.ID && !mine.Fresh && !c.p.n.bug(BugLostCopyStays):
		c.fail(row.ID, mine.ID, "there is no such copy here")
		return
	case mine.InSync && mine.Fresh && known != mine.ID:
		c.wipe(row.ID)
		c.record(row.ID, mine.ID)
	}
	if c.given[row.ID] != 0 {
		c.wipe(row.ID)
		delete(c.given, row.ID)
	}
	h, err := c.load(row.ID, space.Durability)
	if err != nil && !mine.InSync && known != mine.ID {
		c.wipe(row.ID)
		h, err = c.load(row.ID, space.Durability)
	}
	if err != nil {
		c.fail(row.ID, mine.ID, err.Error())
		return
	}
	if known != mine.ID {
		c.record(row.ID, mine.ID)
	}
	h.copy, h.memory = mine.ID, memory
	c.held[row.ID] = h
	at, found := slices.BinarySearch(c.order, row.ID)
	if !found {
		c.order = slices.Insert(c.order, at, row.ID)
	}
	c.adapt(s, row, mine, h)
}

// adapt tells a copy what its row says now.
func (c *copies) adapt(s *cluster.State, row *cluster.Shard, mine *cluster.Copy, h *holding) {
	if mine.InSync && mine.ID != h.copy && !mine.Fresh {
		h.stop("its id is gone")
		c.drop(row.ID)
		c.fail(row.ID, mine.ID, "there is no such copy here")
		return
	}
	if mine.ID != h.copy {
		if mine.Fresh {
			c.wipe(row.ID)
			h.stop("it begins anew")
			c.drop(row.ID)
			c.open(s, row, mine)
			return
		}
		c.record(row.ID, mine.ID)
		h.copy = mine.ID
	}
	if mine.Fresh && !h.opened {
		h.opened = true
		c.propose(&cluster.Command{Opened: &cluster.Opened{
			Node: c.p.n.ID, Epoch: c.p.epoch, Copies: []cluster.ShardCopy{{Shard: row.ID, Copy: mine.ID}},
		}}, func(o *cluster.Outcome) {
			if o == nil {
				h.opened = false
			}
		})
	}
	h.configure(row, mine, s.Keyspace(row.ID.Keyspace()).MinInSync)
}

func (c *copies) propose(command *cluster.Command, done func(*cluster.Outcome)) {
	c.p.meta.propose(command, done)
}

// fail gives a copy up. What it held stays until the table has decided: beginning anew under the same id would pass for what
// the id has acknowledged, and a proposal to take it into the in-sync set may be on its way.
func (c *copies) fail(shard shards.ShardID, copy shards.CopyID, reason string) {
	c.given[shard] = copy
	c.p.n.w.Note("%s gives up copy %d of shard %v: %s", c.p.n.ID, copy, shard, reason)
	c.propose(&cluster.Command{Failed: &cluster.Failed{
		Node: c.p.n.ID, Epoch: c.p.epoch, Copies: []cluster.ShardCopy{{Shard: shard, Copy: copy}}, Reason: reason,
	}}, nil)
}

// remove takes away what the table does not list here, unless the shard has no other in-sync copy.
func (c *copies) remove(row *cluster.Shard, h *holding) {
	if row.InSync() == 0 || h == nil && c.recorded(row.ID) == 0 {
		return
	}
	if h != nil {
		h.stop("the table lists no copy here")
		c.drop(row.ID)
	}
	c.wipe(row.ID)
	c.record(row.ID, 0)
}

// drop forgets a copy, and what it wanted written.
func (c *copies) drop(shard shards.ShardID) {
	c.log.cancel(shard)
	delete(c.held, shard)
	if at, found := slices.BinarySearch(c.order, shard); found {
		c.order = slices.Delete(c.order, at, at+1)
	}
}

// wipe removes what the disk has of a shard.
func (c *copies) wipe(shard shards.ShardID) {
	d := c.p.n.disk
	err := errors.Join(d.TruncatePrefix(shard, ^shards.SeqNo(0)>>1), d.Sync())
	if !c.p.n.bug(BugKeepFiles) {
		err = errors.Join(err, d.RemoveAfter(shard, 0))
	}
	if err != nil {
		c.p.n.w.Fail(0, "%s: remove shard %v: %v", c.p.n.ID, shard, err)
	}
}

// load makes a copy of what the disk has: the snapshot applied, the log behind it not.
func (c *copies) load(shard shards.ShardID, durability shards.Durability) (*holding, error) {
	h := &holding{c: c, shard: shard, durability: durability, store: store.New(store.Options{})}
	d := c.p.n.disk
	if seq, _, ok := d.Newest(shard); ok {
		loader := store.NewLoader(store.Options{})
		if err := d.Load(shard, seq, loader.Chunk); err != nil {
			return nil, err
		}
		loaded, err := loader.Finish()
		if err != nil {
			return nil, err
		}
		h.store = loaded
	}
	base := h.store.Applied()
	start := replica.Start{Base: replica.Position{Term: c.baseTerm(shard, base), Seq: base}, Rolling: h.store.Rolling(), Last: base}
	err := d.ReadFrom(shard, base+1, func(r wal.Record) error {
		if r.First != start.Last+1 {
			return fmt.Errorf("the log goes on at %d after %d", r.First, start.Last)
		}
		if n := len(start.Runs); n == 0 || start.Runs[n-1].Term != r.Term {
			start.Runs = append(start.Runs, replica.Position{Term: r.Term, Seq: r.First})
		}
		start.Last = r.Last
		return nil
	})
	if err != nil {
		return nil, err
	}
	if h.target, err = recovery.NewTarget(recovery.Config{Shard: shard}); err != nil {
		return nil, err
	}
	h.saved = base
	h.core, err = replica.New(replica.Config{
		Shard: shard, Memory: durability == shards.DurabilityMemory, HistoryBytes: 4 << 10, Bug: c.p.n.w.o.Replica,
	}, start)
	return h, err
}

func (c *copies) tick() {
	c.ticks++
	c.log.tick(c.ticks)
	lag := int(c.p.meta.core.State().Duration(cluster.SettingReplicationLag) / tickLength)
	for _, id := range slices.Clone(c.order) {
		if h := c.held[id]; h != nil {
			h.tick(c.ticks, lag)
		}
	}
}

// receive takes a message between copies, as the wire carries it.
func (c *copies) receive(kind string, body []byte) {
	if kind == "recovery" {
		m, err := recovery.Decode(body)
		if h := c.held[m.Shard]; h != nil && err == nil {
			h.stepStream(&m)
		}
		c.refuse(kind, err)
		return
	}
	c.refuse(kind, replica.Decode(body, func(m *replica.Message) {
		if h := c.held[m.Shard]; h != nil {
			h.step(m)
		}
	}))
}

func (c *copies) refuse(kind string, err error) {
	if err != nil {
		c.p.n.w.Fail(0, "%s cannot read a %s message: %v", c.p.n.ID, kind, err)
	}
}

// checkTouched runs the cores' own checks on the copies that something has happened to since the last time.
func (c *copies) checkTouched() error {
	touched := c.touched
	c.touched = c.touched[:0]
	for _, h := range touched {
		h.touched = false
		if h.failed {
			continue
		}
		if err := h.check(); err != nil {
			return fmt.Errorf("shard %v: %w", h.shard, err)
		}
	}
	return nil
}

func (h *holding) check() error {
	if err := h.core.Check(); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	if err := h.target.Check(); err != nil {
		return fmt.Errorf("recovery target: %w", err)
	}
	for _, s := range h.sends {
		if err := s.source.Check(); err != nil {
			return fmt.Errorf("recovery source: %w", err)
		}
	}
	return nil
}
