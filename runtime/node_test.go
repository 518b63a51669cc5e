package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// start runs a node to the end of the test; it is patient, as on a busy machine it must be, if c does not say how much.
func start(t *testing.T, c Config) *Node {
	t.Helper()
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	n, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func open(t *testing.T, n *Node, keyspace string) *Store {
	t.Helper()
	s, err := n.Store(keyspace)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestConfigIsRefusedWithTheField(t *testing.T) {
	memory := shards.DurabilityMemory
	for want, c := range map[string]Config{
		"needs a data folder": {Keyspaces: []shards.Keyspace{{Name: "a"}}},
		"give MaxMemory, too": {Keyspaces: []shards.Keyspace{{Name: "a", Durability: memory, Eviction: shards.EvictAllKeysLRU}}},
		"is there twice":      {Keyspaces: []shards.Keyspace{{Name: "a", Durability: memory}, {Name: "a", Durability: memory}}},
		"must be 1 to":        {Keyspaces: []shards.Keyspace{{Name: "A"}}},
		"must be host:port":   {RESP: "7400"},
		"snapshot bytes":      {SnapshotBytes: -1},
		"disk reserve":        {DiskReserve: -1}, "the least is 64 MiB": {DiskReserve: 1 << 10},
		"sync interval": {SyncInterval: -1},
		"max clients":   {MaxClients: -1},
		"Redis clients": {Redis: resp.Limits{MaxBulk: 1 << 40}},
	} {
		_, err := Start(t.Context(), c)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want one about %q", c, err, want)
		}
	}
}

// The standard variables may be meant for the program around the node, and its own SDK: values that a node does not know do not keep it
// from its start.
func TestForeignVariablesEndNothing(t *testing.T) {
	foreign := map[string]string{"OTEL_TRACES_EXPORTER": "otlp,console", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/thrift",
		"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://127.0.0.1:14250", "OTEL_BSP_SCHEDULE_DELAY": "0", "OTEL_RESOURCE_ATTRIBUTES": "team"}
	for name, value := range foreign {
		t.Setenv(name, value)
	}
	var mu sync.Mutex
	var log strings.Builder
	hear := heard(func(line string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(line)
	})
	n := start(t, Config{Logger: slog.New(slog.NewTextHandler(hear, nil))})
	mu.Lock()
	defer mu.Unlock()
	for name := range foreign {
		if has := strings.Contains(log.String(), "tracing: "+name+" is "); has != (name != "OTEL_EXPORTER_OTLP_ENDPOINT" && name != "OTEL_TRACES_SAMPLER_ARG") { // the latter is the former's matter
			t.Errorf("a word of %s: %v, in\n%s", name, has, log.String())
		}
	}
	if where := n.telling.exporter.Where(); where != "traces go to http://127.0.0.1:1/v1/traces by http/protobuf; messages by parentbased_traceidratio 0" {
		t.Error(where)
	}
}

// DESIGN.md section 8: "a listener off loopback without authentication is refused unless --insecure says so".
func TestExposedListeners(t *testing.T) {
	for _, c := range []Config{{RESP: "0.0.0.0:0"}, {HTTP: ":0"}, {RESP: "192.0.2.1:0"}, {HTTP: "[::]:0", Password: "only for RESP"}} {
		if _, err := Start(t.Context(), c); !errors.Is(err, ErrExposed) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	for _, c := range []Config{{RESP: "127.0.0.1:0"}, {HTTP: "localhost:0"}, {RESP: "0.0.0.0:0", Password: "p"}, {HTTP: "0.0.0.0:0", Insecure: true}} {
		start(t, c)
	}
}

func TestDataFolderBelongsToOneNode(t *testing.T) {
	folder := t.TempDir()
	first := start(t, Config{Data: folder})
	if _, err := Start(t.Context(), Config{Data: folder}); !errors.Is(err, wal.ErrLocked) || !strings.Contains(err.Error(), "or by this one") {
		t.Fatalf("a second node on the folder got %v", err)
	}
	id := first.ID()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if node, cluster, found, err := Owner(folder); node != id || cluster != first.id.Cluster || !found || err != nil {
		t.Errorf("the folder's owner is %s of %s, %v, %v", node, cluster, found, err)
	}
	again := start(t, Config{Data: folder})
	if again.ID() != id || again.id.Epoch != first.id.Epoch+1 {
		t.Errorf("after a restart: node %s epoch %d, was %s epoch %d", again.ID(), again.id.Epoch, id, first.id.Epoch)
	}
}

func TestKeyspacesOfAFolder(t *testing.T) {
	folder := t.TempDir()
	first, err := Start(t.Context(), Config{Data: folder, Keyspaces: []shards.Keyspace{{Name: "a", Shards: 4}, {Name: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	must[uint64](t)(open(t, first, "b").Put(t.Context(), "k", []byte("v")))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []shards.Keyspace{{Name: "a", Shards: 8}, {Name: "b", Durability: shards.DurabilityMemory}} {
		if _, err := Start(t.Context(), Config{Data: folder, Keyspaces: []shards.Keyspace{bad}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	again := start(t, Config{Data: folder, Keyspaces: []shards.Keyspace{{Name: "c"}, {Name: "a", Shards: 4, Durability: shards.DurabilityInterval}}})
	var names []string
	for _, k := range again.catalog.Load().settings {
		names = append(names, fmt.Sprint(k.Name, k.ID, k.Durability))
	}
	if want := []string{"a0 interval", "b1 fsync", "c2 fsync"}; !slices.Equal(names, want) {
		t.Errorf("keyspaces %v, want %v", names, want)
	}
	if v := must[Value](t)(open(t, again, "b").Get(t.Context(), "k")); string(v.Bytes) != "v" {
		t.Errorf("a keyspace that was not asked for lost its data: %q", v.Bytes)
	}
	if _, err := again.Store("nowhere"); !errors.As(err, new(*shards.Error)) {
		t.Errorf("an unknown keyspace gave %v", err)
	}
}

// TestCleanStopLeavesNothingToReplay: "a restart after a clean stop needs no replay".
func TestCleanStopLeavesNothingToReplay(t *testing.T) {
	folder := t.TempDir()
	n, err := Start(t.Context(), Config{Data: folder})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, n, "default")
	for i := range 200 {
		must[uint64](t)(s.Put(t.Context(), fmt.Sprint(i), []byte("value")))
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := wal.Open(folder, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range shards.DefaultShards {
		id := shards.NewShardID(0, i)
		if r, found, err := log.Last(id); err != nil || found {
			t.Errorf("shard %v still has a record %+v, error %v", id, r, err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	again := start(t, Config{Data: folder, Progress: func(p Progress) { told.Add(1) }})
	for i := range 200 {
		must[Value](t)(open(t, again, "default").Get(t.Context(), fmt.Sprint(i)))
	}
	if told.Load() == 0 {
		t.Error("no progress was told")
	}
}

// TestDamageIsNotServed: one flipped byte in a snapshot keeps the node from starting, with the place in the error.
func TestDamageIsNotServed(t *testing.T) {
	folder := t.TempDir()
	n, err := Start(t.Context(), Config{Data: folder, Keyspaces: []shards.Keyspace{{Name: "default", Shards: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	must[uint64](t)(open(t, n, "default").Put(t.Context(), "k", []byte("value")))
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "snapshots", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	content := must[[]byte](t)(os.ReadFile(files[0]))
	content[len(content)/2] ^= 1
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Data: folder})
	var corrupt *wal.CorruptError
	if !errors.As(err, &corrupt) || corrupt.Position == "" {
		t.Errorf("a damaged snapshot gave %v", err)
	}
}

// TestFolderKeepsItsKeyspaces: who asks for none gets those of the folder.
func TestFolderKeepsItsKeyspaces(t *testing.T) {
	folder := t.TempDir()
	n, err := Start(t.Context(), Config{Data: folder, Keyspaces: []shards.Keyspace{{Name: "only", Shards: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Config{Data: folder})
	if known := again.catalog.Load().settings; len(known) != 1 || known[0].Name != "only" {
		t.Errorf("keyspaces %+v", known)
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ended, Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestServersAnswerAndStop(t *testing.T) {
	n := start(t, Config{RESP: "127.0.0.1:0", HTTP: "127.0.0.1:0"})
	opened := open(t, n, "default")
	must[uint64](t)(opened.Put(t.Context(), "k", []byte("v")))
	conn := must[net.Conn](t)(net.Dial("tcp", n.RESPAddr()))
	defer conn.Close()
	must[int](t)(io.WriteString(conn, "GET k\r\n"))
	reply := make([]byte, 7)
	must[int](t)(io.ReadFull(conn, reply))
	if string(reply) != "$1\r\nv\r\n" {
		t.Errorf("GET answered %q", reply)
	}
	response := must[*http.Response](t)(http.Get("http://" + n.HTTPAddr() + "/default/keys/k"))
	body := must[[]byte](t)(io.ReadAll(response.Body))
	response.Body.Close()
	if string(body) != "v" {
		t.Errorf("HTTP answered %q", body)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(reply); err == nil {
		t.Error("the connection survived its node")
	}
	if _, err := opened.Get(t.Context(), "k"); !errors.As(err, new(*shards.Error)) || !errors.Is(err, ErrClosed) {
		t.Errorf("a closed node answered %v", err)
	}
	if _, err := n.Store("default"); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed node opened a store: %v", err)
	}
}

func TestBatchRules(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	ctx := t.Context()
	if _, err := s.Batch(ctx, Put("a", nil), Put("b", nil)); !errors.Is(err, ErrManyShards) {
		t.Errorf("keys of two slots: %v", err)
	}
	if _, err := s.Put(ctx, strings.Repeat("k", store.MaxKey+1), nil); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a long key: %v", err)
	}
	version := must[uint64](t)(s.Put(ctx, "{x}n", []byte("no number")))
	if _, err := s.Batch(ctx, Put("{x}a", nil), Increment("{x}n", 1)); !errors.Is(err, store.ErrNotNumber) || !strings.HasSuffix(err.Error(), `: "{x}n"`) {
		t.Errorf("an operation that cannot be done: %v", err)
	}
	if _, err := s.Get(ctx, "{x}a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("half a batch was done: %v", err)
	}
	if _, err := s.Batch(ctx, Require("{x}n", version+1), Put("{x}a", nil)); !errors.Is(err, ErrConflict) {
		t.Errorf("a guard: %v", err)
	}
	out := must[[]Outcome](t)(s.Batch(ctx, Require("{x}n", version), Put("{x}a", []byte("1")), Increment("{x}a", 4), Delete("{x}n")))
	if out[2].Int != 5 || !out[3].Changed || out[1].Version == 0 {
		t.Errorf("outcomes %+v", out)
	}
	if out, err := s.Batch(ctx); out != nil || err != nil {
		t.Errorf("an empty batch: %v, %v", out, err)
	}
	if _, err := s.Batch(ctx, Op{}, Put("{x}z", nil)); !invalidKind(err) {
		t.Errorf("a zero operation: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Put(ended, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// What operators do over HTTP programs do through their node.
func TestClusterIsOperatedFromGo(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	ctx, n := t.Context(), c.nodes[0]
	operate := n.Cluster()
	if list := operate.Members(); len(list) != 3 || list[0].Name != "n1" || list[2].Name != "n3" || list[0].Draining {
		t.Errorf("members %+v", list)
	}
	eventually(t, "it is green", func() bool { return operate.Health().Status == admin.Green })

	if err := operate.Drain(ctx, "n3"); err != nil {
		t.Fatal(err)
	}
	if m := operate.Members()[2]; m.Copies != 0 || !m.Draining {
		t.Errorf("n3 is drained: %+v", m)
	}
	if err := errors.Join(operate.Undrain(ctx, "n3"), operate.Maintain(ctx, "n3", true)); err != nil {
		t.Fatal(err)
	}
	if m := operate.Members()[2]; m.Draining || !m.Maintenance {
		t.Errorf("n3 is maintained: %+v", m)
	}
	if err := operate.Drain(ctx, "n4"); !invalidKind(err) {
		t.Errorf("a node that is not there: %v", err)
	}
	if err := errors.Join(operate.Maintain(ctx, "n3", false), operate.Vote(ctx, "n3", false)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n3 votes no more", func() bool { m := operate.Members()[2]; return m.Excluded && !m.Voter })
	alone := start(t, Config{Name: "solo", Keyspaces: []shards.Keyspace{volatileSpace("default", 1)}})
	if err := alone.Cluster().Vote(ctx, "solo", false); !errors.Is(err, &cluster.Refusal{Why: cluster.WhyUnsafe}) {
		t.Errorf("the last that can vote is excluded: %v", err)
	}
	if err := operate.Vote(ctx, "n3", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n3 votes again", func() bool { m := operate.Members()[2]; return !m.Excluded && m.Voter })
	ended, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	if err := operate.Drain(ended, "n2"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a drain that nobody waits for: %v", err)
	}

	space := volatileSpace("jobs", 1)
	if err := errors.Join(operate.CreateKeyspace(ctx, space), operate.CreateKeyspace(ctx, space)); err != nil {
		t.Fatal(err)
	}
	must[uint64](t)(open(t, n, "jobs").Put(ctx, "k", nil))
	space.Shards++
	var kinded *shards.Error
	if err := operate.CreateKeyspace(ctx, space); !errors.As(err, &kinded) || kinded.Kind != shards.KindConflict {
		t.Errorf("another keyspace of that name: %v", err)
	}
	two := 2
	if err := operate.UpdateKeyspace(ctx, "jobs", admin.KeyspaceSettings{Replicas: &two}); err != nil {
		t.Fatal(err)
	}
	if list := operate.Keyspaces(); len(list) != 2 || list[1].Replicas != 2 || list[1].Name != "jobs" {
		t.Errorf("keyspaces %+v", list)
	}

	if err := operate.SetSettings(ctx, map[string]string{cluster.SettingMaxRetries: "7"}); err != nil || operate.Settings()[cluster.SettingMaxRetries] != "7" {
		t.Errorf("settings %v, %v", operate.Settings(), err)
	}
	if err := operate.SetSettings(ctx, map[string]string{cluster.SettingMaxRetries: ""}); err != nil || len(operate.Settings()) != 0 {
		t.Errorf("settings %v, %v", operate.Settings(), err)
	}
	if err := operate.SetSettings(ctx, map[string]string{"cluster.none": "1"}); err == nil || !strings.Contains(err.Error(), "no setting") {
		t.Errorf("a setting that is not there: %v", err)
	}
	if err := operate.ReadOnly(ctx, true); err != nil || !operate.Health().ReadOnly {
		t.Errorf("read only: %v", err)
	}
}

func invalidKind(err error) bool {
	var kinded *shards.Error
	return errors.As(err, &kinded) && kinded.Kind == shards.KindInvalid
}

func TestErrorsNameTheirKey(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	_, missing := s.Get(t.Context(), "a key")
	_, refused := s.Put(t.Context(), "a key", nil, IfPresent())
	for want, err := range map[error]error{ErrNotFound: missing, ErrConflict: refused} {
		if !errors.Is(err, want) || !strings.Contains(err.Error(), `"a key"`) || !strings.HasPrefix(err.Error(), "runtime: ") {
			t.Errorf("got %v", err)
		}
	}
}

func TestPutOptions(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	ctx := t.Context()
	must[uint64](t)(s.Put(ctx, "k", []byte("1"), IfAbsent(), TTL(time.Hour)))
	if _, err := s.Put(ctx, "k", []byte("2"), IfAbsent()); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	must[uint64](t)(s.Put(ctx, "k", []byte("3"), IfPresent(), KeepTTL()))
	v := must[Value](t)(s.Get(ctx, "k"))
	if left := time.Until(v.ExpireAt); string(v.Bytes) != "3" || left < 59*time.Minute || left > time.Hour {
		t.Errorf("%q for %v", v.Bytes, left)
	}
	must[uint64](t)(s.Put(ctx, "k", []byte("4")))
	if v := must[Value](t)(s.Get(ctx, "k")); !v.ExpireAt.IsZero() {
		t.Errorf("a plain put keeps the expiry %v", v.ExpireAt)
	}
	for _, d := range []time.Duration{0, -1, 100 * time.Microsecond} {
		if _, err := s.Put(ctx, "k", []byte("x"), TTL(d)); !invalidKind(err) || !strings.Contains(err.Error(), "at least 1ms") {
			t.Errorf("a TTL of %v: %v", d, err)
		}
	}
	must[uint64](t)(s.Put(ctx, "k", []byte("4"), ExpireAt(time.Time{})))
	if v := must[Value](t)(s.Get(ctx, "k")); !v.ExpireAt.IsZero() || string(v.Bytes) != "4" {
		t.Errorf("a key that never expires: %q until %v", v.Bytes, v.ExpireAt)
	}
	must[uint64](t)(s.Put(ctx, "k", []byte("6"), ExpireAt(time.Unix(1<<63-62135596801, 999999999)))) // the last time that there is
	if v := must[Value](t)(s.Get(ctx, "k")); !v.ExpireAt.Equal(time.UnixMilli(math.MaxInt64)) || string(v.Bytes) != "6" {
		t.Errorf("a key that expires at the end of time: %q until %v", v.Bytes, v.ExpireAt)
	}
	for _, past := range []time.Time{time.Now().Add(-time.Second), time.Unix(-1<<62, 0), time.UnixMilli(0)} {
		must[uint64](t)(s.Put(ctx, "k", []byte("5")))
		must[uint64](t)(s.Put(ctx, "k", []byte("5"), ExpireAt(past)))
		if _, err := s.Get(ctx, "k"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a key of the past, %v: %v", past, err)
		}
	}
	if found := must[bool](t)(s.Delete(ctx, "k")); found {
		t.Error("an expired key was found by delete")
	}
}

func TestScanBounds(t *testing.T) {
	s := open(t, start(t, Config{}), "default")
	ctx := t.Context()
	for _, k := range []string{"", "a", "ab", "abc", "b", "ba", "c", "\xff", "\xff\xff"} {
		must[uint64](t)(s.Put(ctx, k, []byte(k)))
	}
	for _, c := range []struct {
		o    ScanOptions
		want string
	}{
		{ScanOptions{}, "|a|ab|abc|b|ba|c|\xff|\xff\xff"},
		{ScanOptions{Reverse: true}, "\xff\xff|\xff|c|ba|b|abc|ab|a|"},
		{ScanOptions{Prefix: "a"}, "a|ab|abc"},
		{ScanOptions{Prefix: "\xff"}, "\xff|\xff\xff"},
		{ScanOptions{Prefix: "a", After: "a"}, "ab|abc"},
		{ScanOptions{Prefix: "a", After: "ab", Reverse: true}, "a"},
		{ScanOptions{After: "ab", To: "c"}, "abc|b|ba"},
		{ScanOptions{After: "c", To: "ab", Reverse: true}, "ba|b|abc"},
		{ScanOptions{Prefix: "b", To: "a"}, ""},
		{ScanOptions{Prefix: "b", After: "z"}, ""},
	} {
		var got []string
		for e, err := range s.Scan(ctx, c.o) {
			if err != nil || string(e.Value) != string(e.Key) {
				t.Fatalf("%q holds %q, %v", e.Key, e.Value, err)
			}
			got = append(got, string(e.Key))
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%+v: %q, want %q", c.o, strings.Join(got, "|"), c.want)
		}
	}
	if n := must[int64](t)(s.DeletePrefix(ctx, "a")); n != 3 {
		t.Errorf("%d keys deleted, want 3", n)
	}
}
