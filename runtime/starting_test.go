package runtime

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestAnswersWhileItStarts: a node of three that runs alone says what it waits for, and serves at the same addresses once a
// majority runs.
func TestAnswersWhileItStarts(t *testing.T) {
	at, redis := freeAddress(t), freeAddress(t)
	c := newTroopOf(t, true, func(c *Config) {
		if c.Name == "n1" {
			c.HTTP, c.RESP, c.Token = at, redis, "secret"
		}
	}, shards.Keyspace{Name: "default", Shards: 2})
	for i := range c.nodes {
		c.stop(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type started struct {
		node *Node
		err  error
	}
	first := make(chan started, 1)
	go func() {
		n, err := Start(ctx, c.configs[0])
		first <- started{n, err}
	}()
	get := func(path, token string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		var response *http.Response
		eventually(t, path+" is answered", func() bool { // it may not listen yet
			response, err = http.DefaultClient.Do(request)
			return err == nil
		})
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	ping := func() string {
		t.Helper()
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", redis)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := io.WriteString(nc, "PING\r\n"); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(nc).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	for _, x := range []struct {
		path, token string
		status      int
		says        string
	}{
		{"/livez", "", 200, "alive"},
		{"/readyz", "", 503, "not ready"},
		{"/_cluster/health", "secret", 503, "the node is starting: it is no member of its cluster yet"},
		{"/_cluster/health", "", 401, "asks for a token"},
	} {
		if status, body := get(x.path, x.token); status != x.status || !strings.Contains(body, x.says) {
			t.Errorf("%s: %d %q", x.path, status, body)
		}
	}
	if got := ping(); !strings.HasPrefix(got, "-LOADING the node is starting") {
		t.Errorf("Redis clients hear %q", got)
	}
	others := make(chan error, 1)
	go func() {
		var err error
		c.nodes[1], err = Start(ctx, c.configs[1])
		others <- err
	}()
	s := <-first
	c.nodes[0] = s.node
	if err := errors.Join(s.err, <-others); err != nil {
		t.Fatal(err)
	}
	if got := ping(); got != "+PONG\r\n" {
		t.Errorf("Redis clients hear %q of a node that serves", got)
	}
	if status, body := get("/_cluster/health", "secret"); status != 200 {
		t.Errorf("the node serves, and answers %d %q", status, body)
	}
}
