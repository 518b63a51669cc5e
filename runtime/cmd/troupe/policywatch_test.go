package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// project is a folder with a policy whose build takes a shipped module, adds a section that says nothing, so that it is another one by
// its digest, and writes a log beside it.
func project(t *testing.T) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	module, err := filepath.Abs("../../../policies/modules/draining/draining.wasm")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	write(t, dir, "build.sh", "grep -q broken rule.txt && exit 1\ncp '"+module+"' policy.wasm\nprintf '\\000\\003\\001x\\000' >> policy.wasm\necho built >> build.log\n")
	write(t, dir, "rule.txt", "first")
	write(t, dir, "fixture.yaml", drainFixture)
	return dir
}

func TestPolicyWatchOnce(t *testing.T) {
	dir := project(t)
	out, errs, code := invoke(t, nil, "", "policy", "watch", dir, "--once", "--into", "none")
	if code != 0 || errs != "" || !strings.Contains(out, "built in ") || !strings.Contains(out, "2 cases as expected, compiled and interpreted") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	write(t, dir, "fixture.yaml", strings.Replace(drainFixture, "n1: YES", "n1: NO", 1))
	out, errs, code = invoke(t, nil, "", "policy", "watch", dir, "--once", "--into", "none")
	if code != exitDifferent || !strings.Contains(out, "FAILS") || !strings.Contains(errs, "it is not swapped in") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	write(t, dir, "rule.txt", "broken")
	if out, errs, code = invoke(t, nil, "", "policy", "watch", dir, "--once", "--into", "none"); code != exitFailed || !strings.Contains(errs, "sh ./build.sh fails") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{t.TempDir()}, "neither a Makefile nor a build.sh"},
		{[]string{filepath.Join(dir, "none")}, "there is no folder"},
		{[]string{dir, "--into", "production"}, "write active, shadow or none"},
		{[]string{dir, "--debounce", "0s"}, "more than nothing"},
	} {
		if _, errs, code := invoke(t, nil, "", append([]string{"policy", "watch", "--once"}, c.args...)...); code == 0 || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit code %d: %s", c.args, code, errs)
		}
	}
}

// outLines is a writer that lets a test wait for what is written.
type outLines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *outLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

// await returns when a text has been written so often.
func (l *outLines) await(t *testing.T, text string, times int) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		l.mu.Lock()
		all := l.text.String()
		l.mu.Unlock()
		if strings.Count(all, text) >= times {
			return
		}
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("%q did not come %d times:\n%s", text, times, all)
		}
	}
}

// A change builds anew, what the build itself writes does not, and a build that fails is told and waited out.
func TestPolicyWatchRebuilds(t *testing.T) {
	dir := project(t)
	drafts := t.TempDir()
	edit := func(text string) { // at once: a file that is cut short before it is written is two changes to whoever looks in between
		if err := os.Rename(write(t, drafts, "rule.txt", text), filepath.Join(dir, "rule.txt")); err != nil {
			t.Fatal(err)
		}
	}
	out := &outLines{more: make(chan struct{}, 1)}
	c := &console{in: strings.NewReader(""), out: out, err: out, env: func(string) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- run(ctx, c, []string{"policy", "watch", dir, "--into", "none", "--debounce", "20ms"}) }()
	out.await(t, "as expected", 1)
	edit("second, and longer")
	out.await(t, "rule.txt changed", 1)
	out.await(t, "as expected", 2)
	edit("broken")
	out.await(t, "sh ./build.sh fails", 1)
	edit("third, and mended")
	out.await(t, "as expected", 3)
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("it ended with %d", code)
	}
	built, err := os.ReadFile(filepath.Join(dir, "build.log"))
	if err != nil || strings.Count(string(built), "built") != 3 {
		t.Errorf("built %q, %v:\n%s", built, err, out.text.String())
	}
}

// What a build has written twice is its output; what changed once while it ran may have been edited, and is built again.
func TestWatchLearnsOutputs(t *testing.T) {
	w := &watcher{output: map[string]bool{}, once: map[string]bool{}}
	at := func(n int64) mark { return mark{time.Unix(n, 0), n} }
	w.learn(folderLook{"a.c": at(1), "lock": at(1)}, folderLook{"a.c": at(1), "lock": at(2), "a.o": at(2)})
	if !w.again || w.output["lock"] || !w.output["a.o"] {
		t.Errorf("after the first build: %+v", w)
	}
	w.learn(folderLook{"a.c": at(1), "lock": at(2), "a.o": at(2)}, folderLook{"a.c": at(1), "lock": at(3), "a.o": at(3)})
	if w.again || !w.output["lock"] || w.output["a.c"] {
		t.Errorf("after the second: %+v", w)
	}
	if got := w.seen.changed(folderLook{"a.c": at(4), "lock": at(4), "b.c": at(4)}); !slices.Equal(got, []string{"a.c", "a.o", "b.c", "lock"}) {
		t.Errorf("changed: %v", got)
	}
	for i, saved := range []bool{true, false, true} { // while the build ran; two that are not in a row are two edits
		now := folderLook{"a.c": at(int64(i))}
		if saved {
			now["a.c"] = at(int64(i + 1))
		}
		if w.learn(folderLook{"a.c": at(int64(i))}, now); w.again != saved || w.output["a.c"] {
			t.Errorf("after build %d, during which a.c was saved (%v): %+v", i, saved, w)
		}
	}
}

// complaints is standard error without the news of a node that takes long to compile.
func complaints(errs string) (text string) {
	for line := range strings.Lines(errs) {
		if !strings.HasPrefix(line, "nodes compile it: ") {
			text += line
		}
	}
	return text
}

// Into a running node: pushed, ready, in force; and again after a change, with what is no longer needed forgotten.
func TestPolicyWatchSwaps(t *testing.T) {
	n, err := runtime.Start(t.Context(), runtime.Config{Name: "n1", RESP: "127.0.0.1:0", HTTP: "127.0.0.1:0", Keyspaces: []shards.Keyspace{{Name: "default", Shards: 2, Durability: shards.DurabilityMemory}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	dir := project(t)
	out, errs, code := invoke(t, nil, "", "policy", "watch", dir, "--once", "--into", "shadow", "--addr", n.HTTPAddr())
	if code != 0 || complaints(errs) != "" || !strings.Contains(out, "policy draining is in the shadow") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	out, errs, code = invoke(t, nil, "", "policy", "watch", dir, "--once", "--addr", n.HTTPAddr()) // on this machine: in force
	if code != 0 || complaints(errs) != "" || !strings.Contains(out, "policy draining is in force") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{n.HTTPAddr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p, err := client.Policy(t.Context(), "draining")
	if err != nil || p.Active == nil || len(p.Versions) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	// What was recorded since can be replayed: the module comes from the cluster.
	if _, err := client.Reroute(t.Context(), admin.RerouteOptions{}); err != nil {
		t.Fatal(err)
	}
	out, errs, code = invoke(t, nil, "", "replay", "--addr", n.HTTPAddr())
	if code != 0 || errs != "" || !strings.Contains(out, "the same bit for bit") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	// Plans are recorded beside the planning: the one with the module comes within a moment.
	deadline := time.After(20 * time.Second)
	for {
		list, err := client.Plans(t.Context(), 1)
		if err != nil || len(list.Plans) != 1 {
			t.Fatal(list, err)
		}
		last, err := client.Plan(t.Context(), list.Plans[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(last.Policies.Deciders, func(d records.Policy) bool { return d.Name == "draining" && d.Digest == p.Active.Digest }) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("the last plan was not made with the module: %+v", last.Policies)
		}
		if _, err := client.Reroute(t.Context(), admin.RerouteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// An edit that is taken back builds a version that was there before: that one comes into force, and not the newest.
func TestPolicyWatchSwapsBack(t *testing.T) {
	n, err := runtime.Start(t.Context(), runtime.Config{HTTP: "127.0.0.1:0", Keyspaces: []shards.Keyspace{{Name: "default", Shards: 2, Durability: shards.DurabilityMemory}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{n.HTTPAddr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dir := project(t)
	build, err := os.ReadFile(filepath.Join(dir, "build.sh"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "build.sh", string(build)+"! grep -q second rule.txt || printf '\\000\\003\\001y\\000' >> policy.wasm\n")
	for i, rule := range []string{"first", "second", "first"} {
		write(t, dir, "rule.txt", rule)
		out, errs, code := invoke(t, nil, "", "policy", "watch", dir, "--once", "--addr", n.HTTPAddr())
		if code != 0 || complaints(errs) != "" {
			t.Fatalf("build %d: exit code %d: %s%s", i, code, out, errs)
		}
		p, err := client.Policy(t.Context(), "draining")
		if want := uint32(1 + i%2); err != nil || p.Active == nil || p.Active.Version != want {
			t.Errorf("after build %d version %d should be in force: %+v, %v", i, want, p.Active, err)
		}
	}
}

// What the watching itself prints, into a file of the folder, is no change of the policy.
func TestWatchPassesOverItsOwnOutput(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "rule.c", "int x;")
	out, err := os.Create(filepath.Join(dir, "watch.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	write(t, dir, "other.log", "")
	own := printedTo(out, &bytes.Buffer{})
	before, err := look(dir, own...)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "other.log", "more")
	if _, err := out.WriteString("rule.c changed\n"); err != nil {
		t.Fatal(err)
	}
	after, err := look(dir, own...)
	if changed := before.changed(after); err != nil || len(changed) != 1 || filepath.Base(changed[0]) != "other.log" {
		t.Errorf("changed %v, %v", changed, err)
	}
	if w, err := newWatcher(&remote{c: &console{out: out, err: out, env: func(string) (string, bool) { return "", false }}}, &watchFlags{build: "true", into: intoNone, debounce: 1}, &useFlags{}, dir); err != nil {
		t.Error(err)
	} else if len(w.own) != 2 {
		t.Errorf("the watcher knows %d files of its own", len(w.own))
	}
}

// What was taken for the output of builds, and changes while none runs, is a source that somebody was quick with.
func TestWatchTakesBackAnOutput(t *testing.T) {
	dir := t.TempDir()
	rule := write(t, dir, "rule.c", "int x;")
	seen, err := look(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{r: &remote{c: &console{out: io.Discard}}, o: &watchFlags{debounce: time.Millisecond}, dir: dir, seen: seen, output: map[string]bool{rule: true}}
	write(t, dir, "rule.c", "int x, y;")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.wait(ctx); err != nil || ctx.Err() != nil || w.output[rule] {
		t.Errorf("%v, %v; outputs %v", err, ctx.Err(), w.output)
	}
}

// A cluster that is away when something was built has it swapped in when it is back, without another change.
func TestPolicyWatchAwaitsTheCluster(t *testing.T) {
	dir := project(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	out := &outLines{more: make(chan struct{}, 1)}
	c := &console{in: strings.NewReader(""), out: out, err: out, env: func(string) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { ended <- run(ctx, c, []string{"policy", "watch", dir, "--addr", addr}) }()
	out.await(t, "it is swapped in as soon as a node answers", 1)
	n, err := runtime.Start(t.Context(), runtime.Config{HTTP: addr, Keyspaces: []shards.Keyspace{{Name: "default", Shards: 2, Durability: shards.DurabilityMemory}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	out.await(t, "policy draining is in force", 1)
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("it ended with %d", code)
	}
}
