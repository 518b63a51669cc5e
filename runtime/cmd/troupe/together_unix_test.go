//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A watching that is stopped stops its build with all that this has started, and --once has not done what it was asked for.
func TestPolicyWatchStopsItsBuild(t *testing.T) {
	dir := project(t)
	write(t, dir, "build.sh", "sleep 60 & echo $! > started.tmp && mv started.tmp started\nwait\ntouch policy.wasm\n")
	out := &outLines{more: make(chan struct{}, 1)}
	c := &console{in: strings.NewReader(""), out: out, err: out, env: func(string) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, c, []string{"policy", "watch", dir, "--once", "--into", "none"}) }()
	var child int
	for child == 0 {
		if text, err := os.ReadFile(filepath.Join(dir, "started")); err == nil {
			if child, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case code := <-ended:
			t.Fatalf("it ended with %d before it was stopped:\n%s", code, out.text.String())
		}
	}
	cancel()
	select {
	case code := <-ended:
		if code != exitFailed || out.text.String() != "troupe: interrupted\n" {
			t.Errorf("exit code %d: %s", code, out.text.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it waits for what the build has started")
	}
	if err := syscall.Kill(child, 0); !errors.Is(err, syscall.ESRCH) { // an orphan that nobody has waited for yet answers still
		if state, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat"); !strings.Contains(string(state), ") Z ") {
			t.Errorf("what the build has started still runs: %v, %s", err, state)
		}
	}
}
