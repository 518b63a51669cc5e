package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// running is a node of this process, started by its own command line.
type running struct {
	addr string // HTTP
	resp string
	stop func() (out, errs string, code int)
}

// startNode runs "troupe node" on free ports until stop, which returns what it printed.
func startNode(t *testing.T, data string, flags ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &greeting{ready: make(chan struct{})}
	errs := &safeBuffer{}
	c := &console{in: strings.NewReader(""), out: out, err: errs, env: func(string) (string, bool) { return "", false }}
	args := append([]string{"node", "--data", data, "--resp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--peer", "off", "--disk-reserve", "64mb"}, flags...)
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, c, args) }()
	select {
	case <-out.ready:
	case code := <-ended:
		cancel()
		t.Fatalf("the node ended with %d: %s%s", code, out.String(), errs.String())
	}
	addresses := regexp.MustCompile(`(?m)^  (?:Redis|HTTP) +(\S+)`).FindAllStringSubmatch(out.String(), -1)
	if len(addresses) != 2 {
		cancel()
		t.Fatalf("the node does not say where it listens: %s", out.String())
	}
	r := &running{resp: addresses[0][1], addr: addresses[1][1]}
	code := sync.OnceValue(func() int { cancel(); return <-ended })
	r.stop = func() (string, string, int) {
		code := code()
		return out.String(), errs.String(), code
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// safeBuffer is written by the node's goroutines.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// greeting is a node's standard output; ready is closed by its last line.
type greeting struct {
	safeBuffer
	ready chan struct{}
	once  sync.Once
}

func (g *greeting) Write(p []byte) (int, error) {
	n, err := g.safeBuffer.Write(p)
	if strings.Contains(string(p), "Ctrl-C stops it") {
		g.once.Do(func() { close(g.ready) })
	}
	return n, err
}

// A collector reads a node's log: each line of it is JSON, and there is no other output. A node without a folder does not speak of
// what the next start replays.
func TestJSONLogsAreAllJSON(t *testing.T) {
	out, errs := &safeBuffer{}, &firstLines{want: `"the node is ready"`, seen: make(chan struct{})}
	ctx, stop := contextUntil(t, errs.seen)
	defer stop()
	c := &console{in: strings.NewReader(""), out: out, err: errs, env: func(string) (string, bool) { return "", false }}
	code := run(ctx, c, strings.Fields("node --data off --keyspace a:shards=1,replicas=0,durability=memory --resp 127.0.0.1:0 --http 127.0.0.1:0 --peer off --log-format json"))
	if code != 0 || out.String() != "" || !strings.Contains(errs.String(), "what was in memory is gone") {
		t.Errorf("exit code %d, standard output %q\n%s", code, out, errs)
	}
	for line := range strings.Lines(errs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// at runs a verb against a node and checks its exit code.
func (r *running) at(t *testing.T, want int, input string, args ...string) (out, errs string) {
	t.Helper()
	env := map[string]string{"TROUPE_ADDR": r.addr, "TROUPE_TOKEN": "secret"}
	out, errs, code := invoke(t, env, input, args...)
	if code != want {
		t.Fatalf("troupe %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, errs)
	}
	return out, errs
}

// tree makes a folder with a few hundred files, some odd, and sets the folder of journals.
func tree(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	root := t.TempDir()
	for i := range 300 {
		path := filepath.Join(root, fmt.Sprint("d", i%9), fmt.Sprintf("f-%d.txt", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte{byte(i), '\r', '\n', 0}, i*i%4099), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// The main job of a new user, in one process: load a tree, verify it, stop, start, verify again.
func TestATreeSurvivesAStop(t *testing.T) {
	root, data := tree(t), filepath.Join(t.TempDir(), "data")
	r := startNode(t, data)
	if out, _ := r.at(t, 0, "", "load", "--dir", root, "--prefix", "www/"); !strings.Contains(out, "loaded 300 keys") {
		t.Errorf("load says %s", out)
	}
	r.at(t, 0, "", "verify", "--dir", root, "--prefix", "www/", "--extra")
	if out, _ := r.at(t, 0, "", "get", "www/d1/f-10.txt"); out != strings.Repeat("\x0a\r\n\x00", 100) {
		t.Errorf("get gives %d bytes", len(out))
	}
	if out, errs, code := r.stop(); code != 0 || !strings.Contains(errs, "stopped cleanly") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if out, _, code := invoke(t, nil, "", "wal", "verify", "--data", data); code != 0 || !strings.Contains(out, "no damage") {
		t.Errorf("wal verify: exit code %d, %s", code, out)
	}
	if out, _, code := invoke(t, nil, "", "wal", "verify", "--data", data, "--json"); code != 0 || !regexp.MustCompile(`^{"records":[1-9]\d*,"unreadable":0,"damage":\[\]}\n$`).MatchString(out) {
		t.Errorf("wal verify --json: exit code %d, %s", code, out)
	}
	if out, _, code := invoke(t, nil, "", "wal", "verify", "--data", t.TempDir(), "--json"); code != exitFailed || out != "" {
		t.Errorf("wal verify --json without a log: exit code %d, %s", code, out)
	}
	if _, errs, code := invoke(t, nil, "", "wal", "dump", "--data", data, "--shard", "0/99"); code != exitNotFound || !strings.Contains(errs, "no records of shard 0/99") {
		t.Errorf("wal dump of a shard that is not there: exit code %d, %s", code, errs)
	}
	r = startNode(t, data)
	r.at(t, 0, "", "verify", "--dir", root, "--prefix", "www/", "--extra")
	if _, errs, code := invoke(t, nil, "", "wal", "dump", "--data", data); code != exitFailed || !strings.Contains(errs, "stop it first") {
		t.Errorf("wal dump of a running node: exit code %d, %s", code, errs)
	}
	r.at(t, 0, "", "put", "www/d1/f-10.txt", "changed")
	r.at(t, 0, "", "del", "www/d2/f-11.txt")
	r.at(t, 0, "", "put", "www/zzz", "extra")
	out, _ := r.at(t, exitDifferent, "", "verify", "--dir", root, "--prefix", "www/", "--extra", "--json")
	var report struct {
		Same, Missing, Different, Extra int
		Differences                     []struct{ Kind, Key string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(report)
	if want := "{298 1 1 1 [{different www/d1/f-10.txt} {missing www/d2/f-11.txt} {extra www/zzz}]}"; got != want {
		t.Errorf("verify found %s, want %s", got, want)
	}
}

func TestVerbsOnANode(t *testing.T) {
	r := startNode(t, "off", "--token", "secret", "--keyspace", "default:durability=memory", "--keyspace", "other:durability=memory")
	r.at(t, 0, "", "put", "k", "v1", "--if-absent")
	if _, errs := r.at(t, exitDifferent, "", "put", "k", "v2", "--if-absent"); !strings.Contains(errs, "conflict") {
		t.Errorf("a condition that fails says %s", errs)
	}
	out, _ := r.at(t, 0, "v2\x00", "put", "k", "-", "--json")
	var put struct{ Version uint64 }
	if err := json.Unmarshal([]byte(out), &put); err != nil || put.Version == 0 {
		t.Fatalf("put says %s: %v", out, err)
	}
	r.at(t, exitDifferent, "", "put", "k", "v3", "--if-version", fmt.Sprint(put.Version+1))
	r.at(t, 0, "", "put", "k", "v3", "--if-version", fmt.Sprint(put.Version), "--ttl", "1h")
	if out, _ = r.at(t, 0, "", "get", "k", "--json"); !strings.Contains(out, `"value":"djM="`) || !strings.Contains(out, "expire_at") {
		t.Errorf("get --json says %s", out)
	}
	file := filepath.Join(t.TempDir(), "out")
	if r.at(t, 0, "", "get", "k", "--out", file); mustRead(t, file) != "v3" {
		t.Errorf("--out wrote %q", mustRead(t, file))
	}
	r.at(t, exitNotFound, "", "get", "nothing")
	r.at(t, exitNotFound, "", "get", "k", "--keyspace", "other")
	r.at(t, exitNotFound, "", "get", "k", "--keyspace", "nowhere")
	if _, errs := r.at(t, exitFailed, "", "get", "k", "--token", "wrong"); !strings.Contains(errs, "TROUPE_TOKEN") {
		t.Errorf("a wrong token is explained by %s", errs)
	}
	for i := range 5 {
		r.at(t, 0, "", "put", fmt.Sprint("s", i), "x")
	}
	r.at(t, 0, "", "put", "s\n", "y")
	if out, _ = r.at(t, 0, "", "scan", "s", "--keys-only"); out != "\"s\\n\"\ns0\ns1\ns2\ns3\ns4\n" {
		t.Errorf("scan gives %q", out)
	}
	if out, _ = r.at(t, 0, "", "scan", "s", "--keys-only", "--reverse", "--after", "s4", "--to", "s1"); out != "s3\ns2\n" {
		t.Errorf("scan back gives %q", out)
	}
	if out, _ = r.at(t, 0, "", "scan", "--limit", "1", "--values"); !strings.Contains(out, "k  v3") {
		t.Errorf("scan with values gives %q", out)
	}
	r.at(t, exitUsage, "y\n", "del", "--prefix", "s") // no terminal: nobody was asked
	if out, _ = r.at(t, 0, "", "del", "--prefix", "s", "--yes"); out != "deleted 6\n" {
		t.Errorf("del says %s", out)
	}
	r.at(t, exitNotFound, "", "del", "k", "s1")
	if out, _ = r.at(t, 0, "", "scan"); out != "" {
		t.Errorf("left: %s", out)
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestRecordsAreLoadedAndVerified(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	r := startNode(t, "off", "--keyspace", "default:durability=memory")
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte("\xef\xbb\xbfid,name\r\n1,Ann\r\n2,\"Jr, Bob\"\r\n1,Anna\r\nbad\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--csv", file, "--prefix", "u:"}
	if _, errs := r.at(t, exitFailed, "", append([]string{"load"}, args...)...); !strings.Contains(errs, "users.csv:5: record cannot be used") {
		t.Errorf("a bad row is reported as %s", errs)
	}
	if out, _ := r.at(t, 0, "", "get", "u:1"); out != `{"id":"1","name":"Anna"}` {
		t.Errorf("the last row of a key does not win: %s", out)
	}
	if out, _ := r.at(t, exitFailed, "", append([]string{"verify"}, args...)...); !strings.Contains(out, "2 keys the same") {
		t.Errorf("verify says %s", out)
	}
	r.at(t, 0, "a\t1\nb\t2\n", "load", "--lines", "-", "--ttl", "1h")
	if out, _ := r.at(t, 0, "", "scan", "a", "--json"); !strings.Contains(out, "expire_at") {
		t.Errorf("--ttl is lost: %s", out)
	}
	r.at(t, 0, "a\t1\nb\t2\n", "verify", "--lines", "-")
	r.at(t, exitDifferent, "a\t1\nb\t3\n", "verify", "--lines", "-")
	r.at(t, 0, "\xff\x00", "put", "binary", "-")
	r.at(t, 0, "", "put", "empty", "")
	if out, _ := r.at(t, 0, "", "get", "empty", "--json"); !strings.Contains(out, `"size":0,"value":""`) {
		t.Errorf("get --json of an empty value says %s", out)
	}
	if out, _ := r.at(t, 0, "", "scan", "empty", "--json"); strings.Contains(out, `"value"`) {
		t.Errorf("a scan without values says %s", out)
	}
	backup, _ := r.at(t, 0, "", "scan", "--values", "--json")
	r.at(t, 0, "", "del", "--all", "--yes")
	r.at(t, 0, backup, "load", "--scanned", "-")
	r.at(t, 0, backup, "verify", "--scanned", "-", "--extra")
	if out, _ := r.at(t, 0, "", "scan", "a", "--json"); !strings.Contains(out, "expire_at") {
		t.Errorf("a restored key has lost its expiry: %s", out)
	}
	if _, errs := r.at(t, exitNotFound, "a\t1\n", "load", "--lines", "-", "--keyspace", "nowhere"); !strings.Contains(errs, `"default"`) {
		t.Errorf("an unknown keyspace is explained by %s", errs)
	}
}

func TestBenchRunsAgainstANode(t *testing.T) {
	r := startNode(t, "off", "--keyspace", "default:durability=memory", "--keyspace", "b:durability=memory")
	out, _ := r.at(t, 0, "", "bench", "--target", r.resp, "--requests", "2000", "--keys", "100", "--connections", "4", "--warmup", "0s", "--pipeline", "10", "--op", "50:50", "--json", "--keyspace", "b")
	var results []benchJSON
	if err := json.Unmarshal([]byte(out), &results); err != nil || len(results) != 1 || results[0].Ops != 2000 || results[0].Misses != 0 {
		t.Errorf("%s %v", out, err)
	}
	if out, _ = r.at(t, 0, "", "scan", "--keyspace", "b", "--keys-only"); strings.Count(out, "\n") != 100 {
		t.Errorf("%d keys in the keyspace that was selected", strings.Count(out, "\n"))
	}
	if _, errs := r.at(t, exitFailed, "", "bench", "--target", r.resp, "--keyspace", "nope"); !strings.Contains(errs, `no keyspace "nope"; there are default, b`) || strings.Contains(errs, "is a server running") {
		t.Errorf("a keyspace that is not there: %s", errs)
	}
	if _, errs := r.at(t, exitFailed, "", "bench", "--target", "127.0.0.1:1"); !strings.Contains(errs, "is a server running at 127.0.0.1:1?") {
		t.Errorf("nobody there: %s", errs)
	}
	out, _ = r.at(t, 0, "", "bench", "--target", r.resp, "--vs", r.resp, "--rounds", "2", "--requests", "100", "--warmup", "0s", "--connections", "2", "--keys", "10", "--op", "set")
	if !strings.Contains(out, "A/B") || !strings.Contains(out, "medians of 2 rounds") {
		t.Errorf("ratio mode prints %s", out)
	}
}

// What a node refuses whatever the others do, preflight and --check refuse with the same words.
func TestPreflightKnowsWhatANodeRefuses(t *testing.T) {
	cert, key := selfSigned(t)
	_, other := selfSigned(t)
	for want, args := range map[string][]string{
		"lease 100ms must be":            {"--lease", "100ms"},
		"election 400ms must be":         {"--heartbeat", "5s"},
		"no such file":                   {"--client-tls-cert", cert, "--client-tls-key", "nope.key"},
		"private key does not match":     {"--client-tls-cert", cert, "--client-tls-key", other},
		"without authentication":         {"--resp", "0.0.0.0:0"},
		"come together: one of TLSCert":  {"--tls-cert", cert, "--tls-key", key},
		"needs a data":                   {"--keyspace", "a"},
		"RESP and HTTP have one address": {"--resp", "127.0.0.1:7", "--http", "127.0.0.1:7"},
	} {
		args = append([]string{"--data", "off", "--resp", "off", "--http", "off", "--peer", "off"}, args...)
		for _, verb := range [][]string{{"node"}, {"node", "--check"}} {
			if _, errs, code := invoke(t, nil, "", append(verb, args...)...); code != exitUsage || !strings.Contains(errs, want) {
				t.Errorf("%s %v: exit code %d, %s", verb, args, code, errs)
			}
		}
		if out, _, code := invoke(t, nil, "", append([]string{"preflight"}, args...)...); code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("preflight %v: exit code %d, %s", args, code, out)
		}
	}
}

// A variable that is misspelt is told by whatever would have read it; its value is not.
func TestMisspeltVariablesAreTold(t *testing.T) {
	off := []string{"--data", "off", "--resp", "off", "--http", "off", "--peer", "off"}
	for _, verb := range [][]string{{"node", "--check"}, {"preflight"}, {"node", "--lease", "1ms", "--log-format", "json"}} {
		var out, errs strings.Builder
		c := &console{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) (string, bool) { return "", false }, set: func() []string { return []string{"TROUPE_PASSWRD"} }}
		run(t.Context(), c, append(verb, off...))
		if text := out.String() + errs.String(); !strings.Contains(text, "TROUPE_PASSWRD is no setting, and is not looked at; did you mean TROUPE_PASSWORD?") {
			t.Errorf("%v says %s", verb, text)
		}
	}
}

func TestNodesThatMustNotStart(t *testing.T) {
	for want, args := range map[string][]string{
		"--insecure":   {"--resp", "0.0.0.0:0"},
		"needs a data": {"--keyspace", "a"},
	} {
		all := append([]string{"node", "--data", "off", "--resp", "off", "--http", "off", "--peer", "off"}, args...)
		_, errs, code := invoke(t, nil, "", all...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
	r := startNode(t, "off", "--keyspace", "default:durability=memory")
	out, errs, code := invoke(t, nil, "", "preflight", "--data", "off", "--resp", r.resp, "--http", "off", "--peer", "off", "--json")
	if code != exitFailed || !strings.Contains(out, "in use") || !strings.Contains(errs, "would not start") {
		t.Errorf("preflight on a port in use: exit code %d, %s%s", code, out, errs)
	}
}
