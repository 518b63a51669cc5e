package runtime

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
	"github.com/troupe-actors/troupe/shards/store"
)

// redis is the node as its Redis clients use it: it implements resp.Backend.
type redis struct {
	node    *Node
	scratch sync.Pool // of *grouping
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
	batch *shard.Batch
	order []*resp.Call
	works []work
}

// maxGroup bounds the calls that are sorted at a time: the sort compares each with each, which is fastest for few.
const maxGroup = 128

// Do groups the calls by shard and submits each group; all that have to wait for the log wait together.
func (r *redis) Do(ctx context.Context, index int, calls []*resp.Call) {
	k := r.node.keyspaces[index]
	now := r.Now()
	g := r.scratch.Get().(*grouping)
	g.reserve(len(calls))
	g.batch.Begin()
	for len(calls) > 0 {
		few := calls[:min(len(calls), maxGroup)]
		calls = calls[len(few):]
		for _, c := range few {
			c.Shard = int32(k.ShardOf(c.Slot))
		}
		g.submit(k, now, few)
		if len(calls) > 0 {
			g.batch.Wait() // a read of the next group sees the writes of this one, which may be parked
			g.batch.Begin()
		}
	}
	g.batch.Wait()
	g.release()
	r.scratch.Put(g)
}

// reserve makes room for n calls: parked works point into the slices, so they must not move.
func (g *grouping) reserve(n int) {
	if cap(g.order) < n {
		g.order = make([]*resp.Call, 0, n)
		g.works = make([]work, 0, n)
	}
}

func (g *grouping) release() {
	clear(g.order)
	clear(g.works)
	g.order, g.works = g.order[:0], g.works[:0]
	if cap(g.order) > 16*maxGroup {
		g.order, g.works = nil, nil
	}
}

const taken = -1

// submit hands each shard its calls, in the order of the shards' first call.
func (g *grouping) submit(k *keyspace, now int64, calls []*resp.Call) {
	for i, first := range calls {
		if first.Shard == taken {
			continue
		}
		index, from := first.Shard, len(g.order)
		for _, c := range calls[i:] {
			if c.Shard == index {
				g.order = append(g.order, c)
				c.Shard = taken
			}
		}
		g.works = append(g.works, g.order[from:])
		k.shards[index].Submit(now, &g.works[len(g.works)-1], g.batch)
	}
}

// Scan is one step of a cursor over one shard.
func (r *redis) Scan(_ context.Context, index, shardIndex int, after, prefix []byte, limit int, visit func([]byte)) (next []byte, err error) {
	k := r.node.keyspaces[index]
	err = k.shards[shardIndex].Inspect(func(s *store.Store) {
		next = bytes.Clone(s.Scan(r.Now(), after, prefix, limit, func(key []byte, _ radix.Item) bool {
			visit(key)
			return true
		}))
	})
	return next, err
}

// Count adds up shards that lie wholly within the slots by their size, and the rest slot by slot.
func (r *redis) Count(_ context.Context, index int, first, last shards.Slot) (int64, error) {
	k := r.node.keyspaces[index]
	total := int64(0)
	for i := k.ShardOf(first); i <= k.ShardOf(last); i++ {
		low, high := k.SlotRange(i)
		err := k.shards[i].Inspect(func(s *store.Store) {
			if first <= low && high <= last {
				total += int64(s.Len())
				return
			}
			for slot := max(first, low); slot <= min(last, high); slot++ {
				total += int64(s.SlotCount(slot))
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// KeysInSlot looks through a snapshot of the shard, so that others are not held up.
func (r *redis) KeysInSlot(_ context.Context, index int, slot shards.Slot, limit int, visit func([]byte)) error {
	view, err := r.node.keyspaces[index].of(slot).View()
	if err != nil {
		return err
	}
	defer view.Close()
	view.KeysInSlot(slot, limit, visit)
	return nil
}

// RandomKey asks the shards in turn from a random one on, so that an empty shard does not hide full ones.
func (r *redis) RandomKey(_ context.Context, index int, dst []byte) ([]byte, bool, error) {
	k := r.node.keyspaces[index]
	start := rand.IntN(len(k.shards))
	found := false
	for i := range k.shards {
		s := k.shards[(start+i)%len(k.shards)]
		err := s.Inspect(func(s *store.Store) {
			var key []byte
			if key, found = s.RandomKey(r.Now(), rand.Uint64()); found {
				dst = append(dst, key...)
			}
		})
		if err != nil || found {
			return dst, found, err
		}
	}
	return dst, false, nil
}

// Keyspaces lists the keyspaces in the order of SELECT.
func (r *redis) Keyspaces() []shards.Keyspace { return r.node.id.Keyspaces }

// Nodes is this node alone, with all slots.
func (r *redis) Nodes(int) []resp.Node {
	host, port := hostPort(r.node.RESPAddr())
	_, bus := hostPort(r.node.config.Peer)
	return []resp.Node{{
		ID: string(r.node.id.Node), Name: r.node.config.Name, Host: host, Port: port, Bus: bus,
		Ranges: []resp.SlotRange{{First: 0, Last: shards.Slots - 1}}, Epoch: uint64(r.node.id.Epoch),
	}}
}

func hostPort(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return host, 0
	}
	return host, port
}

// Facts are the node's figures for INFO.
func (r *redis) Facts() resp.Facts {
	n := r.node
	f := resp.Facts{
		Version: Version(), NodeID: string(n.id.Node), DataDir: n.config.Data, Started: n.started.UnixMilli(),
		Eviction: n.keyspaces[0].Eviction.String(), LastSaveUnix: n.lastSave().Unix(),
	}
	for _, k := range n.keyspaces {
		f.UsedMemory += k.Used()
		f.MaxMemory += k.MaxMemory
		f.ExpiredKeys += k.Expired()
		f.EvictedKeys += k.Evicted()
		var per resp.KeyspaceFacts
		for _, s := range k.shards {
			st := s.Stats()
			per.Keys += st.Keys
			per.Expiring += st.Expiring
			f.LogBytes += st.LogBytes
		}
		f.PerKeyspace = append(f.PerKeyspace, per)
	}
	return f
}

// Now is the node's clock.
func (r *redis) Now() int64 { return time.Now().UnixMilli() }
