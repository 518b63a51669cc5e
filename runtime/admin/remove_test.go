package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// A member that was forgotten, without an answer to who asked for it, is forgotten for who asks again: the client by itself, or
// another node, which does not know yet.
func TestForgettingIsRepeated(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	m.cluster.kill(t, 3)
	s := NewServer(m, ServerConfig{})
	node := httptest.NewServer(s)
	defer node.Close()
	breaksOff := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	defer breaksOff.Close()
	client, err := NewClient(ClientConfig{Addresses: []string{breaksOff.URL, node.URL}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.ChangeNode(t.Context(), "n3", "forget")
	if err != nil || !a.Acknowledged || len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "node n3 is not there") {
		t.Errorf("%+v, %v", a, err)
	}
	if m.cluster.state.MemberByName("n3") != nil {
		t.Error("n3 is still a member")
	}
	if _, err := client.ChangeNode(t.Context(), "n3", "forget"); !NotFound(err) {
		t.Errorf("who asks for the first time about one that is not there: %v", err)
	}

	m.cluster = newAgreed(t)
	m.cluster.kill(t, 3)
	m.cluster.quicker = &cluster.Command{Member: &cluster.MemberChange{Node: nodeID(3), Forget: true}}
	if w := ask(s, "POST", "/_nodes/n3/forget", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"changed":false`) {
		t.Errorf("forgotten a moment ago: %d %s", w.Code, w.Body)
	}
}
