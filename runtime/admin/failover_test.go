package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// deadAddress is one where nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestDeadAddressesAreTriedLast(t *testing.T) {
	_, _, address := serve(t, ServerConfig{})
	dead := deadAddress(t)
	client, err := New([]string{dead, address}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	client.current = nil // as if the living one had not just answered
	if first := client.list()[0].base; first != address {
		t.Errorf("%s is tried first, which was dead a moment ago", first)
	}
	client.endpoints[0].until = time.Time{}
	if first := client.list()[0].base; first != "http://"+dead {
		t.Errorf("%s is tried first: the dead one was not let back", first)
	}
}

func TestLearnFindsTheOthers(t *testing.T) {
	_, c, client := gather(t, ServerConfig{})
	c.kill(t, 2)
	if err := client.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(client.Addresses()[1:], " "); all != "http://127.0.0.1:7501 http://127.0.0.1:7503" {
		t.Errorf("the client knows %s", all)
	}
}

// A node that hangs does not keep the others from being found, nor is it asked first then.
func TestLearnBesideANodeThatHangs(t *testing.T) {
	_, _, address := serve(t, ServerConfig{})
	hold := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer hangs.Close()
	defer close(hold)
	client, err := New([]string{hangs.URL, deadAddress(t), address}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first := client.list()[0].base; first != address {
		t.Errorf("%s is asked first, not %s, which answered", first, address)
	}
	none, _ := New([]string{deadAddress(t)}, "")
	if err := none.Learn(t.Context()); err == nil {
		t.Error("nobody was there, and was learnt from")
	}
}

// A node that is there and cannot serve yet is asked again, as long as patience allows and no longer.
func TestPatience(t *testing.T) {
	var asked atomic.Int32
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"kind":"unavailable","reason":"no primary yet"},"status":503}`)
			return
		}
		fmt.Fprint(w, "[]")
	}))
	defer node.Close()
	patient, err := NewClient(ClientConfig{Addresses: []string{node.URL}, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := patient.Nodes(t.Context()); err != nil || asked.Load() != 4 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	asked.Store(0)
	hasty, _ := New([]string{node.URL}, "")
	if _, err := hasty.Nodes(t.Context()); err == nil || asked.Load() != 1 {
		t.Errorf("without patience: asked %d times, %v", asked.Load(), err)
	}
	gone, _ := NewClient(ClientConfig{Addresses: []string{deadAddress(t)}, Patience: time.Hour})
	if _, err := gone.Nodes(t.Context()); err == nil {
		t.Error("nobody is there, and somebody answered")
	}
}

// What only an operator ends is not waited for, nor asked of others. For who knows no such kind it is unavailable.
func TestMaintenanceIsNotWaitedFor(t *testing.T) {
	var asked atomic.Int32
	node := func() string {
		n := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			e := asError(fmt.Errorf("default/3: %w", closed{}))
			w.WriteHeader(e.Status)
			fmt.Fprintf(w, `{"error":{"kind":%q,"reason":%q},"status":%d}`, e.Kind, e.Reason, e.Status)
		}))
		t.Cleanup(n.Close)
		return n.URL
	}
	client, err := NewClient(ClientConfig{Addresses: []string{node(), node()}, Patience: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	_, err = client.Put(t.Context(), "default", []byte("k"), nil, PutOptions{})
	if !errors.As(err, &e) || e.Kind != KindReadOnly || e.Status != 503 || e.Reason != "default/3: closed" || e.ErrorKind() != shards.KindUnavailable || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

type closed struct{}

func (closed) Error() string  { return "closed" }
func (closed) ReadOnly() bool { return true }

// A node that hangs is left for another; a write that must not be done twice is not.
func TestANodeThatHangs(t *testing.T) {
	_, _, address := serve(t, ServerConfig{})
	hold := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer hangs.Close()
	defer close(hold)
	client, err := NewClient(ClientConfig{Addresses: []string{hangs.URL, address}, Attempt: 50 * time.Millisecond, Patience: time.Minute}) // a busy machine may hang, too
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Put(t.Context(), "default", []byte("a"), []byte("b"), PutOptions{}); err != nil {
		t.Errorf("an unconditional write: %v", err)
	}
	client.endpoints[0].until, client.current = time.Time{}, nil
	var e *Error
	if _, err := client.Delete(t.Context(), "default", []byte("a"), 0); !errors.As(err, &e) || e.ErrorKind() != shards.KindOutcomeUnknown {
		t.Errorf("a delete says whether the key was there, so it is not repeated: %v", err)
	}
}

// A scan that breaks off goes on behind its last key.
func TestScanGoesOn(t *testing.T) {
	m, _, address := serve(t, ServerConfig{})
	for i := range 100 {
		m.keys[fmt.Sprintf("k%02d", i)] = Value{Bytes: []byte("v"), Version: 1}
	}
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var scans atomic.Int32
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		again := *r.URL
		again.Scheme, again.Host = target.Scheme, target.Host
		answer := httptest.NewRecorder()
		inner := httptest.NewRequest("GET", again.String(), nil)
		NewServer(m, ServerConfig{}).ServeHTTP(answer, inner)
		lines := strings.SplitAfter(answer.Body.String(), "\n")
		if scans.Add(1) < 4 {
			lines = lines[:10]
		}
		fmt.Fprint(w, strings.Join(lines, ""))
	}))
	defer flaky.Close()
	for limit, want := range map[int]int{0: 100, 35: 35} {
		scans.Store(0)
		client, err := NewClient(ClientConfig{Addresses: []string{flaky.URL}, Patience: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		last, count := "", 0
		for f, err := range client.Scan(t.Context(), "default", ScanOptions{Limit: limit}) {
			if err != nil || string(f.Key) <= last {
				t.Fatalf("after %q came %q, %v", last, f.Key, err)
			}
			last = string(f.Key)
			count++
		}
		if count != want || scans.Load() != 4 {
			t.Errorf("limit %d: %d keys in %d scans", limit, count, scans.Load())
		}
	}
	scans.Store(0)
	hasty, _ := New([]string{flaky.URL}, "")
	count := 0
	for _, err := range hasty.Scan(t.Context(), "default", ScanOptions{}) {
		if count++; err != nil {
			break
		}
	}
	if count != 11 {
		t.Errorf("without patience the scan broke off after %d", count)
	}
}

// Who is told that no node can serve a request reads the cause first, and each address once.
func TestWhyNoNodeServes(t *testing.T) {
	leaderless := func(seconds int) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, `{"error":{"kind":"unavailable","reason":"no placement leader is known since %ds"},"status":503}`, seconds)
		}))
	}
	one, two, dead := leaderless(12), leaderless(9), deadAddress(t)
	defer one.Close()
	defer two.Close()
	for _, x := range []struct {
		addresses []string
		want      string
	}{
		{[]string{dead, one.URL, two.URL}, "no node can serve this: no placement leader is known since 12s\n  http://" + dead + ": no answer: connect: connection refused\n  " + one.URL + " says so\n  " + two.URL + " says so"},
		{[]string{dead, "127.0.0.1:1"}, "no node answers\n  http://" + dead + ": no answer: connect: connection refused\n  http://127.0.0.1:1: no answer: connect: connection refused"},
		{[]string{dead}, "no answer from http://" + dead + ": connect: connection refused"},
	} {
		client, err := New(x.addresses, "")
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, err := client.Nodes(t.Context()); !errors.As(err, &e) || e.Reason != x.want {
			t.Errorf("got\n%v\nwant\n%s", err, x.want)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"no leader since 5.1s", "no leader since 12.3s", true},
		{"it took 1m3s in term 8", "it took 2m14s in term 11", true},
		{"n2 is at 127.0.0.1:7302", "n2 is at 127.0.0.1:7402", true},
		{"node n1 has failed", "node n2 has failed", false},
		{"node troupe-0 has failed", "node troupe-1 has failed", false},
		{"node eu_west.1 has failed", "node eu_west.2 has failed", false},
		{"it has failed. 3 times", "it has failed. 4 times", true},
		{"shard orders/3", "shard orders/4", true},
	} {
		if same := Alike(c.a) == Alike(c.b); same != c.same {
			t.Errorf("%q and %q: %v", Alike(c.a), Alike(c.b), same)
		}
	}
}
