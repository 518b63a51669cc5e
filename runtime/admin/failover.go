package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// do sends a call to the address that answered last, then to the others. The response is one of status 2xx, or 408 of a
// health check, and must be closed; everything else is an error.
func (c *Client) do(ctx context.Context, r call) (*http.Response, error) {
	first := int(c.current.Load())
	var failures []string
	for i := range c.bases {
		index := (first + i) % len(c.bases)
		response, err := c.try(ctx, &r, c.bases[index])
		if err == nil {
			c.current.Store(int32(index))
			return response, nil
		}
		var failure *Error
		if !errors.As(err, &failure) || !r.mayTryNext(failure) || ctx.Err() != nil || len(c.bases) == 1 {
			return nil, err
		}
		failures = append(failures, fmt.Sprintf("%s: %s", c.bases[index], failure.Reason))
	}
	return nil, &Error{Kind: shards.KindUnavailable.String(), Reason: "no node can serve this: " + strings.Join(failures, "; ")}
}

// mayTryNext says whether another node may be asked after this failure.
func (r *call) mayTryNext(e *Error) bool {
	switch e.Status {
	case http.StatusServiceUnavailable, http.StatusMisdirectedRequest:
		return true // the node says that it did nothing
	case 0:
		return e.Kind == shards.KindUnavailable.String()
	}
	return false
}

// try sends a call to one address.
func (c *Client) try(ctx context.Context, r *call, base string) (*http.Response, error) {
	request, err := r.request(ctx, base, c.token)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil && r.repeatable {
			return nil, fmt.Errorf("%s %s: %w", r.method, r.path, context.Cause(ctx))
		}
		return nil, r.unreached(base, err)
	}
	if response.StatusCode < 300 || response.StatusCode == http.StatusRequestTimeout && r.path == "/_cluster/health" {
		return response, nil
	}
	defer response.Body.Close()
	return nil, readError(response)
}

// unreached tells a request that surely did nothing from one of which nobody knows.
func (r *call) unreached(base string, err error) *Error {
	kind := shards.KindOutcomeUnknown
	var dial *net.OpError
	if r.repeatable || errors.As(err, &dial) && dial.Op == "dial" {
		kind = shards.KindUnavailable
	}
	return &Error{Kind: kind.String(), Reason: fmt.Sprintf("no answer from %s: %v", base, err)}
}

// readError reads the JSON of an error, or makes do with the status: something else may listen at the address.
func readError(response *http.Response) *Error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var answer errorAnswer
	if err != nil || json.Unmarshal(text, &answer) != nil || answer.Error.Kind == "" {
		return &Error{Status: response.StatusCode, Kind: shards.KindUnknown.String(),
			Reason: fmt.Sprintf("%s, and the answer is not Troupe's: is this the address of a node's HTTP API?", response.Status)}
	}
	return &Error{Status: response.StatusCode, Kind: answer.Error.Kind, Reason: answer.Error.Reason}
}
