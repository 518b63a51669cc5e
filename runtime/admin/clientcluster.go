package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// change makes a call that changes the cluster state: doing it twice is the same as once.
func (c *Client) change(ctx context.Context, method, path string, query url.Values, body any) (a Acknowledged, err error) {
	err = c.send(ctx, call{method: method, path: path, query: query, repeatable: true}, body, &a)
	return a, err
}

// remove is change for what is not there afterwards: that it is not there when a try is repeated that was not answered is no error.
func (c *Client) remove(ctx context.Context, method, path, what string) (Acknowledged, error) {
	a, err := c.change(ctx, method, path, nil, nil)
	var gone *Error
	if errors.As(err, &gone) && gone.Kind == KindNotFound && gone.Repeated {
		return Acknowledged{Acknowledged: true, Warnings: []string{what + " is not there: a first try, of which no answer came, has removed it, or it was not there before"}}, nil
	}
	return a, err
}

// send makes a call with a JSON body.
func (c *Client) send(ctx context.Context, request call, body, answer any) (err error) {
	if body != nil {
		if request.body, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode the body of %s: %w", request.path, err)
		}
		request.mime = mimeJSON
	}
	return c.json(ctx, request, answer)
}

// State asks for the whole cluster state.
func (c *Client) State(ctx context.Context) (s State, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/state", repeatable: true}, &s)
	return s, err
}

// Settings asks for the settings of the cluster, with defaults for their meaning and values where nothing is set.
func (c *Client) Settings(ctx context.Context, defaults bool) (s Settings, err error) {
	query := url.Values{"include_defaults": {strconv.FormatBool(defaults)}}
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/settings", query: query, repeatable: true}, &s)
	return s, err
}

// SetSettings changes settings, all or none; nil takes one back to its default.
func (c *Client) SetSettings(ctx context.Context, values map[string]*string) (Acknowledged, error) {
	return c.change(ctx, http.MethodPut, "/_cluster/settings", nil, map[string]any{"persistent": values})
}

// Keyspace asks for one keyspace. The error is NotFound if it is not there.
func (c *Client) Keyspace(ctx context.Context, name string) (k KeyspaceInfo, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_keyspace/" + url.PathEscape(name), repeatable: true}, &k)
	return k, err
}

// CreateKeyspace makes a keyspace. The error is Conflict if it is there already, which it also may be because a first try of
// this very call was not answered.
func (c *Client) CreateKeyspace(ctx context.Context, name string, settings KeyspaceSettings) (Acknowledged, error) {
	return c.change(ctx, http.MethodPut, "/_keyspace/"+url.PathEscape(name), url.Values{"if": {"absent"}}, settings)
}

// UpdateKeyspace changes what settings says of a keyspace. The error is NotFound if it is not there.
func (c *Client) UpdateKeyspace(ctx context.Context, name string, settings KeyspaceSettings) (Acknowledged, error) {
	return c.change(ctx, http.MethodPut, "/_keyspace/"+url.PathEscape(name), url.Values{"if": {"present"}}, settings)
}

// ChangeNode drains ("drain", "undrain"), forgets ("forget"), or takes a member out of the vote ("exclude", "include").
func (c *Client) ChangeNode(ctx context.Context, node, action string) (Acknowledged, error) {
	path := "/_nodes/" + url.PathEscape(node) + "/" + url.PathEscape(action)
	if action == "forget" {
		return c.remove(ctx, http.MethodPost, path, "node "+node)
	}
	return c.change(ctx, http.MethodPost, path, nil, nil)
}

// Maintain begins or ends the maintenance of a member, or of the whole cluster if node is empty.
func (c *Client) Maintain(ctx context.Context, node string, on bool) (Acknowledged, error) {
	path := "/_cluster/maintenance"
	if node != "" {
		path = "/_nodes/" + url.PathEscape(node) + "/maintenance"
	}
	return c.change(ctx, http.MethodPost, path, url.Values{"enabled": {strconv.FormatBool(on)}}, nil)
}

// TransferLeader makes a member the placement leader.
func (c *Client) TransferLeader(ctx context.Context, node string) (Acknowledged, error) {
	return c.change(ctx, http.MethodPost, "/_cluster/leader", url.Values{"node": {node}}, nil)
}

// RerouteOptions say how a reroute is made.
type RerouteOptions struct {
	Commands                     []WishedCommand
	DryRun, Explain, RetryFailed bool
}

// Reroute has the placement leader plan, commands first, and carry the plan out unless it is a dry run. It is not repeated if
// its outcome is unknown.
func (c *Client) Reroute(ctx context.Context, o RerouteOptions) (a RerouteAnswer, err error) {
	query := url.Values{}
	for name, set := range map[string]bool{"dry_run": o.DryRun, "explain": o.Explain, "retry_failed": o.RetryFailed} {
		if set {
			query.Set(name, "true")
		}
	}
	body := map[string]any{"commands": append([]WishedCommand{}, o.Commands...)}
	err = c.send(ctx, call{method: http.MethodPost, path: "/_cluster/reroute", query: query, repeatable: o.DryRun}, body, &a)
	return a, err
}

// Explain asks the deciders about a shard: on every node, or on one if node is not empty. Without a keyspace it is the first
// shard that is not green.
func (c *Client) Explain(ctx context.Context, keyspace string, shard int, node string) (a ExplainAnswer, err error) {
	query := url.Values{}
	if keyspace != "" {
		query.Set("keyspace", keyspace)
		query.Set("shard", strconv.Itoa(shard))
	}
	if node != "" {
		query.Set("node", node)
	}
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/allocation/explain", query: query, repeatable: true}, &a)
	return a, err
}

// Check has a node try all others and every shard.
func (c *Client) Check(ctx context.Context, timeout time.Duration) (a CheckAnswer, err error) {
	query := url.Values{"timeout": {timeout.String()}}
	err = c.json(ctx, call{method: http.MethodPost, path: "/_cluster/check", query: query, repeatable: true, slow: timeout}, &a)
	return a, err
}

// Cut makes one node lose what comes from others: from those named, or from all. Unless oneWay, what goes to them as well. The
// client must know that node alone; the node must be one that was started for development.
func (c *Client) Cut(ctx context.Context, from []string, oneWay bool) error {
	direction := "both"
	if oneWay {
		direction = "in"
	}
	_, err := c.change(ctx, http.MethodPost, "/_dev/cut", nil, cutRequest{Nodes: from, Direction: direction})
	return err
}

// Heal ends what Cut began.
func (c *Client) Heal(ctx context.Context) error {
	_, err := c.change(ctx, http.MethodPost, "/_dev/heal", nil, nil)
	return err
}

// WatchHealth yields the health, and then each change of it. An error comes last.
func (c *Client) WatchHealth(ctx context.Context) iter.Seq2[Health, error] {
	return follow(ctx, c, "/_watch/health", func(h *Health) bool { return h.Status != "" })
}

// WatchRouting yields the members and the shard table, and then what changes in them. An error comes last.
func (c *Client) WatchRouting(ctx context.Context) iter.Seq2[Routing, error] {
	return follow(ctx, c, "/_watch/routing", func(r *Routing) bool { return r.Version != 0 })
}

// follow reads the lines of a watch; whole tells one that says something from one that only keeps the connection open.
func follow[T any](ctx context.Context, c *Client, path string, whole func(*T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		lines, err := c.lines(ctx, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer lines.Close()
		for {
			var line T
			if err := lines.next(&line); err != nil {
				yield(none, err)
				return
			}
			if whole(&line) && !yield(line, nil) {
				return
			}
		}
	}
}
