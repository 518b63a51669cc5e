package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// recovery reads snapshots and log of several copies at a time.
type recovery struct {
	node  *Node
	total int64
	of    int
	next  atomic.Int64
	bytes atomic.Int64
	ready atomic.Int64

	mu       sync.Mutex
	problems []error
}

// toRead is the size of what has to be read, in bytes, as far as it is known.
func (n *Node) toRead(all []*held) (total int64, err error) {
	if n.log == nil {
		return 0, nil
	}
	for _, h := range all {
		if _, size, found := n.files.Newest(h.ID()); found {
			total += size
		}
	}
	return total + n.log.Bytes(), nil
}

// run reads all of them. A copy that cannot be read is given up if the table has another in sync; else its damage is the
// error: there is nothing to rebuild it from. The others are read in any case.
func (r *recovery) run(ctx context.Context, state *cluster.State, all []*held) error {
	var workers sync.WaitGroup
	for range goruntime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(r.next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				if err := all[i].Recover(r.node.files, r.read); err != nil {
					r.unreadable(state, all[i], err)
				}
				r.ready.Add(1)
				r.read(0)
			}
		})
	}
	workers.Wait()
	return errors.Join(append(r.problems, ctx.Err())...)
}

func (r *recovery) unreadable(state *cluster.State, h *held, err error) {
	row := state.Shard(h.ID())
	here := row.CopyOn(r.node.id.Node)
	if here == nil || here.InSync && row.InSync() < 2 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.problems = append(r.problems, err)
		return
	}
	r.node.config.Logger.Error("a copy is damaged; it is rebuilt from another one", "shard", h.Name(), "err", err)
	r.node.copies.Failed(h.ID(), here.ID, fmt.Errorf("its data cannot be read: %w", err))
}

func (r *recovery) read(bytes int) {
	r.node.config.Progress(Progress{
		Phase: "recover", Bytes: r.bytes.Add(int64(bytes)), Total: r.total, Shards: int(r.ready.Load()), Of: r.of,
	})
}
