package directory

import (
	"context"
	"sync"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

// flights are the calls that this node waits for. A node that stands still keeps its connections and answers nothing; when the
// table has replaced it there is no reason to wait on, and what was asked is asked of its successor.
type flights struct {
	mu  sync.Mutex
	all map[*flight]struct{}
}

// flight is one call about a shard to the node that led it.
type flight struct {
	shard  shards.ShardID
	to     shards.NodeID
	cancel context.CancelFunc
}

// callLeader is Remote.Call about a shard to the node that leads it. It ends with the end of that reign: nobody knows then whether the call
// was served, as if the connection had broken.
func (d *Directory) callLeader(ctx context.Context, id shards.ShardID, to shards.NodeID, kind transport.Kind, body []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &flight{shard: id, to: to, cancel: cancel}
	d.flights.mu.Lock()
	d.flights.all[f] = struct{}{}
	d.flights.mu.Unlock()
	defer d.flights.land(f)
	if node, _ := primaryOf(d.config.State(), id); node != to { // between the look and the take-off
		return nil, &shards.NotPrimaryError{Shard: id, Primary: node}
	}
	return d.config.Remote.Call(ctx, to, kind, body)
}

func (fs *flights) land(f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.all, f)
}

// Changed ends the calls to nodes that do not lead their shards any more. The owner calls it with each change of the table.
func (d *Directory) Changed() {
	state := d.config.State()
	d.flights.mu.Lock()
	defer d.flights.mu.Unlock()
	for f := range d.flights.all {
		if node, _ := primaryOf(state, f.shard); node != f.to {
			f.cancel()
		}
	}
}
