package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// parrot answers with what it was asked.
type parrot struct{ told []string }

func (p *parrot) Call(ctx context.Context, to ActorName, method string, payload []byte) ([]byte, error) {
	if _, limited := ctx.Deadline(); limited {
		method += " soon"
	}
	switch to.Kind {
	case "ghost":
		return nil, &Error{Status: http.StatusNotFound, Kind: KindNotFound, Reason: "no such kind"}
	case "lost":
		return nil, &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the node died")}
	}
	return fmt.Appendf(nil, "%q", to.Kind+"|"+to.Name+"|"+method+"|"+string(payload)), nil
}

func (p *parrot) Tell(to ActorName, method string, payload []byte) error {
	p.told = append(p.told, to.Kind+"|"+to.Name+"|"+method+"|"+string(payload))
	return nil
}

func (p *parrot) List(context.Context) ActorList {
	return ActorList{Nodes: []ActorNode{{Node: "n1", Kinds: []ActorKind{{"counter", "actors", 3, 4096}}}}}
}

func TestActorPaths(t *testing.T) {
	p := &parrot{}
	_, client, url := serve(t, ServerConfig{Actors: p})
	for _, to := range []ActorName{{"counter", "page-7"}, {"page", "docs/intro"}, {"keys", "x"}, {"a", ""}, {"a", "/"}, {"a", "../b/./.."}, {"k%2F", "ä ?#%"}, {"_bulk", "x//y"}} {
		for _, method := range []string{"add", "a/b", "ü?"} {
			reply, err := client.CallActor(t.Context(), to, method, []byte(`[1]`))
			if want := fmt.Sprintf("%q", to.Kind+"|"+to.Name+"|"+method+"|[1]"); err != nil || string(reply) != want {
				t.Errorf("%q: %s, %v; want %s", to, reply, err, want)
			}
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/actors/counter/x/add?timeout=5s", "1", 200, "counter|x|add soon|1"},
		{"POST", "/actors/counter/x/add", "", 200, "counter|x|add|"},
		{"POST", "/actors/counter/x/add?wait=false", "2", 202, "accepted"},
		{"POST", "/actors/counter/x/add?timeout=0s", "1", 400, "above 0"},
		{"POST", "/actors/counter/x/add?now", "1", 400, "timeout, wait"},
		{"POST", "/actors/counter/x/add", "{", 400, "no JSON"},
		{"POST", "/actors/ghost/x/add", "1", 404, "no such kind"},
		{"POST", "/actors/lost/x/add", "1", 504, "outcome unknown"},
		{"GET", "/actors/counter/x/add", "", 405, "use POST"},
		{"POST", "/actors/counter/x", "1", 404, "/actors/{kind}/{name}/{method}"},
		{"GET", "/actors/keys/x", "", 404, "actors"}, // a keyspace of that name
		{"GET", "/_actors", "", 200, `"active":3`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != c.status || !strings.Contains(string(text), c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.path, response.StatusCode, text)
		}
	}
	if fmt.Sprint(p.told) != "[counter|x|add|2]" {
		t.Errorf("told: %v", p.told)
	}
	if err := client.TellActor(t.Context(), ActorName{"a", "b"}, "c", nil); err != nil || len(p.told) != 2 {
		t.Errorf("tell: %v, %v", err, p.told)
	}
	if l, err := client.Actors(t.Context()); err != nil || len(l.Nodes) != 1 {
		t.Errorf("list: %+v, %v", l, err)
	}
	_, client, _ = serve(t, ServerConfig{})
	if _, err := client.Actors(t.Context()); err == nil || !strings.Contains(err.Error(), "no actors") {
		t.Errorf("a node without actors: %v", err)
	}
}
