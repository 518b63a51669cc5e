package runtime

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fetch asks a server for a path, and gives the status with the body.
func fetch(t *testing.T, address, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// A program's own server answers what it mounts of the API, after the node's token, and nothing else.
func TestHandlerOnAMuxOfTheProgram(t *testing.T) {
	n := start(t, Config{Token: "sesame"})
	mux := http.NewServeMux()
	for _, path := range []string{"GET /metrics", "GET /livez", "GET /readyz"} {
		mux.Handle(path, n.Handler())
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the program's own") })
	s := httptest.NewServer(mux)
	defer s.Close()
	for _, c := range []struct {
		path, token string
		status      int
		want        string
	}{
		{"/livez", "", http.StatusOK, "alive"},
		{"/readyz", "", http.StatusOK, "ready"},
		{"/metrics", "", http.StatusUnauthorized, "asks for a token"},
		{"/metrics", "sesame", http.StatusOK, `troupe_http_requests_total{code="401",path="refused"} 1`},
		{"/_cluster/health", "sesame", http.StatusOK, "the program's own"},
	} {
		if status, body := fetch(t, s.URL+c.path, c.token); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s with token %q: %d %.2000s", c.path, c.token, status, body)
		}
	}
	if n.HTTPAddr() != "" {
		t.Errorf("it listens on %s", n.HTTPAddr())
	}
}

// Close ends what came by Handler before it lets go of what that reads, and what comes later is refused.
func TestHandlerEndsWithTheNode(t *testing.T) {
	n := start(t, Config{HTTP: "127.0.0.1:0"})
	s := httptest.NewServer(n.Handler())
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/_watch/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	lines := bufio.NewScanner(watch.Body)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if lines.Err() != nil || !strings.Contains(last, "the node is stopping") {
		t.Errorf("the watch ends with %q, %v", last, lines.Err())
	}
	for path, want := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/metrics": http.StatusServiceUnavailable} {
		if status, body := fetch(t, s.URL+path, ""); status != want {
			t.Errorf("%s of a node that is closed: %d %s", path, status, body)
		}
	}
	if _, body := fetch(t, s.URL+"/default/keys/k", ""); !strings.Contains(body, ErrClosed.Error()) {
		t.Errorf("a key of a node that is closed: %s", body)
	}
}
