package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Actors reaches the virtual actors of the cluster. Errors are *Error, or have a shards.ErrorKind.
type Actors interface {
	// Call has an actor handle a message and gives its reply; both are JSON. With an id, if it is not empty, it is handled once, however often it comes.
	Call(ctx context.Context, to ActorName, id, method string, payload []byte) ([]byte, error)
	// Tell takes a message and waits for nothing.
	Tell(to ActorName, method string, payload []byte) error
	// List asks every node what actors it has in memory.
	List(ctx context.Context) ActorList
	// Names lists the actors of a kind that have kept something, by name.
	Names(ctx context.Context, kind string, p Page) (ActorNames, error)
	// Aside lists messages between actors that were set aside.
	Aside(ctx context.Context, q AsideQuery) (AsideList, error)
	// Mend sends messages again that were set aside, or drops them.
	Mend(ctx context.Context, ids []string, drop bool) []Mended
	// Inspect tells what an actor keeps.
	Inspect(ctx context.Context, name ActorName) (ActorInside, error)
	// Prepare makes the keyspace that actors are to live in, if there is none of that name.
	Prepare(ctx context.Context, keyspace string) error
}

// ActorName is an actor's kind and its name among those of the kind.
type ActorName struct{ Kind, Name string }

// KindFailed is the kind of an error that an actor's own handler returned: nothing has changed.
const KindFailed = "failed"

// MaxActorBody bounds a message to an actor, in bytes.
const MaxActorBody = 4 << 20

// ActorList is the answer of /_actors.
type ActorList struct {
	Pushed []KindInfo  `json:"pushed,omitempty"` // kinds whose code was pushed to the cluster
	Nodes  []ActorNode `json:"nodes"`
	Aside  []ActorMail `json:"aside"` // messages that were set aside, at most 100 of each node

	MoreAside bool `json:"more_aside,omitempty"` // are set aside: /_actors/aside lists them all

	Lacking []KindLack `json:"lacking,omitempty"` // kinds of programs that some nodes with copies know, and others do not
}

// KindLack is a kind that is not registered on nodes which may hold copies: messages to its actors are refused in the shards that these lead.
type KindLack struct {
	Kind  string   `json:"kind"`
	Nodes []string `json:"nodes"` // that do not know it, by name
}

// ActorNode is what one node runs.
type ActorNode struct {
	Node  string      `json:"node"`
	Kinds []ActorKind `json:"kinds"`
	Error string      `json:"error,omitempty"` // why it could not be asked
}

// ActorKind is a kind that a node knows, and how many actors of it are in memory there. Others sleep in their shards.
type ActorKind struct {
	Kind     string `json:"kind"`
	Keyspace string `json:"keyspace"`
	Active   int    `json:"active"`
	Bytes    int64  `json:"bytes"`             // that those in memory are taken to need
	Version  uint32 `json:"version,omitempty"` // of a kind that was pushed: which one is used, as far as the node has heard
}

// Uses says whether the node has heard that a version of a kind that was pushed is in use.
func (n *ActorNode) Uses(kind string, version uint32) bool {
	return slices.ContainsFunc(n.Kinds, func(k ActorKind) bool { return k.Kind == kind && k.Version == version })
}

func actorRoute() route {
	return route{
		pattern: "/actors/{kind}/{name...}/{method}", path: "/actors/{kind}/{name}/{method}", params: []string{"timeout", "wait"}, streams: true,
		methods: map[string]handler{http.MethodPost: (*Server).callActor},
	}
}

// splitActor takes /actors/{kind}/{name}/{method} apart: the kind is what lies before the first slash behind /actors/, the method
// what follows the last one, and the name all between, unescaped, slashes and dots included. A keyspace called "actors" keeps its
// paths, which have no POST of that form.
func splitActor(r *http.Request) bool {
	rest, is := strings.CutPrefix(r.URL.EscapedPath(), "/actors/")
	first, last := strings.IndexByte(rest, '/'), strings.LastIndexByte(rest, '/')
	if !is || first <= 0 || first == last || last == len(rest)-1 || r.Method != http.MethodPost && strings.HasPrefix(rest, "keys/") {
		return false
	}
	for value, escaped := range map[string]string{"kind": rest[:first], "name": rest[first+1 : last], "method": rest[last+1:]} {
		text, err := url.PathUnescape(escaped)
		if err != nil {
			return false
		}
		r.SetPathValue(value, text)
	}
	return true
}

func (s *Server) reachActors() (Actors, error) {
	if s.config.Actors == nil {
		return nil, unavailable("this node has no actors")
	}
	return s.config.Actors, nil
}

func (s *Server) callActor(x *exchange, q *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	ctx := x.r.Context()
	if text := q.values.Get("timeout"); text != "" {
		limit, err := time.ParseDuration(text)
		if err != nil || limit <= 0 {
			return invalid("timeout is %q; write a time above 0, such as 5s", clip(text))
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	wait := !q.values.Has("wait") || q.flag("wait")
	if q.err != nil {
		return q.err
	}
	body, err := x.message()
	if err != nil {
		return err
	}
	to, method := ActorName{x.r.PathValue("kind"), x.r.PathValue("name")}, x.r.PathValue("method")
	id := x.r.Header.Get(HeaderRequestID)
	if id == "" && x.r.Header.Values(HeaderRequestID) != nil {
		return invalid("%s is there and empty: give the request an id, or leave the header out", HeaderRequestID)
	}
	if id != "" && !wait {
		return invalid("%s is for calls whose reply is waited for: leave wait=false out", HeaderRequestID)
	}
	if !wait {
		if err := actors.Tell(to, method, body); err != nil {
			return err
		}
		x.json(http.StatusAccepted, map[string]bool{"accepted": true})
		return nil
	}
	reply, err := actors.Call(ctx, to, id, method, body)
	if err != nil {
		return err
	}
	return x.reply(reply)
}

func (s *Server) listActors(x *exchange, _ *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	list := actors.List(x.r.Context())
	if _, state, err := s.agreed(); err == nil { // a node alone has no kinds that were pushed
		list.Pushed = KindsOf(state)
	}
	x.json(http.StatusOK, list)
	return nil
}

// actorPath is the path of a method of an actor. A slash in the name stays one; dots are escaped where they would mean a folder.
func actorPath(to ActorName, method string) string {
	parts := strings.Split(to.Name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
		if part == "." || part == ".." {
			parts[i] = strings.ReplaceAll(part, ".", "%2E")
		}
	}
	return "/actors/" + url.PathEscape(to.Kind) + "/" + strings.Join(parts, "/") + "/" + url.PathEscape(method)
}

// CallActor has an actor handle a message and gives its reply; both are JSON. It is not sent twice: if the connection breaks the
// outcome is unknown.
func (c *Client) CallActor(ctx context.Context, to ActorName, method string, body []byte) (reply json.RawMessage, err error) {
	err = c.json(ctx, call{method: http.MethodPost, path: actorPath(to, method), body: body, mime: mimeJSON}, &reply)
	return reply, err
}

// HeaderRequestID is the header with the id of a request of the caller's own.
const HeaderRequestID = "Idempotency-Key"

// CallActorOnce is CallActor for a request with an id of the caller's own: for ten minutes the actor handles it once, however often it is sent and
// by way of whatever node, and the others get the answer of the first. So it is sent again where a node does not answer. An empty id is refused.
func (c *Client) CallActorOnce(ctx context.Context, to ActorName, id, method string, body []byte) (reply json.RawMessage, err error) {
	if id == "" { // it would be sent again without one
		return nil, invalid("the id of a request to %s/%s is empty", clip(to.Kind), clip(to.Name))
	}
	err = c.json(ctx, call{method: http.MethodPost, path: actorPath(to, method), body: body, mime: mimeJSON, id: id, repeatable: true}, &reply)
	return reply, err
}

// TellActor has a node take a message to an actor, and does not wait for more: if that node dies it may be lost.
func (c *Client) TellActor(ctx context.Context, to ActorName, method string, body []byte) error {
	var taken struct{ Accepted bool }
	return c.json(ctx, call{method: http.MethodPost, path: actorPath(to, method), query: url.Values{"wait": {"false"}}, body: body, mime: mimeJSON}, &taken)
}

// Actors lists what actors are in memory, node by node.
func (c *Client) Actors(ctx context.Context) (l ActorList, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_actors", repeatable: true}, &l)
	return l, err
}
