package resp

import (
	"sort"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// fan is a command over keys of several slots, as MGET a b c. Its keys are sorted by slot, and each slot's keys become one
// part: a request of its own with its own transaction. The parts are not atomic together, which Redis Cluster would refuse
// altogether (CROSSSLOT).
//
// The parts go wherever their shards are, also for a client that follows redirections: no single node could answer it.
//
//	MGET a b c     slots 15495 3300 7365     order = [1 2 0]     parts = MGET b │ MGET c │ MGET a
type fan struct {
	order []int // the places of the keys among all keys, sorted by slot
	parts []*request
}

// spread splits a command over several slots into parts and puts them among the calls.
func (c *conn) spread(b *batch, q *request) {
	type placed struct {
		slot shards.Slot
		key  int
	}
	var keys []placed
	q.cmd.keys(q.args, func(i int) { keys = append(keys, placed{shards.SlotOf(q.args[i]), i}) })
	sort.SliceStable(keys, func(i, j int) bool { return keys[i].slot < keys[j].slot })
	f := &fan{order: make([]int, len(keys))}
	for at := 0; at < len(keys); {
		args := [][]byte{q.args[0]}
		slot := keys[at].slot
		for ; at < len(keys) && keys[at].slot == slot; at++ {
			args = append(args, q.args[keys[at].key])
			f.order[at] = keys[at].key - q.cmd.first
		}
		part := &request{budget: q.budget}
		part.reset(q.cmd, args)
		part.now, part.v3, part.part, part.Reach = q.now, q.v3, true, q.Reach&ReachStale
		if len(args) > store.MaxOps {
			q.fail(errManyKeys)
			return
		}
		if err := q.cmd.compile(part); err != nil {
			q.fail(err)
			return
		}
		f.parts = append(f.parts, part)
		part.Slot = slot
	}
	q.fan, q.state = f, stateFanned
	for _, part := range f.parts {
		b.ask(part, part.Slot)
	}
}

// merge makes one reply of the parts: the sum where the command counts, the items in the order of the keys where it lists.
func (f *fan) merge(q *request) {
	q.sum = 0
	items := make([][]byte, len(f.order))
	at := 0
	for _, part := range f.parts {
		if part.Err != nil {
			q.fail(part.Err)
			return
		}
		q.sum += part.sum
		start := 0
		for _, end := range part.ends {
			items[f.order[at]] = part.out[start:end]
			start = end
			at++
		}
	}
	if q.cmd.finish != nil {
		q.cmd.finish(q)
		return
	}
	q.out = appendArray(q.out[:0], len(items))
	for _, item := range items {
		q.out = append(q.out, item...)
	}
	q.fan = nil
}

// countFound and countChanged add up results; finishSum replies with the sum.
func countFound(q *request, _ int, r *store.Result) {
	if r.Found {
		q.sum++
	}
}

func countChanged(q *request, _ int, r *store.Result) {
	if r.Changed {
		q.sum++
	}
}

func finishSum(q *request) { q.out = appendInt(q.out[:0], q.sum) }
