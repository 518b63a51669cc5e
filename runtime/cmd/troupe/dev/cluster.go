package dev

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxNodes is the most that fit the ports: 7301 to 7309.
const MaxNodes = 9

// Config says what runs. All fields must be set, except for Args and Attributes.
type Config struct {
	Program string   // the troupe binary
	Args    []string // more flags for every node

	Attributes map[string][]string // of single nodes, by name: NAME=VALUE
	Nodes      int                 // 1 to MaxNodes
	Base       int                 // port: node i listens on Base+i for others, Base+100+i for Redis clients, Base+200+i for HTTP
	Data       string              // folder: a folder and a log for each node
	Show       func(line string)
}

// State is what a node is doing.
type State string

// The states.
const (
	Running State = "running"
	Paused  State = "paused"
	Killed  State = "killed"
	Stopped State = "stopped"
	Failed  State = "failed" // ended by itself
)

// Node is one node as others see it.
type Node struct {
	Name  string `json:"name"`
	Peer  string `json:"peer"`
	RESP  string `json:"resp"`
	HTTP  string `json:"http"`
	Data  string `json:"data"`
	Log   string `json:"log"`
	State State  `json:"state"`
	PID   int    `json:"pid"`           // 0: it does not run
	Cut   string `json:"cut,omitempty"` // from whom it is cut off
}

// member is a node with its process. mu is held while something is done to it, so that two commands do not mix.
type member struct {
	mu      sync.Mutex
	node    Node
	process *process // of its last life; nil before the first
	outlet  *outlet
	log     *os.File
}

// Cluster is a running dev cluster. Its methods may be called concurrently.
type Cluster struct {
	config   Config
	launcher *launcher
	members  []*member
	watchers sync.WaitGroup // one goroutine for each process, until it ends
}

// ErrPort is wrapped by the error of a port that is taken.
var ErrPort = errors.New("port is taken")

// New prepares a cluster: folders are made and ports are tried. Nothing runs yet.
func New(c Config) (*Cluster, error) {
	cluster := &Cluster{config: c}
	for i := 1; i <= c.Nodes; i++ {
		name := "n" + strconv.Itoa(i)
		cluster.members = append(cluster.members, &member{node: Node{
			Name: name, Peer: address(c.Base + i), RESP: address(c.Base + 100 + i), HTTP: address(c.Base + httpPorts + i),
			Data: filepath.Join(c.Data, name), Log: filepath.Join(c.Data, name+".log"), State: Stopped,
		}})
	}
	if err := cluster.tryPorts(); err != nil {
		return nil, err
	}
	return cluster, os.MkdirAll(c.Data, 0o700)
}

// httpPorts is how far from the base the ports for HTTP begin.
const httpPorts = 200

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// tryPorts listens on every port for a moment.
func (c *Cluster) tryPorts() error {
	var taken []string
	for _, m := range c.members {
		for _, address := range []string{m.node.Peer, m.node.RESP, m.node.HTTP} {
			l, err := net.Listen("tcp", address)
			if err != nil {
				_, port, _ := net.SplitHostPort(address)
				taken = append(taken, port)
				continue
			}
			l.Close() // it only was to be tried
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s. See by whom with: lsof -nP -iTCP:%s -sTCP:LISTEN. Other ports: --base-port %d",
		ErrPort, strings.Join(taken, ", "), taken[0], freeBase(c.config.Base, c.config.Nodes))
}

// freeBase finds a base port near another at which all nodes would find their ports free; that other one if there is none.
func freeBase(base, nodes int) int {
	for candidate := base + 1000; candidate+300 < 32768; candidate += 1000 {
		free := true
		for i := 1; i <= nodes && free; i++ {
			for _, offset := range []int{0, 100, 200} {
				l, err := net.Listen("tcp", address(candidate+offset+i))
				if err != nil {
					free = false
					break
				}
				l.Close()
			}
		}
		if free {
			return candidate
		}
	}
	return base
}

// Start runs all nodes. If one cannot be started, those that run are stopped again.
func (c *Cluster) Start() error {
	c.launcher = newLauncher()
	for _, m := range c.members {
		if err := c.start(m); err != nil {
			return errors.Join(err, c.Close())
		}
	}
	return nil
}

// zones are where nodes are, in turn, so that there is something to lose and to be aware of; unless the user says where they are.
var zones = []string{"a", "b", "c"}

// arguments are a node's command line.
func (c *Cluster) arguments(n *Node) []string {
	peers := make([]string, len(c.members))
	for i, m := range c.members {
		peers[i] = m.node.Peer
	}
	args := []string{
		"node", "--name", n.Name, "--data", n.Data, "--peer", n.Peer, "--resp", n.RESP, "--http", n.HTTP,
		"--dev", "--stop-with-stdin",
	}
	if len(peers) > 1 {
		args = append(args, "--initial", strings.Join(peers, ","))
	}
	own := c.config.Attributes[n.Name]
	if !slices.ContainsFunc(slices.Concat(c.config.Args, own), func(arg string) bool { return strings.Contains(arg, "zone=") }) {
		args = append(args, "--attr", "zone="+zones[slices.Index(peers, n.Peer)%len(zones)])
	}
	for _, attribute := range own {
		args = append(args, "--attr", attribute)
	}
	return append(args, c.config.Args...)
}

// start runs one node, unless it does already.
func (c *Cluster) start(m *member) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil && m.process.running() {
		return fmt.Errorf("%s runs already", m.node.Name)
	}
	if m.log == nil {
		log, err := os.OpenFile(m.node.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		m.log = log
	}
	m.outlet = &outlet{name: m.node.Name, show: c.config.Show, log: m.log}
	p, err := c.launcher.start(c.config.Program, c.arguments(&m.node), m.outlet)
	if err != nil {
		return err
	}
	m.process = p
	m.node.State, m.node.PID, m.node.Cut = Running, p.cmd.Process.Pid, ""
	c.watchers.Go(func() { c.watch(m, p) })
	return nil
}

// watch waits for a process's end, and tells of one that nobody wanted.
func (c *Cluster) watch(m *member, p *process) {
	<-p.exited
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != p {
		return
	}
	m.node.PID, m.node.Cut = 0, ""
	if m.node.State != Running && m.node.State != Paused {
		return
	}
	m.node.State = Failed
	c.config.Show(fmt.Sprintf("%s ended by itself (%s); its last lines:%s\n  all of them: %s; again: troupe dev start %s", m.node.Name, p.end, m.outlet.tail(), m.node.Log, m.node.Name))
}

// stopLimit is how long a node has to stop in order before it is killed.
const stopLimit = 20 * time.Second

// stop asks a node to end, and waits for it.
func (c *Cluster) stop(m *member) error {
	m.mu.Lock()
	p, paused := m.process, m.node.State == Paused
	if p == nil || !p.running() {
		m.mu.Unlock()
		return fmt.Errorf("%s does not run", m.node.Name)
	}
	m.node.State = Stopped
	m.mu.Unlock()
	var problems []error
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) { // closed: it has just ended by itself
		problems = append(problems, err)
	}
	if paused {
		problems = append(problems, p.resume())
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.exited:
	case <-limit.C:
		problems = append(problems, fmt.Errorf("%s did not stop in %v and is killed", m.node.Name, stopLimit), p.kill())
	}
	return errors.Join(problems...)
}

// signal kills, pauses or resumes a node.
func (c *Cluster) signal(m *member, after State, from []State, do func(*process) error) error {
	m.mu.Lock()
	p := m.process
	if p == nil || !p.running() || !slices.Contains(from, m.node.State) {
		defer m.mu.Unlock()
		return fmt.Errorf("%s is %s", m.node.Name, m.node.State)
	}
	was := m.node.State
	m.node.State = after
	m.mu.Unlock()
	err := do(p) // kill waits for the end, which watch sees with mu
	if err != nil {
		m.mu.Lock()
		m.node.State = was
		m.mu.Unlock()
	}
	return err
}

// Do does one thing to one node: "kill", "pause", "resume", "start" or "stop".
func (c *Cluster) Do(action, name string) error {
	m, err := c.find(name)
	if err != nil {
		return err
	}
	switch action {
	case "kill":
		return c.signal(m, Killed, []State{Running, Paused}, (*process).kill)
	case "pause":
		return c.signal(m, Paused, []State{Running}, (*process).pause)
	case "resume":
		return c.signal(m, Running, []State{Paused}, (*process).resume)
	case "start":
		return c.start(m)
	case "stop":
		return c.stop(m)
	}
	return fmt.Errorf("%q is nothing that can be done to a node", action)
}

func (c *Cluster) find(name string) (*member, error) {
	var names []string
	for _, m := range c.members {
		if m.node.Name == name {
			return m, nil
		}
		names = append(names, m.node.Name)
	}
	return nil, fmt.Errorf("there is no node %q; there are %s", name, strings.Join(names, ", "))
}

// Nodes describes all nodes, by name.
func (c *Cluster) Nodes() []Node {
	var all []Node
	for _, m := range c.members {
		m.mu.Lock()
		n := m.node
		if m.process == nil || !m.process.running() {
			n.PID = 0
		}
		m.mu.Unlock()
		all = append(all, n)
	}
	return all
}

// Close stops all nodes at once, in order, and waits for them. Data and logs stay where they are.
func (c *Cluster) Close() error {
	if c.launcher == nil {
		return nil
	}
	problems := make([]error, len(c.members))
	var stopping sync.WaitGroup
	for i, m := range c.members {
		stopping.Go(func() {
			m.mu.Lock()
			idle := m.process == nil || !m.process.running()
			m.mu.Unlock()
			if !idle {
				problems[i] = c.stop(m)
			}
		})
	}
	stopping.Wait()
	c.watchers.Wait()
	c.launcher.close()
	for _, m := range c.members {
		if m.log != nil {
			problems = append(problems, m.log.Close())
		}
	}
	return errors.Join(problems...)
}
