package resp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

func TestPipelineOfTenThousandKeepsOrder(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(16, "default"), Config{})
	c := dial(t, addr)
	var sent, want strings.Builder
	for i := range 10000 {
		key := "k" + strconv.Itoa(i%100)
		sent.WriteString(encode("SET", key, strconv.Itoa(i)) + encode("GET", key) + encode("ECHO", strconv.Itoa(i)))
		text := strconv.Itoa(i)
		want.WriteString("+OK\r\n")
		want.WriteString(fmt.Sprintf("$%d\r\n%s\r\n$%d\r\n%s\r\n", len(text), text, len(text), text))
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := c.nc.Write([]byte(sent.String()))
		wrote <- err
	}()
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(c.nc, got); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Fatal("replies are out of order")
	}
}

// Long keys are compared with a long pattern when the shard's turn is over.
func TestSieveLeavesWhatTakesLong(t *testing.T) {
	var got []string
	found := sieve{pattern: []byte("*" + strings.Repeat("a", 1000)), visit: func(key []byte) { got = append(got, string(key[:1])) }}
	buffer := []byte(strings.Repeat("a", 10000))
	for i := range 4 { // the second goes beyond what a turn may take
		buffer[0] = byte('0' + i)
		found.take(buffer)
		if want := min(i+1, 1); len(got) != want {
			t.Errorf("%d keys found in the turn, want %d", len(got), want)
		}
	}
	found.take([]byte("short"))
	buffer[0] = 'x'
	found.rest()
	if strings.Join(got, "") != "0123" {
		t.Errorf("found %q", got)
	}
}

// Of long keys a step gives fewer than COUNT, so that no reply is much longer than maxScanBytes.
func TestScanOfLongKeysIsShort(t *testing.T) {
	b := newLocalBackend(16, "default")
	_, addr := startServer(t, b, Config{})
	c := dial(t, addr)
	const keys, size = 64, 60000
	for i := range keys {
		c.expect("+OK", "SET", fmt.Sprintf("%0*d", size, i), "")
	}
	seen := 0
	for cursor := "0"; ; {
		reply := c.do("SCAN", cursor, "COUNT", "10000")
		if n := len(reply); n > maxScanBytes+16*size {
			t.Fatalf("%d bytes in one step", n)
		}
		seen += strings.Count(reply, "$60000\r\n")
		if cursor = strings.Split(reply, "\r\n")[2]; cursor == "0" {
			break
		}
	}
	if seen != keys {
		t.Errorf("%d keys, want %d", seen, keys)
	}
}

func TestScanReturnsEveryKeyThatStays(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(16, "default"), Config{Limits: Limits{MaxCursors: 4}})
	c, other := dial(t, addr), dial(t, addr)
	for i := range 1000 {
		c.do("SET", fmt.Sprintf("net/http/%04d", i), "x")
		c.do("SET", fmt.Sprintf("other/%04d", i), "x")
	}
	seen := map[string]int{}
	cursor, steps := "0", 0
	for {
		reply := strings.Split(c.do("SCAN", cursor, "MATCH", "net/http/*", "COUNT", "37"), "\r\n")
		for _, field := range reply {
			if strings.HasPrefix(field, "net/http/") {
				seen[field]++
			}
		}
		cursor = reply[2]
		if cursor == "0" {
			break
		}
		other.do("SET", fmt.Sprintf("net/http/%04d/new", steps), "x")
		other.do("DEL", fmt.Sprintf("other/%04d", steps))
		steps++
		c, other = other, c // a cursor belongs to no connection
	}
	for i := range 1000 {
		if n := seen[fmt.Sprintf("net/http/%04d", i)]; n != 1 {
			t.Fatalf("key %d was returned %d times", i, n)
		}
	}
	if steps < 20 || steps > 100 {
		t.Errorf("%d steps for 1000 keys at 37 a step", steps)
	}
	if got := c.do("SCAN", "123456789012345"); got != "-ERR invalid cursor\r\n" {
		t.Errorf("an unknown cursor gave %q", got)
	}
}

func TestTooManyClients(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(1, "default"), Config{MaxClients: 1})
	first := dial(t, addr)
	first.do("PING")
	second := dial(t, addr)
	if got := second.reply(); got != "-ERR max number of clients reached\r\n" {
		t.Errorf("the second client got %q", got)
	}
	if got := first.do("PING"); got != "+PONG\r\n" {
		t.Errorf("the first client got %q", got)
	}
}

type kindedError shards.ErrorKind

func (e kindedError) Error() string               { return "because" }
func (e kindedError) ErrorKind() shards.ErrorKind { return shards.ErrorKind(e) }

func TestFailedCallsHaveRedisCodes(t *testing.T) {
	b := newLocalBackend(16, "default")
	_, addr := startServer(t, b, Config{})
	c := dial(t, addr)
	for kind, want := range map[shards.ErrorKind]string{
		shards.KindFull: "-OOM ", shards.KindDiskFull: "-MISCONF ", shards.KindUnavailable: "-CLUSTERDOWN ",
		shards.KindNotPrimary: "-CLUSTERDOWN ", shards.KindOutcomeUnknown: "-ERR because", shards.KindCorrupt: "-ERR because",
	} {
		var err error = fmt.Errorf("%w", kindedError(kind))
		b.fail.Store(&err)
		for _, words := range [][]string{{"SET", "a", "1"}, {"MGET", "a", "b"}, {"FLUSHALL"}, {"WATCH", "a"}} {
			if got := c.do(words...); !strings.HasPrefix(got, want) && !(want == "-ERR because" && got == "-ERR because\r\n") {
				t.Errorf("%v: %v gave %q, want %s", kind, words, got, want)
			}
		}
	}
}

func TestLargeRepliesAreTakenInPieces(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{BatchReply: 1 << 20})
	c := dial(t, addr)
	value := strings.Repeat("v", 300<<10)
	for i := range 10 {
		c.do("SET", "k"+strconv.Itoa(i), value)
	}
	var pipeline strings.Builder
	for i := range 200 {
		pipeline.WriteString(encode("GET", "k"+strconv.Itoa(i%10)))
		pipeline.WriteString(encode("STRLEN", "k"+strconv.Itoa(i%10)))
	}
	c.send(pipeline.String())
	for i := range 200 {
		if got := c.reply(); got != "$307200\r\n"+value+"\r\n" {
			t.Fatalf("reply %d has %d bytes", i, len(got))
		}
		if got := c.reply(); got != ":307200\r\n" {
			t.Fatalf("length %d: %q", i, got)
		}
	}
}

func TestReplyBeyondTheLimitIsAnError(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{Limits: Limits{MaxReply: 1 << 20}})
	c := dial(t, addr)
	c.do("SET", "{a}1", strings.Repeat("v", 600<<10))
	c.do("SET", "b", strings.Repeat("v", 600<<10))
	for _, words := range [][]string{{"MGET", "{a}1", "{a}1"}, {"MGET", "{a}1", "b"}} {
		if got := c.do(words...); got != "-ERR reply exceeds the server's limit\r\n" {
			t.Errorf("%v gave %d bytes", words, len(got))
		}
	}
	if got := c.do("GET", "b"); len(got) < 600<<10 {
		t.Errorf("a single value gave %q", got)
	}
}

func TestLimitsThatDoNotFitTogether(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		want   string // in the error; "": none
	}{
		{Limits{}, ""},
		{Limits{MaxMemory: 192 << 20}, ""},
		{Limits{MaxMemory: 128 << 20}, "--redis-memory"},
		{Limits{MaxMemory: 1 << 20, MaxRequest: 1 << 20}, "--redis-request"},
		{Limits{MaxMemory: 512 << 20, MaxReply: 513 << 20}, "--redis-reply"},
		{Limits{MaxBulk: store.MaxValue + 1}, "MaxBulk"},
		{Limits{MaxRequest: store.MaxTxn + 1}, "MaxRequest"},
		{Limits{MaxMemory: -1}, "must not be negative"},
	} {
		filled := c.limits
		err := filled.Validate()
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.limits, err, c.want)
		}
		if c.limits.MaxMemory == 0 && filled.MaxMemory != 1<<30 || c.limits.MaxReply == 0 && c.want == "" && filled.MaxReply != min(256<<20, filled.MaxMemory) {
			t.Errorf("%+v is filled: MaxMemory %d, MaxReply %d", c.limits, filled.MaxMemory, filled.MaxReply)
		}
	}
}

func TestSlowSubscriberIsDisconnected(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(1, "default"), Config{Limits: Limits{MaxQueue: 1 << 20}})
	slow, publisher := dial(t, addr), dial(t, addr)
	slow.do("SUBSCRIBE", "c")
	message := strings.Repeat("m", 64<<10)
	for range 2000 {
		if publisher.do("PUBLISH", "c", message) == ":0\r\n" {
			return
		}
	}
	t.Fatal("a subscriber that reads nothing was kept after 128 MB")
}

func TestMessagesComeAfterTheirConfirmationAndInOrder(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(1, "default"), Config{})
	sub, publisher := dial(t, addr), dial(t, addr)
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				publisher.do("PUBLISH", "c", strconv.Itoa(i))
			}
		}
	})
	if got := sub.do("SUBSCRIBE", "c"); got != "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n" {
		t.Errorf("the confirmation was %q", got)
	}
	last := -1
	for range 100 {
		n, err := strconv.Atoi(strings.Split(sub.reply(), "\r\n")[6])
		if err != nil || last >= 0 && n != last+1 {
			t.Fatalf("message %d after %d: %v", n, last, err)
		}
		last = n
	}
	close(stop)
	publishing.Wait()
}

// TestTimeouts runs in a bubble: its clock stands still until everyone waits.
func TestTimeouts(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		send   string
		after  time.Duration
	}{
		{"idle", Config{Limits: Limits{IdleTimeout: 5 * time.Second}}, "", 5 * time.Second},
		{"half a command", Config{Limits: Limits{IdleTimeout: 5 * time.Second}}, "*2\r\n$3\r\nGE", 5 * time.Second},
		{"no AUTH", Config{Password: "p"}, "", 10 * time.Second},
		{"takes no reply", Config{}, "PING\r\n", 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := New(newLocalBackend(1, "default"), c.config)
				if err != nil {
					t.Fatal(err)
				}
				near, far := net.Pipe()
				s.accept(far)
				if c.send != "" {
					if _, err := near.Write([]byte(c.send)); err != nil {
						t.Fatal(err)
					}
				}
				begin := time.Now()
				synctest.Wait()
				ended := make(chan struct{})
				go func() {
					s.working.Wait()
					close(ended)
				}()
				for len(s.snapshot()) > 0 && time.Since(begin) < time.Minute {
					<-time.After(100 * time.Millisecond)
				}
				if took := time.Since(begin); took < c.after || took > c.after+3*time.Second {
					t.Errorf("ended after %v, want %v", took, c.after)
				}
				if err := s.Close(context.Background()); err != nil {
					t.Error(err)
				}
				<-ended
				near.Close()
			})
		})
	}
}

// TestWhoListensIsSpared by the idle time-out, and who does not any more is not.
func TestWhoListensIsSpared(t *testing.T) {
	for send, left := range map[string]int64{
		"SUBSCRIBE a\r\n": 1, "SUBSCRIBE a b\r\nUNSUBSCRIBE a\r\n": 1, "SUBSCRIBE a\r\nUNSUBSCRIBE\r\n": 0, "UNSUBSCRIBE\r\n": 0,
		"SUBSCRIBE a\r\nRESET\r\n": 0, "SUBSCRIBE a\r\nRESET\r\nPSUBSCRIBE a\r\n": 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(newLocalBackend(1, "default"), Config{Limits: Limits{IdleTimeout: 5 * time.Second}})
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe()
			s.accept(far)
			go io.Copy(io.Discard, near)
			if _, err := io.WriteString(near, send); err != nil {
				t.Error(err)
			}
			<-time.After(time.Minute)
			if n, _ := s.Load(); int64(n) != left {
				t.Errorf("%q: %d connections are left, want %d", send, n, left)
			}
			near.Close()
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

type panickingBackend struct{ *localBackend }

func (panickingBackend) Facts() Facts { panic("a defect") }

func TestPanicEndsOneConnectionOnly(t *testing.T) {
	s, addr := startServer(t, panickingBackend{newLocalBackend(1, "default")}, Config{})
	healthy, broken := dial(t, addr), dial(t, addr)
	healthy.do("PING")
	if got := broken.do("INFO"); got != "" {
		t.Errorf("the broken connection got %q", got)
	}
	if got := healthy.do("SET", "a", "1"); got != "+OK\r\n" {
		t.Errorf("the other connection got %q", got)
	}
	q := &request{cmd: &command{result: func(*request, int, *store.Result) { panic("a defect") }}}
	q.Result(0, &store.Result{})
	var broke *panicError
	if !errors.As(q.Err, &broke) {
		t.Errorf("a sink's panic left %v", q.Err)
	}
	_ = s
}

func TestCloseAnswersWhatWasRead(t *testing.T) {
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
	c.do("SET", "a", "1")
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-served; !errors.Is(err, ErrClosed) {
		t.Errorf("Serve gave %v", err)
	}
	if got := c.reply(); got != "" {
		t.Errorf("after the end came %q", got)
	}
}

// TestManyConnections holds idle connections and prints what one costs. RESP_CONNECTIONS=9000 gives the figure of DESIGN.md.
func TestManyConnections(t *testing.T) {
	n := 500
	if text := os.Getenv("RESP_CONNECTIONS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	_, addr := startServer(t, newLocalBackend(1, "default"), Config{MaxClients: n})
	goruntime.GC()
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	conns := make([]net.Conn, n)
	reply := make([]byte, 7)
	for i := range conns {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write([]byte("PING\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, reply); err != nil {
			t.Fatal(err)
		}
		conns[i] = nc
	}
	goruntime.GC()
	goruntime.ReadMemStats(&after)
	each := int64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse) / int64(n)
	t.Logf("%d connections: %d bytes each, both ends", n, each)
	if each > 16<<10 {
		t.Errorf("an idle connection holds %d bytes, both ends", each)
	}
}

// FuzzConversation sends arbitrary bytes, then asks on another connection whether the server is still well.
func FuzzConversation(f *testing.F) {
	for _, s := range streams {
		f.Add([]byte(s))
	}
	for name := range table {
		f.Add([]byte(name + " a 1 b 2\r\n" + name + " 0 x\r\n" + name + "\r\n"))
	}
	f.Add([]byte("HELLO 3\r\nMULTI\r\nSET a 1\r\nEXEC\r\nSUBSCRIBE a\r\nPUBLISH a b\r\n"))
	_, addr := startServer(f, newLocalBackend(4, "default", "second"), Config{Logger: nil})
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := dial(t, addr)
		c.send(string(stream))
		if err := c.nc.(*net.TCPConn).CloseWrite(); err == nil {
			if replies, err := io.ReadAll(c.nc); err == nil && len(replies) > 0 && replyLength(replies) == 0 {
				t.Fatalf("%q: replies do not parse: %q", stream, replies)
			}
		}
		if got := dial(t, addr).do("PING"); got != "+PONG\r\n" {
			t.Fatalf("after %q the server said %q", stream, got)
		}
	})
}

func TestConcurrentConnectionsSeeTheirOwnWrites(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(8, "default"), Config{MaxBatch: 7})
	var all sync.WaitGroup
	for id := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(id), 1))
			c := dial(t, addr)
			for round := range 50 {
				var sent, want strings.Builder
				for range 20 {
					key, value := fmt.Sprintf("%d:%d", id, rng.IntN(10)), fmt.Sprint(round, rng.IntN(1000))
					sent.WriteString(encode("SET", key, value) + encode("MGET", key, "nosuch"+key))
					want.WriteString(fmt.Sprintf("+OK\r\n*2\r\n$%d\r\n%s\r\n$-1\r\n", len(value), value))
				}
				c.send(sent.String())
				got := make([]byte, want.Len())
				for n := 0; n < len(got); {
					reply := c.reply()
					n += copy(got[n:], reply)
				}
				if string(got) != want.String() {
					t.Errorf("seed %d: got %q, want %q", id, got, want.String())
					return
				}
			}
		})
	}
	all.Wait()
}
