package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Whatever the body is, the answer is an orderly one, and what is stored was within the limits.
func FuzzBulkBody(f *testing.F) {
	var frame bulkFrame
	frame.add([]byte("key"), []byte("value"), 0)
	good, _, _ := frame.take()
	f.Add(good[wire.FrameHeader:], true)
	f.Add(good, false)
	f.Add([]byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1}, true)
	f.Fuzz(func(t *testing.T, body []byte, framed bool) {
		if framed {
			body = wire.AppendFrame(nil, wire.KindBulk, body)
		}
		r := httptest.NewRequest("POST", "/default/_bulk", bytes.NewReader(body))
		r.Header.Set("Content-Type", mimeBulk)
		w := httptest.NewRecorder()
		NewServer(newMemory(), ServerConfig{}).ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code/100 != 4 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

// Whatever the body is, an actor gets JSON or nothing, and the answer is an orderly one in the form that was asked for.
func FuzzActorBody(f *testing.F) {
	f.Add([]byte("\x82\xa1a\x01\x02\xc4\x01\xff"), true)
	f.Add([]byte(`{"a":[1,2.5]}`), false)
	f.Add([]byte{0xdd, 0x6b, 0xd3, 0x3b, 0xf1}, true)
	f.Fuzz(func(t *testing.T, body []byte, packed bool) {
		r := httptest.NewRequest("POST", "/actors/echo/x/say", bytes.NewReader(body))
		r.Header.Set("Accept", mimeMsgpack)
		if packed {
			r.Header.Set("Content-Type", mimeMsgpack)
		}
		w := httptest.NewRecorder()
		NewServer(newMemory(), ServerConfig{Actors: echo{t}}).ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code/100 != 4 || w.Header().Get("Content-Type") != mimeMsgpack {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if err := wire.Check(w.Body.Bytes(), wire.Limits{}); err != nil {
			t.Fatal(err)
		}
	})
}

// echo replies with what it gets.
type echo struct{ t *testing.T }

func (e echo) Call(_ context.Context, _ ActorName, _, _ string, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return []byte("null"), nil
	}
	if !json.Valid(payload) {
		e.t.Fatalf("an actor gets %q", payload)
	}
	return payload, nil
}

func (e echo) Tell(ActorName, string, []byte) error { return nil }
func (e echo) List(context.Context) ActorList       { return ActorList{} }
func (e echo) Inspect(context.Context, ActorName) (ActorInside, error) {
	return ActorInside{}, nil
}
func (e echo) Names(context.Context, string, Page) (ActorNames, error) {
	return ActorNames{}, nil
}
func (e echo) Aside(context.Context, AsideQuery) (AsideList, error) {
	return AsideList{}, nil
}
func (e echo) Mend(context.Context, []string, bool) []Mended { return nil }
func (e echo) Prepare(context.Context, string) error         { return nil }

// Whatever the query is, it is understood or refused; and a scan's options survive the way to the server.
func FuzzQuery(f *testing.F) {
	f.Add("prefix=a&after=b&to=c&limit=5&reverse&values=1", "a/b%\xff")
	f.Add("from=1:2,3:4&ttl=10s&version=9&if=absent", "")
	f.Fuzz(func(t *testing.T, raw, key string) {
		known := []string{"prefix", "after", "to", "limit", "reverse", "values", "from", "ttl", "if", "version"}
		if q, err := parseQuery(raw, known); err == nil {
			q.span()
			q.condition()
			if at := q.expiry(testNow); at != 0 && at <= testNow {
				t.Fatalf("an expiry in the past: %d", at)
			}
			if from := q.positions(4); from != nil && len(from) != 4 {
				t.Fatalf("positions %v", from)
			}
		}
		o := ScanOptions{Prefix: []byte(key), After: []byte(key), Limit: len(raw)}
		q, err := parseQuery(o.query().Encode(), known)
		if err != nil || len(key) > 65535 {
			return
		}
		if r := q.span(); string(r.Prefix) != key || string(r.After) != key || r.Limit != len(raw) {
			t.Fatalf("%q came back as %+v", key, r)
		}
		escaped := keyPath("default", []byte(key))
		u, err := url.Parse("http://x" + escaped)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, is := splitKey(u.EscapedPath()); !is || got != key {
			t.Fatalf("key %q came back as %q", key, got)
		}
	})
}

// Whatever the body of a request about the cluster is, the answer is an orderly one, and the state stays a good one.
func FuzzClusterBody(f *testing.F) {
	paths := []string{"/_cluster/settings", "/_cluster/reroute", "/_cluster/allocation/explain", "/_keyspace/orders", "/_dev/cut"}
	for path, body := range []string{
		`{"persistent":{"cluster":{"coverage":"full"},"cluster.voters.grace":"5s","x":null}}`,
		`{"commands":[{"move":{"keyspace":"default","shard":1,"from_node":"n2","to_node":"n1"}},{"allocate_empty":{"keyspace":"default","shard":0,"node":"n1","accept_data_loss":true}}]}`,
		`{"keyspace":"default","shard":1,"node":"n2"}`, `{"shards":5,"replicas":2,"min_in_sync":2,"durability":"interval","max_memory":1000,"eviction":"allkeys-lfu"}`,
		`{"nodes":["n2"],"direction":"in"}`,
	} {
		f.Add(uint8(path), body)
	}
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		m := newMemory()
		m.cluster = newAgreed(t)
		method, target := "POST", paths[int(path)%len(paths)]
		if target == "/_cluster/settings" || target == "/_keyspace/orders" {
			method = "PUT"
		}
		w := ask(NewServer(m, ServerConfig{Dev: true}), method, target, body)
		if w.Code != http.StatusOK && w.Code/100 != 4 {
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		if err := cluster.Check(m.cluster.state); err != nil {
			t.Fatal(err)
		}
	})
}
