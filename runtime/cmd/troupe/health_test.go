package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// Scripts start a node and wait for it: that it does not answer yet is what they wait for.
func TestHealthWaitsForANodeThatStarts(t *testing.T) {
	var asked atomic.Int32
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_cluster/health" && asked.Add(1) > 1 {
			json.NewEncoder(w).Encode(green)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer node.Close()
	out, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": node.URL}, "", "health", "--wait", "green", "--timeout", "10m")
	if code != 0 || !strings.HasPrefix(out, "green") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// A node that is there is not called unreachable.
func TestMuteNodesAreNotCalledUnreachable(t *testing.T) {
	r := &remote{c: &console{env: func(string) (string, bool) { return "", false }}, addr: "n1:7500"}
	for reason, want := range map[string]string{
		"no answer from http://n1:7500: " + admin.MuteReason:                                 "n1:7500 takes connections and does not answer",
		"no answer from http://n1:7500: dial tcp 10.0.0.1:7500: connect: connection refused": "cannot reach n1:7500",
	} {
		if got := r.explain(&admin.Error{Kind: "unavailable", Reason: "no node answers\n  http://n1:7500: " + strings.TrimPrefix(reason, "no answer from http://n1:7500: ") + "\n  http://n2:7500: no answer: gone"}).Error(); strings.Count(got, "n1:7500") != 1 || strings.Count(got, "n2:7500") != 1 {
			t.Errorf("of several each is to be named once: %s", got)
		}
		if got := r.explain(&admin.Error{Kind: "unavailable", Reason: reason}).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", reason, got)
		}
	}
}

// A shard that is too large for any node's share is said beside what deaths would come to.
func TestLossesSayTheBurden(t *testing.T) {
	var out strings.Builder
	l := &admin.LossAnswer{Losses: []admin.NodeLoss{{Node: "n1", Copies: 2, Summary: "nothing would be lost"}}, Burden: "one copy of shard orders/3 needs 6 cores"}
	if err := writeLosses(&out, l); err != nil || !strings.HasSuffix(out.String(), "\nbalance: one copy of shard orders/3 needs 6 cores\n") {
		t.Errorf("%q %v", out.String(), err)
	}
	out.Reset()
	if l.Burden = ""; writeLosses(&out, l) != nil || strings.Contains(out.String(), "balance:") {
		t.Errorf("of nothing it says %q", out.String())
	}
}

// --timeout bounds all that a verb does, also where a node takes connections and never answers, at once or from some request on.
func TestTimeoutsBoundNodesThatHang(t *testing.T) {
	over := make(chan struct{})
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "POST" && r.URL.Path == "/_nodes/n2/drain":
			json.NewEncoder(w).Encode(done)
		default:
			<-over
		}
	}))
	defer node.Close()
	defer close(over)
	var asking sync.WaitGroup
	for _, c := range []struct {
		line, want string
		code       int
	}{
		{"health --wait green --timeout 50ms", "no answer within 50ms: the log of a node", 1},
		{"check --timeout 50ms", "no answer within 50ms: the log of a node", 1},
		{"drain n3 --timeout 50ms", "no answer within 50ms: the log of a node", 1},
		{"drain n2 --timeout 50ms", "no answer within 50ms: the log of a node", 1},
	} {
		asking.Go(func() {
			began := time.Now()
			_, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": node.URL}, "", strings.Fields(c.line)...)
			if code != c.code || !strings.Contains(errs, c.want) {
				t.Errorf("%s: exit code %d: %s", c.line, code, errs)
			}
			if took := time.Since(began); took > attempt { // which one node has
				t.Errorf("%s took %v", c.line, took)
			}
		})
	}
	asking.Wait()
}

// A drain whose node hangs says when its time is over what it has seen before.
func TestDrainOfAClusterThatBeginsToHang(t *testing.T) {
	over, asked := make(chan struct{}), atomic.Int32{}
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "POST":
			json.NewEncoder(w).Encode(done)
		case r.URL.Path == "/_nodes" && asked.Add(1) <= 2: // the first is who looks for members
			json.NewEncoder(w).Encode([]admin.Node{{Name: "n2", Copies: 3}})
		case r.URL.Path == "/_cat/recovery":
			json.NewEncoder(w).Encode([]map[string]string{{"type": "relocation"}})
		default:
			<-over
		}
	}))
	defer node.Close()
	defer close(over)
	_, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": node.URL}, "", "drain", "n2", "--timeout", "300ms")
	if code != exitDifferent || !strings.Contains(errs, "3 copies left on n2 after 300ms; 1 copy on the way") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
