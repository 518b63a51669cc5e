package admin

import (
	"context"
	"encoding/json"
	"net/http"
)

// ActorMail is a message between actors that was refused so often that it was set aside.
type ActorMail struct {
	ID     string          `json:"id"`
	Event  string          `json:"event"` // message, answer or reminder
	Node   string          `json:"node"`
	From   string          `json:"from"`
	To     string          `json:"to"`
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body,omitempty"`
	Reason string          `json:"reason"`
	Tries  int             `json:"tries"`
	At     int64           `json:"at"` // Unix milliseconds
}

// AsideList is the answer of /_actors/aside: messages that were set aside, by ID.
type AsideList struct {
	Aside []ActorMail `json:"aside"`
	Part
}

// Mending is the body of a POST to /_actors/aside.
type Mending struct {
	IDs  []string `json:"ids"`
	Drop bool     `json:"drop,omitempty"` // false: they are sent again
}

// Mended is what became of one of them.
type Mended struct {
	ID      string `json:"id"`
	Problem string `json:"problem,omitempty"` // why it is where it was; empty: it was sent again, or dropped
	Gone    bool   `json:"gone,omitempty"`    // the problem is that none of that id is set aside, or not any more
}

// MendedList is the answer.
type MendedList struct {
	Results []Mended `json:"results"`
}

// MaxMending bounds the messages of one POST to /_actors/aside.
const MaxMending = 100

func (s *Server) listAside(x *exchange, q *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	p := q.page()
	if q.err != nil {
		return q.err
	}
	list, err := actors.Aside(x.r.Context(), q.values.Get("from"), q.values.Get("to"), p)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, list)
	return nil
}

func (s *Server) mendAside(x *exchange, _ *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	var m Mending
	if err := x.document(&m); err != nil {
		return err
	}
	if len(m.IDs) == 0 || len(m.IDs) > MaxMending {
		return invalid("ids has %d entries; from 1 to %d: GET /_actors/aside lists them", len(m.IDs), MaxMending)
	}
	x.json(http.StatusOK, MendedList{actors.Mend(x.r.Context(), m.IDs, m.Drop)})
	return nil
}

// Aside lists messages between actors that were set aside, of one sender or kind of senders, to one receiver or kind of receivers; empty: of all.
func (c *Client) Aside(ctx context.Context, from, to string, p Page) (l AsideList, err error) {
	query := p.query()
	if from != "" {
		query.Set("from", from)
	}
	if to != "" {
		query.Set("to", to)
	}
	err = c.look(ctx, "/_actors/aside", query, &l)
	return l, err
}

// Mend sends messages again that were set aside, or drops them: at most MaxMending. It may be repeated: each is sent once.
func (c *Client) Mend(ctx context.Context, m Mending) (l MendedList, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return l, err
	}
	err = c.json(ctx, call{method: http.MethodPost, path: "/_actors/aside", body: body, mime: mimeJSON, repeatable: true}, &l)
	return l, err
}
