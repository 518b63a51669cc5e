package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Promised: a browser must not be led to write to a node on loopback. What it says of a page whose name has been led there is what it says
// of the node's own.
func TestAForeignNameIsRefusedOnLoopback(t *testing.T) {
	m := newMemory()
	url, locked := listen(t, "127.0.0.1:0", m, ServerConfig{}), listen(t, "127.0.0.1:0", m, ServerConfig{Token: "secret"})
	for _, c := range []struct {
		host   string
		status int
	}{
		{"evil.com:20501", 403}, {"evil.com", 403}, {"LOCALHOST.evil.com", 403}, {"localhost.evil.com:80", 403}, {"127.0.0.1.evil.com", 403}, {"xlocalhost", 403},
		{"localhost", 200}, {"LocalHost:20501", 200}, {"localhost.", 200}, {"n1.localhost:1", 200}, {"127.0.0.1:1", 200}, {"[::1]:7500", 200}, {"::1", 200}, {"[::1]", 200},
		{"192.0.2.7", 200}, {"node1.example:7500", 200}, {"NODE1.example.", 200}, {"machine1", 200},
	} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			status, body := fromPage(t, method, url+"/default/keys/k", c.host)
			if status == 404 && method != "PUT" { // there is no such key
				status = 200
			}
			if status != c.status {
				t.Errorf("%s with Host %q: %d, want %d: %s", method, c.host, status, c.status, body)
			}
			if status == 403 && method == "PUT" && (!strings.Contains(body, "does not answer to the name") || !strings.Contains(body, "--advertise")) {
				t.Errorf("it says %s", body)
			}
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/_console/": 403, "/": 403, "/metrics": 403, "/_nodes": 403, "/nowhere": 403} {
		if status, _ := fromPage(t, "GET", url+path, "evil.com"); status != want {
			t.Errorf("%s with a foreign name: %d, want %d", path, status, want)
		}
	}
	if status, _ := fromPage(t, "GET", locked+"/_nodes", "proxy.example"); status != 401 {
		t.Errorf("with a token any name may be asked, and it wants the token: %d", status)
	}
	if status, _ := fromPage(t, "GET", listen(t, ":0", m, ServerConfig{})+"/_nodes", "service.example"); status != 200 {
		t.Errorf("a listener for all machines goes by names that it does not know: %d", status)
	}
}

// fromPage sends what a browser sends for a page of this host.
func fromPage(t *testing.T, method, url, host string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header.Set("Origin", "http://"+host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// advertised is a node that others reach as node1.example, on machine1.
type advertised struct{ *memory }

func (a advertised) Node() Node {
	n := a.memory.Node()
	n.HTTP, n.Host = "node1.example:7500", "machine1"
	return n
}

// listen serves to the end of the test, and gives the URL of the listener as this machine reaches it.
func listen(t *testing.T, address string, m *memory, c ServerConfig) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- NewServer(advertised{m}, c).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "http://127.0.0.1:" + port
}
