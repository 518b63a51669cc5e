package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-actors/troupe/runtime/admin/console"
	"github.com/troupe-actors/troupe/shards/wire"
	"github.com/troupe-actors/troupe/tracing"
)

// ServerConfig says how a Server behaves. The zero value works.
type ServerConfig struct {
	// Token that requests must carry as "Authorization: Bearer TOKEN". Default: none is asked.
	Token string

	// TLS has Serve speak it with its clients. Default: they speak HTTP without encryption.
	TLS *tls.Config

	// Pprof serves Go's profiles below /debug/pprof/, to those who may read everything else. Default: off.
	Pprof bool

	// Dev serves paths below /_dev/ that cut the node off from others, for fault injection. Default: off.
	Dev bool

	// Collectors are metrics beside those of the backend.
	Collectors []prometheus.Collector

	// Messages makes the spans of requests. nil: none are traced.
	Messages *tracing.Messages

	// Stories tells of failovers. nil: there are none to be told of.
	Stories Stories

	// Actors are called through this node. nil: there are none.
	Actors Actors

	// Coordination tells of topics, groups and sessions. nil: there are none to be told of.
	Coordination Coordination

	// Plans are those that this node recorded. nil: it records none.
	Plans Plans

	// MaxConnections that are open at once; one more is closed as soon as it is accepted. Default 1024.
	MaxConnections int

	// MaxRequests that run at once, and MaxStreams (scans, watches, uploads) that run at once; one more is answered 503,
	// kind "busy". Defaults 256 and 128.
	MaxRequests, MaxStreams int

	// MaxBytes of large values in flight, in both directions, over all requests. What would exceed it is answered 503, kind
	// "busy". Default 1 GiB; no less than 256 MiB, so that one value of the largest size always passes.
	MaxBytes int64

	// HeaderTimeout is how long a request's header may take to arrive, and IdleTimeout how long a connection may wait for
	// its next request. Defaults 10 s and 2 min.
	HeaderTimeout, IdleTimeout time.Duration

	// Grace is how long a client may make the server wait in all, reading or writing one body, apart from MinRate.
	// MinRate, in bytes a second, is the pace at which more time is earned. Defaults 30 s and 16 KiB/s.
	Grace   time.Duration
	MinRate int64

	// Keepalive is the pause after which a watch without changes gets an empty line. Default 15 s.
	Keepalive time.Duration

	// ShutdownTimeout is how long requests may take to end after Serve's context has. Default 5 s.
	ShutdownTimeout time.Duration

	// Logger takes what operators should know. Default: nothing is logged.
	Logger *slog.Logger
}

func (c *ServerConfig) fill() {
	setDefault(&c.MaxConnections, 1024)
	setDefault(&c.MaxRequests, 256)
	setDefault(&c.MaxStreams, 128)
	setDefault(&c.MaxBytes, 1<<30)
	c.MaxBytes = max(c.MaxBytes, 256<<20)
	setDefault(&c.HeaderTimeout, 10*time.Second)
	setDefault(&c.IdleTimeout, 2*time.Minute)
	setDefault(&c.Grace, 30*time.Second)
	setDefault(&c.MinRate, 16<<10)
	setDefault(&c.Keepalive, 15*time.Second)
	setDefault(&c.ShutdownTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// maxHeader bounds a request's header, in bytes: the longest key with each byte as %XX, and room for the rest.
const maxHeader = 256 << 10

// Server answers the HTTP API over one Backend. It may serve several listeners.
type Server struct {
	config    ServerConfig
	backend   Backend
	mux       *http.ServeMux
	keys      route          // /{keyspace}/keys/{key…}: not in mux, which would take "//" and ".." in a key for folders
	actors    route          // /actors/{kind}/{name…}/{method}: nor there, for a name is like a key
	space     route          // /_keyspace/{keyspace}: nor there, where it and /{keyspace}/scan would both be meant by /_keyspace/scan
	policyMux *http.ServeMux // paths below /_policy/ and /_module/, where /_policy/{policy} and /{keyspace}/scan would both be meant by /_policy/scan
	routes    []route
	room      room
	registry  *prometheus.Registry
	counts    requestCounts
	lately    lately
	browsers  *http.CrossOriginProtection
	console   http.Handler
}

// NewServer makes a server; nothing runs until Serve.
func NewServer(b Backend, c ServerConfig) *Server {
	c.fill()
	s := &Server{config: c, backend: b, mux: http.NewServeMux(), policyMux: http.NewServeMux(), browsers: http.NewCrossOriginProtection(), console: console.Handler()}
	s.room = newRoom(&c)
	s.counts, s.lately = newRequestCounts(), newLately()
	s.registry = newRegistry(b, &s.counts, &s.room, c.Collectors)
	s.keys, s.space, s.routes = s.table()
	s.actors = actorRoute()
	for _, r := range s.routes {
		handle := func(w http.ResponseWriter, request *http.Request) {
			x := w.(*exchange)
			x.r = request // the mux may have made a new one, with the values of the path
			r.answer(s, x)
		}
		if ofPolicies(r.pattern) || r.methods == nil {
			s.policyMux.HandleFunc(r.pattern, handle)
		}
		if !ofPolicies(r.pattern) {
			s.mux.HandleFunc(r.pattern, handle)
		}
	}
	return s
}

// Serve answers requests on l until ctx ends, then lets those under way finish, ends watches, closes l and returns nil. It
// returns an error if l fails before that. Meanwhile it keeps what the metrics were in the last minutes. What it started has ended when it
// returns, except for handlers and readings of metrics that a stuck backend holds beyond ShutdownTimeout.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	open := s.openToPages(l)
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, ctx.Done(), open) }),
		ReadHeaderTimeout: s.config.HeaderTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		WriteTimeout:      s.config.Grace, // for what net/http writes by itself; pace.go moves it with each write of ours
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	bound := boundListener(l, s.config.MaxConnections)
	if s.config.TLS != nil {
		bound = tls.NewListener(bound, s.config.TLS)
	}
	keeping, enough := context.WithCancel(ctx)
	kept := make(chan struct{})
	go func() { defer close(kept); s.keepRecent(keeping) }()
	defer func() {
		enough()
		select {
		case <-kept:
		case <-time.After(s.config.ShutdownTimeout):
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(bound) }()
	select {
	case err := <-ended:
		server.Close()
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.config.Logger.Warn("HTTP requests are cut off", "after", s.config.ShutdownTimeout, "cause", err)
		server.Close()
	}
	<-ended
	return nil
}

// ServeHTTP answers one request; it is what Serve uses, for those who have a server of their own. Which names it goes by they know: Serve alone
// refuses those that are not the node's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, nil, false) }

// Handler is ServeHTTP for those whose server goes on when this one is to end: watches end when stopping is closed.
func (s *Server) Handler(stopping <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, stopping, false) })
}

// exchange is one request on its way, and the writer of its answer.
type exchange struct {
	*paceWriter
	r        *http.Request
	hold     hold
	path     string          // the pattern that matched, for the metrics
	form     string          // of structured answers: JSON unless it is mimeMsgpack
	stopping <-chan struct{} // closed when the server is about to end
	cause    error           // why it failed; nil: it did not
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, stopping <-chan struct{}, open bool) {
	x := &exchange{
		paceWriter: newPaceWriter(w, &s.config), r: r, hold: hold{room: &s.room}, path: "refused", stopping: stopping,
	}
	defer func() { s.counts.answered(x.path, x.status) }()
	defer x.hold.release()
	r.Body = newPaceBody(w, r.Body, &s.config)
	if s.toProbe(x) {
		return
	}
	if open {
		if err := s.checkHost(r); err != nil {
			x.fail(err)
			return
		}
	}
	if s.toConsole(x) {
		return
	}
	if err := s.authorize(x); err != nil {
		x.fail(err)
		return
	}
	if ofPolicies(r.URL.Path) {
		x.path = "redirect"
		s.policyMux.ServeHTTP(x, r)
		return
	}
	if splitActor(r) {
		x.form = acceptedForm(r.Header)
		s.actors.answer(s, x)
		return
	}
	if keyspace, key, is := splitKey(r.URL.EscapedPath()); is {
		r.SetPathValue("keyspace", keyspace)
		r.SetPathValue("key", key)
		s.keys.answer(s, x)
		return
	}
	if name, is := strings.CutPrefix(r.URL.Path, "/_keyspace/"); is && !strings.Contains(name, "/") {
		r.SetPathValue("keyspace", name)
		s.space.answer(s, x)
		return
	}
	x.path = "redirect" // which the mux does by itself, to a cleaner path
	s.mux.ServeHTTP(x, r)
}

// fail answers with an error, or breaks the connection off if an answer has begun: a cut answer must not look whole.
func (x *exchange) fail(err error) {
	x.cause = err
	if x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	e := asError(err)
	switch {
	case e.Kind == KindReadOnly: // who knows when
	case e.Status == http.StatusServiceUnavailable:
		x.Header().Set("Retry-After", "1")
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusRequestEntityTooLarge:
		x.Header().Set("Connection", "close") // the rest of the body is not wanted
	}
	x.json(e.Status, e.answer())
}

// json answers with a value; ?pretty indents it, as in Elasticsearch. Who asked for msgpack gets that.
func (x *exchange) json(status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("admin: an answer that JSON cannot hold: %v", err))
	}
	if x.form == mimeMsgpack {
		packed, err := wire.AppendMsgpack(nil, text)
		if err != nil {
			panic(fmt.Sprintf("admin: an answer that msgpack cannot hold: %v", err))
		}
		x.text(status, mimeMsgpack, packed)
		return
	}
	if x.r.URL.Query().Has("pretty") {
		var indented bytes.Buffer
		json.Indent(&indented, text, "", "  ") // text is valid
		text = indented.Bytes()
	}
	x.text(status, mimeJSON, append(text, '\n'))
}

// text answers with a whole body.
func (x *exchange) text(status int, mime string, body []byte) {
	header := x.Header()
	header.Set("Content-Type", mime)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		x.Write(body) // a client that went away is not our failure
	}
}
