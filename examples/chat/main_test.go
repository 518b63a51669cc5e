package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/troupe-actors/troupe/runtime"
)

// TestMain lets the test's own binary be the nodes of a demo.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A node dies, or is taken out of service, while clients talk: nothing is lost, comes twice or out of order.
func TestNodeGoesWhileClientsTalk(t *testing.T) {
	for _, fault := range []string{"kill", "drain"} {
		t.Run(fault, func(t *testing.T) {
			if testing.Short() && fault == "drain" {
				t.Skip("a node that is killed is enough")
			}
			var out strings.Builder
			args := []string{"-clients", "40", "-messages", "6", "-every", "300ms", "-limit", "90s", "-fault", fault}
			if err := demo(t.Context(), args, &out); err != nil {
				t.Errorf("%v\n%s", err, &out)
			}
			for _, want := range []string{"half is said: " + fault, "clients 40, messages said 240, deliveries 1200\n", "lost 0, duplicated 0, out of order 0\n"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("want %q in\n%s", want, &out)
				}
			}
			if strings.Contains(out.String(), "connections broken 0") {
				t.Errorf("no client was at the node that went:\n%s", &out)
			}
		})
	}
}

// The checks of the load tool see what they are there for.
func TestLoadToolSees(t *testing.T) {
	p := &talker{seen: map[string]uint64{}}
	for i, e := range []Event{
		{Seq: 1, From: "a", Ref: 1}, {Seq: 2, From: "b", Ref: 1}, {Seq: 5, From: "a", Ref: 2}, // two are missing
		{Seq: 6, From: "b", Ref: 1}, // said twice
		{Seq: 4, From: "b", Ref: 2}, // late
		{Seq: 7, From: "a", Ref: 4}, // one of a's is missing
	} {
		e.Kind, e.Pos = "message", uint64(i+1)
		p.check(&e)
		p.check(&e)
	}
	if w := p.wrong; w.Lost != 2 || w.Duplicated != 1 || w.Disordered != 2 || w.SentAgain != 6 {
		t.Errorf("%+v", w)
	}
}

// desk is one node with its gateway, and a person who uses it.
type desk struct {
	t       *testing.T
	gateway *gateway
	server  *httptest.Server
}

func newDesk(t *testing.T) *desk {
	node, err := runtime.Start(t.Context(), runtime.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(node.Register(t.Context(), conversations()), node.Register(t.Context(), users()), node.Register(t.Context(), gateways())); err != nil {
		t.Fatal(err)
	}
	g := newGateway(node.Actors(), slog.New(slog.DiscardHandler))
	d := &desk{t, g, httptest.NewServer(g.handler())}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { g.run(ctx); close(over) }()
	t.Cleanup(func() {
		cancel()
		<-over
		d.server.CloseClientConnections()
		d.server.Close()
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// person is a connection.
type person struct {
	*desk
	conn *websocket.Conn
}

func (d *desk) come(user string, after uint64) *person {
	d.t.Helper()
	conn, _, err := websocket.Dial(d.t.Context(), fmt.Sprintf("%s/ws?user=%s&after=%d", strings.Replace(d.server.URL, "http", "ws", 1), user, after), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.CloseNow() })
	return &person{d, conn}
}

func (p *person) send(f fromClient) {
	p.t.Helper()
	if err := wsjson.Write(p.t.Context(), p.conn, f); err != nil {
		p.t.Fatal(err)
	}
}

// until reads frames until one is what is waited for, and gives the events on the way.
func (p *person) until(what string, is func(f *toClient) bool) (events []Event) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		var f toClient
		if err := wsjson.Read(ctx, p.conn, &f); err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		events = append(events, f.Events...)
		if is(&f) {
			return events
		}
	}
}

func (p *person) join(place string) {
	p.t.Helper()
	p.send(fromClient{Join: place})
	p.until("joined", func(f *toClient) bool { return f.Joined == place })
}

func has(kind string, seq uint64) func(f *toClient) bool {
	return func(f *toClient) bool {
		for i := range f.Events {
			if f.Events[i].Kind == kind && f.Events[i].Seq >= seq {
				return true
			}
		}
		return false
	}
}

func TestWhoWasAwayCatchesUp(t *testing.T) {
	d := newDesk(t)
	anna, ben := d.come("anna", 0), d.come("ben", 0)
	anna.send(fromClient{Say: &saying{"lunch", 1, "too early"}})
	anna.until("refused", func(f *toClient) bool { return strings.Contains(f.Failed, "join it first") })
	anna.join("lunch")
	ben.join("lunch")
	if err := ben.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []uint64{1, 2, 2, 3, 1} { // some are said again, as after a broken connection
		anna.send(fromClient{Say: &saying{"lunch", ref, fmt.Sprint("message ", ref)}})
		anna.until("said", func(f *toClient) bool { return f.Said != nil && f.Said.Ref == ref })
	}
	for round := range 2 { // what is not acknowledged comes again
		ben = d.come("ben", 0)
		var texts []string
		var last Event
		for _, e := range ben.until("all three", has("message", 3)) {
			if e.Kind == "message" {
				texts = append(texts, e.Text)
			}
			last = e
		}
		if got := strings.Join(texts, ", "); got != "message 1, message 2, message 3" {
			t.Errorf("ben got %s", got)
		}
		if round == 1 {
			ben.send(fromClient{Ack: last.Pos})
		}
	}
	anna.until("a receipt", has("receipt", 3))
}

func TestPageHistoryAndDrain(t *testing.T) {
	d := newDesk(t)
	anna := d.come("anna", 0)
	anna.join("lunch")
	anna.send(fromClient{Say: &saying{"lunch", 7, "<b>hello</b>"}})
	anna.until("said", func(f *toClient) bool { return f.Said != nil })
	get := func(path string) (int, string) {
		response, err := http.Get(d.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, body := get("/"); status != 200 || !strings.Contains(body, "<title>Troupe chat</title>") {
		t.Errorf("the page: %d, %.80s", status, body)
	}
	var list []Event
	if status, body := get("/history?user=anna&conversation=lunch"); status != 200 || json.Unmarshal([]byte(body), &list) != nil || len(list) != 1 || list[0].Text != "<b>hello</b>" {
		t.Errorf("history: %d, %s", status, body)
	}
	if status, body := get("/history?user=ben&conversation=lunch"); status != 400 || !strings.Contains(body, "ben is not in this conversation") {
		t.Errorf("a stranger reads: %d, %s", status, body)
	}
	drained := make(chan struct{})
	go func() { d.gateway.drain(t.Context()); close(drained) }()
	anna.until("bye", func(f *toClient) bool { return f.Bye })
	_ = anna.conn.Close(websocket.StatusNormalClosure, "") // the gateway has hung up, or does
	<-drained
	if status, _ := get("/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d", status)
	}
}
