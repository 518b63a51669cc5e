package integration

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// In all tests of this file a well-behaved client works beside the hostile ones, and the node's memory is looked at. Under
// the race detector the same attacks run, and memory, which is then the detector's, is not compared.

// bounded fails the test if the node holds more than so many bytes.
func bounded(t *testing.T, n *harness.Node, limit int64) {
	t.Helper()
	held, _, err := n.Memory()
	must(t, err)
	t.Logf("the node holds %d MiB", held>>20)
	if held > limit && !raceDetector {
		t.Errorf("the node holds %d MiB, over %d", held>>20, limit>>20)
	}
}

// unaffected is what everybody else sees.
func unaffected(t *testing.T, n *harness.Node) {
	t.Helper()
	c := connect(t, n.RESP)
	expect(t, c, "OK", "SET", "calm", "as ever")
	expect(t, c, "as ever", "GET", "calm")
}

func TestTenThousandConnections(t *testing.T) {
	const wanted = 10_000
	var files syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if files.Cur < wanted+500 {
		t.Skipf("this process may open %d files; %d connections need more", files.Cur, wanted)
	}
	n := start(t, newNode(t))
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range wanted - 10 { // the rest is for those who ask whether all is well
		c, err := net.Dial("tcp", n.RESP)
		must(t, err)
		conns = append(conns, c)
		_, err = io.WriteString(c, "PING\r\n")
		must(t, err)
	}
	for i, c := range conns {
		must(t, c.SetDeadline(time.Now().Add(patience)))
		pong := make([]byte, 7)
		if _, err := io.ReadFull(c, pong); err != nil || string(pong) != "+PONG\r\n" {
			t.Fatalf("connection %d: %q, %v", i, pong, err)
		}
	}
	unaffected(t, n)
	bounded(t, n, 400<<20)

	// Beyond the limit a client is told so.
	refused := 0
	for range 20 {
		c, err := net.Dial("tcp", n.RESP)
		must(t, err)
		conns = append(conns, c)
		must(t, c.SetDeadline(time.Now().Add(patience)))
		io.WriteString(c, "PING\r\n") // it may be closed already
		if reply, _ := io.ReadAll(io.LimitReader(c, 7)); strings.HasPrefix(string(reply), "-ERR ma") {
			refused++
		}
	}
	if refused == 0 {
		t.Error("10,010 clients are served where the limit is 10,000")
	}
}

// TestHalfOpen: connections that stop in the middle of a command wait alone.
func TestHalfOpen(t *testing.T) {
	n := start(t, newNode(t))
	for _, beginning := range []string{"", "*", "*3\r\n$3\r\nSE", "*2\r\n$3\r\nGET\r\n$67000000\r\n", "*1000000\r\n", "*1\r\n$1000\r\nabc"} {
		for range 50 {
			c, err := net.Dial("tcp", n.RESP)
			must(t, err)
			defer c.Close()
			_, err = io.WriteString(c, beginning)
			must(t, err)
		}
	}
	unaffected(t, n)
	bounded(t, n, 300<<20)
}

// TestUnfinishedCommands: connections that send nearly all of a long command, and then nothing, are told that there is no room, or are
// closed, once they hold together what they may.
func TestUnfinishedCommands(t *testing.T) {
	const clients, size = 20, 30 << 20
	c := newNode(t)
	c.Args = append(c.Args, "--redis-memory", "128mb", "--redis-request", "64mb")
	n := start(t, c)
	beginning := append([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$"+strconv.Itoa(size)+"\r\n"), make([]byte, size-1)...)
	for range clients {
		c, err := net.Dial("tcp", n.RESP)
		must(t, err)
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(patience)))
		if _, err = c.Write(beginning); err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Fatal(err)
		}
	}
	until(t, "somebody is told that there is no room", func() bool { return metrics(t, n, "troupe_resp_held_refused_total")[""] > 0 })
	unaffected(t, n)
	bounded(t, n, 450<<20)
}

// TestSlowReaders ask for a gigabyte and read nothing of it.
func TestSlowReaders(t *testing.T) {
	n := start(t, newNode(t))
	c := connect(t, n.RESP)
	do(t, c, "SET", "big", strings.Repeat("x", 10<<10))
	ask := []byte(strings.Repeat("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", 5000))
	for range 20 {
		slow, err := net.Dial("tcp", n.RESP)
		must(t, err)
		defer slow.Close()
		must(t, slow.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		if _, err := slow.Write(ask); err != nil && !errors.Is(err, net.ErrClosed) {
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Fatal(err)
			}
		}
	}
	unaffected(t, n)
	bounded(t, n, 500<<20)
}

// TestOversized commands are refused with a reason, or end their own connection, and nobody else's.
func TestOversized(t *testing.T) {
	onceIsEnough(t)
	n := start(t, newNode(t))
	for name, command := range map[string]string{
		"argument over the limit":  "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$600000000\r\n",
		"argument of no length":    "*2\r\n$3\r\nGET\r\n$-5\r\n",
		"length that overflows":    "*2\r\n$3\r\nGET\r\n$70017000000000000000000\r\n",
		"too many arguments":       "*2000000000\r\n",
		"arguments that overflow":  "*99999999999999999999\r\n",
		"inline without an end":    strings.Repeat("a", 1<<20),
		"length without an end":    "*3\r\n$" + strings.Repeat("1", 1<<20),
		"a protocol of other kind": "*1\r\n:12\r\n",
	} {
		c := connect(t, n.RESP)
		go io.WriteString(c.Net(), command) // the node may close before it has read all
		var refusal harness.ReplyError
		if _, err := c.Receive(); !errors.As(err, &refusal) && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: answered %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	c := connect(t, n.RESP)
	longKey := strings.Repeat("k", 1<<16)
	var refusal harness.ReplyError
	if _, err := c.Do("SET", longKey, "v"); !errors.As(err, &refusal) {
		t.Errorf("a key of 65,536 bytes: %v", err)
	}
	expect(t, c, "PONG", "PING")
	expect(t, c, "OK", "SET", longKey[1:], "v")
	value := strings.Repeat("v", 64<<20)
	expect(t, c, "OK", "SET", "largest", value)
	expect(t, c, value, "GET", "largest")
	if _, err := c.Do("APPEND", "largest", "v"); !errors.As(err, &refusal) {
		t.Errorf("a value of 64 MiB and a byte: %v", err)
	}
	unaffected(t, n)
	bounded(t, n, 1<<30)
}

// TestGarbage sends random bytes, and commands with random bytes changed, to the Redis and the HTTP port.
func TestGarbage(t *testing.T) {
	n := start(t, newNode(t))
	random := dice(t)
	valid := bytes.Repeat([]byte("*3\r\n$3\r\nSET\r\n$4\r\ncalm\r\n$7\r\nas ever\r\n*2\r\n$3\r\nGET\r\n$4\r\ncalm\r\n"), 20)
	var running sync.WaitGroup
	for range 4 {
		own := rand.New(rand.NewPCG(random.Uint64(), 2))
		running.Go(func() {
			for i := range 150 {
				text := bytes.Clone(valid)
				for range 1 + own.IntN(20) {
					text[own.IntN(len(text))] = byte(own.Uint32())
				}
				if i%3 == 0 {
					for j := range text {
						text[j] = byte(own.Uint32())
					}
				}
				throw([]string{n.RESP, n.HTTP}[i%2], text)
			}
		})
	}
	running.Wait()
	unaffected(t, n)
	bounded(t, n, 400<<20)
}

// throw writes to an address and reads what comes back for a moment; what it is does not matter.
func throw(addr string, text []byte) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(50 * time.Millisecond)) // an own connection always takes a deadline
	c.Write(text)
	c.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, c)
}

// TestIdle: a thousand shards that hold nothing and do nothing cost next to nothing.
func TestIdle(t *testing.T) {
	onceIsEnough(t)
	n := start(t, newNode(t, "default:shards=1024"))
	wait := func(d time.Duration) {
		t.Helper()
		ended := time.NewTimer(d)
		defer ended.Stop()
		select {
		case <-n.Exited():
			t.Fatalf("the node ended\n%s", n.Output())
		case <-ended.C:
		}
	}
	const settled, watched = 6 * time.Second, 3 * time.Second // the policies of the house are compiled soon after the start
	wait(settled)
	until(t, "it uses less than a tenth of a core", func() bool { // a bound for a node that spins, whatever else runs here
		before, err := n.CPU()
		must(t, err)
		wait(watched)
		after, err := n.CPU()
		must(t, err)
		t.Logf("1024 empty shards use %s %% of one core", strconv.FormatFloat(100*float64(after-before)/float64(watched), 'f', 2, 64))
		return after-before < watched/10
	})
	until(t, "it holds little", func() bool { // once its policies are compiled, which takes long on a busy machine
		held, program, err := n.Memory()
		must(t, err)
		t.Logf("they hold %d MB beside the pages of the program, and %d with these", held/1e6, (held+program)/1e6)
		return held <= 40<<20 || raceDetector
	})
}

// TestIdleCluster: the same for three nodes, of whose thousand shards each has a copy on two.
func TestIdleCluster(t *testing.T) {
	onceIsEnough(t)
	binary, err := program()
	must(t, err)
	c, err := harness.StartCluster(t.Context(), harness.ClusterConfig{
		Program: binary, Dir: t.TempDir(), Keyspaces: []string{"default:shards=1000,replicas=1"},
	})
	must(t, err)
	t.Cleanup(c.Kill)
	const settled, watched = 5 * time.Second, 5 * time.Second // the first rounds of placement end soon after all is green
	wait := func(d time.Duration) {
		t.Helper()
		ended := time.NewTimer(d)
		defer ended.Stop()
		select {
		case <-c.Members[0].Node().Exited():
			t.Fatalf("a node ended\n%s", c.Output())
		case <-ended.C:
		}
	}
	wait(settled)
	var before []time.Duration
	for _, m := range c.Members {
		used, err := m.Node().CPU()
		must(t, err)
		before = append(before, used)
	}
	wait(watched)
	leader, err := c.Leader(t.Context())
	must(t, err)
	for i, m := range c.Members {
		used, err := m.Node().CPU()
		must(t, err)
		memory, _, err := m.Node().Memory()
		must(t, err)
		t.Logf("%s uses %.2f %% of one core and %d MB (leader: %v)", m.Name, 100*float64(used-before[i])/float64(watched), memory>>20, m == leader)
	}
	must(t, c.WaitHealth(t.Context(), "green"))
}
