package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// Policies lists the policies of the cluster.
func (c *Client) Policies(ctx context.Context) (l PolicyList, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_policy", repeatable: true}, &l)
	return l, err
}

// Policy tells all about one. The error is NotFound if nothing was pushed under that name.
func (c *Client) Policy(ctx context.Context, name string) (p PolicyInfo, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: policyPath(name, ""), repeatable: true}, &p)
	return p, err
}

func policyPath(name, action string) string { return pushedPath("/_policy/", name, action) }

// pushedPath is the path of something that was pushed under a name, or of something to do with it.
func pushedPath(root, name, action string) string {
	path := root + url.PathEscape(name)
	if action != "" {
		path += "/" + action
	}
	return path
}

// PushModule brings a module into the cluster state, chunk by chunk; progress, unless nil, is told how many bytes are there.
func (c *Client) PushModule(ctx context.Context, code []byte, progress func(bytes int)) (digest string, err error) {
	digest = string(cluster.DigestOf(code))
	for part := range cluster.Parts(len(code)) {
		end := min(len(code), (part+1)*cluster.ChunkBytes)
		query := url.Values{"size": {strconv.Itoa(len(code))}, "part": {strconv.Itoa(part)}}
		var a Acknowledged
		if err := c.json(ctx, call{
			method: http.MethodPut, path: "/_module/" + digest, query: query, body: code[part*cluster.ChunkBytes : end], mime: "application/wasm", repeatable: true,
		}, &a); err != nil {
			return digest, err
		}
		if progress != nil {
			progress(end)
		}
	}
	return digest, nil
}

// RegisterPolicy makes a module that was pushed the newest version of a policy. order nil: as it is.
func (c *Client) RegisterPolicy(ctx context.Context, name, digest string, order *int) (p Pushed, err error) {
	query := url.Values{"digest": {digest}}
	if order != nil {
		query.Set("order", strconv.Itoa(*order))
	}
	err = c.json(ctx, call{method: http.MethodPut, path: policyPath(name, ""), query: query, repeatable: true}, &p)
	return p, err
}

// PolicyModule gives the bytes of a version; 0 is the newest.
func (c *Client) PolicyModule(ctx context.Context, name string, version int) ([]byte, error) {
	return c.module(ctx, policyPath(name, "module"), version)
}

func (c *Client) module(ctx context.Context, path string, version int) ([]byte, error) {
	response, err := c.do(ctx, call{method: http.MethodGet, path: path, query: url.Values{"version": {strconv.Itoa(version)}}, repeatable: true})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	code, err := io.ReadAll(io.LimitReader(response.Body, cluster.MaxModule+1))
	if err != nil {
		return nil, broken("the module broke off after %d bytes: %v", len(code), err)
	}
	return code, nil
}

// ActivatePolicy puts a version in force.
func (c *Client) ActivatePolicy(ctx context.Context, name string, a Activation) (Acknowledged, error) {
	return c.change(ctx, http.MethodPost, policyPath(name, "activate"), nil, a)
}

// ShadowPolicy begins or ends to have a version computed beside those in force.
func (c *Client) ShadowPolicy(ctx context.Context, name string, a Activation) (Acknowledged, error) {
	return c.change(ctx, http.MethodPost, policyPath(name, "shadow"), nil, a)
}

// RetirePolicy takes a policy back: "rollback", "deactivate" or "reset". A rollback is not repeated if its outcome is unknown:
// twice is once back and forth.
func (c *Client) RetirePolicy(ctx context.Context, name, how string) (a Acknowledged, err error) {
	err = c.json(ctx, call{method: http.MethodPost, path: policyPath(name, how), repeatable: how != "rollback"}, &a)
	return a, err
}

// QuarantinePolicy keeps a version from being in force; 0 is the active one. Without a reason the quarantine is lifted.
func (c *Client) QuarantinePolicy(ctx context.Context, name string, version int, reason string) (Acknowledged, error) {
	return c.change(ctx, http.MethodPost, policyPath(name, "quarantine"), nil, map[string]any{"version": version, "reason": reason, "lift": reason == ""})
}

// ForgetPolicy drops a version that is not in use; 0: all of them, and the policy with the last.
func (c *Client) ForgetPolicy(ctx context.Context, name string, version int) (Acknowledged, error) {
	return c.change(ctx, http.MethodDelete, policyPath(name, ""), url.Values{"version": {strconv.Itoa(version)}}, nil)
}

// PolicyComparisons yields what shadows of a policy would have changed, oldest first, and with follow each new comparison. An
// error comes last.
func (c *Client) PolicyComparisons(ctx context.Context, name string, on bool) iter.Seq2[Comparison, error] {
	return policyLines(ctx, c, policyPath(name, "comparisons"), on, func(k *Comparison) bool { return k.Number != 0 })
}

// PolicyLogs yields what a policy logged, oldest first, and with follow each new line. An error comes last.
func (c *Client) PolicyLogs(ctx context.Context, name string, on bool) iter.Seq2[PolicyLine, error] {
	return policyLines(ctx, c, policyPath(name, "logs"), on, func(l *PolicyLine) bool { return l.At != 0 })
}

// policyLines reads lines: to the end of the answer, or for ever.
func policyLines[T any](ctx context.Context, c *Client, path string, on bool, whole func(*T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		lines, err := c.lines(ctx, path, url.Values{"follow": {strconv.FormatBool(on)}})
		if err != nil {
			yield(none, err)
			return
		}
		defer lines.Close()
		for {
			var text json.RawMessage
			var line T
			var last struct {
				End bool `json:"end"`
			}
			err := lines.next(&text)
			if err == nil {
				err = errors.Join(json.Unmarshal(text, &line), json.Unmarshal(text, &last))
			}
			switch {
			case err != nil:
				yield(none, err)
				return
			case last.End:
				return
			case whole(&line) && !yield(line, nil):
				return
			}
		}
	}
}
