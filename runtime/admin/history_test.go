package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/past"
	"github.com/troupe-actors/troupe/shards"
)

// The table as it was is told by the node that is asked, or by the one that remembers more of it.
func TestHistory(t *testing.T) {
	m := newMemory()
	c := newAgreed(t)
	m.cluster = c
	long, short := past.New(1<<20), past.New(1<<20)
	long.Note(c.state, nodeID(1), 1e9)
	c.seconds, c.books = 1, map[shards.NodeID]*past.Book{nodeID(2): long}
	first := shards.NewShardID(0, 0)
	c.kill(t, 3)                                                    // second 2
	c.handOver(t, first, c.state.Shard(first).CopyOn(nodeID(2)).ID) // second 3
	short.Note(c.state, nodeID(1), 3e9)
	c.books[nodeID(1)] = short
	c.handOver(t, first, c.state.Shard(first).CopyOn(nodeID(1)).ID) // second 4
	s := NewServer(m, ServerConfig{})
	ask := func(target string) (h History, text string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_cluster/history"+target, nil))
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil {
			t.Fatal(err)
		}
		return h, w.Body.String()
	}
	for _, x := range []struct {
		target, node string
		at           []int64
	}{
		{"", "n2", []int64{1000, 2000, 3000, 4000}},
		{"?from=3500", "n1", []int64{3000, 4000}},
		{"?from=1970-01-01T00:00:02Z&to=1970-01-01T01:00:03%2B01:00", "n2", []int64{1000, 2000, 3000}},
		{"?from=2001", "n2", []int64{2000, 3000, 4000}},
	} {
		h, text := ask(x.target)
		var at []int64
		for _, moment := range h.Moments {
			at = append(at, moment.At)
		}
		if h.Node != x.node || fmt.Sprint(at) != fmt.Sprint(x.at) || !h.Moments[0].Whole || len(h.Moments[0].Nodes) != 3 || len(h.Moments[0].Shards) != 2 {
			t.Errorf("%q: %s", x.target, text)
		}
	}
	h, text := ask("?from=1500&to=2500")
	if dead := h.Moments[1].Nodes[2]; dead.Name != "n3" || dead.State != Dead || h.Moments[0].Nodes[2].State != Alive || len(h.Moments[1].Shards) == 0 {
		t.Errorf("the death of n3: %s", text)
	}
	c.mute = nodeID(2)
	if h, text := ask(""); h.Node != "n1" || h.Began != 3000 {
		t.Errorf("without n2: %s", text)
	}
	for target, want := range map[string]string{"?from=yesterday": "milliseconds since 1970, or a time", "?to=9999-12-31T23:59:59Z": "milliseconds since 1970, or a time", "?from=1969-12-31T00:00:00Z": "milliseconds since 1970", "?from=9&to=8": "ends before it begins"} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_cluster/history"+target, nil))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}
