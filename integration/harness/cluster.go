package harness

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// ClusterConfig says how to start a cluster of troupe nodes on the loopback. Program and Dir are required.
type ClusterConfig struct {
	Program   string
	Dir       string   // each node keeps its data in a folder of its own below it
	Nodes     int      // default 3
	Join      bool     // the first node begins alone and the others join it; else all begin together, by one list
	Keyspaces []string // --keyspace flags
	Args      []string // more flags for every node
	Env       []string // "NAME=value" for every node
}

// Cluster is a running cluster. Its methods may be called from any goroutine; a member's from one at a time.
type Cluster struct {
	Members []*Member
}

// Member is one node of a cluster, through all its lives.
type Member struct {
	Name   string
	Config NodeConfig // with the addresses that it keeps

	mu     sync.Mutex
	node   *Node // nil before the first start
	paused bool
}

// ErrNobody says that no running member could be asked.
var ErrNobody = errors.New("no member of the cluster answers")

// NewCluster chooses names and addresses, and starts nothing. Nodes are called n1, n2 and so on; each stands for a machine of
// its own, so that copies are spread over them.
func NewCluster(c ClusterConfig) (*Cluster, error) {
	if c.Nodes == 0 {
		c.Nodes = 3
	}
	cluster := &Cluster{}
	var peers []string
	for i := range c.Nodes {
		m := &Member{Name: fmt.Sprintf("n%d", i+1)}
		m.Config = NodeConfig{Program: c.Program, Data: filepath.Join(c.Dir, m.Name), Keyspaces: c.Keyspaces, Env: c.Env}
		for _, address := range []*string{&m.Config.RESP, &m.Config.HTTP, &m.Config.Peer} {
			var err error
			if *address, err = FreeAddress(); err != nil {
				return nil, err
			}
		}
		peers = append(peers, m.Config.Peer)
		cluster.Members = append(cluster.Members, m)
	}
	for i, m := range cluster.Members {
		m.Config.Args = append([]string{"--name", m.Name, "--host", m.Name}, c.Args...)
		switch {
		case !c.Join:
			m.Config.Args = append(m.Config.Args, "--initial", strings.Join(peers, ","))
		case i > 0:
			m.Config.Args = append(m.Config.Args, "--join", peers[0])
		}
	}
	return cluster, nil
}

// StartCluster starts all members and waits until every one says that all is green, and enough of them vote; what it started it
// kills if that fails.
func StartCluster(ctx context.Context, config ClusterConfig) (*Cluster, error) {
	c, err := NewCluster(config)
	if err != nil {
		return nil, err
	}
	for _, m := range c.Members {
		if err := m.Start(); err != nil {
			c.Kill()
			return nil, err
		}
	}
	err = c.WaitHealth(ctx, "green")
	if err == nil {
		err = c.WaitVoters(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, c.Output())
		c.Kill()
		return nil, err
	}
	return c, nil
}

// Kill ends all members at once.
func (c *Cluster) Kill() {
	var all sync.WaitGroup
	for _, m := range c.Members {
		all.Go(m.Kill)
	}
	all.Wait()
}

// Member is the member of a name.
func (c *Cluster) Member(name string) (*Member, error) {
	for _, m := range c.Members {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("the cluster has no member %q", name)
}

// Running are the members that can answer: started, and not paused.
func (c *Cluster) Running() []*Member {
	var running []*Member
	for _, m := range c.Members {
		if m.Node() != nil {
			running = append(running, m)
		}
	}
	return running
}

// RESP are the addresses of all members for Redis clients, whether they run or not.
func (c *Cluster) RESP() []string {
	var addresses []string
	for _, m := range c.Members {
		addresses = append(addresses, m.Config.RESP)
	}
	return addresses
}

// Output is what the members printed last, for the message of a test that failed.
func (c *Cluster) Output() string {
	var text strings.Builder
	for _, m := range c.Members {
		m.mu.Lock()
		n := m.node
		m.mu.Unlock()
		if n != nil {
			fmt.Fprintf(&text, "---- %s\n%s", m.Name, n.Output())
		}
	}
	return text.String()
}

// Start begins another life of the member, and does not wait for it. It must not run.
func (m *Member) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.node != nil && !m.node.ended() {
		return fmt.Errorf("%s runs already", m.Name)
	}
	n, err := Launch(&m.Config)
	if err != nil {
		return err
	}
	m.node, m.paused = n, false
	return nil
}

// Node is the running process; nil if the member does not run, or is paused.
func (m *Member) Node() *Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.node == nil || m.paused || m.node.ended() {
		return nil
	}
	return m.node
}

// Address is where Redis' clients reach the member.
func (m *Member) Address() string { return m.Config.RESP }

// Kill ends the member without a chance to tidy up. It does nothing to one that does not run.
func (m *Member) Kill() {
	m.mu.Lock()
	n := m.node
	m.paused = false
	m.mu.Unlock()
	if n != nil {
		n.Kill()
	}
}

// Stop asks the member to end, and waits for that.
func (m *Member) Stop(ctx context.Context) error {
	n := m.Node()
	if n == nil {
		return fmt.Errorf("%s does not run", m.Name)
	}
	return n.Stop(ctx)
}

// Pause stops the member as it stands; it is not asked for anything until Resume.
func (m *Member) Pause() error { return m.hold(true) }

// Resume lets a paused member go on.
func (m *Member) Resume() error { return m.hold(false) }

func (m *Member) hold(pause bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.node == nil || m.node.ended():
		return fmt.Errorf("%s does not run", m.Name)
	case pause:
		m.paused = true
		return m.node.Pause()
	}
	m.paused = false
	return m.node.Resume()
}

// ended says whether the process has ended, without waiting.
func (n *Node) ended() bool {
	select {
	case <-n.Exited():
		return true
	default:
		return false
	}
}
