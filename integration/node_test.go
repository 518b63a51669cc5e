package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// program is the troupe binary, built once for all tests that ask for it.
var program = sync.OnceValues(func() (string, error) {
	return harness.Build(context.Background(), scratch, raceDetector)
})

// scratch is a folder for what all tests share.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "troupe-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// onceIsEnough skips a test in a short search for races: what runs in it side by side does so in other tests that are searched, too.
func onceIsEnough(t *testing.T) {
	t.Helper()
	if raceDetector && testing.Short() {
		t.Skip("others search the same code for races")
	}
}

// patience bounds every wait for something that should come at once; it is never waited out by a test that passes.
const patience = time.Minute

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newNode is the config of a node with an empty data folder and free ports.
func newNode(t *testing.T, keyspaces ...string) *harness.NodeConfig {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return &harness.NodeConfig{Program: binary, Data: t.TempDir(), Keyspaces: keyspaces}
}

// start runs a node until the test ends, or until the test ends it.
func start(t *testing.T, c *harness.NodeConfig) *harness.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, err := harness.StartNode(ctx, c)
	if err != nil {
		t.Fatalf("start a node: %v", err)
	}
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("the node's last words:\n%s", n.Output())
		}
	})
	return n
}

// stop asks a node to end and fails the test unless it does so in order.
func stop(t *testing.T, n *harness.Node) {
	t.Helper()
	if err := n.Stop(soon(t)); err != nil {
		t.Fatal(err)
	}
}

// connect dials a node; the connection fails rather than hangs, and is closed when the test ends.
func connect(t *testing.T, addr string) *harness.Conn {
	t.Helper()
	c, err := harness.Dial(soon(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// do runs one command that must succeed.
func do(t *testing.T, c *harness.Conn, args ...string) any {
	t.Helper()
	v, err := c.Do(args...)
	if err != nil {
		t.Fatalf("%.80q: %v", args, err)
	}
	return v
}

// expect runs one command and compares its reply.
func expect(t *testing.T, c *harness.Conn, want any, args ...string) {
	t.Helper()
	if got := do(t, c, args...); got != want {
		t.Fatalf("%.80q: got %.80v, want %.80v", args, got, want)
	}
}

// troupe runs one verb of the binary against a node and returns its output.
func troupe(t *testing.T, n *harness.Node, args ...string) string {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "TROUPE_ADDR="+n.HTTP)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("troupe %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// need skips the test without a program, or fails it where TROUPE_PEERS=required says that it was installed.
func need(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		lack(t, "%s is not installed", tool)
	}
	return path
}

func lack(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("TROUPE_PEERS") == "required" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// dice are seeded by TROUPE_SEED, or anew; a failure prints the seed.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("TROUPE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("TROUPE_SEED: %v", err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with TROUPE_SEED=%d go test -run '^%s$' ./integration", seed, t.Name())
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

// number is an environment variable as a count, or def.
func number(t *testing.T, name string, def int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a count", name, s)
	}
	return n
}
