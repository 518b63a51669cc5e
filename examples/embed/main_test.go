package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/runtime"
)

// member is one of the services, in this process.
type member struct {
	url   string
	admin string
	stop  context.CancelFunc
	done  chan error
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func three(t *testing.T) (members [3]*member) {
	free := func() string {
		l := listener(t)
		defer l.Close()
		return l.Addr().String()
	}
	peers := []string{free(), free(), free()}
	for i := range members {
		l := listener(t)
		ctx, stop := context.WithCancel(context.Background())
		c := runtime.Config{Name: fmt.Sprint("n", i+1), Peer: peers[i], Initial: peers, HTTP: free(), Dev: true, Lease: 5 * time.Second, Patience: time.Minute}
		m := &member{url: "http://" + l.Addr().String(), admin: "http://" + c.HTTP, stop: stop, done: make(chan error, 1)}
		go func() { m.done <- run(ctx, c, l) }()
		t.Cleanup(func() {
			m.stop()
			<-m.done
		})
		members[i] = m
	}
	return members
}

func (m *member) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	return ask(t, method, m.url+path, body)
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// until tries something again for as long as a slow machine takes.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(limit) {
			t.Fatalf("%s: not within a minute", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestThreeServicesAreOne(t *testing.T) {
	members := three(t)
	until(t, "the cluster takes votes", func() bool {
		status, _ := members[0].do(t, "POST", "/polls/warm-up", fmt.Sprintf(`{"voter":"v%d","choice":"x"}`, time.Now().UnixNano()))
		return status == 200
	})
	for i := range 12 {
		if status, text := members[i%3].do(t, "POST", "/polls/drinks", fmt.Sprintf(`{"voter":"v%d","choice":"tea"}`, i)); status != 200 || strings.TrimSpace(text) != fmt.Sprint(i+1) {
			t.Fatalf("vote %d: %d %s", i, status, text)
		}
	}
	if status, text := members[1].do(t, "POST", "/polls/drinks", `{"voter":"v3","choice":"coffee"}`); status != 409 || !strings.Contains(text, "v3 has voted already") {
		t.Errorf("a second vote: %d %s", status, text)
	}
	until(t, "every shard has its copies, and all three vote", func() bool {
		_, text := ask(t, "GET", members[0].admin+"/_cluster/health", "")
		return strings.Contains(text, `"status":"green"`)
	})
	if status, text := members[1].do(t, "GET", "/metrics", ""); status != 200 || !strings.Contains(text, `troupe_node_info{cluster="troupe",node="n2"`) {
		t.Errorf("the metrics of the node: %d %.500s", status, text)
	}
	if status, text := members[1].do(t, "GET", "/readyz", ""); status != 200 {
		t.Errorf("a node that serves: %d %s", status, text)
	}
	if status, text := members[1].do(t, "GET", "/default/scan", ""); status != 404 {
		t.Errorf("what is not for everybody: %d %.500s", status, text)
	}
	members[2].stop()
	if err := <-members[2].done; err != nil {
		t.Errorf("stopping a node: %v", err)
	}
	members[2].done <- nil
	var p poll
	until(t, "the others answer", func() bool {
		status, text := members[0].do(t, "GET", "/polls/drinks", "")
		return status == 200 && json.Unmarshal([]byte(text), &p) == nil
	})
	if p.Votes != 12 || len(p.Choices) != 12 {
		t.Errorf("with two nodes: %+v", p)
	}
}
