package virtual

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// chores are what the shards that are led here have to do by themselves: deliver messages that actors have sent, and reminders
// that are due. Both are kept in the shard, so a new primary finds them there.
type chores struct {
	wake chan struct{}
	mu   sync.Mutex
	list []shards.ShardID // to be looked at, each once
}

// look has a shard looked at.
func (c *chores) look(shard shards.ShardID) {
	c.mu.Lock()
	if !slices.Contains(c.list, shard) {
		c.list = append(c.list, shard)
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *chores) take() []shards.ShardID {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

// Led says that this node has begun to lead a shard: what its actors have sent and not delivered is delivered, and reminders that
// came due meanwhile come. It never blocks.
func (h *Host) Led(shard shards.ShardID) { h.chores.look(shard) }

// choreRetry is how long what could not be delivered is left alone.
const choreRetry = time.Second

// doChores looks at shards when there is news of them, and when their next reminder is due.
func (h *Host) doChores() {
	due := map[shards.ShardID]time.Time{}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var list []shards.ShardID
		select {
		case <-h.ctx.Done():
			return
		case <-h.chores.wake:
			list = h.chores.take()
		case now := <-timer.C:
			for shard, at := range due {
				if !at.After(now) {
					list = append(list, shard)
				}
			}
		}
		slices.Sort(list)
		for _, shard := range list {
			delete(due, shard)
			if h.c.Storage.Leads(shard) {
				if next := h.serve(shard); !next.IsZero() {
					due[shard] = next
				}
			}
		}
		wait := time.Hour
		for _, at := range due {
			wait = min(wait, max(time.Millisecond, time.Until(at)))
		}
		timer.Reset(wait)
	}
}

// serve does the chores of one shard, and says when there are more; zero: when something happens.
func (h *Host) serve(shard shards.ShardID) (next time.Time) {
	later := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if err := h.sendAll(shard); err != nil {
		h.tellChore("messages of actors wait to be delivered", shard, err)
		later(time.Now().Add(choreRetry))
	}
	for e, err := range h.c.Storage.ScanShard(h.ctx, shard, "m/") {
		if err != nil {
			later(time.Now().Add(choreRetry))
			return next
		}
		at, err := h.remind(&e)
		if err != nil {
			h.tellChore("a reminder waits", shard, err)
			at = time.Now().Add(choreRetry)
		}
		if !at.IsZero() {
			later(at)
		}
	}
	return next
}

// tellChore tells of what did not work; what comes of a shard that has moved is its new primary's to do.
func (h *Host) tellChore(what string, shard shards.ShardID, err error) {
	if h.ctx.Err() == nil && h.c.Storage.Leads(shard) {
		h.c.Log.Warn(what+"; they are tried again", "shard", shard, "error", err)
	}
}

// sendAll delivers what the actors of a shard have sent, each one's in order. Those of one whose message could not be delivered
// wait for it.
func (h *Host) sendAll(shard shards.ShardID) error {
	var problems []error
	blocked := map[ID]bool{}
	var all []Entry
	for e, err := range h.c.Storage.ScanShard(h.ctx, shard, "o/") {
		if err != nil {
			return err
		}
		all = append(all, e)
	}
	for i := range all {
		from, rest, ok := idOf(all[i].Key)
		seq, err := strconv.ParseUint(strings.TrimPrefix(rest, "/"), 16, 64)
		if !ok || err != nil || blocked[from] {
			continue
		}
		if err := h.send(from, seq, &all[i]); err != nil {
			blocked[from] = true
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// send delivers one message and forgets it. That it was refused is an answer too: nobody waits for it, and it is told in the log.
func (h *Host) send(from ID, seq uint64, e *Entry) error {
	var out outgoing
	if err := json.Unmarshal(e.Value, &out); err != nil {
		return err
	}
	m := &message{To: out.To, Method: out.Method, Payload: out.Payload, Client: clientOf("o", from.String()), Seq: seq, Repeated: true}
	if _, err := h.deliver(h.ctx, m); err != nil {
		if waits(err) {
			return err
		}
		h.c.Log.Warn("a message between actors was refused", "from", from.String(), "to", out.To.String(), "method", out.Method, "error", err)
	}
	return h.drop(from, e.Key)
}

// waits says whether a message that was not handled is to be sent again.
func waits(err error) bool {
	code := CodeOf(err)
	return code == 0 || code == CodeBusy || code == CodeNoKind
}

// drop deletes a key of an actor, whatever its state is by now.
func (h *Host) drop(id ID, key string) error {
	return h.write(id, Op{Key: key, Delete: true})
}

// write changes one key of an actor beside its state; only this node does while it leads the shard.
func (h *Host) write(id ID, op Op) error {
	k := h.kind(id.Kind)
	if k == nil {
		return &Error{id, "", CodeNoKind, "its kind is not registered on this node"}
	}
	for {
		values, err := h.c.Storage.Read(h.ctx, k.keyspace, []string{op.Key})
		if err != nil || values[0].Version == 0 {
			return err
		}
		_, err = h.c.Storage.Commit(h.ctx, k.keyspace, Guard{op.Key, values[0].Version}, []Op{op})
		if !errors.Is(err, ErrStale) {
			return err
		}
	}
}

// clientOf is the client of messages that do not come from a caller who waits.
func clientOf(class, name string) uint64 {
	f := fnv.New64a()
	f.Write([]byte(class))
	f.Write([]byte(name))
	return max(1, f.Sum64())
}

// remind delivers a reminder that is due, and sets when it comes again. It returns when it should be looked at again; zero: never.
func (h *Host) remind(e *Entry) (time.Time, error) {
	id, name, ok := idOf(e.Key)
	var r reminder
	if err := json.Unmarshal(e.Value, &r); err != nil || !ok {
		return time.Time{}, err
	}
	now := time.Now()
	if due := time.UnixMilli(r.Due); due.After(now) {
		return due, nil
	}
	m := &message{To: id, Method: r.Method, Payload: r.Payload, Client: clientOf("m", id.String()+name), Seq: uint64(r.Due), Repeated: true}
	ctx, cancel := context.WithTimeout(h.ctx, h.c.Patience)
	defer cancel()
	if _, err := h.deliver(ctx, m); err != nil {
		if waits(err) {
			return time.Time{}, err
		}
		h.c.Log.Warn("a reminder was refused", "actor", id.String(), "method", r.Method, "error", err)
	}
	if r.Every == 0 {
		return time.Time{}, h.renew(id, e, nil)
	}
	for r.Due <= now.UnixMilli() { // those that are late come as one
		r.Due += r.Every * max(1, (now.UnixMilli()-r.Due)/r.Every)
	}
	return time.UnixMilli(r.Due), h.renew(id, e, &r)
}

// renew replaces a reminder that was delivered, unless its actor has replaced it meanwhile.
func (h *Host) renew(id ID, e *Entry, r *reminder) error {
	k := h.kind(id.Kind)
	if k == nil {
		return &Error{id, "", CodeNoKind, "its kind is not registered on this node"}
	}
	values, err := h.c.Storage.Read(h.ctx, k.keyspace, []string{e.Key})
	if err != nil || string(values[0].Bytes) != string(e.Value) {
		return err
	}
	op := Op{Key: e.Key, Delete: r == nil}
	if r != nil {
		if op.Value, err = json.Marshal(r); err != nil {
			return err
		}
	}
	if _, err := h.c.Storage.Commit(h.ctx, k.keyspace, Guard{e.Key, values[0].Version}, []Op{op}); !errors.Is(err, ErrStale) {
		return err
	}
	return nil
}
