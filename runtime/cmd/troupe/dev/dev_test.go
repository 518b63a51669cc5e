package dev

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test's own binary stand for a node: it answers on its port until its standard input ends.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "node" {
		os.Exit(actNode(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func actNode(args []string) int {
	fmt.Println("node with", strings.Join(args, " "))
	for i, arg := range args {
		switch arg {
		case "--peer":
			l, err := net.Listen("tcp", args[i+1])
			if err != nil {
				fmt.Println("level=ERROR", err)
				return 3
			}
			defer l.Close()
			go answer(l)
		case "--fail":
			fmt.Println("level=ERROR this is how it ends")
			return 7
		}
	}
	io.Copy(io.Discard, os.Stdin)
	fmt.Println("stopped in order")
	return 0
}

// answer greets everybody that comes.
func answer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(conn, os.Getpid())
		conn.Close()
	}
}

// shown collects what a person would see.
type shown struct {
	mu    sync.Mutex
	lines []string
	came  chan struct{}
}

func (s *shown) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// await returns when a line with this text has been shown.
func (s *shown) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		all := strings.Join(s.lines, "\n")
		s.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-s.came:
		case <-limit:
			t.Fatalf("%q was not shown, but\n%s", text, all)
		}
	}
}

// newCluster prepares a cluster on free ports, whose nodes are this binary.
func newCluster(t *testing.T, nodes int, args ...string) (*Cluster, *shown) {
	t.Helper()
	s := &shown{came: make(chan struct{}, 1)}
	base := freeBase(9000+os.Getpid()%250*4, nodes) // below those of other tests, which run at the same time
	c, err := New(Config{Program: os.Args[0], Args: args, Nodes: nodes, Base: base, Data: t.TempDir(), Show: s.show})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, s
}

// greeted connects to a node until it answers, and says as which process.
func greeted(t *testing.T, n Node) int {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for time.Now().Before(end) {
		conn, err := net.DialTimeout("tcp", n.Peer, time.Second)
		if err != nil {
			goruntime.Gosched()
			continue
		}
		conn.SetDeadline(end)
		text, _ := io.ReadAll(conn)
		conn.Close()
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return pid
		}
	}
	t.Fatalf("%s does not answer", n.Name)
	return 0
}

func (c *Cluster) must(t *testing.T, action, name string) Node {
	t.Helper()
	if err := c.Do(action, name); err != nil {
		t.Fatalf("%s %s: %v", action, name, err)
	}
	m, _ := c.find(name)
	for _, n := range c.Nodes() {
		if n.Name == m.node.Name {
			return n
		}
	}
	panic("a node that is found is not listed")
}

func TestLifeOfNodes(t *testing.T) {
	c, _ := newCluster(t, 3)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		if pid := greeted(t, n); pid != n.PID || n.State != Running {
			t.Errorf("%+v answers as process %d", n, pid)
		}
	}
	if n := c.must(t, "kill", "n2"); n.State != Killed || n.PID != 0 {
		t.Errorf("killed: %+v", n)
	}
	if err := c.Do("kill", "n2"); err == nil || err.Error() != "n2 is killed" {
		t.Errorf("killed twice: %v", err)
	}
	if err := c.Do("start", "n1"); err == nil || err.Error() != "n1 runs already" {
		t.Errorf("started twice: %v", err)
	}
	if n := c.must(t, "start", "n2"); n.State != Running || greeted(t, n) != n.PID {
		t.Errorf("started again: %+v", n)
	}
	if n := c.must(t, "stop", "n3"); n.State != Stopped {
		t.Errorf("stopped: %+v", n)
	}
	if err := c.Do("stop", "n3"); err == nil {
		t.Error("stopped twice")
	}
	if err := c.Do("start", "n9"); err == nil || !strings.Contains(err.Error(), "there are n1, n2, n3") {
		t.Errorf("an unknown node: %v", err)
	}
	if err := c.Do("tickle", "n1"); err == nil {
		t.Error("an unknown action")
	}
	log, err := os.ReadFile(filepath.Join(c.config.Data, "n3.log"))
	if err != nil || !strings.Contains(string(log), "n3 | stopped in order\n") || !strings.Contains(string(log), "--initial") {
		t.Errorf("the log of n3: %s, %v", log, err)
	}
}

func TestPauseAndResume(t *testing.T) {
	if goruntime.GOOS == "windows" {
		t.Skip("Windows cannot pause a process")
	}
	c, _ := newCluster(t, 2)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	first := c.Nodes()[0]
	greeted(t, first)
	if n := c.must(t, "pause", "n1"); n.State != Paused {
		t.Errorf("%+v", n)
	}
	for end := time.Now().Add(30 * time.Second); !mute(t, first); { // the system may take a moment to stop all its threads
		if time.Now().After(end) {
			t.Fatal("a paused node goes on answering")
		}
	}
	if err := c.Do("resume", "n2"); err == nil {
		t.Error("resumed a node that runs")
	}
	c.must(t, "resume", "n1")
	if pid := greeted(t, first); pid != first.PID {
		t.Errorf("it goes on as process %d", pid)
	}
	c.must(t, "pause", "n2") // Close must stop a paused node, too
}

// mute says whether a node's port takes a connection (the system does that) and nobody answers.
func mute(t *testing.T, n Node) bool {
	t.Helper()
	conn, err := net.Dial("tcp", n.Peer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// Nodes are in zones in turn, unless the user says where they are: a node refuses an attribute that it is given twice.
func TestNodesAreInZones(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{{nil, "a b c a"}, {[]string{"--attr", "zone=x"}, "x x x x"}, {[]string{"--attr=zone=y", "--attr", "rack=1"}, "y y y y"}} {
		cluster := &Cluster{config: Config{Args: c.args}}
		for i := range 4 {
			cluster.members = append(cluster.members, &member{node: Node{Peer: address(i)}})
		}
		var got []string
		for _, m := range cluster.members {
			for _, arg := range cluster.arguments(&m.node) {
				if _, zone, found := strings.Cut(arg, "zone="); found {
					got = append(got, zone)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("with %v: zones %v, not %s", c.args, got, c.want)
		}
	}
}

// What one node has, the others have not; its own zone stands for the one that it would have had.
func TestAttributesOfOneNode(t *testing.T) {
	cluster := &Cluster{config: Config{Attributes: map[string][]string{"n2": {"zone=x", "spot=true"}}}}
	for i := range 2 {
		cluster.members = append(cluster.members, &member{node: Node{Name: fmt.Sprintf("n%d", i+1), Peer: address(i)}})
	}
	one, two := strings.Join(cluster.arguments(&cluster.members[0].node), " "), strings.Join(cluster.arguments(&cluster.members[1].node), " ")
	if !strings.HasSuffix(one, " --attr zone=a") || strings.Contains(one, "spot") || !strings.HasSuffix(two, "--attr zone=x --attr spot=true") || strings.Count(two, "--attr") != 2 {
		t.Errorf("the nodes are begun with\n%s\n%s", one, two)
	}
}

func TestANodeThatEndsByItselfIsTold(t *testing.T) {
	c, s := newCluster(t, 1, "--fail")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s.await(t, "n1 | level=ERROR this is how it ends")
	s.await(t, "n1 ended by itself (exit status 7); its last lines:")
	if n := c.Nodes()[0]; n.State != Failed || n.PID != 0 {
		t.Errorf("%+v", n)
	}
}

func TestTakenPortsAreNamed(t *testing.T) {
	c, _ := newCluster(t, 1)
	l, err := net.Listen("tcp", c.Nodes()[0].RESP)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = New(c.config)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if !errors.Is(err, ErrPort) || !strings.Contains(err.Error(), port) || !strings.Contains(err.Error(), "--base-port ") {
		t.Errorf("%v", err)
	}
}

func TestControl(t *testing.T) {
	c, _ := newCluster(t, 2)
	folder := filepath.Join(t.TempDir(), "control")
	if _, err := Ask(t.Context(), folder, 0, Request{Action: "status"}); !errors.Is(err, ErrNone) {
		t.Errorf("nobody is there: %v", err)
	}
	k, err := Listen(c, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for _, base := range []int{0, c.config.Base} {
		if a, err := Ask(t.Context(), folder, base, Request{Action: "status"}); err != nil || len(a.Nodes) != 2 || a.Nodes[1].State != Running {
			t.Errorf("status: %+v, %v", a, err)
		}
	}
	if a, err := Ask(t.Context(), folder, 0, Request{Action: "kill", Node: "n2"}); err != nil || a.Nodes[1].State != Killed {
		t.Errorf("kill: %+v, %v", a, err)
	}
	if _, err := Ask(t.Context(), folder, 0, Request{Action: "kill", Node: "n2"}); err == nil || err.Error() != "n2 is killed" {
		t.Errorf("kill again: %v", err)
	}
	if _, err := Ask(t.Context(), folder, 0, Request{Action: "cut", Node: "n1"}); err == nil || !strings.Contains(err.Error(), "n1: ") {
		t.Errorf("a node that has no such path was cut off: %v", err)
	}
	if _, err := Ask(t.Context(), folder, 1, Request{Action: "status"}); !errors.Is(err, ErrNone) {
		t.Errorf("other ports: %v", err)
	}
	if _, err := Listen(c, folder); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second cluster on the same ports: %v", err)
	}
	text, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Ask(t.Context(), folder, 0, Request{Action: "status"}); !errors.Is(err, ErrNone) {
		t.Errorf("after the end: %v", err)
	}
	if err := os.WriteFile(k.path, text, 0o600); err != nil { // as after kill -9
		t.Fatal(err)
	}
	if _, err := Ask(t.Context(), folder, 0, Request{Action: "status"}); !errors.Is(err, ErrNone) {
		t.Errorf("a file that was left: %v", err)
	}
	again, err := Listen(c, folder)
	if err != nil {
		t.Fatalf("a file that was left is in the way: %v", err)
	}
	wrong := file{Address: k.server.Addr}
	if f, err := readFile(k.path); err == nil {
		wrong = *f
	}
	wrong.Token = "guess"
	if _, err := wrong.call(t.Context(), Request{Action: "kill", Node: "n1"}); err == nil || c.Nodes()[0].State != Running {
		t.Errorf("without the token: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestOutletSplitsLines(t *testing.T) {
	s := &shown{came: make(chan struct{}, 1)}
	var log strings.Builder
	o := &outlet{name: "n1", show: s.show, log: &log}
	for _, part := range []string{"a\nb", "c\r\n\nlevel=ERROR d\n", strings.Repeat("x", maxOutLine+1), "rest"} {
		if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	want := "n1 | a\nn1 | bc\nn1 | \nn1 | level=ERROR d\nn1 | " + strings.Repeat("x", maxOutLine+1) + "\n"
	if log.String() != want || len(s.lines) != 1 || s.lines[0] != "n1 | level=ERROR d" {
		t.Errorf("%.200q, shown %q", log.String(), s.lines)
	}
	if tail := o.tail(); !strings.HasPrefix(tail, "\n  n1 | a\n  n1 | bc\n") {
		t.Errorf("%.100q", tail)
	}
}
