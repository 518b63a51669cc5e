package resp

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestRedisTools runs Redis' own tools against the server; RESP_TOOLS names a number of requests, by default few.
func TestRedisTools(t *testing.T) {
	requests := os.Getenv("RESP_TOOLS")
	if requests == "" {
		requests = "2000"
	}
	benchmark, err := exec.LookPath("redis-benchmark")
	if err != nil {
		t.Skip("no redis-benchmark here")
	}
	_, addr := startServer(t, newLocalBackend(16, "default"), Config{})
	host, port, _ := strings.Cut(addr, ":")
	for _, pipeline := range []string{"1", "16"} {
		out, err := exec.Command(benchmark, "-h", host, "-p", port, "-n", requests, "-r", "1000", "-P", pipeline, "-d", "100", "-q", "-t", "ping,set,get,incr").CombinedOutput()
		text := strings.ReplaceAll(string(out), "\r", "\n")
		if err != nil || strings.Contains(text, "rror from server: ERR") || strings.Count(text, "requests per second") < 5 {
			t.Errorf("pipeline %s: %v\n%s", pipeline, err, text)
		}
		for _, line := range strings.Split(text, "\n") {
			if strings.Contains(line, "requests per second") {
				t.Logf("P%s %s", pipeline, line)
			}
		}
	}
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Skip("no redis-cli here")
	}
	for _, c := range []struct{ args, want string }{
		{"SET net/http/server.go x", "OK\n"}, {"SCAN 0 MATCH net/http/* COUNT 10000", "0\nnet/http/server.go\n"},
		{"-3 GET net/http/server.go", "x\n"}, {"-c GET net/http/server.go", "x\n"}, {"--scan --pattern net/http/*", "net/http/server.go\n"},
		{"CLUSTER KEYSLOT foo", "12182\n"},
	} {
		out, err := exec.Command(cli, append([]string{"-h", host, "-p", port}, strings.Fields(c.args)...)...).CombinedOutput()
		if err != nil || string(out) != c.want {
			t.Errorf("redis-cli %s: %v %q, want %q", c.args, err, out, c.want)
		}
	}
}
