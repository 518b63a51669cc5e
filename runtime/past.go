package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/past"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// Bounds of what a node remembers of the shard table, in bytes, and of one answer about it, in rows.
const (
	maxPast     = 8 << 20
	maxPastRows = 20_000
)

// memory is the shard table as this node has seen it change since its start, by its own clock. The zero value is empty.
type memory struct {
	mu   sync.Mutex
	book *past.Book
}

// note takes the newest state.
func (m *memory) note(s *cluster.State, p placing) {
	leader, _ := p.Leader()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.book == nil {
		m.book = past.New(maxPast)
	}
	m.book.Note(s, leader, time.Now().UnixNano())
}

// began is the time in Unix milliseconds from which on something is remembered; 0: nothing is.
func (m *memory) began() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.book == nil {
		return 0
	}
	return m.book.Began() / int64(time.Millisecond)
}

// span is what is remembered of a span of time. It is made of a copy of the book: whoever takes a new state does not wait for it.
func (m *memory) span(name string, s admin.Span) admin.History {
	book := past.New(maxPast)
	m.mu.Lock()
	if m.book != nil {
		*book = *m.book
	}
	m.mu.Unlock()
	ms := int64(time.Millisecond) // all changes of both milliseconds belong to it
	moments, more := book.Between(s.From*ms-1, (s.To+1)*ms-1, maxPastRows)
	return admin.HistoryOf(name, book.Began(), moments, more)
}

// Past asks a member what it remembers of the shard table.
func (c clusterAPI) Past(ctx context.Context, node shards.NodeID, span admin.Span) (admin.History, error) {
	if node == c.node.id.Node {
		return c.node.past.span(c.node.config.Name, span), nil
	}
	var h admin.History
	return h, c.node.ask(ctx, node, inquiry{Past: &span}, &h)
}
