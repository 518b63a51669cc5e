package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
)

// Build compiles the troupe binary into folder dir and returns its path. With race it has the race detector in it.
func Build(ctx context.Context, dir string, race bool) (string, error) {
	program := filepath.Join(dir, "troupe")
	if goruntime.GOOS == "windows" {
		program += ".exe"
	}
	args := []string{"build", "-o", program}
	if race {
		args = append(args, "-race")
	}
	args = append(args, "github.com/troupe-actors/troupe/runtime/cmd/troupe")
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// NodeConfig says how to start a node. Addresses that are "" become free ones, and are filled in, so that the same config
// restarts the same node.
type NodeConfig struct {
	Program          string
	Data             string
	RESP, HTTP, Peer string
	Keyspaces        []string // --keyspace flags
	Args             []string // more flags
	Env              []string // "NAME=value"
}

// Node is a running troupe node.
type Node struct {
	*Process
	RESP, HTTP string
}

// Launch starts a node and does not wait for it.
func Launch(c *NodeConfig) (*Node, error) {
	for _, a := range []*string{&c.RESP, &c.HTTP, &c.Peer} {
		if *a != "" {
			continue
		}
		var err error
		if *a, err = FreeAddress(); err != nil {
			return nil, err
		}
	}
	args := []string{"node", "--data", c.Data, "--resp", c.RESP, "--http", c.HTTP, "--peer", c.Peer}
	for _, k := range c.Keyspaces {
		args = append(args, "--keyspace", k)
	}
	p, err := Start("", c.Env, c.Program, append(args, c.Args...)...)
	if err != nil {
		return nil, err
	}
	return &Node{Process: p, RESP: c.RESP, HTTP: c.HTTP}, nil
}

// StartNode starts a node and waits until its health is asked for and answered; what it started it kills if that fails.
func StartNode(ctx context.Context, c *NodeConfig) (*Node, error) {
	n, err := Launch(c)
	if err != nil {
		return nil, err
	}
	if err := n.Until(ctx, n.Healthy); err != nil {
		n.Kill()
		return nil, err
	}
	return n, nil
}

// Healthy is nil if the node answers its health with 200.
func (n *Node) Healthy(ctx context.Context) error {
	_, err := n.Fetch(ctx, "/_cluster/health")
	return err
}

// Fetch is the body of a GET; any status but 200 is an error.
func (n *Node) Fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	return body, err
}
