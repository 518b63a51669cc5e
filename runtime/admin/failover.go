package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/troupe-actors/troupe/shards"
)

// endpoint is one address and how it has behaved.
type endpoint struct {
	base  string
	until time.Time // shunned until then: it could not be reached
	pause time.Duration
}

// The times for which an address that cannot be reached is tried last double from first to last.
const (
	firstShun = 250 * time.Millisecond
	lastShun  = 10 * time.Second
)

// add takes in an address that is not known yet.
func (c *Client) add(base string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !slices.ContainsFunc(c.endpoints, func(e *endpoint) bool { return e.base == base }) {
		c.endpoints = append(c.endpoints, &endpoint{base: base})
	}
}

// Learn asks for the members and takes in their addresses, so that one address given is enough to find the others. All known
// nodes are asked at once; the first that answers is asked first from then on, and those that cannot be reached last.
func (c *Client) Learn(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type told struct {
		by    *endpoint
		nodes []Node
		err   error
	}
	known := c.list()
	answers := make(chan told, len(known)) // so that nobody waits for who no longer listens
	for _, e := range known {
		go func() {
			nodes, err := c.nodesOf(ctx, e)
			answers <- told{e, nodes, err}
		}()
	}
	var problems []error
	for range known {
		answer := <-answers
		if answer.err != nil {
			problems = append(problems, answer.err)
			continue
		}
		c.note(answer.by, true)
		scheme, _, _ := strings.Cut(answer.by.base, "://")
		for _, n := range answer.nodes {
			if n.HTTP == "" || n.State == Dead {
				continue
			}
			if base, err := baseURL(n.HTTP, scheme); err == nil { // else it is of no use to us
				c.add(base)
			}
		}
		return nil
	}
	return errors.Join(problems...)
}

// nodesOf asks one address for the members.
func (c *Client) nodesOf(ctx context.Context, e *endpoint) (nodes []Node, err error) {
	request := call{method: http.MethodGet, path: "/_nodes", repeatable: true}
	response, err := c.try(ctx, &request, e.base)
	if err != nil {
		var failure *Error
		if errors.As(err, &failure) && failure.Status == 0 && ctx.Err() == nil {
			c.note(e, false)
		}
		return nil, err
	}
	defer response.Body.Close()
	return nodes, json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&nodes)
}

// Addresses are the nodes that the client knows, those that it was given first.
func (c *Client) Addresses() []string {
	var all []string
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, e := range c.endpoints {
		all = append(all, e.base)
	}
	return all
}

// list is the order in which addresses are tried: the one that answered last, then those that are not shunned, in turn from
// there, then the others.
func (c *Client) list() []*endpoint {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	at := max(0, slices.Index(c.endpoints, c.current))
	order := append(slices.Clone(c.endpoints[at:]), c.endpoints[:at]...)
	now := time.Now()
	slices.SortStableFunc(order, func(a, b *endpoint) int { return rankOf(a, now) - rankOf(b, now) })
	return order
}

func rankOf(e *endpoint, now time.Time) int {
	if now.Before(e.until) {
		return 1
	}
	return 0
}

// note remembers how an address behaved.
func (c *Client) note(e *endpoint, reached bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if reached {
		e.until, e.pause, c.current = time.Time{}, 0, e
		return
	}
	e.pause = min(max(2*e.pause, firstShun), lastShun)
	e.until = time.Now().Add(e.pause)
}

// The pauses between rounds through the addresses, before jitter, double from first to last.
const (
	firstRound = 20 * time.Millisecond
	lastRound  = 500 * time.Millisecond
)

// do sends a call, in as many rounds as patience allows. The response is one of status 2xx, or 408 of a health check, and must
// be closed; everything else is an error.
func (c *Client) do(ctx context.Context, r call) (*http.Response, error) {
	end, pause := time.Now().Add(c.patience), firstRound
	for {
		response, alive, err := c.round(ctx, &r)
		wait := pause/2 + rand.N(pause)
		if err == nil || !alive || time.Now().Add(wait).After(end) {
			return response, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
		pause = min(2*pause, lastRound)
	}
}

// round tries each address once. alive says that another round may help: a node was there, and could not serve this now.
func (c *Client) round(ctx context.Context, r *call) (response *http.Response, alive bool, err error) {
	var failures []refusal
	order := c.list()
	for _, e := range order {
		unsure := r.unsure
		response, err := c.try(ctx, r, e.base)
		if err == nil {
			c.note(e, true)
			return response, true, nil
		}
		var failure *Error
		if !errors.As(err, &failure) {
			return nil, false, err
		}
		if failure.Status == 0 {
			c.note(e, false)
		}
		failure.Repeated = unsure
		if !r.mayTryNext(failure) || ctx.Err() != nil {
			return nil, false, err
		}
		alive = alive || failure.Status != 0
		if len(order) == 1 {
			return nil, alive, err
		}
		failures = append(failures, refusal{e.base, strings.TrimPrefix(failure.Reason, "no answer from "+e.base+": "), failure.Status != 0})
	}
	status := 0
	if alive { // somebody is there, and says that it cannot
		status = http.StatusServiceUnavailable
	}
	return nil, alive, &Error{Status: status, Kind: shards.KindUnavailable.String(), Reason: inVain(failures)}
}

// refusal is why one address was asked in vain.
type refusal struct {
	base, reason string
	answered     bool // by a node
}

// inVain says why no node serves a request: what most of those say that answer, then each address once, in a line of its own.
func inVain(list []refusal) string {
	said := map[string]int{}
	cause := ""
	for _, f := range list {
		if !f.answered {
			continue
		}
		if said[Alike(f.reason)]++; cause == "" || said[Alike(f.reason)] > said[Alike(cause)] {
			cause = f.reason
		}
	}
	var text strings.Builder
	text.WriteString("no node answers")
	if cause != "" {
		text.Reset()
		fmt.Fprintf(&text, "no node can serve this: %s", cause)
	}
	for _, f := range list {
		switch {
		case !f.answered:
			fmt.Fprintf(&text, "\n  %s: no answer: %s", f.base, f.reason)
		case Alike(f.reason) == Alike(cause):
			fmt.Fprintf(&text, "\n  %s says so", f.base)
		default:
			fmt.Fprintf(&text, "\n  %s: %s", f.base, f.reason)
		}
	}
	return text.String()
}

// Alike is a sentence without its figures: two that differ only in times, terms or ports are the same then. What begins with a letter, as the
// name of a node, stays whole: troupe-1 as well as n1.
func Alike(sentence string) string {
	within, name := false, false // a word, and one that begins with a letter
	return strings.Map(func(r rune) rune {
		digit := r >= '0' && r <= '9'
		switch begun := within; {
		case name && strings.ContainsRune("-_.", r):
		case !digit && !unicode.IsLetter(r):
			within, name = false, false
		case !begun:
			within, name = true, !digit
		}
		if digit && !name {
			return -1
		}
		return r
	}, sentence)
}

// mayTryNext says whether another node may be asked after this failure.
func (r *call) mayTryNext(e *Error) bool {
	if e.Kind == KindReadOnly {
		return false // they all are
	}
	switch e.Status {
	case http.StatusServiceUnavailable, http.StatusMisdirectedRequest:
		return true // the node says that it did nothing
	case http.StatusGatewayTimeout:
		return r.repeatable // it may have happened: once more changes nothing
	case 0:
		return e.Kind == shards.KindUnavailable.String()
	}
	return false
}

// MuteReason is part of the reason of an error of a Client whose node took the connection and did not begin to answer.
const MuteReason = "it does not answer in time"

// errMute is a node that was reached and does not begin to answer.
var errMute = errors.New(MuteReason)

// StoppedError is a call that the caller's context has ended. What it was to change may have happened, and may not.
type StoppedError struct {
	Method, Path string
	Err          error // why the context has ended
}

// Error names the call and why it was ended.
func (e *StoppedError) Error() string { return fmt.Sprintf("%s %s: %v", e.Method, e.Path, e.Err) }

// Unwrap is why the context has ended.
func (e *StoppedError) Unwrap() error { return e.Err }

// try sends a call to one address. A node has the client's Attempt to begin its answer, and a second more for each MiB sent.
func (c *Client) try(ctx context.Context, r *call, base string) (*http.Response, error) {
	if ctx.Err() != nil && !r.unsure { // it does nothing
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, context.Cause(ctx))
	}
	bounded, cancel := context.WithCancelCause(ctx)
	request, err := r.request(bounded, base, c.token)
	if err == nil && c.by != "" {
		request.Header.Set(headerBy, c.by)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	limit := time.AfterFunc(c.attempt+r.slow+time.Duration(len(r.body))*time.Microsecond, func() { cancel(errMute) })
	response, err := c.http.Do(request)
	if !limit.Stop() && err == nil {
		response.Body.Close() // the answer came as it was given up
		err = errMute
	}
	if err != nil {
		if errors.Is(context.Cause(bounded), errMute) {
			err = errMute
		}
		cancel(nil)
		if ctx.Err() != nil && r.repeatable {
			return nil, &StoppedError{Method: r.method, Path: r.path, Err: context.Cause(ctx)}
		}
		return nil, r.unreached(base, err)
	}
	response.Body = &answerBody{response.Body, cancel}
	if response.StatusCode < 300 || response.StatusCode == http.StatusRequestTimeout && r.path == "/_cluster/health" {
		return response, nil
	}
	defer response.Body.Close()
	r.unsure = r.unsure || response.StatusCode == http.StatusGatewayTimeout
	return nil, readError(response)
}

// answerBody lets go of its request's context when it is closed.
type answerBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close ends the answer.
func (b *answerBody) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// unreached tells a request that surely did nothing from one of which nobody knows.
func (r *call) unreached(base string, err error) *Error {
	kind := shards.KindOutcomeUnknown
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err // it names the address once more
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		err, kind = dial.Err, shards.KindUnavailable // likewise
	}
	r.unsure = r.unsure || kind == shards.KindOutcomeUnknown
	if r.repeatable {
		kind = shards.KindUnavailable
	}
	return &Error{Kind: kind.String(), Reason: fmt.Sprintf("no answer from %s: %v", base, err)}
}

// readError reads the JSON of an error, or makes do with the status: something else may listen at the address.
func readError(response *http.Response) *Error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var answer errorAnswer
	if err != nil || json.Unmarshal(text, &answer) != nil || answer.Error.Kind == "" {
		if strings.Contains(string(text), "HTTP request to an HTTPS server") { // as Go's servers say
			return &Error{Status: response.StatusCode, Kind: KindSecured, Reason: "the node speaks TLS"}
		}
		return &Error{Status: response.StatusCode, Kind: shards.KindUnknown.String(),
			Reason: fmt.Sprintf("%s, and the answer is not Troupe's: is this the address of a node's HTTP API?", response.Status)}
	}
	return &Error{Status: response.StatusCode, Kind: answer.Error.Kind, Reason: answer.Error.Reason, Code: answer.Error.Code}
}
