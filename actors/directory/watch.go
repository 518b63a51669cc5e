package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// WatchOptions say what is followed.
type WatchOptions struct {
	Keyspace shards.KeyspaceID
	Shards   int // of the keyspace
	Prefix   []byte
	From     func(index int) shards.SeqNo // by shard: the last change seen; 0: from now on
	Capacity int                          // changes kept per shard for a slow reader
}

// Watch follows the changes of keys under a prefix in all shards of a keyspace, wherever they are, until ctx ends. Changes
// of one shard come in order. A shard is followed at its primary; when another copy takes its place, that one is followed from
// where the last one was left, with a ChangeResync if changes may have been missed. Keys and values are the caller's. The error is yielded last; the end of ctx is none,
// Close is one of KindUnavailable.
func (d *Directory) Watch(ctx context.Context, o WatchOptions) iter.Seq2[shard.Change, error] {
	return func(yield func(shard.Change, error) bool) {
		w := d.newWatching(o)
		for i := range w.seen {
			w.seen[i] = o.From(i)
		}
		w.run(ctx, yield, func() bool { return false })
	}
}

func (d *Directory) newWatching(o WatchOptions) *watching {
	return &watching{directory: d, o: o, events: make(chan watchEvent), seen: make([]shards.SeqNo, o.Shards), at: make([]*follower, o.Shards)}
}

// run follows until ctx ends, nobody wants to hear more, or it is enough. Nothing of it runs when it returns.
func (w *watching) run(ctx context.Context, yield func(shard.Change, error) bool, enough func() bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer w.followers.Wait()
	defer cancel()
	version := w.directory.config.State().Version // before follow looks: what changes after that is told
	w.followers.Go(func() { w.lookAtTable(ctx, version) })
	w.follow(ctx, w.all())
	for !enough() {
		select {
		case <-ctx.Done():
			return
		case <-w.directory.open.Done():
			yield(shard.Change{}, &shards.Error{Kind: shards.KindUnavailable, Err: shard.ErrClosed})
			return
		case e := <-w.events:
			if !w.take(ctx, e, yield) {
				return
			}
		}
	}
}

// Position says which change is the last one of each shard of a keyspace, by index, as its primary knows it at a moment of the call: a Watch
// from there misses nothing that comes later. Unmoved stands for a shard without any. From then on primaries remember changes for a Watch.
func (d *Directory) Position(ctx context.Context, keyspace shards.KeyspaceID, n int) ([]shards.SeqNo, error) {
	w := d.newWatching(WatchOptions{Keyspace: keyspace, Shards: n, Capacity: 1})
	patient, cancel := context.WithTimeout(ctx, d.config.Patience)
	defer cancel()
	var failed error
	missing := 0
	w.run(patient, func(_ shard.Change, err error) bool {
		failed = err
		return err == nil
	}, func() bool {
		for missing < n && w.seen[missing] != 0 {
			missing++
		}
		return missing == n
	})
	switch {
	case failed != nil:
		return nil, failed
	case missing == n:
		return w.seen, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, &shards.Error{Kind: shards.KindUnavailable, Err: fmt.Errorf("shard %v has no primary that answers", w.id(missing))}
}

// watching is one Watch. Its fields belong to the goroutine that iterates.
type watching struct {
	directory *Directory
	o         WatchOptions
	events    chan watchEvent
	followers sync.WaitGroup
	seen      []shards.SeqNo // by shard: the last change delivered, or where it was when its follower began
	at        []*follower    // by shard: who follows it; nil while nobody does
}

// watchEvent is what a follower, or the table, tells.
type watchEvent struct {
	follower *follower
	began    []shards.SeqNo // by place in follower.indexes: where its shards were when it began
	changes  []shard.Change
	lost     error // the follower has ended
	looked   bool  // the table has changed
	again    []int // shards to try again
}

// follower follows some shards on one copy's node.
type follower struct {
	node    shards.NodeID
	indexes []int
	locals  []*shard.Shard // if it is this node
	from    []shards.SeqNo
	end     context.CancelFunc
}

func (w *watching) all() []int {
	all := make([]int, w.o.Shards)
	for i := range all {
		all[i] = i
	}
	return all
}

// take handles one event, and says whether to go on.
func (w *watching) take(ctx context.Context, e watchEvent, yield func(shard.Change, error) bool) bool {
	switch {
	case e.looked:
		w.leaveMoved()
	case e.again != nil:
		w.follow(ctx, e.again)
	case e.lost != nil:
		if hopeless(e.lost) && e.follower.locals != nil {
			yield(shard.Change{}, e.lost)
			return false
		}
		w.lose(ctx, e.follower)
	case e.began != nil:
		return w.begin(e, yield)
	}
	for i := range e.changes {
		c := &e.changes[i]
		if w.at[c.Shard] != e.follower {
			continue
		}
		w.seen[c.Shard] = max(w.seen[c.Shard], c.Seq)
		if !yield(*c, nil) {
			return false
		}
	}
	return true
}

// begin notes where a follower's shards are. One that was followed before, and about which nothing is known, may have
// changed meanwhile.
func (w *watching) begin(e watchEvent, yield func(shard.Change, error) bool) bool {
	for place, index := range e.follower.indexes {
		again := e.follower.from[place] == 0 && w.seen[index] == Unmoved && e.began[place] != 0
		if w.seen[index] == 0 || w.seen[index] == Unmoved {
			w.seen[index] = e.began[place]
		}
		if w.seen[index] == 0 {
			w.seen[index] = Unmoved
		}
		if again && !yield(shard.Change{Shard: index, Change: store.Change{Kind: store.ChangeResync}}, nil) {
			return false
		}
	}
	return true
}

// Unmoved stands for the place of a shard that had no transaction.
const Unmoved = ^shards.SeqNo(0)

// leaveMoved ends followers of copies that lead no longer: they may be behind, and those that are gone say nothing.
func (w *watching) leaveMoved() {
	state := w.directory.config.State()
	for _, f := range w.at {
		if f == nil {
			continue
		}
		for place, index := range f.indexes {
			id := w.id(index)
			if node, _ := primaryOf(state, id); node != f.node || f.locals != nil && w.directory.config.Local(id) != f.locals[place] {
				f.end()
				break
			}
		}
	}
}

func (w *watching) id(index int) shards.ShardID { return shards.NewShardID(w.o.Keyspace, index) }

// lose has the shards of a follower followed by others, after a pause.
func (w *watching) lose(ctx context.Context, f *follower) {
	for _, index := range f.indexes {
		w.at[index] = nil
	}
	f.end()
	w.tryLater(ctx, f.indexes)
}

func (w *watching) tryLater(ctx context.Context, indexes []int) {
	w.followers.Go(func() {
		w.directory.rest(ctx, longestPause)
		w.send(ctx, watchEvent{again: indexes})
	})
}

func (w *watching) send(ctx context.Context, e watchEvent) bool {
	select {
	case w.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// lookAtTable tells that the table has changed since a version, and whenever it changes again, a few times a second at most.
func (w *watching) lookAtTable(ctx context.Context, version uint64) {
	pause := time.NewTicker(longestPause)
	defer pause.Stop()
	for {
		if w.directory.config.Await(ctx, version) != nil {
			return
		}
		version = w.directory.config.State().Version // before it is looked at: what comes in the pause is told after it
		if !w.send(ctx, watchEvent{looked: true}) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// follow starts followers for shards: one for each node.
func (w *watching) follow(ctx context.Context, indexes []int) {
	state := w.directory.config.State()
	var groups []*follower
	var nowhere []int
	for _, index := range indexes {
		node, _ := primaryOf(state, w.id(index))
		var local *shard.Shard
		if node == w.directory.config.Self {
			local = w.directory.config.Local(w.id(index))
		}
		if node == "" || local == nil && (node == w.directory.config.Self || w.directory.config.Remote == nil) {
			nowhere = append(nowhere, index)
			continue
		}
		groups = place(groups, node, index, local)
	}
	for _, f := range groups {
		w.start(ctx, f)
	}
	if len(nowhere) > 0 {
		w.tryLater(ctx, nowhere)
	}
}

// place adds a shard to the follower of its node.
func place(groups []*follower, node shards.NodeID, index int, local *shard.Shard) []*follower {
	var f *follower
	for _, g := range groups {
		if g.node == node {
			f = g
		}
	}
	if f == nil {
		f = &follower{node: node}
		groups = append(groups, f)
	}
	f.indexes = append(f.indexes, index)
	if local != nil {
		f.locals = append(f.locals, local)
	}
	return groups
}

func (w *watching) start(ctx context.Context, f *follower) {
	inner, end := context.WithCancel(ctx)
	f.end = end
	for _, index := range f.indexes {
		from := w.seen[index]
		if from == Unmoved {
			from = 0
		}
		f.from = append(f.from, from)
		w.at[index] = f
	}
	w.followers.Go(func() {
		err := w.stay(inner, f)
		w.send(ctx, watchEvent{follower: f, lost: err})
	})
}

// stay follows on one copy until it cannot go on; the error says why, and is never nil.
func (w *watching) stay(ctx context.Context, f *follower) error {
	if f.locals == nil {
		return w.stayThere(ctx, f)
	}
	began, watch, err := openWatch(f.locals, w.o.Prefix, f.from, w.o.Capacity)
	if err != nil {
		return err
	}
	defer watch.Close()
	w.send(ctx, watchEvent{follower: f, began: began})
	for {
		changes, err := watch.Next(ctx, nil)
		if err != nil {
			return err
		}
		if !w.send(ctx, watchEvent{follower: f, changes: changes}) {
			return ctx.Err()
		}
	}
}

// openWatch follows shards on this node, and tells where each was just before.
func openWatch(locals []*shard.Shard, prefix []byte, from []shards.SeqNo, capacity int) ([]shards.SeqNo, *shard.Watch, error) {
	began := make([]shards.SeqNo, len(locals))
	starts := map[int]shards.SeqNo{}
	for i, s := range locals {
		began[i] = s.Stats().Applied
		starts[s.ID().Index()] = from[i]
	}
	watch, err := shard.NewWatch(locals, prefix, func(index int) shards.SeqNo { return starts[index] }, capacity)
	for i := 0; i < len(locals) && err == nil; i++ {
		if began[i] == 0 && locals[i].Stats().Applied > 0 { // its first transaction came between, and perhaps before the watch
			began[i] = 1
		}
	}
	return began, watch, err
}

// stayThere follows shards on another node.
func (w *watching) stayThere(ctx context.Context, f *follower) error {
	q := watchQuery{op: watchOpen, prefix: w.o.Prefix, capacity: w.o.Capacity, from: f.from}
	for _, index := range f.indexes {
		q.shards = append(q.shards, w.id(index))
	}
	a, err := w.directory.callWatch(ctx, f.node, &q)
	if err != nil {
		return err
	}
	id := a.watch
	defer w.directory.closeWatch(f.node, id)
	if len(a.began) != len(f.indexes) {
		return errWatchAnswer
	}
	w.send(ctx, watchEvent{follower: f, began: a.began})
	for {
		if a, err = w.directory.callWatch(ctx, f.node, &watchQuery{op: watchNext, watch: id}); err != nil {
			return err
		}
		for i := range a.changes {
			if a.changes[i].Shard >= w.o.Shards {
				return errWatchAnswer
			}
		}
		if !w.send(ctx, watchEvent{follower: f, changes: a.changes}) {
			return ctx.Err()
		}
	}
}

var errWatchAnswer = errors.New("the other node answers a watch with shards that were not asked for")

func (d *Directory) callWatch(ctx context.Context, to shards.NodeID, q *watchQuery) (*watchAnswer, error) {
	body, err := d.config.Remote.Call(ctx, to, transport.KindWatch, q.encode())
	if err != nil {
		return nil, err
	}
	a := new(watchAnswer)
	return a, a.decode(body)
}

// closeWatch lets a remote watch go. If the message is lost the watch ends by itself.
func (d *Directory) closeWatch(to shards.NodeID, id uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = d.callWatch(ctx, to, &watchQuery{op: watchClose, watch: id}) // it ends by itself in a minute
}
