package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// devCluster is a running "troupe dev".
type devCluster struct {
	*harness.Process
	base int
	env  []string
}

// startDev runs "troupe dev" on free ports until it is green. What it started ends with the test.
func startDev(t *testing.T, flags ...string) *devCluster {
	t.Helper()
	binary, err := program()
	must(t, err)
	d := &devCluster{base: freeBase(t), env: []string{"XDG_RUNTIME_DIR=" + t.TempDir(), "TMPDIR=" + t.TempDir()}}
	d.Process, err = harness.Start("", d.env, binary, append([]string{"dev", "--base-port", fmt.Sprint(d.base)}, flags...)...)
	must(t, err)
	t.Cleanup(func() {
		d.Kill()
		if t.Failed() {
			t.Logf("the last words of troupe dev:\n%s%s", d.Output(), d.logs())
		}
	})
	for i := 1; i <= 3; i++ {
		must(t, d.Until(soon(t), func(context.Context) error {
			conn, err := net.Dial("tcp", d.http(i))
			if err == nil {
				conn.Close()
			}
			return err
		}))
	}
	d.troupe(t, 0, "health", "--wait", "green", "--timeout", "60s")
	must(t, d.Until(soon(t), func(context.Context) error { return d.voters(t, 3) }))
	return d
}

// logs are the ends of what its nodes have written, for the message of a test that failed.
func (d *devCluster) logs() string {
	const end = 8 << 10
	var text strings.Builder
	names, _ := filepath.Glob(filepath.Join(d.folder(), "*", "n*.log")) // only a bad pattern is an error
	for _, name := range names {
		log, err := os.ReadFile(name)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&text, "---- %s\n%s", filepath.Base(name), log[max(0, len(log)-end):])
	}
	return text.String()
}

// folder is where it has what is gone with it.
func (d *devCluster) folder() string { return strings.TrimPrefix(d.env[1], "TMPDIR=") }

// voters is nil once so many nodes vote: before that the cluster may not outlive its first.
func (d *devCluster) voters(t *testing.T, want int) error {
	if got := strings.Count(d.troupe(t, 0, "nodes", "--json"), `"voter":true`); got != want {
		return fmt.Errorf("%d voters", got)
	}
	return nil
}

func (d *devCluster) http(i int) string { return fmt.Sprintf("127.0.0.1:%d", d.base+200+i) }

// command prepares a verb, told of the third node only: it is never killed here.
func (d *devCluster) command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := program()
	must(t, err)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(os.Environ(), d.env...), "TROUPE_ADDR="+d.http(3), "XDG_CACHE_HOME="+t.TempDir())
	return cmd
}

// troupe runs a verb, which must end with this exit code.
func (d *devCluster) troupe(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := d.command(soon(t), t, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("troupe %s ended with %v, want %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return string(out)
}

// freeBase is a base port at which the ports of three nodes are free. Nobody listens on the base itself: whoever does has claimed them, for as long as a test runs.
func freeBase(t *testing.T) int {
	t.Helper()
	listens := func(port int) net.Listener {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil // somebody else does
		}
		return l
	}
	for base := 16000; base+300 < 20000; base += 10 + (base%100/90)*200 { // 16000, 16010 … 16090, 16300
		claim := listens(base)
		if claim == nil {
			continue
		}
		free := true
		for i := 1; i <= 3 && free; i++ {
			for _, offset := range []int{0, 100, 200} {
				l := listens(base + offset + i)
				if free = l != nil; !free {
					break
				}
				l.Close()
			}
		}
		if free {
			t.Cleanup(func() { claim.Close() })
			return base
		}
		claim.Close()
	}
	t.Fatal("no free ports")
	return 0
}

// TestDevMainJob does what the user would: a node is killed in the middle of a load, and nobody notices.
func TestDevMainJob(t *testing.T) {
	d := startDev(t)
	tree := sourceTree(t)
	load := d.command(t.Context(), t, "load", "--dir", tree, "--batch", "8", "--concurrency", "2")
	var said strings.Builder
	load.Stdout, load.Stderr = &said, &said
	must(t, load.Start())
	must(t, d.Until(soon(t), func(context.Context) error { return d.holds(t, 50) }))
	d.troupe(t, 0, "dev", "kill", "n2")
	if err := load.Wait(); err != nil {
		t.Fatalf("the load ended with %v\n%s", err, said.String())
	}
	d.troupe(t, 0, "verify", "--dir", tree, "--extra")
	if health := d.troupe(t, 0, "health"); !strings.Contains(health, "n2") {
		t.Errorf("health does not know that n2 is gone: %s", health)
	}
	d.troupe(t, 0, "dev", "start", "n2")
	d.troupe(t, 0, "health", "--wait", "green", "--timeout", "60s")
	d.troupe(t, 0, "check")
	d.troupe(t, 0, "verify", "--dir", tree, "--extra")
	if disk := d.troupe(t, 0, "settings", "get", cluster.SettingDiskEnabled); strings.TrimSpace(disk) != "false" {
		t.Errorf("the disk that all nodes share decides where copies go: %s", disk)
	}
}

// holds is nil once the cluster holds so many keys.
func (d *devCluster) holds(t *testing.T, want int64) error {
	var all []struct{ Keys int64 }
	if err := json.Unmarshal([]byte(d.troupe(t, 0, "keyspace", "list", "--json")), &all); err != nil {
		return err
	}
	if all[0].Keys < want {
		return fmt.Errorf("%d keys", all[0].Keys)
	}
	return nil
}

// TestDevFaults pauses, cuts and stops nodes, and finds the cluster whole again each time.
func TestDevFaults(t *testing.T) {
	onceIsEnough(t)
	d := startDev(t)
	d.troupe(t, 0, "put", "before", "1")
	whole := func() {
		t.Helper()
		d.troupe(t, 0, "health", "--wait", "green", "--timeout", "60s")
		must(t, d.Until(soon(t), func(ctx context.Context) error { // whom they take for their leader may differ for a moment
			if out, err := d.command(ctx, t, "check").CombinedOutput(); err != nil {
				return fmt.Errorf("troupe check: %w\n%s", err, out)
			}
			return nil
		}))
	}
	if goruntime.GOOS != "windows" {
		d.troupe(t, 0, "dev", "pause", "n1")
		d.troupe(t, 0, "put", "during", "2")
		d.troupe(t, 0, "dev", "resume", "n1")
		whole()
	}
	d.troupe(t, 0, "dev", "cut", "n1")
	if status := d.troupe(t, 0, "dev", "status"); !strings.Contains(status, "cut off from all others") {
		t.Errorf("the status does not tell of the cut: %s", status)
	}
	d.troupe(t, 0, "put", "behind", "3")
	d.troupe(t, 0, "dev", "heal")
	whole()
	d.troupe(t, 0, "drain", "n2")
	d.troupe(t, 0, "dev", "stop", "n2")
	d.troupe(t, 0, "forget", "n2")
	d.troupe(t, 0, "check")
	for key, want := range map[string]string{"before": "1", "behind": "3"} {
		if got := d.troupe(t, 0, "get", key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	must(t, d.Stop(soon(t)))
	if left, _ := filepath.Glob(filepath.Join(d.folder(), "*")); len(left) > 0 && goruntime.GOOS != "windows" {
		t.Errorf("Ctrl-C leaves %v", left)
	}
}

// patient is for how long an answer is waited for where it is known to come: on a busy machine a member that reaches another says so late, and would be taken
// for one that does not, and the other for dead.
const patient = 10 * time.Second

// probes are the settings by which members that reach a silent one, and that one itself, have some time to say so.
func probes(limit time.Duration) []string {
	return []string{after(cluster.SettingProbeTimeout, limit), after(cluster.SettingProbeInterval, limit), after(cluster.SettingRedialTimeout, limit)}
}

// TestDevBrokenLine breaks the line between the leader and another node: the third leads then, who reaches both, and all shards are
// read, which takes a lease of every node (placement.md T8).
func TestDevBrokenLine(t *testing.T) {
	onceIsEnough(t)
	d := startDev(t, "--", "--lease", "700ms", "--election", "2s") // a machine that is busy elects nobody else
	d.troupe(t, 0, append([]string{"settings", "set"}, probes(patient)...)...)
	leader := strings.TrimSpace(d.troupe(t, 0, "leader"))
	names := slices.DeleteFunc([]string{"n1", "n2", "n3"}, func(name string) bool { return name == leader })
	other, third := names[0], names[1]
	d.troupe(t, 0, "dev", "cut", other, "--from", leader)
	for _, verb := range [][]string{{"leader"}, {"scan", "--keyspace", "default"}} {
		must(t, d.Until(soon(t), func(ctx context.Context) error {
			out, err := d.command(ctx, t, append(verb, "--addr", d.http(int(third[1]-'0')))...).CombinedOutput()
			if said := strings.TrimSpace(string(out)); err != nil || verb[0] == "leader" && said != third {
				return fmt.Errorf("the line between %s and %s is cut, and %v ends with %v: %s", leader, other, verb, err, said)
			}
			return nil
		}))
	}
}

// TestDevNodesEndWithTheirParent: kill -9 of troupe dev leaves no node behind, not even a paused one where the system can help.
func TestDevNodesEndWithTheirParent(t *testing.T) {
	onceIsEnough(t)
	d := startDev(t)
	if goruntime.GOOS == "linux" {
		d.troupe(t, 0, "dev", "pause", "n2")
	}
	d.Kill()
	ctx, again := soon(t), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for i := 1; i <= 3; i++ {
		for {
			conn, err := net.DialTimeout("tcp", d.http(i), time.Second)
			if err != nil {
				break
			}
			conn.Close()
			select {
			case <-again.C:
			case <-ctx.Done():
				t.Fatalf("n%d outlives its parent", i)
			}
		}
	}
	if out := d.troupe(t, 1, "dev", "status"); !strings.Contains(out, "no dev cluster runs here") {
		t.Errorf("status after the end: %s", out)
	}
}
