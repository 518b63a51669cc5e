package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/troupe-actors/troupe/policies/record"
)

// Plans are the plans that this node made while it led, each with what it was made from. Its methods may be called concurrently.
type Plans interface {
	// List describes them, the oldest first.
	List() []PlanSummary
	// Frame is one of them as policies/record writes it; the error is NotFound if it is not kept.
	Frame(key record.Key) ([]byte, error)
	// Present is what would be planned now, and what from, without doing it. It is Unavailable where this node does not lead.
	Present(ctx context.Context) (*record.Record, error)
}

// PlanSummary is one recorded plan in a list. At is in Unix milliseconds.
type PlanSummary struct {
	ID          string   `json:"id"` // as in 7.153: the term of the leader, and the number of the plan in it
	At          int64    `json:"at"`
	Version     uint64   `json:"version"` // of the state that it was made for
	Moves       int      `json:"moves"`
	Down        []string `json:"down,omitempty"` // members that it declares dead
	Waiting     int      `json:"waiting"`
	Unplaceable int      `json:"unplaceable"`
	Outcome     string   `json:"outcome"`           // "committed", "nothing to do", or why it was not committed
	Bytes       int      `json:"bytes"`             // of the record
	Modules     []string `json:"modules,omitempty"` // digests of the modules of policies that it was made with, and needs to be made again
}

// PlanList is the answer of /_plans: what this node has recorded, the newest first.
type PlanList struct {
	Node  string        `json:"node"`
	Plans []PlanSummary `json:"plans"`
}

// planMime is the type of a recorded plan.
const planMime = "application/vnd.troupe.plan"

// planRoutes are the paths about recorded plans. A path /_plans/{id} would be taken for one of a keyspace's.
func planRoutes() []route {
	return []route{
		{pattern: "/_plans", methods: get((*Server).plans), params: []string{"last"}},
		{pattern: "/_plans/current", methods: get((*Server).currentPlan)},
		{pattern: "/_plans/at/{at}", methods: get((*Server).planAt)},
	}
}

func (s *Server) recorded() (Plans, error) {
	if s.config.Plans == nil {
		return nil, unavailable("this node records no plans")
	}
	return s.config.Plans, nil
}

func (s *Server) plans(x *exchange, q *query) error {
	plans, err := s.recorded()
	if err != nil {
		return err
	}
	last := 0
	if q.values.Has("last") {
		last = q.count("last")
	}
	if q.err != nil {
		return q.err
	}
	list := plans.List()
	if last > 0 {
		list = list[max(0, len(list)-last):]
	}
	answer := PlanList{Node: s.backend.Node().Name, Plans: []PlanSummary{}}
	for i := range list {
		answer.Plans = append(answer.Plans, list[len(list)-1-i])
	}
	x.json(http.StatusOK, answer)
	return nil
}

// planAt answers a plan by its id, or the last one that was made until a time.
func (s *Server) planAt(x *exchange, _ *query) error {
	plans, err := s.recorded()
	if err != nil {
		return err
	}
	key, err := findPlan(plans.List(), x.r.PathValue("at"))
	if err != nil {
		return err
	}
	frame, err := plans.Frame(key)
	if err != nil {
		return err
	}
	x.text(http.StatusOK, planMime, frame)
	return nil
}

func findPlan(list []PlanSummary, at string) (record.Key, error) {
	if key, err := record.ParseKey(at); err == nil {
		return key, nil
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return record.Key{}, invalid("%q is neither a plan, such as 7.153, nor a time, such as 2026-03-01T12:00:00Z", clip(at))
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].At <= t.UnixMilli() {
			return record.ParseKey(list[i].ID)
		}
	}
	return record.Key{}, notFound("no plan until %v is kept here", t)
}

func (s *Server) currentPlan(x *exchange, _ *query) error {
	plans, err := s.recorded()
	if err != nil {
		return err
	}
	r, err := plans.Present(x.r.Context())
	if err != nil {
		return err
	}
	frame, err := r.Frame()
	if err != nil {
		return err
	}
	x.text(http.StatusOK, planMime, frame)
	return nil
}

// Plans lists what the node that answers has recorded, the newest first; last is 0 for all.
func (c *Client) Plans(ctx context.Context, last int) (l PlanList, err error) {
	query := url.Values{}
	if last > 0 {
		query.Set("last", strconv.Itoa(last))
	}
	err = c.json(ctx, call{method: http.MethodGet, path: "/_plans", query: query, repeatable: true}, &l)
	return l, err
}

// Plan asks the node that answers for a plan that it has recorded: by its id, or the last one until a time (RFC 3339).
func (c *Client) Plan(ctx context.Context, at string) (*record.Record, error) {
	return c.plan(ctx, "/_plans/at/"+url.PathEscape(at))
}

// CurrentPlan asks the placement leader what it would plan now, and what from. Nothing is changed.
func (c *Client) CurrentPlan(ctx context.Context) (*record.Record, error) {
	return c.plan(ctx, "/_plans/current")
}

func (c *Client) plan(ctx context.Context, path string) (*record.Record, error) {
	response, err := c.do(ctx, call{method: http.MethodGet, path: path, repeatable: true})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	frame, err := io.ReadAll(io.LimitReader(response.Body, record.MaxFrame+record.HeadSize+1))
	if err != nil {
		return nil, broken("the answer to %s broke off: %v", path, err)
	}
	r, _, err := record.Next(frame)
	if err != nil {
		return nil, fmt.Errorf("the answer to %s: %w", path, err)
	}
	return r, nil
}
