package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
)

// Client speaks the HTTP API to a cluster through any of its nodes. It may be used concurrently.
//
// A request goes to the address that answered last. If a node cannot be reached, is busy or is unavailable, the next address
// is tried, provided that repeating does no harm: reads, unconditional writes, and whatever was never sent. Else the error has
// KindOutcomeUnknown. An address that could not be reached is tried last for a while. With Patience, rounds through the
// addresses are repeated while a node answers that it cannot serve this now. Every failure that a node answered, and every
// failure to reach one, is an *Error.
type Client struct {
	token    string
	by       string
	tls      *tls.Config // nil: that of the machine
	patience time.Duration
	attempt  time.Duration
	http     *http.Client

	mutex     sync.Mutex // guards what follows
	endpoints []*endpoint
	current   *endpoint // the one that answered last
}

// ClientConfig says whom a Client speaks to, and how long it tries.
type ClientConfig struct {
	// Addresses of nodes: host:port, or URLs that start with http:// or https://. At least one.
	Addresses []string

	// TLS is how nodes are reached whose addresses are given without http://. Default: those are reached without TLS, and others
	// as the machine trusts them.
	TLS *tls.Config

	// Token is sent as bearer token unless it is empty.
	Token string

	// By says for people who changes what is changed, as in "ann@laptop": histories show it. Optional.
	By string

	// Patience is how long a request that may be repeated is tried again while nodes are there but cannot serve it: during a
	// failover, for one. Default: each address is tried once.
	Patience time.Duration

	// Attempt is how long a node may take to begin its answer before another is asked. Default 15 s.
	Attempt time.Duration
}

// New makes a client of the nodes at addrs; see ClientConfig.
func New(addrs []string, token string) (*Client, error) {
	return NewClient(ClientConfig{Addresses: addrs, Token: token})
}

// NewClient makes a client. Nothing is connected yet.
func NewClient(config ClientConfig) (*Client, error) {
	setDefault(&config.Attempt, 15*time.Second)
	c := &Client{token: config.Token, tls: config.TLS, by: config.By, patience: config.Patience, attempt: config.Attempt}
	for _, addr := range config.Addresses {
		base, err := baseURL(addr, c.scheme())
		if err != nil {
			return nil, err
		}
		c.add(base)
	}
	if len(c.endpoints) == 0 {
		return nil, errors.New("no address of a node is given")
	}
	dialer := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
		TLSClientConfig: config.TLS,
	}}
	return c, nil
}

// scheme is how an address is meant that does not say.
func (c *Client) scheme() string {
	if c.tls != nil {
		return "https"
	}
	return "http"
}

// At makes a client of the one node at an address, reached as c reaches its own: as Learn does, by the scheme of the first.
func (c *Client) At(addr string) (*Client, error) {
	scheme, _, _ := strings.Cut(c.list()[0].base, "://")
	return NewClient(ClientConfig{Addresses: []string{scheme + "://" + addr}, Token: c.token, TLS: c.tls, By: c.by, Attempt: c.attempt})
}

func baseURL(addr, scheme string) (string, error) {
	addr = strings.TrimSpace(addr)
	if !strings.Contains(addr, "://") {
		addr = scheme + "://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("address %q must be host:port, http://host:port or https://host:port", addr)
	}
	return u.Scheme + "://" + u.Host, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// PutOptions guard or limit a write. The zero value writes always, and for ever.
type PutOptions struct {
	TTL     time.Duration   // 0: never expires; else at least a millisecond
	If      store.Condition // Always, IfAbsent, IfPresent or IfVersion
	Version uint64          // for IfVersion; 0 means absent
}

// Get reads one key. The error is NotFound if it is not there.
func (c *Client) Get(ctx context.Context, keyspace string, key []byte) (Value, error) {
	return c.GetFrom(ctx, keyspace, key, Reading{})
}

// GetFrom is Get from the copies that may answer.
func (c *Client) GetFrom(ctx context.Context, keyspace string, key []byte, from Reading) (Value, error) {
	query := url.Values{}
	if from.Replica {
		query.Set("read", "replica")
	}
	if from.Within != 0 {
		query.Set("within", from.Within.String())
	}
	response, err := c.do(ctx, call{method: http.MethodGet, path: keyPath(keyspace, key), query: query, repeatable: true})
	if err != nil {
		return Value{}, err
	}
	defer response.Body.Close()
	return readValue(response)
}

func readValue(response *http.Response) (v Value, err error) {
	if v.Version, err = strconv.ParseUint(response.Header.Get(headerVersion), 10, 64); err != nil {
		return v, broken("the answer lacks a usable %s header", headerVersion)
	}
	if at := response.Header.Get(headerExpireAt); at != "" {
		if v.ExpireAt, err = strconv.ParseInt(at, 10, 64); err != nil {
			return v, broken("the answer's %s header is not a number", headerExpireAt)
		}
	}
	v.Bytes, err = io.ReadAll(io.LimitReader(response.Body, store.MaxValue+1))
	if err != nil {
		return v, broken("the value broke off after %d bytes: %v", len(v.Bytes), err)
	}
	return v, nil
}

// Put writes one key and returns its new version. The error is Conflict if the condition does not hold.
func (c *Client) Put(ctx context.Context, keyspace string, key, value []byte, o PutOptions) (version uint64, err error) {
	query := url.Values{}
	if o.TTL != 0 {
		query.Set("ttl", o.TTL.String())
	}
	setCondition(query, o.If, o.Version)
	var answer struct {
		Version uint64 `json:"version"`
	}
	err = c.json(ctx, call{
		method: http.MethodPut, path: keyPath(keyspace, key), query: query, body: value, repeatable: o.If == store.Always,
	}, &answer)
	return answer.Version, err
}

func setCondition(query url.Values, condition store.Condition, version uint64) {
	switch condition {
	case store.IfAbsent:
		query.Set("if", "absent")
	case store.IfPresent:
		query.Set("if", "present")
	case store.IfVersion:
		query.Set("version", strconv.FormatUint(version, 10))
	}
}

// Delete removes one key. version, unless it is 0, must be the key's version: the error is Conflict otherwise.
func (c *Client) Delete(ctx context.Context, keyspace string, key []byte, version uint64) (found bool, err error) {
	query := url.Values{}
	if version != 0 {
		query.Set("version", strconv.FormatUint(version, 10))
	}
	var answer struct {
		Found bool `json:"found"`
	}
	err = c.json(ctx, call{method: http.MethodDelete, path: keyPath(keyspace, key), query: query}, &answer)
	return answer.Found, err
}

// DeletePrefix removes every key that starts with prefix. An empty prefix is refused: see DeleteAll.
func (c *Client) DeletePrefix(ctx context.Context, keyspace string, prefix []byte) (deleted int64, err error) {
	return c.deletePrefix(ctx, keyspace, url.Values{"prefix": {string(prefix)}})
}

// DeleteAll empties a keyspace.
func (c *Client) DeleteAll(ctx context.Context, keyspace string) (deleted int64, err error) {
	return c.deletePrefix(ctx, keyspace, url.Values{"prefix": {""}, "all": {"true"}})
}

func (c *Client) deletePrefix(ctx context.Context, keyspace string, query url.Values) (int64, error) {
	var answer struct {
		Deleted int64 `json:"deleted"`
	}
	err := c.json(ctx, call{method: http.MethodDelete, path: "/" + url.PathEscape(keyspace) + "/keys", query: query}, &answer)
	return answer.Deleted, err
}

// Health asks for /_cluster/health. With waitFor set to Green or Yellow the node answers when the status is at least as good,
// or, with TimedOut set, when timeout has passed.
func (c *Client) Health(ctx context.Context, waitFor string, timeout time.Duration) (h Health, err error) {
	request := call{method: http.MethodGet, path: "/_cluster/health", query: url.Values{}, repeatable: true}
	if waitFor != "" {
		request.query.Set("wait_for_status", waitFor)
		request.query.Set("timeout", timeout.String())
		request.slow = timeout
	}
	err = c.json(ctx, request, &h)
	return h, err
}

// Banner asks who answers.
func (c *Client) Banner(ctx context.Context) (b Banner, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/", repeatable: true}, &b)
	return b, err
}

// Nodes lists the members.
func (c *Client) Nodes(ctx context.Context) (nodes []Node, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_nodes", repeatable: true}, &nodes)
	return nodes, err
}

// Keyspaces lists the keyspaces.
func (c *Client) Keyspaces(ctx context.Context) (keyspaces []KeyspaceInfo, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_keyspaces", repeatable: true}, &keyspaces)
	return keyspaces, err
}

// CatRows gives a table under /_cat/ as rows: cells by column, sizes in bytes if the query has bytes.
func (c *Client) CatRows(ctx context.Context, table string, query url.Values) (rows []map[string]string, err error) {
	query.Set("format", "json")
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cat/" + url.PathEscape(table), query: query, repeatable: true}, &rows)
	return rows, err
}

// json makes a call and decodes its answer.
func (c *Client) json(ctx context.Context, request call, answer any) error {
	response, err := c.do(ctx, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(answer); err != nil {
		return broken("the answer to %s %s cannot be read: %v", request.method, request.path, err)
	}
	return nil
}

// maxAnswer bounds a JSON answer, in bytes, that the client reads: far above what /_nodes of a large cluster takes.
const maxAnswer = 64 << 20

// broken is an answer that came but is not what the API promises.
func broken(format string, args ...any) *Error {
	return &Error{Kind: shards.KindUnknown.String(), Reason: fmt.Sprintf(format, args...)}
}

// keyPath is the path of a key of any bytes. Dots are escaped as well where they alone would mean a folder.
func keyPath(keyspace string, key []byte) string {
	escaped := url.PathEscape(string(key))
	if escaped == "." || escaped == ".." {
		escaped = strings.ReplaceAll(escaped, ".", "%2E")
	}
	return "/" + url.PathEscape(keyspace) + "/keys/" + escaped
}

// call is one request, apart from the address that it goes to.
type call struct {
	method, path string // path: escaped
	query        url.Values
	body         []byte
	mime         string
	id           string        // of the request, for HeaderRequestID; empty: it has none
	repeatable   bool          // sending it twice does no harm
	slow         time.Duration // how long the node may take beside what each may, since it was asked to wait
	unsure       bool          // it has been sent to a node that may have done it, and did not say so
}

func (r *call) request(ctx context.Context, base, token string) (*http.Request, error) {
	target := base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	if r.mime != "" {
		request.Header.Set("Content-Type", r.mime)
	}
	if r.id != "" {
		request.Header.Set(HeaderRequestID, r.id)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if from := tracing.FromContext(ctx); from.Valid() {
		request.Header.Set(headerTraceParent, from.TraceParent())
	}
	return request, nil
}
