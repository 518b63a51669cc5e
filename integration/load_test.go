package integration

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestMainJob does what a new user would: load a tree of files, read it with the Redis tools, kill the node, start it again
// and find every key and every byte.
func TestMainJob(t *testing.T) {
	onceIsEnough(t)
	config := newNode(t)
	n := start(t, config)
	tree := sourceTree(t)

	troupe(t, n, "load", "--dir", tree)
	troupe(t, n, "verify", "--dir", tree)
	readWithRedisTools(t, n)

	n.Kill()
	n = start(t, config)
	troupe(t, n, "verify", "--dir", tree)

	stop(t, n)
	n = start(t, config)
	troupe(t, n, "verify", "--dir", tree)
}

// TestVerifyFindsDifferences: a comparison that passes says something only if it can fail.
func TestVerifyFindsDifferences(t *testing.T) {
	n := start(t, newNode(t))
	tree := sourceTree(t)
	troupe(t, n, "load", "--dir", tree)
	c := connect(t, n.RESP)
	for _, change := range [][]string{
		{"SETRANGE", "server.go", "100", "~"},
		{"DEL", "server.go"},
	} {
		do(t, c, change...)
		binary, err := program()
		must(t, err)
		cmd := exec.CommandContext(t.Context(), binary, "verify", "--dir", tree, "--addr", n.HTTP)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 4 || !strings.Contains(string(out), "server.go") {
			t.Errorf("after %q: verify ended with %v, and should name server.go and end with 4\n%s", change, err, out)
		}
	}
}

// TestCleanStopNeedsNoReplay: what a start after an ordered stop reads from the log is nothing.
func TestCleanStopNeedsNoReplay(t *testing.T) {
	config := newNode(t)
	n := start(t, config)
	fill(t, n, "key:", 3000)
	stop(t, n)
	n = start(t, config)
	c := connect(t, n.RESP)
	expect(t, c, "value of key:2999", "GET", "key:2999")
	if replayed := replayedBytes(t, n); replayed != 0 {
		t.Errorf("after a clean stop the log still holds %v bytes that a start must replay", replayed)
	}
}

// replayedBytes is how many bytes of records the shards have in the log, which is what a start has to replay.
func replayedBytes(t *testing.T, n *harness.Node) (sum float64) {
	t.Helper()
	for _, v := range metrics(t, n, "troupe_shard_log_bytes") {
		sum += v
	}
	return sum
}

// sourceTree is a tree that everybody with Go has: a few hundred real files in some folders.
func sourceTree(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src", "net", "http")
}

func readWithRedisTools(t *testing.T, n *harness.Node) {
	if _, err := exec.LookPath("redis-cli"); err != nil {
		t.Log("redis-cli is not installed; not read with it")
		return
	}
	keys := strings.Fields(cli(t, n.RESP, "--scan", "--pattern", "httptest/*"))
	if len(keys) < 5 {
		t.Errorf("redis-cli --scan finds %q", keys)
	}
	if text := cli(t, n.RESP, "GET", "server.go"); !strings.Contains(text, "package http") {
		t.Errorf("GET server.go begins with %.100q", text)
	}
}

// fill writes so many small keys.
func fill(t *testing.T, n *harness.Node, prefix string, count int) {
	t.Helper()
	c := connect(t, n.RESP)
	const batch = 500
	for first := 0; first < count; first += batch {
		size := min(batch, count-first)
		for i := range size {
			key := prefix + strconv.Itoa(first+i)
			c.Send("SET", key, "value of "+key)
		}
		must(t, c.Flush())
		for range size {
			_, err := c.Receive()
			must(t, err)
		}
	}
}

// metrics are the samples of one family on the node's metrics page, by labels.
func metrics(t *testing.T, n *harness.Node, family string) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	page, err := n.Fetch(ctx, "/metrics")
	must(t, err)
	samples := map[string]float64{}
	for _, line := range strings.Split(string(page), "\n") {
		name, value, _ := strings.Cut(line, " ")
		if labels, ok := strings.CutPrefix(name, family); ok && (labels == "" || labels[0] == '{') {
			samples[labels], err = strconv.ParseFloat(value, 64)
			must(t, err)
		}
	}
	if len(samples) == 0 {
		t.Fatalf("the metrics page has no %s", family)
	}
	return samples
}
