package directory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
)

// Reader reads views of several shards at once. Those that other nodes hold for it live as long as it goes on with any of them. Once it
// stands still, for a minute or a little less, they end: they hold memory. Only one goroutine at a time uses it.
type Reader struct {
	directory *Directory
	open      map[shards.NodeID][]uint64 // the views that other nodes hold
	kept      time.Time                  // when the first of them was opened, or all were kept
}

// keepEvery is how long a reader leaves its views alone. It is short beside viewLife, since who stands still has that left, less this.
const keepEvery = viewLife / 6

// mostKept is how many views are kept by one call.
const mostKept = 4096

// Reader makes one.
func (d *Directory) Reader() *Reader {
	return &Reader{directory: d, open: map[shards.NodeID][]uint64{}}
}

// stepped has the nodes that hold views for this reader hold them on, if they have not been told for a while. It is called with each of
// the reader's steps, and by nobody else.
func (r *Reader) stepped(ctx context.Context) {
	if len(r.open) == 0 || time.Since(r.kept) < keepEvery {
		return
	}
	for node, views := range r.open {
		for part := range slices.Chunk(views, mostKept) {
			r.keep(ctx, node, part)
		}
	}
	r.kept = time.Now()
}

// keep asks one node. Whether it holds them still, the next page of each tells; a node of a release before holds them for a minute.
func (r *Reader) keep(ctx context.Context, node shards.NodeID, views []uint64) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = r.directory.call(ctx, node, &query{op: opKeep, view: views[0], low: encodeViews(views)})
}

// View yields the keys of one shard from low up to, and without, high (nil: to the end) in order, or from the end to the
// start, as they were at the moment of the first step; what has expired and is not deleted yet is among them. An entry is
// valid until the next step. An error is yielded last; after the first entry it may say that the view was lost with its node,
// or has ended because its reader stood still for a minute.
func (r *Reader) View(ctx context.Context, id shards.ShardID, low, high []byte, reverse bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r.stepped(ctx)
		q := query{op: opOpen, shard: id, low: low, high: high, reverse: reverse}
		var local *shard.View
		var page *answer
		var from shards.NodeID
		err := r.directory.ask(ctx, &q, func(s *shard.Shard) (err error) {
			local, err = s.View()
			return err
		}, func(node shards.NodeID, a *answer) { from, page = node, a })
		switch {
		case err != nil:
			yield(Entry{}, err)
		case local != nil:
			defer local.Close()
			for key, it := range q.walk(local) {
				if !yield(entryOf(key, it), nil) {
					return
				}
				r.stepped(ctx)
			}
		default:
			r.pages(ctx, from, page, yield)
		}
	}
}

// pages yields a remote view, page by page.
func (r *Reader) pages(ctx context.Context, from shards.NodeID, page *answer, yield func(Entry, error) bool) {
	view := page.view
	r.opened(from, view)
	defer r.closed(from, view)
	for {
		for i := range page.entries {
			if yield(page.entries[i], nil) {
				r.stepped(ctx)
				continue
			}
			if page.view != 0 {
				r.directory.closeView(from, view)
			}
			return
		}
		if page.view == 0 {
			return
		}
		next, err := r.directory.call(ctx, from, &query{op: opNext, view: view})
		if err != nil {
			r.directory.closeView(from, view)
			yield(Entry{}, fmt.Errorf("the rest of the shard could not be read; begin again after the last key: %w", err))
			return
		}
		if page = next; page.view == 0 {
			r.closed(from, view) // its last page may take long
		}
	}
}

// opened notes a view that a node holds; 0 is none.
func (r *Reader) opened(node shards.NodeID, view uint64) {
	if view == 0 {
		return
	}
	if len(r.open) == 0 {
		r.kept = time.Now()
	}
	r.open[node] = append(r.open[node], view)
}

// closed forgets it.
func (r *Reader) closed(node shards.NodeID, view uint64) {
	left := slices.DeleteFunc(r.open[node], func(v uint64) bool { return v == view })
	if r.open[node] = left; len(left) == 0 {
		delete(r.open, node)
	}
}

// closeView lets a remote view go. If the message is lost the view ends by itself.
func (d *Directory) closeView(from shards.NodeID, view uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = d.call(ctx, from, &query{op: opClose, view: view}) // it ends by itself in a minute
}
