package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/past"
	"github.com/troupe-actors/troupe/shards"
)

// Span is a span of time in Unix milliseconds, both ends included.
type Span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// History is the answer of /_cluster/history: how the shard table changed in a span of time.
type History struct {
	Node    string    `json:"node"`    // who tells, and by whose clock
	Began   int64     `json:"began"`   // Unix milliseconds: what was before it does not remember
	More    bool      `json:"more"`    // there are later moments in the span: ask again, from the last At on
	Moments []Routing `json:"moments"` // the first is whole; its At may be before the span, and is after its beginning if more is not remembered
}

// HistoryOf describes moments as the HTTP API does; began is in nanoseconds since 1970.
func HistoryOf(node string, began int64, moments []past.Moment, more bool) History {
	h := History{Node: node, Began: began / int64(time.Millisecond), More: more, Moments: []Routing{}}
	var known *past.Moment
	for i := range moments {
		m := &moments[i]
		s := &cluster.State{Members: m.Members, Keyspaces: m.Keyspaces}
		line := Routing{At: m.At / int64(time.Millisecond), Version: m.Version, Whole: m.Whole}
		if m.Leader != "" {
			line.Leader = s.NodeName(m.Leader)
		}
		if known == nil || m.Leader != known.Leader || len(m.Members) != len(known.Members) || len(m.Members) > 0 && &m.Members[0] != &known.Members[0] {
			line.Nodes = membersOf(s, m.Leader)
		}
		for j := range m.Rows {
			line.Shards = append(line.Shards, rowOf(s, &m.Rows[j]))
		}
		h.Moments, known = append(h.Moments, line), m
	}
	return h
}

// membersOf are the members as they were agreed, without what only the leader knew of them.
func membersOf(s *cluster.State, leader shards.NodeID) []Node {
	o := &overview{state: s, evidence: Evidence{Leader: leader, Members: map[shards.NodeID]Liveness{}}}
	for i := range s.Members {
		if m := &s.Members[i]; !m.Down {
			o.evidence.Members[m.ID] = Liveness{State: Alive}
		}
	}
	o.members()
	return o.nodes
}

// history answers how the table changed. If this node does not remember the beginning of the span, the one is asked that remembers most.
func (s *Server) history(x *exchange, q *query) error {
	span := Span{From: q.moment("from", 0), To: q.moment("to", s.backend.Now())}
	if q.err != nil {
		return q.err
	}
	if span.To < span.From {
		return invalid("the span ends before it begins: from is %d and to %d, in milliseconds since 1970", span.From, span.To)
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	own := s.backend.Node().ID
	who := own
	if view, err := c.View(x.r.Context(), own, false); err != nil || view.Past == 0 || view.Past > span.From {
		who = s.oldest(x.r.Context(), c, state, own)
	}
	h, err := c.Past(x.r.Context(), who, span)
	if err != nil && who != own { // it has gone meanwhile
		h, err = c.Past(x.r.Context(), own, span)
	}
	if err != nil {
		return err
	}
	x.json(http.StatusOK, h)
	return nil
}

// oldest is the member that remembers most of those that answer; rather this node if it is no worse.
func (s *Server) oldest(ctx context.Context, c Cluster, state *cluster.State, own shards.NodeID) shards.NodeID {
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	past := make([]int64, len(state.Members))
	var asked sync.WaitGroup
	for i := range state.Members {
		if m := &state.Members[i]; !m.Down {
			asked.Go(func() {
				if v, err := c.View(ctx, m.ID, false); err == nil { // who does not answer remembers nothing
					past[i] = v.Past
				}
			})
		}
	}
	asked.Wait()
	best, since := own, int64(0)
	for i := range state.Members {
		if id := state.Members[i].ID; past[i] > 0 && (since == 0 || past[i] < since || past[i] == since && id == own) {
			best, since = id, past[i]
		}
	}
	return best
}

// moment reads a time: Unix milliseconds, or RFC 3339.
func (q *query) moment(name string, otherwise int64) int64 {
	text := q.values.Get(name)
	if text == "" {
		return otherwise
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 && ms < 1<<43 {
		return ms
	}
	t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(text, " ", "+")) // a bare + in a query is a blank
	if err != nil || t.UnixMilli() < 0 || t.UnixMilli() >= 1<<43 {
		q.fail("parameter %q is %q; must be milliseconds since 1970, or a time such as 2026-03-01T12:00:00Z", name, clip(text))
	}
	return t.UnixMilli()
}

// History asks how the shard table changed in a span of time. Zero times: from where it is remembered, until now.
func (c *Client) History(ctx context.Context, from, to time.Time) (h History, err error) {
	query := url.Values{}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			query.Set(name, strconv.FormatInt(t.UnixMilli(), 10))
		}
	}
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/history", query: query, repeatable: true}, &h)
	return h, err
}
