package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net/http"
	"net/http/pprof"
	"net/url"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// route is one path: what may be done with it, and which query parameters it knows.
type route struct {
	pattern string // of http.ServeMux, without a method
	path    string // for people, if it differs
	methods map[string]func(*Server, *exchange, *query) error
	params  []string
	streams bool // runs long: counted apart, so that streams leave room for the rest
	free    bool // not counted: must answer when the node is busy
	endless bool // goes on until the client has enough: no span is made of it
}

type handler = func(*Server, *exchange, *query) error

func get(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }

// table lists every path. Those of keys and of one keyspace come first: the mux could not tell them from others.
func (s *Server) table() (keys, space route, others []route) {
	space = route{
		pattern: "/_keyspace/{keyspace}", params: []string{"if"},
		methods: map[string]handler{http.MethodGet: (*Server).getKeyspace, http.MethodPut: (*Server).putKeyspace},
	}
	keys = route{
		pattern: "/{keyspace}/keys/{key...}", path: "/{keyspace}/keys/{key}",
		methods: map[string]handler{http.MethodGet: (*Server).getKey, http.MethodPut: (*Server).putKey, http.MethodDelete: (*Server).deleteKey},
		params:  []string{"ttl", "if", "version", "read", "within"},
	}
	others = []route{
		{pattern: "/{$}", path: "/", methods: get((*Server).banner), free: true},
		{pattern: "/_cluster/health", methods: get((*Server).health), params: []string{"wait_for_status", "timeout"}, free: true},
		{pattern: "/_cat", methods: get((*Server).catList), free: true},
		{pattern: "/_nodes", methods: get((*Server).nodes)},
		{pattern: "/_keyspaces", methods: get((*Server).keyspaces)},
		{pattern: "/metrics", methods: get((*Server).metrics), params: nil, free: true},
		{pattern: "/_metrics/recent", methods: get((*Server).recent), params: []string{"after"}},
		{pattern: "/{keyspace}/keys", methods: map[string]handler{http.MethodDelete: (*Server).deletePrefix}, params: []string{"prefix", "all"}},
		{
			pattern: "/{keyspace}/scan", methods: get((*Server).scan), streams: true,
			params: []string{"prefix", "after", "to", "limit", "reverse", "values", "digest"},
		},
		{pattern: "/{keyspace}/watch", methods: get((*Server).watch), params: []string{"prefix", "from"}, streams: true, endless: true},
		{pattern: "/{keyspace}/_bulk", methods: map[string]handler{http.MethodPost: (*Server).bulk}, streams: true},
	}
	others = append(others, s.clusterTable()...)
	others = append(others, policyRoutes()...)
	others = append(others, planRoutes()...)
	others = append(others, failoverRoutes()...)
	others = append(others, kindRoutes()...)
	others = append(others, route{pattern: "/_actors", methods: get((*Server).listActors)})
	others = append(others, route{pattern: "/_actors/inspect", methods: get((*Server).inspectActor), params: []string{"actor"}})
	others = append(others, coordinationRoutes()...)
	for _, t := range catTables {
		others = append(others, route{
			pattern: "/_cat/" + t.name, methods: get(t.serve), params: []string{"v", "h", "s", "help", "format", "bytes"}, free: t.name == "health",
		})
	}
	if s.config.Pprof {
		others = append(others, profiles()...)
	}
	return keys, space, append(others, route{pattern: "/", path: "anything else", methods: nil})
}

// clusterTable lists the paths about the cluster as a whole.
func (s *Server) clusterTable() []route {
	post := func(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }
	routes := []route{
		{pattern: "/_cluster/state", methods: get((*Server).state), streams: true},
		{
			pattern: "/_cluster/settings", params: []string{"include_defaults"},
			methods: map[string]handler{http.MethodGet: (*Server).getSettings, http.MethodPut: (*Server).putSettings},
		},
		{pattern: "/_cluster/settings/history", methods: get((*Server).settingHistory), params: []string{"name"}},
		{pattern: "/_cluster/history", methods: get((*Server).history), params: []string{"from", "to"}},
		{pattern: "/_cluster/reroute", methods: post((*Server).reroute), params: []string{"dry_run", "explain", "retry_failed"}},
		{
			pattern: "/_cluster/allocation/explain", params: []string{"keyspace", "shard", "node"},
			methods: map[string]handler{http.MethodGet: (*Server).explain, http.MethodPost: (*Server).explain},
		},
		{pattern: "/_cluster/losses", methods: get((*Server).losses)},
		{pattern: "/_cluster/check", methods: post((*Server).checkup), params: []string{"timeout"}, streams: true},
		{pattern: "/_cluster/maintenance", methods: post((*Server).maintenance), params: []string{"enabled"}},
		{pattern: "/_cluster/leader", methods: post((*Server).transfer), params: []string{"node"}},
		{pattern: "/_nodes/roundtrips", methods: get((*Server).roundTrips)},
		{pattern: "/_watch/routing", methods: get((*Server).watchRouting), streams: true, endless: true},
		{pattern: "/_watch/health", methods: get((*Server).watchHealth), streams: true, endless: true},
	}
	for action := range nodeActions {
		r := route{pattern: "/_nodes/{node}/" + action, methods: post(changeMember(action))}
		if action == "maintenance" {
			r.params = []string{"enabled"}
		}
		routes = append(routes, r)
	}
	if s.config.Dev {
		routes = append(routes, route{pattern: "/_dev/cut", methods: post((*Server).cut)}, route{pattern: "/_dev/heal", methods: post((*Server).heal)})
	}
	return routes
}

// profiles are Go's own pages.
func profiles() (routes []route) {
	for path, page := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/profile": pprof.Profile, "/debug/pprof/trace": pprof.Trace,
		"/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/symbol": pprof.Symbol,
	} {
		routes = append(routes, route{
			pattern: path, streams: true, params: []string{"seconds", "debug", "gc"},
			methods: get(func(_ *Server, x *exchange, _ *query) error { page(x, x.r); return nil }),
		})
	}
	return routes
}

// answer runs the route's handler for the request's method, if there is room.
func (r *route) answer(s *Server, x *exchange) {
	x.path = r.pattern
	if s.config.Messages.On() && !r.free && !r.endless {
		defer x.trace(s.config.Messages).end()
	}
	if err := r.run(s, x); err != nil {
		x.fail(err)
	}
}

func (r *route) run(s *Server, x *exchange) error {
	if r.methods == nil {
		x.path = "unknown"
		return notFound("no such path: %s; there are %s", x.r.URL.EscapedPath(), strings.Join(s.paths(), ", "))
	}
	method := x.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	handle := r.methods[method]
	if handle == nil {
		return r.notAllowed(x)
	}
	q, err := parseQuery(x.r.URL.RawQuery, r.params)
	if err != nil {
		return err
	}
	if !r.free {
		leave, err := s.room.enter(r.streams)
		if err != nil {
			return err
		}
		defer leave()
	}
	return handle(s, x, q)
}

func (r *route) notAllowed(x *exchange) error {
	allowed := slices.Sorted(maps.Keys(r.methods))
	if r.methods[http.MethodGet] != nil {
		allowed = append(allowed, http.MethodHead)
	}
	x.Header().Set("Allow", strings.Join(allowed, ", "))
	return &Error{
		Status: http.StatusMethodNotAllowed, Kind: KindMethod,
		Reason: x.r.Method + " is not for " + r.shown() + "; use " + strings.Join(allowed, ", "),
	}
}

func (r *route) shown() string {
	if r.path != "" {
		return r.path
	}
	return r.pattern
}

// paths are all there are, for the answer to a wrong one.
func (s *Server) paths() []string {
	paths := []string{pathLive, pathReady, s.keys.shown(), s.space.shown(), s.actors.shown()}
	for i := range s.routes {
		if s.routes[i].methods != nil {
			paths = append(paths, s.routes[i].shown())
		}
	}
	slices.Sort(paths)
	return paths
}

// splitKey cuts "/{keyspace}/keys/{key}", where the key is all that follows, unescaped, slashes and dots included.
func splitKey(escaped string) (keyspace, key string, is bool) {
	keyspace, rest, found := strings.Cut(strings.TrimPrefix(escaped, "/"), "/")
	escapedKey, isKey := strings.CutPrefix(rest, "keys/")
	if !found || !isKey {
		return "", "", false
	}
	keyspace, err := url.PathUnescape(keyspace)
	if err != nil {
		return "", "", false
	}
	key, err = url.PathUnescape(escapedKey)
	return keyspace, key, err == nil
}

// authorize checks the token in constant time, and refuses what a web page of another origin sends through a browser.
func (s *Server) authorize(x *exchange) error {
	if err := s.browsers.Check(x.r); err != nil {
		return &Error{Status: http.StatusForbidden, Kind: KindUnauthorized, Reason: "a web page of another origin may not do this: " + err.Error()}
	}
	if s.config.Token == "" {
		return nil
	}
	scheme, given, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.config.Token)) // so that lengths do not show either
	if subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	x.Header().Set("WWW-Authenticate", `Bearer realm="troupe"`)
	x.Header().Set("Connection", "close")
	if given != "" {
		return &Error{
			Status: http.StatusUnauthorized, Kind: KindUnauthorized,
			Reason: `this node asks for another token than the one that was sent: it is what the node was started with (--token or TROUPE_TOKEN), sent as "Authorization: Bearer TOKEN"`,
		}
	}
	return &Error{
		Status: http.StatusUnauthorized, Kind: KindUnauthorized,
		Reason: `this node asks for a token: send "Authorization: Bearer TOKEN", or give troupe --token or TROUPE_TOKEN`,
	}
}

// keyspace is the one that the path names.
func (s *Server) keyspace(x *exchange) (shards.Keyspace, error) {
	name := x.r.PathValue("keyspace")
	k, found := s.backend.Keyspace(name)
	if found {
		return k, nil
	}
	var names []string
	for _, k := range s.backend.Keyspaces() {
		names = append(names, k.Name)
	}
	return k, notFound("no keyspace %q; there are %s", name, shorten(names))
}
