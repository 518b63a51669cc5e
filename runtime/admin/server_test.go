package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wire"
)

// ask makes one request without a socket.
func ask(s *Server, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	s := NewServer(newMemory(), ServerConfig{})
	for _, c := range []struct {
		method, target, body string
		status               int
		want                 string // within the body
	}{
		{"GET", "/", "", 200, `"cluster_name":"troupe"`},
		{"GET", "/?pretty", "", 200, "{\n  \"name\""},
		{"GET", "/_cluster/health", "", 200, `"status":"green"`},
		{"GET", "/_cluster/health?wait_for_status=blue", "", 400, "must be green, yellow or red"},
		{"GET", "/_nodes", "", 200, `"http":"127.0.0.1:7500"`},
		{"GET", "/_keyspaces", "", 200, `[{"name":"default","id":0,"shards":2,"durability":"fsync","max_memory":1048576,"eviction":"noeviction","replicas":0,"min_in_sync":0,"keys":0,"bytes":1536}]`},
		{"GET", "/_cat", "", 200, "/_cat/shards"},
		{"PUT", "/default/keys/a", "one", 200, `{"version":1}`},
		{"GET", "/default/keys/a", "", 200, "one"},
		{"PUT", "/default/keys/a?if=absent", "two", 409, `{"error":{"kind":"conflict","reason":"store: condition does not hold"},"status":409}`},
		{"PUT", "/default/keys/b?if=present", "two", 409, "conflict"},
		{"PUT", "/default/keys/a?version=1", "two", 200, `{"version":2}`},
		{"PUT", "/default/keys/a?version=1", "x", 409, "conflict"},
		{"PUT", "/default/keys/a?version=1&if=absent", "x", 400, "exclude each other"},
		{"PUT", "/default/keys/a?ttl=0s", "x", 400, "ttl"},
		{"PUT", "/default/keys/a?ttl=bogus", "x", 400, "ttl"},
		{"PUT", "/default/keys/a?read=replica", "x", 400, "for GET"},
		{"GET", "/default/keys/a?read=nobody", "", 400, "replica"},
		{"GET", "/default/keys/a?within=1s", "", 400, "read=replica"},
		{"GET", "/default/keys/a?read=replica&within=0s", "", 400, "within"},
		{"PUT", "/default/keys/a?tll=1s", "x", 400, "not known here; there are ttl, if, version"},
		{"PUT", "/default/keys/a?if=absent&if=present", "x", 400, "2 times"},
		{"GET", "/default/keys/none", "", 404, `"kind":"not found"`},
		{"GET", "/other/keys/a", "", 404, `no keyspace \"other\"; there are default`},
		{"GET", "/default/keys/" + strings.Repeat("k", store.MaxKey+1), "", 400, "65535"},
		{"POST", "/default/keys/a", "", 405, "use DELETE, GET, PUT, HEAD"},
		{"DELETE", "/default/keys", "", 400, "all=true"},
		{"DELETE", "/default/keys?prefix=zz", "", 200, `{"deleted":0}`},
		{"GET", "/default/scan?limit=-1", "", 400, "limit"},
		{"GET", "/default/scan?values=perhaps", "", 400, "true or false"},
		{"GET", "/default/scan?digest=1", "", 200, "\n{\"end\":true,\"count\":1}\n"},
		{"GET", "/default/watch?from=9:1", "", 400, "shards from 0 to 1"},
		{"POST", "/default/_bulk", "", 415, "application/x-troupe-bulk"},
		{"DELETE", "/default/keys/a?version=1", "", 409, "conflict"},
		{"DELETE", "/default/keys/a", "", 200, `{"found":true}`},
		{"DELETE", "/default/keys/a", "", 200, `{"found":false}`},
		{"GET", "/nonsense/path/here", "", 404, "/_cluster/health, /_cluster/history, /_cluster/leader"},
		{"GET", "/debug/pprof/", "", 404, "no such path"},
		{"GET", "/metrics", "", 200, "troupe_shard_keys{keyspace=\"default\",shard=\"1\"}"},
	} {
		w := ask(s, c.method, c.target, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %.60s: %d %.300s, want %d with %s", c.method, c.target, w.Code, w.Body, c.status, c.want)
		}
	}
}

func TestKindsBecomeStatuses(t *testing.T) {
	m := newMemory()
	s := NewServer(m, ServerConfig{})
	for kind, status := range statusOf {
		m.failure = &shards.Error{Kind: kind, Shard: "default/1", Err: errors.New("cause")}
		w := ask(s, "PUT", "/default/keys/a", "x")
		if want := fmt.Sprintf(`{"error":{"kind":"%v","reason":"shard default/1: cause"},"status":%d}`, kind, status); w.Code != status || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%v: %d %s, want %s", kind, w.Code, w.Body, want)
		}
	}
}

func TestTokenIsAsked(t *testing.T) {
	s := NewServer(newMemory(), ServerConfig{Token: "secret", Pprof: true})
	for header, status := range map[string]int{"": 401, "Bearer wrong": 401, "Basic secret": 401, "secret": 401, "Bearer secret": 200, "bearer secret": 200} {
		for _, path := range []string{"/", "/metrics", "/debug/pprof/"} {
			if w := ask(s, "GET", path, "", "Authorization", header); w.Code != status {
				t.Errorf("%q for %s: %d, want %d", header, path, w.Code, status)
			}
		}
	}
	none, wrong := ask(s, "GET", "/_nodes", ""), ask(s, "GET", "/_nodes", "", "Authorization", "Bearer wrong")
	if none.Body.String() == wrong.Body.String() || !strings.Contains(wrong.Body.String(), "another token than the one that was sent") {
		t.Errorf("a wrong token: %s", wrong.Body)
	}
	if w := ask(NewServer(newMemory(), ServerConfig{}), "DELETE", "/default/keys?prefix=&all=1", "", "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("a page of another origin may delete: %d", w.Code)
	}
}

func TestKeysOfEveryByte(t *testing.T) {
	_, client, _ := serve(t, ServerConfig{})
	keys := []string{"", ".", "..", "a/../b", "//", "/a//b/", "%2F", "a b+c?d#e&f=g;h", "ключ", "\x00\xff\xfe", "\u2028\"\\\n", strings.Repeat("\xff", store.MaxKey)}
	for b := range 256 {
		keys = append(keys, string([]byte{byte(b)}), string([]byte{'x', byte(b), '/'}))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, key := range keys {
		if _, err := client.Put(t.Context(), "default", []byte(key), []byte("v"+key), PutOptions{}); err != nil {
			t.Fatalf("put %.40q: %v", key, err)
		}
		if v, err := client.Get(t.Context(), "default", []byte(key)); err != nil || string(v.Bytes) != "v"+key {
			t.Fatalf("get %.40q: %.40q, %v", key, v.Bytes, err)
		}
	}
	found := map[string]bool{}
	for f, err := range client.Scan(t.Context(), "default", ScanOptions{Values: true, Digests: true}) {
		sum := sha256.Sum256(f.Value)
		if err != nil || string(f.Value) != "v"+string(f.Key) || !bytes.Equal(f.SHA256, sum[:]) || f.Size != int64(len(f.Value)) {
			t.Fatalf("scan: %.40q: %v", f.Key, err)
		}
		found[string(f.Key)] = true
	}
	for _, key := range keys {
		if !found[key] {
			t.Errorf("the scan lacks %.40q", key)
		}
		if was, err := client.Delete(t.Context(), "default", []byte(key), 0); err != nil || was != found[key] {
			t.Errorf("delete %.40q: %v, %v", key, was, err)
		}
	}
}

func TestHeadAndExpiry(t *testing.T) {
	s := NewServer(newMemory(), ServerConfig{})
	ask(s, "PUT", "/default/keys/a?ttl=10s", "four")
	w := ask(s, "HEAD", "/default/keys/a", "")
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "4" || w.Header().Get(headerVersion) != "1" ||
		w.Header().Get(headerExpireAt) != fmt.Sprint(testNow+10_000) {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}

func TestScanRangesAndFailure(t *testing.T) {
	m, client, _ := serve(t, ServerConfig{})
	for _, key := range []string{"a1", "a2", "a3", "b1"} {
		m.Put(t.Context(), 0, Write{Key: []byte(key)})
	}
	for want, o := range map[string]ScanOptions{
		"a1 a2 a3 b1": {}, "a3 a2 a1": {Prefix: []byte("a"), Reverse: true}, "a2 a3": {After: []byte("a1"), To: []byte("b1")},
		"a2": {After: []byte("a3"), Reverse: true, Limit: 1}, "": {Prefix: []byte("c")},
	} {
		var got []string
		for f, err := range client.Scan(t.Context(), "default", o) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(f.Key))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
	m.failure = &shards.Error{Kind: shards.KindCorrupt, Err: errors.New("bad block")}
	var last error
	for _, err := range client.Scan(t.Context(), "default", ScanOptions{}) {
		last = err
	}
	var e *Error
	if !errors.As(last, &e) || e.ErrorKind() != shards.KindCorrupt {
		t.Errorf("a scan that fails midway ended with %v", last)
	}
}

func TestBulk(t *testing.T) {
	m, client, url := serve(t, ServerConfig{})
	w := client.Bulk(t.Context(), "default", BulkOptions{FrameBytes: 1 << 10})
	for i := range 1000 {
		if err := w.Add(fmt.Appendf(nil, "k%03d", i), []byte("value"), time.Duration(i)*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if result, err := w.Close(); err != nil || result != (BulkResult{Items: 1000, Bytes: 9000}) {
		t.Fatalf("%+v, %v", result, err)
	}
	if v, _, _ := m.Get(t.Context(), 0, []byte("k007"), Reading{}); len(m.keys) != 1000 || string(v.Bytes) != "value" || v.ExpireAt != testNow+7000 {
		t.Errorf("%d keys, %+v", len(m.keys), v)
	}
	large := client.Bulk(t.Context(), "default", BulkOptions{})
	if err := large.Add([]byte("large"), make([]byte, MaxBulkFrame+1), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := large.Close(); err != nil {
		t.Errorf("a large lone item: %v", err)
	}
	var frame bulkFrame
	frame.add([]byte("before"), nil, 0)
	good, _, _ := frame.take()
	for name, bad := range map[string][]byte{
		"cut": good[:len(good)-1], "flipped": append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"bomb": wire.AppendFrame(nil, wire.KindBulk, []byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1}), "kind": wire.AppendFrame(nil, wire.KindSnapshot, nil),
		"shape": wire.AppendFrame(nil, wire.KindBulk, []byte{0x91, 0x91, 0x01}), "huge": {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0},
	} {
		response, err := http.Post(url+"/default/_bulk", mimeBulk, bytes.NewReader(append(bytes.Clone(good), bad...)))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode/100 != 4 || !strings.Contains(string(text), "items stored before: 1") {
			t.Errorf("%s: %d %s", name, response.StatusCode, text)
		}
	}
}

func TestWatch(t *testing.T) {
	m, client, _ := serve(t, ServerConfig{Keepalive: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []Changed
	for c, err := range client.Watch(ctx, "default", []byte("a"), "1:5") {
		if err != nil {
			t.Fatal(err)
		}
		if c.Kind == store.ChangeResync {
			m.Put(ctx, 0, Write{Key: []byte("b"), Value: []byte("no")})
			m.Put(ctx, 0, Write{Key: []byte("a\xff"), Value: []byte("yes"), ExpireAt: 7})
			continue
		}
		got = append(got, c)
		break
	}
	if len(got) != 1 || string(got[0].Key) != "a\xff" || string(got[0].Value) != "yes" || got[0].Seq != 2 || got[0].Shard != 1 || got[0].ExpireAt != 7 {
		t.Errorf("%+v", got)
	}
}

func TestWatchEndsWithTheServer(t *testing.T) {
	s := NewServer(newMemory(), ServerConfig{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	client, _ := New([]string{l.Addr().String()}, "")
	var last error
	for _, last = range client.Watch(t.Context(), "default", nil, "") {
		cancel()
	}
	var e *Error
	if !errors.As(last, &e) || e.ErrorKind() != shards.KindUnavailable || !strings.Contains(e.Reason, "stopping") {
		t.Errorf("the watch ended with %v", last)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestSlowBodyIsCutOff(t *testing.T) {
	_, _, url := serve(t, ServerConfig{Grace: 20 * time.Millisecond, MinRate: 1 << 40})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /default/keys/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	answer, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408") || !strings.Contains(string(answer), "too slow") {
		t.Errorf("got %q", answer)
	}
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	m := newMemory()
	m.keys["large"] = Value{Bytes: make([]byte, store.MaxValue), Version: 1}
	s := NewServer(m, ServerConfig{Grace: 20 * time.Millisecond, MinRate: 1 << 40})
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /default/keys/large HTTP/1.1\r\nHost: x\r\n\r\n")
	<-done
	if held := s.room.bytes.Load(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

func TestLimits(t *testing.T) {
	m, client, url := serve(t, ServerConfig{MaxRequests: 1})
	m.gate = make(chan struct{})
	done := make(chan error, 1)
	s := NewServer(m, ServerConfig{MaxRequests: 1})
	leave, err := s.room.enter(false)
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(s, "GET", "/default/keys/a", ""); w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), KindBusy) {
		t.Errorf("beyond the limit: %d %s", w.Code, w.Body)
	}
	if w := ask(s, "GET", "/_cluster/health", ""); w.Code != 200 {
		t.Errorf("a busy node must tell its health: %d", w.Code)
	}
	leave()
	go func() {
		_, err := client.Put(t.Context(), "default", []byte("a"), make([]byte, 1<<20), PutOptions{})
		done <- err
	}()
	m.gate <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	request, _ := http.NewRequestWithContext(t.Context(), "PUT", url+"/default/keys/a", http.NoBody)
	request.ContentLength = store.MaxValue + 1
	request.Body = io.NopCloser(strings.NewReader("x"))
	if response, err := http.DefaultClient.Do(request); err == nil {
		if response.Body.Close(); response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("a body beyond the limit: %d", response.StatusCode)
		}
	}
	h := hold{room: &s.room}
	if h.reach(int(s.room.maxBytes)) != nil || (&hold{room: &s.room}).reach(smallHold+1) == nil {
		t.Error("the bytes in flight are not bounded")
	}
	if h.release(); s.room.bytes.Load() != 0 {
		t.Error("bytes were not given back")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := boundListener(inner, 1)
	defer l.Close()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		next <- err
	}()
	if n, err := dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a connection beyond the limit was not closed: %d, %v", n, err)
	}
	first.Close()
	first.Close() // gives back one place, not two
	dial()
	if err := <-next; err != nil {
		t.Errorf("the place was not given back: %v", err)
	}
}

func TestFailover(t *testing.T) {
	_, _, url := serve(t, ServerConfig{})
	busyNode := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	defer busyNode.Close()
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	dead := l.Addr().String()
	l.Close()
	client, err := New([]string{dead, busyNode.URL, url}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Put(t.Context(), "default", []byte("a"), nil, PutOptions{If: store.IfAbsent}); err != nil {
		t.Errorf("two of three nodes are of no use: %v", err)
	}
	if _, err := client.Put(t.Context(), "default", []byte("a"), nil, PutOptions{If: store.IfAbsent}); !Conflict(err) {
		t.Errorf("%v, want a conflict", err)
	}
	if _, err := client.Get(t.Context(), "default", []byte("b")); !NotFound(err) {
		t.Errorf("%v, want not found", err)
	}
	none, _ := New([]string{dead}, "")
	var e *Error
	if _, err := none.Nodes(t.Context()); !errors.As(err, &e) || e.ErrorKind() != shards.KindUnavailable {
		t.Errorf("%v, want unavailable", err)
	}
}

func TestHealth(t *testing.T) {
	m, client, _ := serve(t, ServerConfig{})
	m.state = ShardInitializing
	h, err := client.Health(t.Context(), Green, time.Millisecond)
	want := Health{
		ClusterName: "troupe", Status: Red, TimedOut: true, Nodes: 1, DataNodes: 1, ActivePrimaryShards: 1, ActiveShards: 1,
		InitializingShards: 1, ActivePercent: 50, Leader: "n1",
	}
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%+v, %v, want %+v", h, err, want)
	}
}

func TestCatGolden(t *testing.T) {
	s := NewServer(newMemory(), ServerConfig{})
	for target, want := range map[string]string{
		"/_cat/health?v": "epoch      timestamp cluster status node.total node.data shards pri relo init unassign active_shards_percent\n" +
			"1700000000 22:13:20  troupe  green           1         1      2   2    0    0        0                100.0%\n",
		"/_cat/shards?v": "keyspace shard prirep state   docs store seq log node\n" +
			"default      0 p      STARTED    0    0b   0  0b n1\n" + "default      1 p      STARTED    0 1.5kb   0 99b n1\n",
		"/_cat/shards?h=shard,slots&s=shard:desc":           "1 8192-16383\n0 0-8191\n",
		"/_cat/shards?h=s*&bytes=b&s=store:desc":            "1 STARTED 1536 0 8192-16383\n0 STARTED    0 0 0-8191\n",
		"/_cat/nodes?v&h=name,id,node.role,uptime":          "name id       node.role uptime\nn1   11111111 dm         1m30s\n",
		"/_cat/keyspaces?format=json&h=keyspace,max_memory": `[{"keyspace":"default","max_memory":"1mb"}]` + "\n",
		"/_cat/keyspaces?h=keyspace,health":                 "default green\n",
	} {
		if w := ask(s, "GET", target, ""); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d\n%s\nwant\n%s", target, w.Code, w.Body, want)
		}
	}
	for _, target := range []string{"/_cat/shards?h=nope", "/_cat/shards?s=nope", "/_cat/shards?s=shard:up", "/_cat/shards?format=yaml"} {
		if w := ask(s, "GET", target, ""); w.Code != 400 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := ask(s, "GET", "/_cat/health?help", ""); !strings.Contains(w.Body.String(), "status                | green, yellow or red\n") {
		t.Errorf("help:\n%s", w.Body)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	s := NewServer(newMemory(), ServerConfig{})
	ask(s, "GET", "/", "")
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	page := ask(s, "GET", "/metrics", "").Body.String()
	for _, name := range []string{
		"troupe_node_info", "troupe_node_epoch", "troupe_keyspace_shards", "troupe_keyspace_keys", "troupe_keyspace_bytes", "troupe_shard_keys",
		"troupe_shard_bytes", "troupe_shard_applied_sequence", "troupe_shard_log_bytes", "troupe_log_append_total", "troupe_log_fsync_seconds_bucket",
		"troupe_http_requests_total", "go_goroutines", "process_start_time_seconds",
	} {
		if !strings.Contains(page, "\n"+name) {
			t.Errorf("the page lacks %s", name)
		}
	}
	if !strings.Contains(page, `troupe_log_fsync_seconds_bucket{le="0.01"} 3`) || !strings.Contains(page, "troupe_log_fsync_seconds_count 4") {
		t.Error("the histogram is not cumulative")
	}
}
