package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// CoordinationLimit is how long a node takes at most to find out about topics, groups or sessions: what has not been told by then is a
// Problem.
const CoordinationLimit = 5 * time.Second

func (p Page) query() url.Values {
	q := url.Values{}
	if p.After != "" {
		q.Set("after", p.After)
	}
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

func (c *Client) look(ctx context.Context, path string, q url.Values, answer any) error {
	return c.json(ctx, call{method: http.MethodGet, path: path, query: q, repeatable: true, slow: CoordinationLimit}, answer)
}

// ActorNames lists the actors of a kind that have kept something. The error is NotFound if no node knows the kind.
func (c *Client) ActorNames(ctx context.Context, kind string, p Page) (l ActorNames, err error) {
	q := p.query()
	q.Set("kind", kind)
	err = c.look(ctx, "/_actors/names", q, &l)
	return l, err
}

// Topics lists topics.
func (c *Client) Topics(ctx context.Context, p Page) (l TopicList, err error) {
	err = c.look(ctx, "/_topics", p.query(), &l)
	return l, err
}

// Topic tells about one. The error is NotFound if there is none of that name; so it is for groups and sessions.
func (c *Client) Topic(ctx context.Context, name string) (i TopicInfo, err error) {
	err = c.look(ctx, "/_topics/inspect", url.Values{"topic": {name}}, &i)
	return i, err
}

// DeleteTopic removes a topic with its messages, and what subscribers and groups have committed of it. The error is NotFound if there is none, or not
// any more; so it is for groups. It is not repeated by itself.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	return c.json(ctx, call{method: http.MethodPost, path: "/_topics/delete", query: url.Values{"topic": {name}}}, &Deleted{})
}

// DeleteGroup removes a consumer group with what it has committed. The error is Conflict if it has members.
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	return c.json(ctx, call{method: http.MethodPost, path: "/_groups/delete", query: url.Values{"group": {name}}}, &Deleted{})
}

// Groups lists consumer groups.
func (c *Client) Groups(ctx context.Context, p Page) (l GroupList, err error) {
	err = c.look(ctx, "/_groups", p.query(), &l)
	return l, err
}

// Group tells about one.
func (c *Client) Group(ctx context.Context, name string) (i GroupInfo, err error) {
	err = c.look(ctx, "/_groups/inspect", url.Values{"group": {name}}, &i)
	return i, err
}

// Sessions lists open sessions.
func (c *Client) Sessions(ctx context.Context, p Page) (l SessionList, err error) {
	err = c.look(ctx, "/_sessions", p.query(), &l)
	return l, err
}

// Session tells about one.
func (c *Client) Session(ctx context.Context, name string) (i SessionInfo, err error) {
	err = c.look(ctx, "/_sessions/inspect", url.Values{"session": {name}}, &i)
	return i, err
}
