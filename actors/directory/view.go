package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
)

func entryOf(key []byte, it radix.Item) Entry {
	return Entry{Key: key, Value: it.Value, Version: it.Version, ExpireAt: it.ExpireAt}
}

func (q *query) walk(v *shard.View) iter.Seq2[[]byte, radix.Item] {
	if q.reverse {
		return v.Reverse(q.low, q.high)
	}
	return v.Range(q.low, q.high)
}

// Views are the snapshots that this node holds for others, and answers their reads.
type Views struct {
	directory *Directory

	mu   sync.Mutex
	last uint64
	open map[uint64]*heldView
}

// heldView is one of them. Only its asker uses it, one call after another; busy guards against one who does not.
type heldView struct {
	view *shard.View
	next func() ([]byte, radix.Item, bool)
	stop func()
	used time.Time
	busy bool
}

// viewLife is how long a view lives that nobody asks for, or keeps.
const viewLife = time.Minute

// mostViews bounds the views held for others.
const mostViews = 4096

var errNoView = errors.New("the snapshot is no longer held, since nothing was asked for in a minute")
var errLongSlot = errors.New("the keys of the slot are more than one message between nodes takes: ask for fewer, or the primary's node")
var errViews = errors.New("this node holds as many snapshots for scans as it can: try again later")

// NewViews makes the answering side of d.
func NewViews(d *Directory) *Views {
	return &Views{directory: d, last: beginning(), open: map[uint64]*heldView{}}
}

// beginning is where the numbers of a life's views begin. It is random, so that whoever goes on with a view of an earlier life is
// not handed another's.
func beginning() uint64 { return rand.Uint64() >> 1 }

// Serve answers a call of transport.KindRead. The errors have kinds.
func (v *Views) Serve(ctx context.Context, body []byte) (reply []byte, err error) {
	var q query
	if err := q.decode(body); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	_, span := v.directory.reading(ctx, tracing.Server, &q)
	defer func() { span.End(err) }()
	switch q.op {
	case opNext:
		return v.page(q.view)
	case opKeep:
		if err := v.keep(q.low); err != nil {
			return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
		}
		return (&answer{}).encode(), nil
	case opClose:
		v.drop(q.view)
		return (&answer{}).encode(), nil
	}
	local, err := v.directory.copyHere(q.shard)
	if err == nil && !local.Leads() {
		err = v.directory.elsewhere(q.shard)
	}
	if err != nil {
		return nil, err
	}
	if q.op == opOpen {
		return v.begin(local, &q)
	}
	a, err := v.directory.look(local, &q)
	if err != nil {
		return nil, err
	}
	return a.encode(), nil
}

// copyHere is the copy on this node, or whom to ask instead.
func (d *Directory) copyHere(id shards.ShardID) (*shard.Shard, error) {
	if local := d.config.Local(id); local != nil {
		return local, nil
	}
	state := d.config.State()
	node, term := primaryOf(state, id)
	if node == d.config.Self { // the table is ahead of the copies here
		return nil, d.unavailable(state, id, shard.ErrStarting)
	}
	return nil, &shards.NotPrimaryError{Shard: id, Primary: node, Term: term}
}

// look answers what needs no view.
func (d *Directory) look(local *shard.Shard, q *query) (*answer, error) {
	a := new(answer)
	collect := func(key []byte) { a.entries = append(a.entries, Entry{Key: bytes.Clone(key)}) }
	switch q.op {
	case opSlot:
		size := 0
		err := keysInSlot(local, q, func(key []byte) bool {
			collect(key)
			size += len(key)
			return size < slotBytes
		})
		if err == nil && size >= slotBytes {
			err = &shards.Error{Kind: shards.KindInvalid, Err: errLongSlot}
		}
		return a, err
	case opScan, opCount, opRandom:
		return a, d.inspect(local, q, a, collect)
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("unknown read %d", q.op)}
}

// inspect answers what is read in the shard's turn.
func (d *Directory) inspect(local *shard.Shard, q *query, a *answer, collect func(key []byte)) error {
	return local.Inspect(func(st *store.Store) {
		switch q.op {
		case opScan:
			a.next = q.scan(st, d.config.Clock().UnixMilli(), collect)
		case opCount:
			a.count = d.count(st, q)
		case opRandom:
			if key, found := st.RandomKey(d.config.Clock().UnixMilli(), q.chance); found {
				collect(key)
			}
		}
	})
}

// Close lets all views go.
func (v *Views) Close() {
	v.mu.Lock()
	held := v.open
	v.open = map[uint64]*heldView{}
	v.mu.Unlock()
	for _, h := range held {
		h.close()
	}
}

// Expire lets go of the views that nobody has asked for in viewLife. The owner calls it now and then.
func (v *Views) Expire(now time.Time) {
	var old []*heldView
	v.mu.Lock()
	for id, h := range v.open {
		if !h.busy && now.Sub(h.used) > viewLife {
			old = append(old, h)
			delete(v.open, id)
		}
	}
	v.mu.Unlock()
	for _, h := range old {
		h.close()
	}
}

func (v *Views) begin(local *shard.Shard, q *query) ([]byte, error) {
	view, err := local.View()
	if err != nil {
		return nil, err
	}
	h := &heldView{view: view, busy: true}
	q.low, q.high = bytes.Clone(q.low), bytes.Clone(q.high)
	h.next, h.stop = iter.Pull2(q.walk(view))
	v.mu.Lock()
	if len(v.open) >= mostViews {
		v.mu.Unlock()
		h.close()
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: errViews}
	}
	v.last++
	id := v.last
	v.open[id] = h
	v.mu.Unlock()
	return v.fill(id, h), nil
}

func (v *Views) page(id uint64) ([]byte, error) {
	v.mu.Lock()
	h := v.open[id]
	if h == nil || h.busy {
		v.mu.Unlock()
		return nil, &shards.Error{Kind: shards.KindUnavailable, Err: errNoView}
	}
	h.busy = true
	v.mu.Unlock()
	return v.fill(id, h), nil
}

// keep has views live on for which their reader has no need just now. Those that have ended stay so.
func (v *Views) keep(list []byte) error {
	views, err := decodeViews(list)
	if err != nil {
		return err
	}
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range views {
		if h := v.open[id]; h != nil {
			h.used = now
		}
	}
	return nil
}

// fill makes the next page, and ends the view with the last one.
func (v *Views) fill(id uint64, h *heldView) []byte {
	a := answer{view: id}
	more := h.read(&a)
	if !more {
		a.view = 0
	}
	encoded := a.encode()
	if !more {
		v.drop(id)
		return encoded
	}
	v.mu.Lock()
	h.busy, h.used = false, time.Now()
	v.mu.Unlock()
	return encoded
}

// read fills a page and says whether there may be another.
func (h *heldView) read(a *answer) (more bool) {
	for size := 0; size < pageBytes && len(a.entries) < pageKeys; {
		key, item, ok := h.next()
		if !ok {
			return false
		}
		a.entries = append(a.entries, entryOf(bytes.Clone(key), item))
		size += len(key) + len(item.Value)
	}
	return true
}

func (v *Views) drop(id uint64) {
	v.mu.Lock()
	h := v.open[id]
	delete(v.open, id)
	v.mu.Unlock()
	if h != nil {
		h.close()
	}
}

func (h *heldView) close() {
	h.stop()
	h.view.Close()
}
