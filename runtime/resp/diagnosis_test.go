package resp

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

func TestPauseHoldsWrites(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{})
	operator, writer, reader := dial(t, addr), dial(t, addr), dial(t, addr)
	reader.expect("+OK", "SET", "a", "0")
	operator.expect("+OK", "CLIENT", "PAUSE", "1000000", "WRITE")
	operator.expect("+OK", "CLIENT", "PAUSE", "1", "WRITE") // a shorter one changes nothing
	writer.send(encode("ECHO", "before") + encode("GET", "a") + encode("SET", "a", "1") + encode("GET", "a") + encode("PUBLISH", "c", "m") + encode("ECHO", "after"))
	for _, want := range []string{"$6\r\nbefore\r\n", "$1\r\n0\r\n"} { // answered before the pause holds what follows
		if got := writer.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for range 20 {
		reader.expect("$1\r\n0\r\n", "GET", "a")
	}
	reader.expect("+OK", "MULTI")
	reader.expect("+QUEUED", "GET", "a")
	reader.expect("*1\r\n$1\r\n0\r\n", "EXEC")
	operator.expect("+OK", "CLIENT", "UNPAUSE")
	for _, want := range []string{"+OK\r\n", "$1\r\n1\r\n", ":0\r\n", "$5\r\nafter\r\n"} {
		if got := writer.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPauseHoldsTransactionsAndEverything(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{})
	operator, other := dial(t, addr), dial(t, addr)
	operator.expect("+OK", "CLIENT", "PAUSE", "1000000", "WRITE")
	other.expect("+OK", "MULTI")
	other.expect("+QUEUED", "SET", "a", "1")
	other.send(encode("EXEC"))
	operator.expect("$-1", "GET", "a")
	operator.expect("+OK", "CLIENT", "UNPAUSE")
	if got := other.reply(); got != "*1\r\n+OK\r\n" {
		t.Errorf("EXEC after the pause: %q", got)
	}
	operator.expect("+OK", "CLIENT", "PAUSE", "1000000")
	other.send(encode("GET", "a"))
	operator.expect("+OK", "CLIENT", "UNPAUSE")
	if got := other.reply(); got != "$1\r\n1\r\n" {
		t.Errorf("GET after the pause: %q", got)
	}
	operator.expect("+OK", "CLIENT", "PAUSE", "20", "ALL")
	operator.expect("$1\r\n1\r\n", "GET", "a") // when the time is over, by itself
}

// The times of a command that was held count from when it is done, as in Redis: a key was gone before its writer heard OK.
func TestTimesCountFromTheEndOfAPause(t *testing.T) {
	b := newStillBackend()
	_, addr := startServer(t, b, Config{})
	operator, writer := dial(t, addr), dial(t, addr)
	operator.expect("+OK", "CLIENT", "PAUSE", "1000000", "WRITE")
	writer.send(encode("ECHO", "before") + encode("SET", "a", "1", "PX", "1000") + encode("PTTL", "a"))
	if got := writer.reply(); got != "$6\r\nbefore\r\n" {
		t.Errorf("got %q", got)
	}
	b.now.Add(5000)
	operator.expect("+OK", "CLIENT", "UNPAUSE")
	for _, want := range []string{"+OK\r\n", ":1000\r\n"} {
		if got := writer.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// slowBackend takes five seconds of its clock for what begins with the key slow.
type slowBackend struct{ *localBackend }

func (b slowBackend) Do(ctx context.Context, keyspace int, calls []*Call) {
	b.localBackend.Do(ctx, keyspace, calls)
	if string(calls[0].Txn.Ops[0].Key) == "slow" {
		b.now.Add(5000)
	}
}

// So it is behind a command of the same pipeline that waited, for a failover say.
func TestTimesCountFromTheEndOfAWait(t *testing.T) {
	_, addr := startServer(t, slowBackend{newStillBackend()}, Config{})
	c := dial(t, addr)
	c.send(encode("GET", "slow") + encode("PUBLISH", "c", "m") + encode("SET", "a", "1", "PX", "1000") + encode("PTTL", "a"))
	for _, want := range []string{"$-1\r\n", ":0\r\n", "+OK\r\n", ":1000\r\n"} {
		if got := c.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Close does not wait for the end of a pause.
func TestPauseEndsWithTheServer(t *testing.T) {
	s, err := New(newLocalBackend(1, "default"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c := dial(t, l.Addr().String())
	c.expect("+OK", "CLIENT", "PAUSE", "1000000000")
	c.send(encode("ECHO", "x"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	<-served
}

func TestSlowLogTellsWhatTookLong(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{Limits: Limits{SlowerThan: 1}})
	c := dial(t, addr)
	c.expect("+OK", "CLIENT", "SETNAME", "me")
	c.send(encode("SET", "a", strings.Repeat("v", 200)) + encode("GET", "a") + encode("GET", "b"))
	for range 3 {
		c.reply()
	}
	keys := []string{"DEL"}
	for i := range 40 {
		keys = append(keys, fmt.Sprintf("{x}%d", i))
	}
	c.do(keys...)
	c.do("KEYS", "*")
	got := c.do("SLOWLOG", "GET", "3")
	local := c.nc.LocalAddr().String()
	for _, want := range []string{
		"*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n", "*32\r\n$3\r\nDEL\r\n", "$23\r\n... (10 more arguments)\r\n",
		"$3\r\nSET\r\n$1\r\na\r\n$147\r\n" + strings.Repeat("v", 128) + "... (72 more bytes)\r\n$38\r\n... (2 more commands that ran with it)\r\n",
		fmt.Sprintf("$%d\r\n%s\r\n$2\r\nme\r\n", len(local), local),
	} {
		if !strings.HasPrefix(got, "*3\r\n*6\r\n") || !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if got := c.do("LATENCY", "LATEST"); !strings.HasPrefix(got, "*1\r\n*4\r\n$7\r\ncommand\r\n:1") {
		t.Errorf("LATENCY LATEST: %q", got)
	}
	if got := c.do("LATENCY", "HISTORY", "command"); !strings.Contains(got, "*2\r\n:1") {
		t.Errorf("LATENCY HISTORY: %q", got)
	}
	if got := c.do("LATENCY", "DOCTOR"); !strings.Contains(got, "seconds with spikes over 1ns") {
		t.Errorf("LATENCY DOCTOR: %q", got)
	}
	for range 2 * slowEntries {
		c.do("GET", "a")
	}
	c.expect(fmt.Sprintf(":%d\r\n", slowEntries), "SLOWLOG", "LEN")
	c.expect(":1\r\n", "LATENCY", "RESET", "command")
	c.expect("+OK", "SLOWLOG", "RESET")
	c.expect("*6\r\n$25\r\nlatency-monitor-threshold\r\n$1\r\n0\r\n$23\r\nslowlog-log-slower-than\r\n$1\r\n0\r\n$15\r\nslowlog-max-len\r\n$3\r\n128\r\n", "CONFIG", "GET", "slowlog*", "latency*")
	_, addr = startServer(t, newLocalBackend(4, "default"), Config{Limits: Limits{SlowerThan: -1}})
	never := dial(t, addr)
	never.do("GET", "a")
	never.expect(":0\r\n", "SLOWLOG", "LEN")
	never.expect("$42\r\nNothing is timed", "LATENCY", "DOCTOR")
}

// OBJECT IDLETIME and FREQ answer where the keyspace's policy keeps what they ask for, and are no access themselves.
func TestAccessIsToldWherePoliciesKeepIt(t *testing.T) {
	for policy, want := range map[shards.Eviction][2]string{
		shards.EvictNone:       {"-ERR idle time is not tracked", "-ERR An LFU maxmemory policy is not selected"},
		shards.EvictAllKeysLRU: {":7\r\n", "-ERR An LFU maxmemory policy is not selected"},
		shards.EvictAllKeysLFU: {"-ERR An LFU maxmemory policy is selected", ":5\r\n"},
	} {
		b := newLocalBackend(1, "default")
		b.shards[0][0].store = store.New(store.Options{Access: policy != shards.EvictNone, Eviction: policy})
		b.now.Store(100_000)
		_, addr := startServer(t, b, Config{})
		c := dial(t, addr)
		c.expect("+OK", "SET", "k", "value")
		b.now.Store(107_900)
		for range 2 {
			c.expect(want[0], "OBJECT", "IDLETIME", "k")
			c.expect(want[1], "OBJECT", "FREQ", "k")
			c.expect(":63\r\n", "MEMORY", "USAGE", "k", "SAMPLES", "5")
		}
		c.expect("$100\r\n1 keys take 0 bytes, 0 each; there is no", "MEMORY", "DOCTOR")
	}
}
