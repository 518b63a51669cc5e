package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/troupe-actors/troupe/actors/virtual"
)

//go:embed index.html
var page []byte

// fromClient is a frame of a client: one of its fields is set.
type fromClient struct {
	Join string // a conversation
	Say  *saying
	Ack  uint64 // all events up to this position have arrived
}

type saying struct {
	Conversation string
	Ref          uint64
	Text         string
}

// toClient is a frame for a client.
type toClient struct {
	Welcome bool    `json:",omitempty"` // the first frame: from here on the inbox comes
	Events  []Event `json:",omitempty"`
	Joined  string  `json:",omitempty"`
	Said    *saying `json:",omitempty"` // it is in the conversation, for good
	Failed  string  `json:",omitempty"` // what was asked for was not done
	Bye     bool    `json:",omitempty"` // the gateway is about to stop: go to another
}

// gateway has clients at the other end of WebSockets. It keeps nothing that matters: a client that comes back anywhere, and says
// which position it has, gets what follows.
type gateway struct {
	host *virtual.Host
	name string // of its actor; new with each start
	log  *slog.Logger

	mu       sync.Mutex
	clients  map[string]*client
	draining bool
	left     sync.WaitGroup // clients
}

// client is one user's connection.
type client struct {
	user string
	conn *websocket.Conn
	wake chan struct{}
	end  context.CancelFunc
}

func newGateway(h *virtual.Host, log *slog.Logger) *gateway {
	return &gateway{host: h, name: rand.Text(), log: log, clients: map[string]*client{}}
}

// handler serves the page, the WebSocket and the word whether new clients are welcome.
func (g *gateway) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if g.isDraining() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		list, err := virtual.Call[after, []Event](r.Context(), g.host, conversationID(q.Get("conversation")), "history", after{q.Get("user"), number(q.Get("after"))})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	mux.HandleFunc("GET /ws", g.connect)
	return mux
}

func (g *gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// number reads digits; anything else is 0.
func number(text string) (n uint64) {
	_ = json.Unmarshal([]byte(text), &n)
	return n
}

// connect serves one client until it goes. A user who connects again takes over from the connection before.
func (g *gateway) connect(w http.ResponseWriter, r *http.Request) {
	name, acked := r.URL.Query().Get("user"), number(r.URL.Query().Get("after"))
	if name == "" || g.isDraining() {
		http.Error(w, "name a user, at a gateway that is not draining", http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has been told
	}
	defer conn.CloseNow()
	conn.SetReadLimit(8 * maxText)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	c := &client{user: name, conn: conn, wake: make(chan struct{}, 1), end: cancel}
	if !g.enter(c) {
		return
	}
	defer g.leave(c)
	if _, err := virtual.Call[attachment, uint64](ctx, g.host, userID(name), "attach", attachment{g.name, acked}); err != nil {
		_ = wsjson.Write(ctx, conn, toClient{Failed: err.Error()})
		return
	}
	if wsjson.Write(ctx, conn, toClient{Welcome: true}) != nil {
		return
	}
	c.nudge()
	var pushing sync.WaitGroup
	pushing.Go(func() { defer cancel(); g.push(ctx, c, acked) })
	g.listen(ctx, c)
	cancel()
	pushing.Wait()
}

func (g *gateway) enter(c *client) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return false
	}
	if old := g.clients[c.user]; old != nil {
		old.end()
	}
	g.clients[c.user] = c
	g.left.Add(1)
	return true
}

func (g *gateway) leave(c *client) {
	defer g.left.Done()
	g.mu.Lock()
	mine := g.clients[c.user] == c
	if mine {
		delete(g.clients, c.user)
	}
	g.mu.Unlock()
	if mine {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = virtual.Call[string, struct{}](ctx, g.host, userID(c.user), "detach", g.name) // else it is told of in vain, until the user comes back
	}
}

func (c *client) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// push brings the client what comes into its inbox.
func (g *gateway) push(ctx context.Context, c *client, pos uint64) {
	again := time.NewTicker(10 * time.Second) // a word may have been lost with another gateway
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-again.C:
		}
		for {
			list, err := virtual.Call[uint64, []Event](ctx, g.host, userID(c.user), "pull", pos)
			if err != nil {
				return // the client comes back
			}
			if len(list) == 0 {
				break
			}
			pos = list[len(list)-1].Pos
			if wsjson.Write(ctx, c.conn, toClient{Events: list}) != nil {
				return
			}
		}
	}
}

// listen does what the client asks for, one thing after the other.
func (g *gateway) listen(ctx context.Context, c *client) {
	for {
		var f fromClient
		if wsjson.Read(ctx, c.conn, &f) != nil {
			return
		}
		var reply toClient
		var err error
		switch {
		case f.Join != "":
			_, err = virtual.Call[string, uint64](ctx, g.host, conversationID(f.Join), "join", c.user)
			reply.Joined = f.Join
		case f.Say != nil:
			_, err = virtual.Call[line, struct{}](ctx, g.host, conversationID(f.Say.Conversation), "say", line{c.user, f.Say.Ref, f.Say.Text})
			reply.Said = &saying{Conversation: f.Say.Conversation, Ref: f.Say.Ref}
		case f.Ack > 0:
			if _, err = virtual.Call[uint64, struct{}](ctx, g.host, userID(c.user), "ack", f.Ack); err == nil {
				continue
			}
		}
		if virtual.CodeOf(err) != 0 {
			reply = toClient{Failed: err.Error()}
		} else if err != nil {
			return // it may have been done, or not: the client comes back and says it again
		}
		if wsjson.Write(ctx, c.conn, reply) != nil {
			return
		}
	}
}

// run wakes clients whose users have something in their inbox, until ctx ends.
func (g *gateway) run(ctx context.Context) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		mail, err := virtual.Call[struct{}, gatewayMail](ctx, g.host, gatewayID(g.name), "take", struct{}{})
		g.mu.Lock()
		if err != nil || mail.All { // whom it was about is not known
			for _, c := range g.clients {
				c.nudge()
			}
		}
		for _, name := range mail.Users {
			if c := g.clients[name]; c != nil {
				c.nudge()
			}
		}
		g.mu.Unlock()
	}
}

// drain sends all clients to other gateways, and waits until they have gone.
func (g *gateway) drain(ctx context.Context) {
	g.mu.Lock()
	g.draining = true
	var all []*client
	for _, c := range g.clients {
		all = append(all, c)
	}
	g.mu.Unlock()
	g.log.Info("draining", "clients", len(all))
	for _, c := range all {
		_ = wsjson.Write(ctx, c.conn, toClient{Bye: true})
	}
	gone := make(chan struct{})
	go func() { g.left.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-ctx.Done():
		for _, c := range all {
			c.end()
		}
	}
}
