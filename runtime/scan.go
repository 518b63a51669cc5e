package runtime

import (
	"bytes"
	"container/heap"
	"context"
	"iter"
	"time"

	"github.com/troupe-actors/troupe/actors/directory"
)

// ScanOptions choose what Scan visits. The zero value visits everything in order.
type ScanOptions struct {
	Prefix  string // only keys that start with it
	After   string // only keys that come later in the order of the scan; "" = from the start
	To      string // only keys that come earlier in the order of the scan; "" = to the end
	Reverse bool   // from the last key to the first
}

// Entry is one key that a scan has come to. Key and Value are views: they are valid until the next step, and nobody may write into them, since
// they can be what the shard itself holds. Who keeps or changes them makes a copy.
type Entry struct {
	Key      []byte
	Value    []byte
	Version  uint64
	ExpireAt time.Time // zero: never
}

// Scan visits keys in the order of their bytes, across all shards of the keyspace. Each shard shows one moment, its own, at
// which the scan began; writers are not held up, and memory for what they overwrite meanwhile is held until the scan ends: while
// others hold as much as they may, a scan is refused with an error of shards.KindFull. A scan may be slow; one that asks for nothing for a
// minute is cut off where its shards are led elsewhere, with an error of shards.KindUnavailable. An error ends the scan.
func (s *Store) Scan(ctx context.Context, o ScanOptions) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m := merge{reverse: o.Reverse}
		defer m.close()
		now, reader := s.node.now().UnixMilli(), s.node.directory.Reader()
		low, high := o.bounds()
		for i := range s.space.Shards {
			if err := m.add(reader.View(ctx, s.space.id(i), low, high, o.Reverse), now); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		heap.Init(&m)
		for m.Len() > 0 {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(m.walks[0].entry(), nil) {
				return
			}
			if err := m.step(now); err != nil {
				yield(Entry{}, err)
				return
			}
		}
	}
}

// bounds are the scan's: from low up to, and without, high; nil: to the end.
func (o ScanOptions) bounds() (low, high []byte) {
	low, high = []byte(o.Prefix), prefixEnd(o.Prefix)
	if o.Reverse {
		if o.After != "" && (high == nil || o.After < string(high)) {
			high = []byte(o.After)
		}
		if o.To != "" {
			low = []byte(max(string(low), o.To+"\x00"))
		}
		return low, high
	}
	if o.After != "" {
		low = []byte(max(string(low), o.After+"\x00"))
	}
	if o.To != "" && (high == nil || o.To < string(high)) {
		high = []byte(o.To)
	}
	return low, high
}

// prefixEnd is the first key after all that start with prefix; nil if there is none.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return nil
	}
	end[len(end)-1]++
	return end
}

// merge is a heap of the shards' walks by their present key.
type merge struct {
	reverse bool
	walks   []*walk
	stops   []func()
}

type walk struct {
	next func() (directory.Entry, error, bool)
	at   directory.Entry
}

func (w *walk) entry() Entry {
	v := valueOf(w.at.Value, w.at.Version, w.at.ExpireAt)
	return Entry{Key: w.at.Key, Value: v.Bytes, Version: v.Version, ExpireAt: v.ExpireAt}
}

// advance goes to the walk's next key that has not expired.
func (w *walk) advance(now int64) (more bool, err error) {
	for {
		w.at, err, more = w.next()
		if !more || err != nil {
			return false, err
		}
		if w.at.ExpireAt == 0 || w.at.ExpireAt > now {
			return true, nil
		}
	}
}

func (m *merge) add(keys iter.Seq2[directory.Entry, error], now int64) error {
	next, stop := iter.Pull2(keys)
	m.stops = append(m.stops, stop)
	w := &walk{next: next}
	more, err := w.advance(now)
	if more {
		m.walks = append(m.walks, w)
	}
	return err
}

func (m *merge) step(now int64) error {
	more, err := m.walks[0].advance(now)
	switch {
	case err != nil:
		return err
	case more:
		heap.Fix(m, 0)
	default:
		heap.Pop(m)
	}
	return nil
}

func (m *merge) close() {
	for _, stop := range m.stops {
		stop()
	}
}

func (m *merge) Len() int { return len(m.walks) }
func (m *merge) Less(i, j int) bool {
	order := bytes.Compare(m.walks[i].at.Key, m.walks[j].at.Key)
	if m.reverse {
		return order > 0
	}
	return order < 0
}
func (m *merge) Swap(i, j int) { m.walks[i], m.walks[j] = m.walks[j], m.walks[i] }
func (m *merge) Push(any)      { panic("runtime: a merge does not grow") }
func (m *merge) Pop() any {
	last := m.walks[len(m.walks)-1]
	m.walks = m.walks[:len(m.walks)-1]
	return last
}
