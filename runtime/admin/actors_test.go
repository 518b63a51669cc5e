package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// parrot answers with what it was asked.
type parrot struct{ told []string }

func (p *parrot) Call(ctx context.Context, to ActorName, id, method string, payload []byte) ([]byte, error) {
	method += id
	if _, limited := ctx.Deadline(); limited {
		method += " soon"
	}
	switch to.Kind {
	case "ghost":
		return nil, &Error{Status: http.StatusNotFound, Kind: KindNotFound, Reason: "no such kind"}
	case "deep":
		return []byte(strings.Repeat("[", 40) + strings.Repeat("]", 40)), nil
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
	return ActorList{Nodes: []ActorNode{{Node: "n1", Kinds: []ActorKind{{Kind: "counter", Keyspace: "actors", Active: 3, Bytes: 4096}}}}}
}

func (p *parrot) Inspect(_ context.Context, name ActorName) (ActorInside, error) {
	return ActorInside{Actor: name.Kind + "/" + name.Name, Data: []ActorDatum{NewActorDatum("k", []byte("v")), NewActorDatum("\xff", []byte{0xff, 1})}}, nil
}

func (p *parrot) Aside(_ context.Context, q AsideQuery) (AsideList, error) {
	return AsideList{Aside: []ActorMail{{ID: fmt.Sprint(q.After, q.Limit), From: q.From, To: q.To, Method: fmt.Sprint(q.NoBodies)}}}, nil
}

func (p *parrot) Mend(_ context.Context, ids []string, drop bool) (list []Mended) {
	for _, id := range ids {
		list = append(list, Mended{ID: id, Gone: drop})
	}
	return list
}

func (p *parrot) Names(_ context.Context, kind string, page Page) (ActorNames, error) {
	return ActorNames{Kind: kind, Names: []string{fmt.Sprint(page.After, page.Limit)}}, nil
}

func (p *parrot) Prepare(_ context.Context, keyspace string) error {
	p.told = append(p.told, "keyspace "+keyspace)
	return nil
}

// What was set aside is listed in pages, and sent again or dropped in batches.
func TestAsidePaths(t *testing.T) {
	_, client, _ := serve(t, ServerConfig{Actors: &parrot{}})
	s := NewServer(newMemory(), ServerConfig{Actors: &parrot{}})
	if l, err := client.Aside(t.Context(), AsideQuery{From: "a/b?", To: "c", NoBodies: true, Page: Page{After: "{x/y}/7", Limit: 3}}); err != nil || l.Aside[0].Method != "true" || len(l.Aside) != 1 || l.Aside[0].ID != "{x/y}/73" || l.Aside[0].From != "a/b?" || l.Aside[0].To != "c" {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := client.Mend(t.Context(), Mending{IDs: []string{"1", "2"}, Drop: true}); err != nil || len(l.Results) != 2 || l.Results[1] != (Mended{ID: "2", Gone: true}) {
		t.Errorf("%+v, %v", l, err)
	}
	for body, says := range map[string]string{"": "0 entries", `{"ids":[]}`: "from 1 to 100", `{"id":"x"}`: "not what is expected", `{"ids":["` + strings.Repeat(`","`, 100) + `"]}`: "101 entries"} {
		if a := ask(s, "POST", "/_actors/aside", body); a.Code != 400 || !strings.Contains(a.Body.String(), says) {
			t.Errorf("%.40s: %d %s; want %q", body, a.Code, a.Body, says)
		}
	}
}

// An id that is there and empty is a mistake, and not a request without one.
func TestEmptyRequestID(t *testing.T) {
	p := &parrot{}
	_, client, _ := serve(t, ServerConfig{Actors: p})
	r := httptest.NewRequest("POST", "/actors/counter/a/add", strings.NewReader("1"))
	r.Header.Set(HeaderRequestID, "")
	a := httptest.NewRecorder()
	NewServer(newMemory(), ServerConfig{Actors: p}).ServeHTTP(a, r)
	if a.Code != 400 || !strings.Contains(a.Body.String(), "empty") {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if reply, err := client.CallActorOnce(t.Context(), ActorName{"counter", "a"}, "", "add", nil); err == nil {
		t.Errorf("it is sent, and gives %s", reply)
	}
}

func TestActorPaths(t *testing.T) {
	p := &parrot{}
	_, client, url := serve(t, ServerConfig{Actors: p})
	if reply, err := client.CallActorOnce(t.Context(), ActorName{"counter", "x"}, "order-1", "add", []byte("1")); err != nil || string(reply) != `"counter|x|addorder-1|1"` {
		t.Errorf("with an id: %s, %v", reply, err)
	}
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

// packed is a value of msgpack, written by hand.
func packed(write func(e *wire.Encoder)) string {
	e := wire.NewEncoder(nil)
	write(&e)
	return string(e.Buffer())
}

func TestActorsSpeakMsgpack(t *testing.T) {
	_, _, url := serve(t, ServerConfig{Actors: &parrot{}})
	const m = "application/msgpack"
	ten := strings.Repeat("\xc3", 10)
	for _, c := range []struct {
		path, sent, accept, body string
		status                   int
		form, want               string
	}{
		{"counter/x/add", m, "", "\x93\x01\xa1a\xc0", 200, m, packed(func(e *wire.Encoder) { e.Str(`counter|x|add|[1,"a",null]`) })},
		{"counter/x/add", m, "*/*", "", 200, m, packed(func(e *wire.Encoder) { e.Str("counter|x|add|") })},
		{"counter/x/add", "application/x-msgpack; v=5", "application/json", "\x01", 200, "application/json", "\"counter|x|add|1\"\n"},
		{"counter/x/add", "", m, "1", 200, m, packed(func(e *wire.Encoder) { e.Str("counter|x|add|1") })},
		{"counter/x/add", "application/x-www-form-urlencoded", "text/html", "1", 200, "application/json", "\"counter|x|add|1\"\n"},
		{"counter/x/add?wait=false", m, "", "\x01", 202, m, "\x81\xa8accepted\xc3"},
		{"counter/x/add", m, "", "\xc1", 400, m, "0xc1 is no format"},
		{"counter/x/add", m, "", "\x01\x02", 400, m, "bytes after"},
		{"counter/x/add", m, "", string([]byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1, 1, 2}), 400, m, "announced"},
		{"counter/x/add", m, "", "\xd4\x01\x02", 400, m, "extension"},
		{"counter/x/add", m, "", "\xdd\x00\x20\x00\x00" + strings.Repeat("\xc2", 2<<20), 413, m, "too long"},
		{"counter/x/add", "", "", "\x9a" + ten, 400, "application/json", "application/msgpack"},
		{"ghost/x/add", m, "", "\x01", 404, m, "no such kind"},
		{"deep/x/add", m, "", "\x01", 406, m, "has handled the message"},
		{"deep/x/add", m, "application/json", "\x01", 200, "application/json", strings.Repeat("[", 40)},
	} {
		request, err := http.NewRequestWithContext(t.Context(), "POST", url+"/actors/"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Content-Type": c.sent, "Accept": c.accept} {
			if value != "" {
				request.Header.Set(name, value)
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		form := response.Header.Get("Content-Type")
		if err != nil || response.StatusCode != c.status || form != c.form || !strings.Contains(string(text), c.want) {
			t.Errorf("%s %.20q as %s, wanted as %s: %d %s %.300q, %v", c.path, c.body, c.sent, c.accept, response.StatusCode, form, text, err)
		}
		if form == m {
			if err := wire.Check(text, wire.Limits{}); err != nil {
				t.Errorf("%s: %q: %v", c.path, text, err)
			}
		}
	}
}

func TestFormOfAnswer(t *testing.T) {
	for accept, want := range map[string]string{
		"": mimeMsgpack, "*/*": mimeMsgpack, "application/json": mimeJSON, "text/html, application/json;q=0.1": mimeJSON,
		"application/json, application/vnd.msgpack": mimeJSON, "application/msgpack, application/json": mimeMsgpack,
		"application/json;q=0.5, application/msgpack;q=0.6": mimeMsgpack, "application/msgpack;q=0": mimeMsgpack, "application/json;q=x": mimeMsgpack, ",;,": mimeMsgpack,
	} {
		if got := acceptedForm(http.Header{"Content-Type": {mimeMsgpack}, "Accept": {accept}}); got != want {
			t.Errorf("%q after msgpack: %s, want %s", accept, got, want)
		}
	}
}
