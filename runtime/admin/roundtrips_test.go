package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Every member that is up says how far each other one is; who does not answer is in the table, too.
func TestRoundTrips(t *testing.T) {
	m := newMemory()
	c := newAgreed(t)
	m.cluster = c
	s := NewServer(m, ServerConfig{})
	ask := func() string {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_nodes/roundtrips", nil))
		if w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body)
		}
		return strings.TrimSpace(w.Body.String())
	}
	want := func(text string) {
		t.Helper()
		if got := ask(); got != strings.Join(strings.Split(text, "\n\t\t"), "") {
			t.Errorf("the table is %s, want %s", got, text)
		}
	}
	id := func(i int) string { return `"id":"` + string(nodeID(i)) + `"` }
	want(`[{"node":"n1","to":[{` + id(2) + `,"node":"n2","micros":100},{` + id(3) + `,"node":"n3","micros":200}]},
		{"node":"n2","to":[{` + id(1) + `,"node":"n1","micros":100},{` + id(3) + `,"node":"n3","micros":100}]},
		{"node":"n3","to":[{` + id(1) + `,"node":"n1","micros":200},{` + id(2) + `,"node":"n2","micros":100}]}]`)
	c.mute = nodeID(2)
	c.kill(t, 3)
	want(`[{"node":"n1","to":[{` + id(2) + `,"node":"n2","problem":"no answer within 1s"}]},{"node":"n2","problem":"the peer is gone","to":[]}]`)
}
