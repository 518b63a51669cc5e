package shard

import (
	"errors"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// Committer is the node's one writer of the log. It owns a goroutine from NewCommitter to Close. Each round takes what all
// shards have gathered since the last one, writes it as one batch, and waits for one fsync if any shard of the round asks.
type Committer struct {
	log      *wal.Log
	interval time.Duration
	failed   func(error)

	mu     sync.Mutex
	dirty  []*Shard  // with an open round
	asked  []request // to carry out after the next round
	since  time.Time // when the first shard came that waits for the next round; zero: none does
	waited time.Duration
	closed bool

	wake     chan struct{}
	stopped  chan struct{}
	unsynced bool // written without an fsync since the last one; the goroutine's own
	batch    []*Shard
	records  []wal.Record
	named    []wal.Named // records of the node that a round sets
	rounds   atomic.Int64
	written  atomic.Int64 // records
	waits    Waits
}

// NewCommitter starts the committer. interval is the longest time that writes of durability interval wait for their
// fsync. failed is called once, if the log breaks: the node cannot go on then.
func NewCommitter(log *wal.Log, interval time.Duration, failed func(error)) *Committer {
	c := &Committer{
		log: log, interval: interval, failed: failed,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	go c.loop()
	return c
}

// Rounds is the number of appends so far.
func (c *Committer) Rounds() int64 { return c.rounds.Load() }

// Records is the number of records in them: one for each shard that took part, and more where a round was cut.
func (c *Committer) Records() int64 { return c.written.Load() }

// Waits are the times that durable appends took.
func (c *Committer) Waits() *Waits { return &c.waits }

// request is something that the goroutine does between two rounds.
type request struct {
	do   func() error // nil: sync the log
	done chan error
}

// Barrier returns when all that shards had gathered is in the log and synced, or with the reason why not.
func (c *Committer) Barrier() error { return c.ask(nil) }

// truncate drops a shard's log up to a transaction. The log wants the writes of one shard one after another, so this waits
// for its place between two rounds.
func (c *Committer) truncate(id shards.ShardID, through shards.SeqNo) error {
	return c.ask(func() error { return c.log.TruncatePrefix(id, through) })
}

func (c *Committer) ask(do func() error) error {
	r := request{do: do, done: make(chan error, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.asked = append(c.asked, r)
	c.nudge()
	c.mu.Unlock()
	return <-r.done
}

// Close writes and syncs what is left and ends the goroutine. The shards have been told to refuse work before.
func (c *Committer) Close() error {
	err := c.Barrier()
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.mu.Unlock()
	if !already {
		close(c.wake)
	}
	<-c.stopped
	return err
}

// enlist notes that a shard has an open round. Called in the shard's turn.
func (c *Committer) enlist(s *Shard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = time.Now()
	}
	c.dirty = append(c.dirty, s)
	c.nudge()
}

// Waited is the longest time that a round had to wait before it began to be written, of those since it was asked last and of the
// one that waits now. A round that a full disk sent back does not count.
func (c *Committer) Waited() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	worst := c.waited
	c.waited = 0
	if !c.since.IsZero() {
		worst = max(worst, time.Since(c.since))
	}
	return worst
}

// relist notes that a round came back: it is tried again with the next round of anybody, or at the next tick.
func (c *Committer) relist(s *Shard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty = append(c.dirty, s)
}

// nudge has the goroutine look at the lists. Called with mu held.
func (c *Committer) nudge() {
	if c.closed {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Committer) loop() {
	defer close(c.stopped)
	tick := time.NewTicker(c.interval)
	defer tick.Stop()
	for {
		select {
		case _, open := <-c.wake:
			if !open {
				return
			}
			goruntime.Gosched() // callers who are ready to run join this round
			c.round()
		case <-tick.C:
			if c.waiting() {
				c.round()
			}
			if c.unsynced {
				c.sync()
			}
		}
	}
}

// take empties the lists under the lock.
func (c *Committer) take() (asked []request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.since.IsZero() {
		c.waited, c.since = max(c.waited, time.Since(c.since)), time.Time{}
	}
	c.batch, c.dirty = c.dirty, c.batch[:0]
	asked, c.asked = c.asked, nil
	return asked
}

// round writes what there is, then does what it was asked for.
func (c *Committer) round() {
	asked := c.take()
	err := c.write()
	for _, r := range asked {
		if r.do != nil {
			r.done <- r.do()
			continue
		}
		if c.unsynced {
			err = errors.Join(err, c.sync())
		}
		r.done <- err
	}
}

func (c *Committer) write() error {
	if len(c.batch) == 0 {
		return nil
	}
	sync := false
	c.records = c.records[:0]
	for _, s := range c.batch {
		c.records = s.seal(c.records)
		sync = sync || s.space.Durability == shards.DurabilityFsync
	}
	begun := time.Now()
	errands, err := c.runErrands()
	sync = sync || errands
	if err == nil {
		err = c.append(sync, errands)
		if err != nil && !errors.Is(err, wal.ErrDiskFull) && c.expel() {
			err = c.append(sync, errands)
		}
	}
	sync = sync && (errands || len(c.records) > 0) // what was to be written may not be any more
	if errors.Is(err, wal.ErrDiskFull) {
		return c.writeShrinking(err)
	}
	if sync && err == nil {
		c.waits.add(time.Since(begun))
	}
	c.settle(err, sync)
	return err
}

func (c *Committer) append(sync, errands bool) error {
	switch {
	case len(c.records) > 0:
		return c.log.Append(c.records, sync)
	case errands:
		return c.log.Sync()
	}
	return nil
}

// expel gives up the shards whose records do not follow what the log has of them, or whose log cannot be read there, and takes what is
// theirs out of the round. It says whether there are any: then the others may be written.
func (c *Committer) expel() (any bool) {
	kept := c.batch[:0]
	for _, s := range c.batch {
		err := c.log.Follows(s.id, c.records)
		if err == nil || errors.Is(err, wal.ErrFatal) {
			kept = append(kept, s)
			continue
		}
		any = true
		s.spoil(err)
		c.records = slices.DeleteFunc(c.records, func(r wal.Record) bool { return r.Shard == s.id })
	}
	clear(c.batch[len(kept):])
	c.batch = kept
	return any
}

// runErrands cuts logs and writes what the node notes of its copies, before the records of the round, so that the fsync that
// makes those durable covers it. It says whether there was any.
func (c *Committer) runErrands() (any bool, err error) {
	c.named = c.named[:0]
	for _, s := range c.batch {
		cut, record, some := s.errands()
		if !some {
			continue
		}
		any = true
		if record.Name != "" {
			c.named = append(c.named, record)
		}
		if cut == 0 {
			continue
		}
		switch failure := s.cutLog(cut); {
		case errors.Is(failure, wal.ErrFatal):
			err = errors.Join(err, failure)
		case failure != nil: // the log cannot be read there: what comes now does not follow what it has
			s.spoil(failure)
		}
	}
	if err == nil && len(c.named) > 0 {
		err = c.log.Write(wal.Batch{Set: c.named}, false)
	}
	return any, err
}

// settle tells every shard of the batch how its round ended.
func (c *Committer) settle(err error, synced bool) {
	c.rounds.Add(1)
	c.written.Add(int64(len(c.records)))
	if err != nil {
		err = c.explain(err)
	} else {
		c.unsynced = !synced && (c.unsynced || len(c.records) > 0)
	}
	for i, s := range c.batch {
		if err != nil {
			s.abort(err)
		} else {
			s.commit()
		}
		c.batch[i] = nil
	}
	clear(c.records)
}

// writeShrinking is the second try on a full disk, with the deletes alone, and with what was sent to other copies: that cannot
// be taken back, and is little, since no more growth is let in.
func (c *Committer) writeShrinking(cause error) error {
	full := c.explain(cause)
	c.writeSent(full)
	kept := c.batch[:0]
	c.records = c.records[:0]
	for _, s := range c.batch {
		if s.space.Durability == shards.DurabilityInterval {
			s.abort(full)
			continue
		}
		before := len(c.records)
		if c.records = s.shed(c.records, full); len(c.records) > before {
			kept = append(kept, s)
		} else {
			s.abort(full)
		}
	}
	c.batch = kept
	if len(kept) == 0 {
		return full
	}
	c.settle(c.log.Append(c.records, true), true)
	return full
}

// writeSent writes and settles the shares of primaries, out of the disk's reserve, and leaves the others in the batch.
func (c *Committer) writeSent(full error) {
	c.records = c.records[:0]
	var sent, others []*Shard
	for _, s := range c.batch {
		before := len(c.records)
		if c.records = s.sent(c.records); len(c.records) > before {
			sent = append(sent, s)
		} else {
			others = append(others, s)
		}
	}
	c.batch = others
	if len(sent) == 0 {
		return
	}
	err := c.log.Write(wal.Batch{Records: c.records}, true)
	if err != nil {
		err = c.explain(err)
	}
	for _, s := range sent {
		if err != nil {
			s.abort(err)
			continue
		}
		s.commit()
		s.refuseGrowth(full)
	}
}

// explain turns an error of the log into what callers get. Anything but a full disk is the end of the log.
func (c *Committer) explain(err error) error {
	if errors.Is(err, wal.ErrDiskFull) {
		return &shards.Error{Kind: shards.KindDiskFull, Err: err}
	}
	if c.failed != nil {
		c.failed(err)
		c.failed = nil
	}
	return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: err}
}

// waiting says that rounds have come back.
func (c *Committer) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.dirty) > 0
}

func (c *Committer) sync() error {
	if err := c.log.Sync(); err != nil {
		return c.explain(err)
	}
	c.unsynced = false
	return nil
}
