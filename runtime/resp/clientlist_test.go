package resp

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// CLIENT LIST says what each client does, and CLIENT KILL ends those of a type.
func TestClientsAreListedByWhatTheyDo(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{})
	operator, listener, busy, plain := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	listener.do("HELLO", "3")
	listener.do("SSUBSCRIBE", "s")
	listener.do("PSUBSCRIBE", "p*")
	listener.do("SUBSCRIBE", "a")
	busy.do("READONLY")
	busy.do("MULTI")
	busy.do("GET", "a")
	plain.do("NOSUCH")
	list := func(words ...string) string { return operator.do(append([]string{"CLIENT", "LIST"}, words...)...) }
	want := map[int]string{
		1: "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=client|list user=default redir=-1 resp=2",
		2: "flags=P db=0 sub=1 psub=1 ssub=1 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=subscribe user=default redir=-1 resp=3",
		3: "flags=xr db=0 sub=0 psub=0 ssub=0 multi=1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=get user=default redir=-1 resp=2",
		4: "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=NULL user=default redir=-1 resp=2",
	}
	told := func() string { // a turn's end may come a moment after its reply
		text := list()
		for id, facts := range want {
			if !strings.Contains(text, fmt.Sprintf("id=%d addr=", id)) || !strings.Contains(text, facts) {
				return text
			}
		}
		return ""
	}
	soon := time.NewTicker(time.Millisecond)
	defer soon.Stop()
	for tries := 0; told() != ""; tries++ {
		if tries == 5000 {
			t.Fatalf("CLIENT LIST:\n%s\nlacks some of\n%v", told(), want)
		}
		<-soon.C
	}
	if text := list("TYPE", "pubsub"); strings.Count(text, "\n") != 3 || !strings.Contains(text, "id=2 ") {
		t.Errorf("CLIENT LIST TYPE pubsub: %q", text)
	}
	if text := list("TYPE", "normal"); strings.Count(text, "\n") != 5 || strings.Contains(text, "id=2 ") {
		t.Errorf("CLIENT LIST TYPE normal: %q", text)
	}
	if text := listener.do("CLIENT", "INFO"); !strings.Contains(text, "cmd=client|info ") {
		t.Errorf("CLIENT INFO: %q", text)
	}
	operator.expect(":0\r\n", "CLIENT", "KILL", "TYPE", "replica", "SKIPME", "no")
	operator.expect(":1\r\n", "CLIENT", "KILL", "TYPE", "PubSub", "USER", "default")
	if got := listener.reply(); got != "" {
		t.Errorf("after CLIENT KILL TYPE pubsub: %q", got)
	}
	operator.expect(":2\r\n", "CLIENT", "KILL", "TYPE", "normal")
	if got := busy.reply() + plain.reply(); got != "" {
		t.Errorf("after CLIENT KILL TYPE normal: %q", got)
	}
	operator.expect("$6\r\nas was\r\n", "ECHO", "as was")
}

// What redis-cli --stat, and much else, reads.
func TestInfoHasWhatMonitorsRead(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{})
	c := dial(t, addr)
	info := c.do("INFO")
	for _, want := range []string{
		"\r\nblocked_clients:0\r\n", "\r\ntracking_clients:0\r\n", "\r\ninstantaneous_ops_per_sec:0\r\n", "\r\nrdb_bgsave_in_progress:0\r\n", "\r\naof_rewrite_in_progress:0\r\n",
		"\r\nused_memory_human:0B\r\n", "\r\nmaxmemory_human:0B\r\n", "\r\npubsubshard_channels:0\r\n", "\r\ntcp_port:7400\r\n", fmt.Sprintf("\r\nprocess_id:%d\r\n", os.Getpid()),
	} {
		if !strings.Contains(info, want) {
			t.Errorf("INFO has no %q:\n%s", want, info)
		}
	}
}

func TestPaceAndSizesAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		n    int64
		took time.Duration
		want int64
	}{{3000, time.Second, 3000}, {3000, 1500 * time.Millisecond, 2000}, {-5, time.Second, 0}, {7, 0, 7000}} {
		if got := perSecond(c.n, c.took); got != c.want {
			t.Errorf("%d in %v: %d a second, want %d", c.n, c.took, got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1 << 10: "1.00K", 4556272: "4.35M", 3 << 40: "3.00T", 1<<63 - 1: "8.00E"} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}
