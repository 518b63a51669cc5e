package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/troupe-actors/troupe/integration/harness"
)

// etcd is three nodes of one Raft group.
type etcd struct {
	servers []*harness.Process
	clients []string // their addresses
	leader  string   // address
}

const etcdNodes = 3

func startEtcd(ctx context.Context, _ *options, dir string) (system, error) {
	e := &etcd{}
	var peers, initial []string
	for i := range etcdNodes {
		peer, err := harness.FreeAddress()
		if err != nil {
			return e, err
		}
		peers, initial = append(peers, "http://"+peer), append(initial, fmt.Sprintf("e%d=http://%s", i, peer))
	}
	for i, peer := range peers {
		client, err := harness.FreeAddress()
		if err != nil {
			return e, err
		}
		url, name := "http://"+client, fmt.Sprintf("e%d", i)
		p, err := harness.Start("", nil, "etcd", "--name", name, "--data-dir", filepath.Join(dir, name), "--logger", "zap",
			"--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peer,
			"--initial-advertise-peer-urls", peer, "--initial-cluster", strings.Join(initial, ","), "--initial-cluster-state", "new")
		if err != nil {
			return e, err
		}
		e.servers, e.clients = append(e.servers, p), append(e.clients, client)
	}
	for _, p := range e.servers {
		if err := p.Until(ctx, e.seek); err != nil {
			return e, err
		}
	}
	return e, nil
}

// seek finds the leader.
func (e *etcd) seek(ctx context.Context) error {
	for _, addr := range e.clients {
		var status struct {
			Header struct {
				Member string `json:"member_id"`
			} `json:"header"`
			Leader string `json:"leader"`
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v3/maintenance/status", bytes.NewReader([]byte("{}")))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		err = json.NewDecoder(resp.Body).Decode(&status)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if status.Leader != "" && status.Leader == status.Header.Member {
			e.leader = addr
			return nil
		}
	}
	return errors.New("no leader yet")
}

func (e *etcd) name() string                  { return "etcd" }
func (e *etcd) processes() []*harness.Process { return e.servers }
func (e *etcd) close() {
	for _, p := range e.servers {
		p.Kill()
	}
}

// caller is one connection to etcd's leader.
type caller struct {
	conn *grpc.ClientConn
	keys int
}

func (e *etcd) dial(_ context.Context, o *options, _ int) (client, error) {
	c, err := grpc.NewClient("passthrough:///"+e.leader, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bare{})))
	return &caller{c, o.keys}, err
}

func (c *caller) close() { c.conn.Close() }

// write puts n keys at the same time: etcd's protocol has no pipeline.
func (c *caller) write(ctx context.Context, n int) error {
	if n == 1 {
		return c.put(ctx)
	}
	failed := make(chan error, n)
	for range n {
		go func() { failed <- c.put(ctx) }()
	}
	var err error
	for range n {
		err = errors.Join(err, <-failed)
	}
	return err
}

func (c *caller) put(ctx context.Context) error {
	var answer []byte
	return c.conn.Invoke(ctx, "/etcdserverpb.KV/Put", putRequest(fmt.Sprintf("key:%08d", rand.N(c.keys)), strings.Repeat("v", 100)), &answer)
}

// putRequest is etcd's PutRequest in protobuf's form: field 1 is the key, field 2 the value.
func putRequest(key, value string) []byte {
	var b []byte
	for i, text := range []string{key, value} {
		b = append(b, byte(i+1)<<3|2)
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

// bare hands messages over as they are.
type bare struct{}

// Marshal gives the message itself.
func (bare) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

// Unmarshal keeps the message as it came.
func (bare) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

// Name is how the server knows the messages' form.
func (bare) Name() string { return "proto" }
