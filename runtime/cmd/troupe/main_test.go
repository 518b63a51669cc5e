package main

import (
	"os"
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
