package admin

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// An orchestrator has no token, and learns one word.
func TestProbesNeedNoToken(t *testing.T) {
	alone, member, waiting := newMemory(), newMemory(), newMemory()
	member.cluster, waiting.cluster = newAgreed(t), &agreed{state: &cluster.State{}}
	severed := newMemory()
	severed.cluster = newAgreed(t)
	severed.cluster.evidence.Leaderless = time.Second
	for _, c := range []struct {
		m            *memory
		method, path string
		status       int
		body         string
	}{
		{alone, "GET", "/livez", 200, "alive\n"},
		{alone, "GET", "/readyz", 200, "ready\n"},
		{alone, "HEAD", "/readyz", 200, ""},
		{alone, "POST", "/readyz", 405, "use GET\n"},
		{member, "GET", "/readyz", 200, "ready\n"},
		{waiting, "GET", "/livez", 200, "alive\n"},
		{waiting, "GET", "/readyz", 503, "not ready\n"},
		{severed, "GET", "/livez", 200, "alive\n"},
		{severed, "GET", "/readyz", 503, "not ready\n"},
	} {
		if w := ask(NewServer(c.m, ServerConfig{Token: "secret"}), c.method, c.path, ""); w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, w.Code, w.Body, c.status, c.body)
		}
	}
}
