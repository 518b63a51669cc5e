package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// etcdCluster is three nodes of one Raft group.
type etcdCluster struct{ nodes []*etcdNode }

// etcdNode is one etcd through all its lives.
type etcdNode struct {
	*harness.Process
	args   []string
	client string // host:port
	asks   *http.Client
}

const etcdNodes = 3

func startEtcd(_ context.Context, o *options, dir string) (system, error) {
	e := &etcdCluster{}
	var peers, initial []string
	for i := range etcdNodes {
		peer, err := harness.FreeAddress()
		if err != nil {
			return e, err
		}
		peers = append(peers, "http://"+peer)
		initial = append(initial, fmt.Sprintf("e%d=http://%s", i, peer))
	}
	for i, peer := range peers {
		client, err := harness.FreeAddress()
		if err != nil {
			return e, err
		}
		url := "http://" + client
		n := &etcdNode{client: client, asks: newClient(time.Second), args: []string{
			"--name", fmt.Sprintf("e%d", i), "--data-dir", filepath.Join(dir, fmt.Sprintf("e%d", i)), "--logger", "zap",
			"--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-state", "new",
			"--heartbeat-interval", strconv.Itoa(o.election / 10), "--election-timeout", strconv.Itoa(o.election),
		}}
		if err := n.Start(); err != nil {
			return e, err
		}
		e.nodes = append(e.nodes, n)
	}
	return e, nil
}

func newClient(limit time.Duration) *http.Client {
	return &http.Client{Timeout: limit, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
}

// Start begins another life of the node.
func (n *etcdNode) Start() (err error) {
	n.Process, err = harness.Start("", nil, "etcd", n.args...)
	return err
}

// Address is none: it does not speak Redis' protocol.
func (n *etcdNode) Address() string { return "" }

// etcdStatus is what a node says of itself; numbers are texts in etcd's JSON.
type etcdStatus struct {
	Header struct {
		Member string `json:"member_id"`
	} `json:"header"`
	Leader string `json:"leader"`
}

func (n *etcdNode) status(ctx context.Context) (s etcdStatus, err error) {
	return s, post(ctx, n.asks, n.client, "/v3/maintenance/status", struct{}{}, &s)
}

// post asks etcd's JSON gateway.
func post(ctx context.Context, c *http.Client, addr, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s%s: %s: %s", addr, path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

func (e *etcdCluster) name() string { return "etcd" }

// whole waits until all nodes name the same leader.
func (e *etcdCluster) whole(ctx context.Context) error {
	for _, n := range e.nodes {
		err := n.Until(ctx, func(ctx context.Context) error {
			first, err := e.nodes[0].status(ctx)
			if err != nil {
				return err
			}
			own, err := n.status(ctx)
			if err == nil && (own.Leader == "0" || own.Leader == "" || own.Leader != first.Leader) {
				err = errors.New("no leader that all know")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *etcdCluster) aims() []string { return []string{aimLeader} }

func (e *etcdCluster) target(ctx context.Context, _, tag string) (string, victim, error) {
	for _, n := range e.nodes {
		s, err := n.status(ctx)
		if err != nil {
			return "", nil, err
		}
		if s.Leader == s.Header.Member {
			return tag, n, nil
		}
	}
	return "", nil, errors.New("no node says that it leads")
}

func (e *etcdCluster) still(ctx context.Context, aim, tag string, v victim) bool {
	_, now, err := e.target(ctx, aim, tag)
	return err == nil && now == v
}

func (e *etcdCluster) close() {
	for _, n := range e.nodes {
		n.Kill()
	}
}

func (e *etcdCluster) store(attempt time.Duration) harness.Store {
	s := &etcdStore{http: newClient(attempt)}
	for _, n := range e.nodes {
		s.addresses = append(s.addresses, n.client)
	}
	return s
}

// etcdStore is a client that asks the next node when one does not answer.
type etcdStore struct {
	http      *http.Client
	addresses []string
	at        int
}

// pair is a key and its value; JSON writes bytes as base64, as etcd reads them.
type pair struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value,omitempty"`
}

// Put sets a key.
func (s *etcdStore) Put(ctx context.Context, key, value string) error {
	var answer struct{}
	err := post(ctx, s.http, s.addresses[s.at], "/v3/kv/put", pair{[]byte(key), []byte(value)}, &answer)
	if err != nil {
		s.at = (s.at + 1) % len(s.addresses)
	}
	return err
}

// readers read at the same time.
const readers = 16

// Missing reads each key, linearizably.
func (s *etcdStore) Missing(ctx context.Context, keys []string) (missing []string, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for part := range readers {
		all.Go(func() {
			for i := part; i < len(keys); i += readers {
				var answer struct {
					Pairs []pair `json:"kvs"`
				}
				failed := post(ctx, s.http, s.addresses[s.at], "/v3/kv/range", pair{Key: []byte(keys[i])}, &answer)
				mu.Lock()
				switch {
				case failed != nil:
					err = failed
				case len(answer.Pairs) != 1 || string(answer.Pairs[0].Value) != keys[i]:
					missing = append(missing, keys[i])
				}
				stop := err != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	all.Wait()
	return missing, err
}

// Close ends the connections.
func (s *etcdStore) Close() error {
	s.http.CloseIdleConnections()
	return nil
}
