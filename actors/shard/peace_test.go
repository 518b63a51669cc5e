package shard

import (
	"fmt"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// await waits until a condition holds.
func (w *town) await(what string, ok func() bool) {
	w.t.Helper()
	limit := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-limit:
			w.t.Fatalf("%s does not come: row %+v\n%s", what, w.row(0), w.describe())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (w *town) describe() string {
	var b strings.Builder
	for _, h := range w.houses {
		fmt.Fprintf(&b, "%s %+v\n", h.id, h.shards[0].Stats())
	}
	fmt.Fprintln(&b, w.failed)
	return b.String()
}

// inSync says that all copies of all rows are in sync, on living nodes.
func (w *town) inSync() bool {
	for i := range w.space.Shards {
		row := w.row(i)
		for _, c := range row.Copies {
			if !c.InSync || c.Fresh || c.Source != 0 || row.Primary == 0 || w.house(c.Node).over.Err() != nil {
				return false
			}
		}
	}
	return true
}

// whole says that all copies of all rows are in sync, on living nodes, equal, and know it: a node hears of a row a moment after it
// is decided.
func (w *town) whole() bool {
	for i := range w.space.Shards {
		row := w.row(i)
		p := w.primary(i)
		if p == nil {
			return false
		}
		want := p.Stats()
		for _, c := range row.Copies {
			h := w.house(c.Node)
			if !c.InSync || c.Fresh || c.Source != 0 || h.over.Err() != nil {
				return false
			}
			if st := h.shards[i].Stats(); st.Applied != want.Applied || st.Rolling != want.Rolling || !st.Available || st.Copy != c.ID {
				return false
			}
			if !h.shards[i].goesBy(row.Version) {
				return false
			}
		}
		if want.Applied != want.Replica.Last && !want.Solo {
			return false
		}
	}
	return true
}

// goesBy says whether this node has been told that version of the shard's row.
func (s *Shard) goesBy(version uint64) bool {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.part != nil && s.part.row.Version == version
}

// equal compares content, not only hashes.
func (w *town) equal() {
	w.t.Helper()
	for i := range w.space.Shards {
		digests := map[store.Digest]bool{}
		for _, c := range w.row(i).Copies {
			if err := w.house(c.Node).shards[i].InspectStale(func(s *store.Store) { digests[s.Digest()] = true }); err != nil {
				w.t.Error(err)
			}
		}
		if len(digests) != 1 {
			w.t.Errorf("the copies of shard %d hold %d different things", i, len(digests))
		}
	}
}
