package resp

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

var rewrite = flag.Bool("rewrite", false, "write the replies that were given into testdata")

// A conversation is a text file of blocks separated by empty lines:
//
//	# comment
//	> SET key value          a command, quoted as inline commands are; several lines are one pipeline
//	"+OK\r\n"                its reply, quoted as in Go
//
// "!raw" before a text in Go quotes sends just these bytes; "@2 > ..." speaks on a second connection. A file whose first
// line is "# differs: reason" is not compared with Redis.
type exchange struct {
	commands []string
	replies  []string
	comments []string
}

func readConversation(t *testing.T, path string) (blocks []exchange, differs bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	differs = strings.HasPrefix(string(text), "# differs")
	for _, part := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		var e exchange
		for _, line := range strings.Split(part, "\n") {
			switch {
			case strings.HasPrefix(line, "#"):
				e.comments = append(e.comments, line)
			case strings.HasPrefix(line, ">"), strings.HasPrefix(line, "!"), strings.HasPrefix(line, "@"):
				e.commands = append(e.commands, line)
			case line != "":
				e.replies = append(e.replies, line)
			}
		}
		blocks = append(blocks, e)
	}
	return blocks, differs
}

// talk plays a conversation and returns the replies of each block.
func talk(t *testing.T, addr string, blocks []exchange) [][]string {
	t.Helper()
	clients := map[string]*client{}
	var all [][]string
	for _, e := range blocks {
		var replies, who []string
		for _, line := range e.commands {
			id := ""
			if line[0] == '@' {
				id, line, _ = strings.Cut(line, " ")
			}
			if clients[id] == nil {
				clients[id] = dial(t, addr)
			}
			clients[id].send(spoken(t, line))
			who = append(who, id)
		}
		for _, id := range who {
			replies = append(replies, strconv.Quote(clients[id].reply()))
		}
		all = append(all, replies)
	}
	return all
}

func spoken(t *testing.T, line string) string {
	t.Helper()
	if raw, ok := strings.CutPrefix(line, "!raw "); ok {
		bytes, err := strconv.Unquote(raw)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return bytes
	}
	words, ok := splitWords(nil, []byte(strings.TrimPrefix(line, ">")))
	if !ok {
		t.Fatalf("%s: quotes do not balance", line)
	}
	var texts []string
	for _, word := range words {
		texts = append(texts, string(word))
	}
	return encode(texts...)
}

// newStillBackend is a local backend whose clock stands still: what is left of a key's time does not depend on the machine.
func newStillBackend() *localBackend {
	b := newLocalBackend(16, "default", "second")
	b.now.Store(time.Now().UnixMilli())
	return b
}

func TestConversations(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txt")
	if len(paths) == 0 {
		t.Fatal("no conversations in testdata")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			config := Config{}
			if strings.Contains(path, "auth") {
				config.Password = "secret"
			}
			backend := Backend(newStillBackend())
			if strings.Contains(path, "topology") {
				backend = drawn{newLocalBackend(16, "default")}
			}
			_, addr := startServer(t, backend, config)
			blocks, _ := readConversation(t, path)
			got := talk(t, addr, blocks)
			if *rewrite {
				write(t, path, blocks, got)
				return
			}
			compare(t, blocks, got, "want")
		})
	}
}

func compare(t *testing.T, blocks []exchange, got [][]string, other string) {
	t.Helper()
	for i, e := range blocks {
		if strings.Join(e.replies, "\n") != strings.Join(got[i], "\n") {
			t.Errorf("%s\n got %s\n%s %s", strings.Join(e.commands, "\n"), strings.Join(got[i], "\n     "), other, strings.Join(e.replies, "\n     "))
		}
	}
}

func write(t *testing.T, path string, blocks []exchange, got [][]string) {
	t.Helper()
	var text strings.Builder
	for i, e := range blocks {
		if i > 0 {
			text.WriteString("\n")
		}
		for _, lines := range [][]string{e.comments, e.commands, got[i]} {
			for _, line := range lines {
				text.WriteString(line + "\n")
			}
		}
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// doubtful gives every call void results first, as a backend does that loses the primary half-way and runs the call again.
type doubtful struct{ *localBackend }

func (d doubtful) Do(ctx context.Context, keyspace int, calls []*Call) {
	for _, call := range calls {
		for i := range call.Txn.Ops {
			r := store.Result{Found: true, Changed: true, Value: []byte("void"), Version: 99, ExpireAt: 1 << 50, Int: 99}
			if call.Slot%2 == 0 {
				r = store.Result{Err: store.ErrNotNumber}
			}
			call.Sink.Result(i, &r)
			if i == 1 {
				break
			}
		}
	}
	d.localBackend.Do(ctx, keyspace, calls)
}

func TestCallsThatAreRunAgainBeginAgain(t *testing.T) {
	for _, path := range []string{"cluster", "keys", "strings", "transaction", "version3"} {
		t.Run(path, func(t *testing.T) {
			_, addr := startServer(t, doubtful{newStillBackend()}, Config{})
			blocks, _ := readConversation(t, "testdata/"+path+".txt")
			compare(t, blocks, talk(t, addr, blocks), "want")
		})
	}
}

// TestConversationsAgreeWithRedis holds the same files against a real server: the one at REDIS_ADDR, else one started here.
func TestConversationsAgreeWithRedis(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txt")
	addr := os.Getenv("REDIS_ADDR")
	for _, path := range paths {
		blocks, differs := readConversation(t, path)
		if differs {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			at := addr
			if at == "" {
				at = startRedis(t, strings.Contains(path, "auth"))
			}
			compare(t, blocks, talk(t, at, blocks), "file")
		})
	}
}

func startRedis(t *testing.T, password bool) string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server here")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	args := []string{"--port", strconv.Itoa(port), "--save", "", "--dir", t.TempDir()}
	if password {
		args = append(args, "--requirepass", "secret")
	}
	redis := exec.Command(binary, args...)
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = redis.Process.Kill()
		_ = redis.Wait()
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 500 {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return addr
		}
		<-ticker.C
	}
	t.Fatal("redis-server does not answer")
	return ""
}
