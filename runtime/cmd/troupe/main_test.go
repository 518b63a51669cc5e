package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Who is told twice to stop, in one breath, was told once.
func TestSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		begun, stopped, ended := time.Now(), time.Duration(-1), time.Duration(-1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			obey(signals, func() { stopped = time.Since(begun) }, func() { ended = time.Since(begun) })
		}()
		for _, pause := range []time.Duration{time.Second, 0, 10 * time.Millisecond, time.Second} {
			<-time.After(pause)
			signals <- syscall.SIGTERM
		}
		<-done
		if stopped != time.Second || ended != 2010*time.Millisecond {
			t.Errorf("stopped after %v, ended after %v", stopped, ended)
		}
	})
}

// Whoever is not understood is sent to the help of the verb that was meant, as far as one was.
func TestUsageNamesTheVerb(t *testing.T) {
	for hint, args := range map[string][]string{
		"troupe policy test": {"policy", "test", "--polcy", "x.wasm"},
		"troupe explain":     {"explain", "orders"},
		"troupe policy":      {"policy", "tset"},
		"troupe":             {"explian"},
	} {
		if _, errs, code := invoke(t, nil, "", args...); code != exitUsage || !strings.HasSuffix(errs, "\ntroupe: see "+hint+" --help\n") {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
}

// A terminal that is closed stops what runs in it in order; not so what was begun to outlive it.
func TestTheEndOfATerminal(t *testing.T) {
	for _, nohup := range []bool{false, true} {
		signals := stopSignals(func(s os.Signal) bool { return nohup && s == syscall.SIGHUP })
		if slices.Contains(signals, os.Signal(syscall.SIGHUP)) == nohup || !slices.Contains(signals, os.Interrupt) || !slices.Contains(signals, os.Signal(syscall.SIGTERM)) {
			t.Errorf("with nohup %t: %v", nohup, signals)
		}
	}
}

// Who interrupts a verb is told that, and not what the verb was about; and that a change which was under way may have been made.
func TestInterrupted(t *testing.T) {
	const sent = "troupe: interrupted: nobody knows whether %s was carried out\n"
	for _, c := range []struct{ line, at, want string }{
		{"get a", "GET /default/keys/a", "troupe: interrupted\n"},
		{"put a b", "PUT /default/keys/a", sent},
		{"put a b", "GET /_nodes", "troupe: interrupted\n"},
		{"settings set a.b=c", "PUT /_cluster/settings", sent},
		{"drain n1", "POST /_nodes/n1/drain", sent},
		{"replay", "GET /_nodes", "troupe: interrupted\n"},
		{"simulate x.txt", "", "troupe: interrupted\n"},
	} {
		t.Run(c.line+" at "+c.at, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			over := make(chan struct{})
			node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method+" "+r.URL.Path == c.at {
					interrupt()
					<-over
				}
				http.NotFound(w, r)
			}))
			defer node.Close()
			defer close(over)
			t.Chdir(t.TempDir())
			if err := os.WriteFile("x.txt", []byte("nodes 1\neval 1m\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.at == "" {
				interrupt()
			}
			var errs strings.Builder
			console := &console{in: strings.NewReader(""), out: io.Discard, err: &errs, env: func(string) (string, bool) { return "", false }}
			want := strings.ReplaceAll(c.want, "%s", c.at)
			if code := run(ctx, console, append(strings.Fields(c.line), "--addr", node.URL)); code != 1 || errs.String() != want {
				t.Errorf("exit code %d: %q, want %q", code, errs.String(), want)
			}
		})
	}
}
