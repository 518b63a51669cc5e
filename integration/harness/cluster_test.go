package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeRedis answers commands by a function, on a port of its own.
func fakeRedis(t *testing.T, answer func(args []string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					args, err := readCommand(in)
					if err != nil {
						return
					}
					fmt.Fprint(c, answer(args))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func readCommand(in *bufio.Reader) (args []string, err error) {
	line := func() (int, error) {
		text, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(text[1:]))
	}
	count, err := line()
	for range count {
		if _, err := line(); err != nil {
			return nil, err
		}
		text, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		args = append(args, strings.TrimSpace(text))
	}
	return args, err
}

func TestFollowerGoesWhereItIsSent(t *testing.T) {
	var mu sync.Mutex
	data := map[string]string{}
	owner := fakeRedis(t, func(args []string) string {
		mu.Lock()
		defer mu.Unlock()
		switch args[0] {
		case "SET":
			data[args[1]] = args[2]
			return "+OK\r\n"
		case "GET":
			if v, ok := data[args[1]]; ok {
				return fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
			}
		}
		return "$-1\r\n"
	})
	asked := 0
	asking := fakeRedis(t, func(args []string) string {
		if args[0] == "ASKING" {
			asked++
			return "+OK\r\n"
		}
		return "-MOVED 1 " + owner + "\r\n"
	})
	other := fakeRedis(t, func([]string) string { return "-ASK 1 " + asking + "\r\n" })
	dead, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	f := Follow([]string{dead, other}, time.Second)
	defer f.Close()
	if err := f.Put(t.Context(), "a", "a"); err == nil {
		t.Fatal("nobody listens there")
	}
	if err := f.Put(t.Context(), "a", "a"); err != nil || asked != 1 {
		t.Fatalf("%v; asked %d times", err, asked)
	}
	if f.at != owner {
		t.Errorf("at %s, want %s", f.at, owner)
	}
	missing, err := f.Missing(t.Context(), []string{"a", "b"})
	if err != nil || len(missing) != 1 || missing[0] != "b" {
		t.Errorf("missing: %v, %v", missing, err)
	}
}

func TestFollowerDoesNotHang(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ok := fakeRedis(t, func([]string) string { return "+OK\r\n" })
	f := Follow([]string{l.Addr().String(), ok}, 20*time.Millisecond)
	defer f.Close()
	if err := f.Put(t.Context(), "a", "a"); err == nil {
		t.Fatal("it was answered")
	}
	tries := func(fits func(error) bool) { // in 20 ms a busy machine may answer nothing
		t.Helper()
		var err error
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			if err = f.Put(t.Context(), "a", "a"); fits(err) {
				return
			}
		}
		t.Fatal(err)
	}
	tries(func(err error) bool { return err == nil })
	circle := ""
	circle = fakeRedis(t, func([]string) string { return "-MOVED 1 " + circle + "\r\n" })
	f.at = circle
	tries(func(err error) bool {
		f.at = circle
		return err != nil && strings.Contains(err.Error(), "MOVED")
	})
}

// memory is a store that fails while it is told to.
type memory struct {
	mu     sync.Mutex
	broken bool
	data   map[string]string
}

func (m *memory) Put(_ context.Context, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errors.New("broken")
	}
	m.data[key] = value
	return nil
}

func (m *memory) Missing(_ context.Context, keys []string) (missing []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if m.data[k] != k {
			missing = append(missing, k)
		}
	}
	return missing, nil
}

func (m *memory) Close() error { return nil }

// It runs in a bubble: on a busy machine the writer may stand still for longer than its store does.
func TestWriterMeasuresTheGap(t *testing.T) { synctest.Test(t, measuresTheGap) }

func measuresTheGap(t *testing.T) {
	m := &memory{data: map[string]string{}}
	w := StartWriter(m, "tag", "w0")
	if err := w.Await(t.Context(), 10, time.Time{}); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	m.broken = true
	m.mu.Unlock()
	failed := func(least int) {
		for n := 0; n < least; n, _ = w.Failures() {
			<-time.After(time.Millisecond)
		}
	}
	failed(1)
	broke := time.Now() // what was acknowledged before is noted
	failed(20)
	mended := time.Now()
	m.mu.Lock()
	m.broken = false
	m.mu.Unlock()
	if err := w.Await(t.Context(), 5, broke); err != nil {
		t.Fatal(err)
	}
	w.Stop()
	gap, from := w.Gap(time.Time{})
	if outage := mended.Sub(broke); gap < outage || from.After(broke) {
		t.Errorf("an outage of %v was measured as %v from %v on", outage, gap, from.Sub(broke))
	}
	if later, _ := w.Gap(mended); later >= mended.Sub(broke) {
		t.Errorf("after the outage there is one of %v", later)
	}
	acks := w.Acks()
	if late := w.Since(broke); len(late) < 5 || late[0].Begun.Before(broke) {
		t.Errorf("%d writes began after the break", len(late))
	}
	if missing, err := m.Missing(t.Context(), Keys(acks)); err != nil || len(missing) > 0 || acks[0].Key != "{tag}:w0:0" {
		t.Errorf("%v, %v, %+v", missing, err, acks[0])
	}
	delete(m.data, acks[3].Key)
	if missing, _ := m.Missing(t.Context(), Keys(acks)); len(missing) != 1 {
		t.Errorf("missing: %v", missing)
	}
}

func TestPauseHoldsAProcess(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server on this machine")
	}
	p, addr, err := StartRedis(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	c, err := Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	c.Send("PING")
	c.Flush()
	c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Receive(); err == nil {
		t.Error("a paused process answered")
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	if v, err := c.Receive(); err != nil || v != "PONG" {
		t.Errorf("%v, %v", v, err)
	}
}

// fakeMember is a member that seems to run, with an HTTP API that the test writes.
func fakeMember(t *testing.T, name string, pages map[string]string) *Member {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.Error(w, "no such page", http.StatusNotFound)
		}
		fmt.Fprint(w, page)
	}))
	t.Cleanup(s.Close)
	m := &Member{Name: name, node: &Node{Process: &Process{exited: make(chan struct{})}, HTTP: s.Listener.Addr().String()}}
	m.Config.HTTP = m.node.HTTP
	return m
}

func TestAskingACluster(t *testing.T) {
	pages := map[string]string{
		"/_cluster/health": `{"status":"green","number_of_nodes":3,"leader":"n2","down_nodes":["n3"]}`,
		"/_cat/shards": `[{"keyspace":"default","shard":"0","prirep":"p","state":"STARTED","node":"n1","slots":"0-8191","insync":"*"},
			{"keyspace":"default","shard":"1","prirep":"r","state":"STARTED","node":"n1","slots":"8192-16383","insync":"*"},
			{"keyspace":"default","shard":"1","prirep":"p","state":"STARTED","node":"n2","slots":"8192-16383","insync":"*"}]`,
		"/_cat/nodes": `[{"name":"n1","node.role":"dm","voter":"*"},{"name":"n2","node.role":"dm","voter":"-"},{"name":"n3","node.role":"dm","voter":"*"}]`,
		"/_dev/heal":  `{}`,
	}
	c := &Cluster{Members: []*Member{fakeMember(t, "n1", map[string]string{}), fakeMember(t, "n2", pages), {Name: "n3"}}}
	leader, err := c.Leader(t.Context())
	if err != nil || leader.Name != "n2" {
		t.Fatalf("leader: %v, %v", leader, err)
	}
	if p, err := c.Primary(t.Context(), "default", "foo"); err != nil || p.Name != "n2" { // slot 12182
		t.Errorf("primary of foo: %v, %v", p, err)
	}
	if p, err := c.Primary(t.Context(), "default", "bar"); err != nil || p.Name != "n1" { // slot 5061
		t.Errorf("primary of bar: %v, %v", p, err)
	}
	if _, err := c.Primary(t.Context(), "other", "bar"); err == nil {
		t.Error("a primary in no keyspace")
	}
	for patience, told := 50*time.Millisecond, false; !told; patience *= 2 { // on a busy machine nothing may have been asked by then
		short, cancel := context.WithTimeout(t.Context(), patience)
		err := c.WaitHealth(short, "green")
		cancel()
		if told = err != nil && strings.Contains(err.Error(), "404"); err == nil || patience > time.Minute {
			t.Fatalf("while n1 does not answer: %v", err)
		}
	}
	c.Members[0] = fakeMember(t, "n1", pages)
	if err := c.WaitHealth(t.Context(), "green"); err != nil {
		t.Errorf("two of two: %v", err)
	}
	if err := c.WaitVoters(t.Context()); err != nil { // one of the two that run
		t.Error(err)
	}
	for eligible, want := range []int{1: 1, 2: 1, 3: 3, 4: 3, 5: 5, 7: 7, 8: 7, 9: 7} {
		if got := wantedVoters(eligible); want > 0 && got != want {
			t.Errorf("%d of %d vote, want %d", got, eligible, want)
		}
	}
	if err := leader.Heal(t.Context()); err != nil {
		t.Error(err)
	}
	if err := leader.Cut(t.Context(), []string{"n1"}, true); err == nil {
		t.Error("a cut without the page for it")
	}
}

func TestNewClusterGivesEachNodeItsPlace(t *testing.T) {
	c, err := NewCluster(ClusterConfig{Program: "troupe", Dir: "d", Args: []string{"--dev"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range c.Members {
		for _, a := range []string{m.Config.RESP, m.Config.HTTP, m.Config.Peer, m.Config.Data} {
			if a == "" || seen[a] {
				t.Errorf("%s: %q is used twice, or empty", m.Name, a)
			}
			seen[a] = true
		}
		args := strings.Join(m.Config.Args, " ")
		for _, peer := range c.Members {
			if !strings.Contains(args, peer.Config.Peer) {
				t.Errorf("%s does not know %s: %s", m.Name, peer.Config.Peer, args)
			}
		}
		if !strings.Contains(args, "--name "+m.Name) || !strings.Contains(args, "--dev") {
			t.Errorf("%s: %s", m.Name, args)
		}
	}
	joined, err := NewCluster(ClusterConfig{Join: true, Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	first, second := strings.Join(joined.Members[0].Config.Args, " "), strings.Join(joined.Members[1].Config.Args, " ")
	if strings.Contains(first, "--join") || !strings.Contains(second, "--join "+joined.Members[0].Config.Peer) {
		t.Errorf("%s; %s", first, second)
	}
}

func TestMemberLives(t *testing.T) {
	m := &Member{Name: "n1"}
	if m.Node() != nil || m.Pause() == nil || m.Stop(t.Context()) == nil {
		t.Error("a member that was never started runs")
	}
	m.Kill()
	m.Config = NodeConfig{Program: "/nowhere/troupe"}
	if err := m.Start(); err == nil {
		t.Error("a program that is not there was started")
	}
}
