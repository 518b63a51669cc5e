package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

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
