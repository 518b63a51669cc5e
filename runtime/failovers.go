package runtime

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/failover"
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// telling is how a node tells of failovers: it writes their stories while it leads, and says what its own copies took over.
type telling struct {
	watch    *failover.Watch
	teller   *failover.Teller
	exporter *tracing.Exporter
	metrics  *tracing.Metrics
	figures  *tracing.Figures
	messages *tracing.Messages
	pending  atomic.Int64  // proposals to the metadata group that are under way
	term     atomic.Uint64 // of the last placement leader that was seen
	policies uint64        // of the newest policy that the figures know: its State.Version; belongs to the goroutine that applies states
}

// newTelling begins to tell. Traces go where the standard variables of OpenTelemetry say.
func (n *Node) newTelling() (t *telling, err error) {
	t = &telling{figures: newFigures()}
	t.exporter = tracing.NewExporter(context.Background(), n.config.ClusterName, os.Getenv, func(err error) {
		n.config.Logger.Warn("traces go to collectors as far as they can", "err", err)
	})
	if t.messages, err = n.newMessages(t.exporter); err != nil {
		return t, invalid("%w", err)
	}
	n.config.Logger.Info(t.exporter.Where())
	t.metrics = tracing.NewMetrics(t.exporter.Dropped, t.exporter.DroppedSpans)
	t.watch, err = failover.Start(failover.Config{
		Self: n.id.Node, Name: n.config.Name, Group: placing{n}, Evidence: placing{n}.Evidence, Log: n.config.Logger,
		Told: func(f *tracing.Failover) {
			t.metrics.Told(f)
			t.exporter.Export(f)
		},
	})
	if err != nil {
		return t, err
	}
	t.teller, err = failover.StartTeller(failover.TellerConfig{
		Self: n.id.Node, Leader: placing{n}.Leader, Call: remote{n}.failover, Here: t.watch.Took, Log: n.config.Logger,
	})
	return t, err
}

// failover calls the placement leader about failovers.
func (r remote) failover(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
	return r.Call(ctx, to, transport.KindFailover, body)
}

// closeLimit is how long a node that stops tries to get its last traces to a collector.
const closeLimit = 2 * time.Second

func (t *telling) close() error {
	if t == nil {
		return nil
	}
	if t.teller != nil {
		t.teller.Close()
	}
	if t.watch != nil {
		t.watch.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if err := t.exporter.Close(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// applied says that the agreed state has changed, or who leads.
func (t *telling) applied(leader shards.NodeID, term uint64) {
	if leader != "" && t.term.Load() != term {
		if before := t.term.Swap(term); before != term && before != 0 {
			t.figures.LeaderChanged()
		}
	}
	t.watch.Applied()
	t.teller.Wake()
}

// took notes that a copy here has taken over its shard. It is called in the shard's turn.
func (n *Node) took(t shard.Takeover) {
	if space := n.state().Keyspace(t.Shard.Keyspace()); t.Written == 0 && space != nil && n.actors.Uses(space.Name) {
		n.actors.Led(t.Shard) // other keyspaces are not scanned: what users keep there may look like an actor's
	}
	n.telling.teller.Took(failover.Takeover{Shard: t.Shard, Term: t.Term, Heard: t.Heard, Served: t.Served, Written: t.Written, Entries: t.Entries, Waited: t.Waited, Write: t.Write})
}

// arrived notes that another copy of a shard that is led here has all. It is called in the shard's turn.
func (n *Node) arrived(a shard.Arrival) {
	if !a.Again {
		n.telling.figures.Recovered(time.Duration(time.Now().UnixNano()-a.Began), a.Bytes, a.Operations)
	}
	n.telling.teller.Arrived(failover.Arrival{Shard: a.Shard, Copy: a.Copy, Node: a.Node, Bytes: a.Bytes, Operations: a.Operations})
}

// waited notes that a request had to be tried again.
func (n *Node) waited(id shards.ShardID, began, ended time.Time) {
	if t := n.telling; t != nil {
		t.teller.Waited(id, began, ended)
	}
}

// planned is told of each plan that placement has proposed.
func (n *Node) planned(p placement.Planned) {
	n.plans.add(p)
	n.count(&p)
	n.telling.watch.Planned(p)
}

// idle is told of each plan that changes nothing.
func (n *Node) idle(p placement.Planned) {
	n.plans.add(p)
	n.telling.watch.Idle(p)
}

// Failovers are those that the cluster remembers, drains and moves as well, the oldest first, with those that go on now and the suspicions that were
// refuted lately, as the placement leader knows them. When the leader cannot be asked they are missing, and the error says so. After Close
// it wraps ErrClosed.
func (n *Node) Failovers(ctx context.Context) ([]*tracing.Failover, error) {
	if n.stopped.Load() {
		return nil, errClosed
	}
	open, err := n.openStories(ctx)
	list := slices.Clone(open)
	state := n.state()
	for i := range state.Failovers {
		entry := &state.Failovers[i]
		known := slices.ContainsFunc(list, func(f *tracing.Failover) bool { // a life may have been suspected before, or drained
			return f.Kind == tracing.KindFailover && f.Node == string(entry.Node) && f.Epoch == uint64(entry.Epoch)
		})
		if known || len(entry.Record) == 0 {
			continue
		}
		f, damaged := tracing.DecodeFailover(entry.Record)
		if damaged != nil {
			err = cmp.Or(err, fmt.Errorf("the failover of node %s in epoch %d cannot be read: %w", state.NodeName(entry.Node), entry.Epoch, damaged))
			continue
		}
		list = append(list, f)
	}
	for i := range state.Drains {
		entry := &state.Drains[i]
		if entry.Open || len(entry.Record) == 0 {
			continue
		}
		f, damaged := tracing.DecodeFailover(entry.Record)
		if damaged != nil {
			what := "the moves, the copies of a node that died, or the switch of policies,"
			if entry.Node != "" {
				what = fmt.Sprintf("the drain of node %s in epoch %d", state.NodeName(entry.Node), entry.Epoch)
			}
			err = cmp.Or(err, fmt.Errorf("%s that began at version %d cannot be read: %w", what, entry.At, damaged))
			continue
		}
		if !slices.ContainsFunc(list, func(x *tracing.Failover) bool { return x.Trace() == f.Trace() }) {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b *tracing.Failover) int { return cmp.Compare(a.Gone(), b.Gone()) })
	return list, err
}

func (n *Node) openStories(ctx context.Context) ([]*tracing.Failover, error) {
	leader, _ := placing{n}.Leader()
	switch leader {
	case n.id.Node:
		return n.telling.watch.Open(), nil
	case "":
		return nil, fmt.Errorf("nobody leads the cluster now: failovers that go on are not shown")
	}
	body, err := remote{n}.failover(ctx, leader, failover.AskStories())
	if err != nil {
		return nil, fmt.Errorf("the placement leader was not reached, failovers that go on are not shown: %w", err)
	}
	return failover.DecodeStories(body)
}
