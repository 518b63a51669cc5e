package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
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
	Next  string      `json:"next,omitempty"` // if there are more: ask for those after it; it may be of none that is listed, and Aside empty
	Part
}

// AsideQuery says which messages are listed that were set aside.
type AsideQuery struct {
	From, To string // of one sender or kind of senders, to one receiver or kind of receivers; empty: of all
	NoBodies bool   // without ActorMail.Body
	Page
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

// MendLimit is how long a node takes at most for one POST to /_actors/aside: what has not been sent again, or dropped, by then has a Problem.
const MendLimit = 30 * time.Second

func (s *Server) listAside(x *exchange, q *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	of := AsideQuery{From: q.values.Get("from"), To: q.values.Get("to"), NoBodies: q.values.Has("bodies") && !q.flag("bodies"), Page: q.page()}
	if q.err != nil {
		return q.err
	}
	list, err := actors.Aside(x.r.Context(), of)
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

// Aside lists messages between actors that were set aside.
func (c *Client) Aside(ctx context.Context, q AsideQuery) (l AsideList, err error) {
	query := q.query()
	if q.From != "" {
		query.Set("from", q.From)
	}
	if q.To != "" {
		query.Set("to", q.To)
	}
	if q.NoBodies {
		query.Set("bodies", "false")
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
	err = c.json(ctx, call{method: http.MethodPost, path: "/_actors/aside", body: body, mime: mimeJSON, repeatable: true, slow: MendLimit}, &l)
	return l, err
}
