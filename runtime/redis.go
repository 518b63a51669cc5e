package runtime

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// redis is the node as its Redis clients use it: it implements resp.Backend.
type redis struct {
	node    *Node
	scratch sync.Pool // of *grouping
	drawn   atomic.Pointer[drawing]
}

func newRedis(n *Node) *redis {
	return &redis{node: n, scratch: sync.Pool{New: func() any { return &grouping{batch: shard.NewBatch()} }}}
}

// work is the calls of one shard; it implements shard.Work.
type work []*resp.Call

func (w *work) Len() int                          { return len(*w) }
func (w *work) Txn(i int) *store.Txn              { return &(*w)[i].Txn }
func (w *work) Result(i, op int, r *store.Result) { (*w)[i].Sink.Result(op, r) }
func (w *work) Fail(i int, err error)             { (*w)[i].Err = err }

// grouping is what one Do needs to sort its calls by shard. It is kept for the next Do.
type grouping struct {
	batch   *shard.Batch
	lists   []list // by shard; empty between uses
	touched []int32
	order   []*resp.Call
	works   []work
	tasks   []directory.Task
}

// list is the calls of one shard, linked by their Next.
type list struct{ first, last *resp.Call }

// keptCalls bounds the calls that a grouping keeps room for.
const keptCalls = 2048

// Do groups the calls by shard and takes each group to its primary; all wait together. A shard gets its calls in one
// piece: a read on its own would not wait for a write before it that is still on its way.
func (r *redis) Do(ctx context.Context, index int, calls []*resp.Call) {
	k := r.node.keyspaces()[index]
	g := r.scratch.Get().(*grouping)
	g.sort(k, calls)
	ctx, span := r.enter(ctx, k, calls)
	r.node.directory.Do(ctx, g.tasks, g.batch)
	if span != nil {
		span.End(firstError(calls))
	}
	g.release()
	r.scratch.Put(g)
}

// sort makes a work for each shard that has calls, in the order of the shards' first call.
func (g *grouping) sort(k *keyspace, calls []*resp.Call) {
	if len(g.lists) < k.Shards {
		g.lists = make([]list, k.Shards)
	}
	for _, c := range calls {
		c.Shard, c.Next = int32(k.ShardOf(c.Slot)), nil
		l := &g.lists[c.Shard]
		if l.first == nil {
			l.first = c
			g.touched = append(g.touched, c.Shard)
		} else {
			l.last.Next = c
		}
		l.last = c
	}
	if cap(g.order) < len(calls) { // works point into order: it must not move below
		g.order = make([]*resp.Call, 0, len(calls))
	}
	for _, shard := range g.touched {
		from := len(g.order)
		for c := g.lists[shard].first; c != nil; c = c.Next {
			g.order = append(g.order, c)
		}
		g.lists[shard] = list{}
		g.works = append(g.works, g.order[from:])
	}
	for i, shard := range g.touched { // tasks point into works, which no longer moves
		t := directory.Task{Shard: k.id(int(shard)), Work: &g.works[i], Stale: true}
		for _, c := range g.works[i] {
			t.Here = t.Here || c.Reach&(resp.ReachHere|resp.ReachAsked) == resp.ReachHere
			t.Stale = t.Stale && c.Reach&resp.ReachStale != 0 && c.Txn.ReadOnly() && len(c.Txn.Guards) == 0
		}
		g.tasks = append(g.tasks, t)
	}
}

func (g *grouping) release() {
	clear(g.order)
	clear(g.works)
	clear(g.tasks)
	g.order, g.works, g.tasks, g.touched = g.order[:0], g.works[:0], g.tasks[:0], g.touched[:0]
	if cap(g.order) > keptCalls {
		g.order, g.works, g.tasks, g.touched = nil, nil, nil, nil
	}
}

// Scan is one step of a cursor over one shard.
func (r *redis) Scan(ctx context.Context, index, shardIndex int, after, prefix []byte, limit int, visit func([]byte)) (next []byte, err error) {
	return r.node.directory.Scan(ctx, r.node.keyspaces()[index].id(shardIndex), after, prefix, limit, visit)
}

// Count adds up the shards that have slots in the range.
func (r *redis) Count(ctx context.Context, index int, first, last shards.Slot) (int64, error) {
	k := r.node.keyspaces()[index]
	total := int64(0)
	for i := k.ShardOf(first); i <= k.ShardOf(last); i++ {
		low, high := k.SlotRange(i)
		n, err := r.node.directory.Count(ctx, k.id(i), max(first, low), min(last, high))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// KeysInSlot looks through a snapshot of the shard, so that others are not held up.
func (r *redis) KeysInSlot(ctx context.Context, index int, slot shards.Slot, limit int, visit func([]byte) bool) error {
	k := r.node.keyspaces()[index]
	return r.node.directory.KeysInSlot(ctx, k.id(k.ShardOf(slot)), slot, limit, visit)
}

// RandomKey asks the shards in turn from a random one on, so that an empty shard does not hide full ones.
func (r *redis) RandomKey(ctx context.Context, index int, dst []byte) ([]byte, bool, error) {
	k := r.node.keyspaces()[index]
	start := rand.IntN(k.Shards)
	for i := range k.Shards {
		key, found, err := r.node.directory.RandomKey(ctx, k.id((start+i)%k.Shards), dst, rand.Uint64())
		if err != nil || found {
			return key, found, err
		}
	}
	return dst, false, nil
}

// Keyspaces lists the keyspaces in the order of SELECT.
func (r *redis) Keyspaces() []shards.Keyspace { return r.node.catalog.Load().settings }

// Facts are the node's figures for INFO.
func (r *redis) Facts() resp.Facts {
	n := r.node
	f := resp.Facts{
		Version: Version(), NodeID: string(n.id.Node), DataDir: n.config.Data, Started: n.started.UnixMilli(),
		Eviction: n.keyspaces()[0].Eviction.String(), LastSaveUnix: n.lastSave().Unix(),
		Epoch: n.state().Version, Leaderless: n.leaderless(time.Now()) > 0,
	}
	for _, k := range n.keyspaces() {
		f.UsedMemory += k.Used()
		f.MaxMemory += k.MaxMemory
		f.ExpiredKeys += k.Expired()
		f.EvictedKeys += k.Evicted()
		var per resp.KeyspaceFacts
		for i := range k.copies {
			if h := k.copies[i].Load(); h != nil {
				st := h.Stats()
				per.Keys += st.Keys
				per.Expiring += st.Expiring
				f.LogBytes += st.LogBytes
			}
		}
		f.PerKeyspace = append(f.PerKeyspace, per)
	}
	return f
}

// Now is the node's clock.
func (r *redis) Now() int64 { return r.node.now().UnixMilli() }
