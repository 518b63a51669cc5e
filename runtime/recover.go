package runtime

import (
	"context"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
)

// recover reads snapshots and log of all shards, several at a time, and stops at the first error.
func (n *Node) recover(ctx context.Context, all []*shard.Shard) error {
	for _, k := range n.keyspaces() {
		if n.config.Data != "" && k.Durability == shards.DurabilityMemory {
			n.config.Logger.Info("keyspace starts empty: its durability is memory", "keyspace", k.Name)
		}
	}
	total, err := n.toRead(all)
	if err != nil {
		return err
	}
	r := recovery{node: n, total: total, of: len(all)}
	return r.run(ctx, all)
}

// toRead is the size of what a start has to read, in bytes, where it is known.
func (n *Node) toRead(all []*shard.Shard) (total int64, err error) {
	if n.log == nil {
		return 0, nil
	}
	for _, s := range all {
		if _, size, found := n.files.Newest(s.ID()); found {
			total += size
		}
	}
	return total + n.log.Bytes(), nil
}

type recovery struct {
	node  *Node
	total int64
	of    int
	next  atomic.Int64
	bytes atomic.Int64
	ready atomic.Int64
}

func (r *recovery) run(ctx context.Context, all []*shard.Shard) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for range goruntime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(r.next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				if err := all[i].Recover(r.node.files, r.read); err != nil {
					cancel(err)
				}
				r.ready.Add(1)
				r.read(0)
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

func (r *recovery) read(bytes int) {
	r.node.config.Progress(Progress{
		Phase: "recover", Bytes: r.bytes.Add(int64(bytes)), Total: r.total, Shards: int(r.ready.Load()), Of: r.of,
	})
}
