package failover

import (
	"cmp"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// Felt is how long requests waited on a node because their shard had no primary that answered: those of one trouble, from the
// first that was tried again. Times are nanoseconds since 1970 by the clock of the node.
type Felt struct {
	Shard    shards.ShardID
	Node     shards.NodeID
	Requests int
	Began    int64 // of the first
	Ended    int64 // of the last, so far
	Longest  int64 // nanoseconds that one waited

	ahead          int64 // how far the clock of the node was ahead, if its times could not be and have been set back by that
	sent, received int64 // by the clocks of its node and of this one, if it came from another
}

// setBack corrects times that cannot be, as of takeovers: a wait is told after it ended, and what is told of a trouble comes after that began. Of a message that
// was long on its way nobody knows whether the clock is behind, but who sends it waits for tellTimeout at most.
func (f *Felt) setBack(gone int64) {
	ahead := f.sent - f.received
	if f.Ended <= f.received && ahead <= int64(tellTimeout) && (f.sent >= gone || -ahead <= int64(tellTimeout)) {
		return
	}
	f.Began, f.Ended, f.ahead = f.Began-ahead, f.Ended-ahead, ahead
}

// quiet parts two troubles: requests that begin so long after the last has ended wait for something else.
const quiet = 10 * int64(1e9)

// add counts a request that waited.
func (f *Felt) add(began, ended int64) {
	if f.Requests > 0 && began > f.Ended+quiet {
		*f = Felt{Shard: f.Shard, Node: f.Node}
	}
	if f.Requests == 0 || began < f.Began {
		f.Began = began
	}
	f.Requests, f.Ended, f.Longest = f.Requests+1, max(f.Ended, ended), max(f.Longest, ended-began)
}

// feel takes what requests to a shard felt on a node. It is cumulative: it replaces what that node has told of the trouble before.
func (s *stories) feel(state *cluster.State, told *Felt) {
	for _, x := range s.open {
		f := *told
		if f.received != 0 {
			f.setBack(x.Gone())
		}
		if x.Kind != tracing.KindFailover || x.shard(f.Shard) == nil || f.Ended < x.Gone() {
			continue
		}
		at := slices.IndexFunc(x.felt, func(y Felt) bool { return y.Shard == f.Shard && y.Node == f.Node })
		if at < 0 {
			at, x.felt = len(x.felt), append(x.felt, Felt{})
		}
		x.felt[at] = f
		x.Clients = clients(state, x.felt, x.waits)
	}
}

// clients sums up by node. Of a node that has told another leader and tells no more it is what that one wrote down.
func clients(state *cluster.State, list []Felt, before []tracing.Wait) (out []tracing.Wait) {
	for i := range list {
		f := &list[i]
		at := slices.IndexFunc(out, func(w tracing.Wait) bool { return w.ID == string(f.Node) })
		if at < 0 {
			at, out = len(out), append(out, tracing.Wait{ID: string(f.Node), Node: state.NodeName(f.Node), Began: f.Began})
		}
		w := &out[at]
		w.Requests, w.Began, w.Ended, w.Longest = w.Requests+f.Requests, min(w.Began, f.Began), max(w.Ended, f.Ended), max(w.Longest, f.Longest)
		w.Ahead = cmp.Or(w.Ahead, f.ahead)
	}
	for _, w := range before {
		if !slices.ContainsFunc(out, func(x tracing.Wait) bool { return x.ID == w.ID }) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b tracing.Wait) int { return cmp.Compare(a.Node, b.Node) })
	return out
}
