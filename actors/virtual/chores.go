package virtual

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// chores are what the shards that are led here have to do by themselves: deliver messages that actors have sent, and reminders
// that are due. Both are kept in the shard, so that a new primary finds them there: it scans the shard once. From then on what is
// committed here is added as it comes.
//
//	commit ──► ledger of the shard ──► link {from, to}: its messages, in order ──┐
//	Led ─────► scan of the shard ──┘└► alarm: a reminder ──► clock ─── due ──────┤
//	                                                                             ▼
//	                        clock ◄── rest, when it did not work ──── ready ──► worker, at most maxWorkers
//
// A link waits for nobody but its receiver, and a worker for no longer than twice the node's patience.
type chores struct {
	mu      sync.Mutex
	ledgers map[shards.ShardID]*ledger
	doubts  map[shards.ShardID]*doubt
	ready   []chore
	workers int
	most    int // messages of one shard that are held, but for those of links that rest
	clock   clock
	wake    chan struct{} // the clock has something earlier
}

// chore is something to do. It belongs to one worker, to the ready list or to the clock.
type chore interface {
	do(h *Host)
}

// Bounds of what is done at once and held in memory. Messages beyond that wait in their shard.
const (
	maxWorkers = 256
	maxHeld    = 16384 // messages of one shard
	maxVisit   = 64    // messages of one link before others have their turn
)

// ledger is what is known of one shard in one reign.
type ledger struct {
	shard    shards.ShardID
	over     bool // another has taken its place
	live     bool // links hold all messages that are in the shard
	scanning bool
	missed   bool            // while it was scanned there were more than late holds
	resting  *scan           // waits for its next try
	late     []kept          // committed while it was scanned
	fresh    map[sent]bool   // traced messages that no link holds: a scan that finds one soon after its commit goes on with its trace
	touched  map[string]bool // reminders changed while it was scanned
	held     int             // messages in links that do not rest
	links    map[pair]*link
	alarms   map[string]*alarm // by key
}

type pair struct{ from, to ID }

// sent names a message: an actor numbers what it sends.
type sent struct {
	from   ID
	number uint64
}

// kept is a message as the ledger holds it.
type kept struct {
	from  ID
	found bool // by a scan, later than its commit
	outgoing
}

func (c *chores) start() {
	c.ledgers, c.doubts = map[shards.ShardID]*ledger{}, map[shards.ShardID]*doubt{}
	c.wake = make(chan struct{}, 1)
	c.most = maxHeld
}

// Led says that this node has begun to lead a shard: what its actors have sent and not delivered is delivered, and reminders that
// came due meanwhile come. It never blocks.
func (h *Host) Led(shard shards.ShardID) {
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	h.begin(shard)
}

func (h *Host) begin(shard shards.ShardID) *ledger {
	c := &h.chores
	if old := c.ledgers[shard]; old != nil {
		old.over = true
		for _, a := range old.alarms {
			c.clock.remove(&a.timed)
		}
	}
	l := &ledger{shard: shard, links: map[pair]*link{}, alarms: map[string]*alarm{}, fresh: map[sent]bool{}}
	c.ledgers[shard] = l
	h.enter(&scan{ledger: l})
	return l
}

// enter puts a chore into the ready list, and begins a worker if there are not enough. The caller holds chores.mu.
func (h *Host) enter(job chore) {
	c := &h.chores
	c.ready = append(c.ready, job)
	if c.workers < maxWorkers && h.start(h.doChores) {
		c.workers++
	}
}

// doChores works until nothing is ready.
func (h *Host) doChores() {
	c := &h.chores
	for {
		c.mu.Lock()
		if len(c.ready) == 0 || h.ctx.Err() != nil {
			c.workers--
			c.mu.Unlock()
			return
		}
		next := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		c.mu.Unlock()
		next.do(h)
	}
}

// committed notes what an actor has just sent, and how its reminders have changed.
func (h *Host) committed(shard shards.ShardID, from ID, messages []outgoing, reminders []Op) {
	c := &h.chores
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.ledgers[shard]
	if l == nil {
		l = h.begin(shard)
	}
	if s := l.resting; s != nil && s.place > 0 { // the shard is led here by now
		c.clock.remove(&s.timed)
		h.enter(s)
	}
	for i := range reminders {
		if l.scanning {
			l.touched[reminders[i].Key] = true
		}
		h.setAlarm(l, reminders[i].Key, reminders[i].Value)
	}
	for i := range messages {
		k := kept{from: from, outgoing: messages[i]}
		if to := l.links[pair{from, k.To}]; to != nil && to.behind() {
			continue
		}
		if l.live && l.held < c.most {
			h.link(l, k)
			continue
		}
		if len(k.Trace) > 0 && len(l.fresh) < maxHeld {
			l.fresh[sent{from, k.number}] = true
		}
		switch {
		case l.live:
			l.live = false // the rest is found by a scan, when these are delivered
		case l.scanning && len(l.late) < maxHeld:
			l.late = append(l.late, k)
		case l.scanning:
			l.missed = true
		}
	}
}

// scanTries bounds the pause before a shard is looked at again that is led elsewhere, cannot be read, or is in doubt, to 1.6 s.
const scanTries = 5

// scan reads what a shard keeps.
type scan struct {
	ledger *ledger
	tries  int
	timed
}

func (s *scan) do(h *Host) {
	c, l := &h.chores, s.ledger
	c.mu.Lock()
	leads := h.c.Storage.Leads(l.shard)
	if l.scanning = leads && !l.over; !l.scanning {
		if !l.over { // it is led elsewhere, or this node's lease has run out for a moment
			clear(l.fresh)
			s.again(h)
		}
		c.mu.Unlock()
		return
	}
	l.live, l.missed, l.late, l.touched = false, false, nil, map[string]bool{}
	waits := l.waits()
	c.mu.Unlock()
	messages, whole, err := h.keptMessages(l.shard, waits)
	var reminders []Entry
	if err == nil {
		reminders, err = h.keptReminders(l.shard)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.scanning = false
	if err != nil {
		s.again(h)
		return
	}
	for _, k := range append(messages, l.late...) {
		k.found = k.found && !l.fresh[sent{k.from, k.number}]
		h.link(l, k)
	}
	clear(l.fresh)
	for _, e := range reminders {
		if !l.touched[e.Key] {
			h.setAlarm(l, e.Key, e.Value)
		}
	}
	l.live, l.late, l.touched = whole && !l.missed, nil, nil
	h.rescan(l)
}

// again scans after a while, or with the next commit. The caller holds chores.mu.
func (s *scan) again(h *Host) {
	s.tries = min(s.tries+1, scanTries)
	s.ledger.resting = s
	h.rest(s, &s.timed, s.tries)
}

// rescan has a shard scanned again when all that is known of it is delivered, and that was not all.
func (h *Host) rescan(l *ledger) {
	if l.held == 0 && !l.live && !l.scanning && !l.over {
		l.scanning, l.touched = true, map[string]bool{} // what is committed before a worker takes it is noted already
		h.enter(&scan{ledger: l})
	}
}

// keptMessages reads what actors of a shard have sent, in each one's order, but for some pairs, and says whether that is all. Kinds that are not
// known here are left alone: when they are registered the shard is looked at again.
func (h *Host) keptMessages(shard shards.ShardID, but map[pair]bool) (list []kept, whole bool, err error) {
	for e, err := range h.c.Storage.ScanShard(h.ctx, shard, Span{Prefix: "o/"}) {
		if err != nil {
			return nil, false, err
		}
		k, err := keptOf(&e)
		switch {
		case err != nil:
			h.c.Log.Error("a message of an actor cannot be read, and is left where it is", "shard", shard, "key", e.Key, "error", err)
		case h.kind(k.from.Kind) == nil, but[pair{k.from, k.To}]:
		case len(list) == h.chores.most:
			return list, false, nil
		default:
			list = append(list, k)
		}
	}
	return list, true, nil
}

// keptOf reads a message as it is kept.
func keptOf(e *Entry) (k kept, err error) {
	from, rest, ok := idOf(e.Key)
	number, err := strconv.ParseUint(strings.TrimPrefix(rest, "/"), 16, 64)
	if !ok || err != nil {
		return k, errors.New("virtual: the key is not that of a message")
	}
	if err := json.Unmarshal(e.Value, &k.outgoing); err != nil {
		return k, err
	}
	k.from, k.number, k.found = from, number, true
	return k, k.To.validate()
}

func (h *Host) keptReminders(shard shards.ShardID) (list []Entry, err error) {
	for e, err := range h.c.Storage.ScanShard(h.ctx, shard, Span{Prefix: "m/"}) {
		if err != nil {
			return nil, err
		}
		if id, _, ok := idOf(e.Key); ok && h.kind(id.Kind) != nil {
			list = append(list, e)
		}
	}
	return list, nil
}

// left notes that a shard is not led here any more: what is known of it is dropped. Should it come back without a word, because only
// the lease had run out, a scan finds it.
func (h *Host) left(l *ledger) {
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	if !l.over {
		h.begin(l.shard)
	}
}

// forget drops keys of an actor that nobody else changes.
func (h *Host) forget(id ID, ops []Op) error {
	k := h.kind(id.Kind)
	if k == nil || len(ops) == 0 {
		return nil
	}
	_, err := h.c.Storage.Commit(h.ctx, k.keyspace, ops)
	return err
}

// The pauses after a chore that did not work.
const (
	firstRest   = 100 * time.Millisecond
	longestRest = 30 * time.Second
)

func restOf(tries int) time.Duration { return min(longestRest, firstRest<<min(tries-1, 16)) }

// rest leaves a chore alone for a while. The caller holds chores.mu.
func (h *Host) rest(job chore, t *timed, tries int) {
	h.chores.clock.set(t, job, time.Now().Add(restOf(tries)))
	h.chores.nudge()
}

func (c *chores) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// ring hands chores to workers when their time has come.
func (h *Host) ring() {
	c := &h.chores
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-c.wake:
		case <-timer.C:
		}
		c.mu.Lock()
		now := time.Now()
		for len(c.clock) > 0 && !c.clock[0].at.After(now) {
			h.enter(c.clock.pop())
		}
		wait := time.Hour
		if len(c.clock) > 0 {
			wait = min(wait, max(time.Millisecond, c.clock[0].at.Sub(now)))
		}
		c.mu.Unlock()
		timer.Reset(wait)
	}
}
