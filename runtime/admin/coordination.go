package admin

import (
	"context"
	"net/http"
)

// Coordination reads what services coordinate by: topics, consumer groups and sessions, which are actors of packages topics and
// recipes. Nothing is changed and nobody waits for it, but where something is deleted. Errors are *Error, or have a shards.ErrorKind; that of one thing
// among many is told beside it.
type Coordination interface {
	// Topics lists topics by name.
	Topics(ctx context.Context, p Page) (TopicList, error)
	// Topic tells how the partitions of one stand, and how far its subscribers and groups have come.
	Topic(ctx context.Context, name string) (TopicInfo, error)
	// Groups lists consumer groups by name.
	Groups(ctx context.Context, p Page) (GroupList, error)
	// Group tells who takes part in one, and who works on what.
	Group(ctx context.Context, name string) (GroupInfo, error)
	// Sessions lists those that are open, by name.
	Sessions(ctx context.Context, p Page) (SessionList, error)
	// Session tells what one holds and waits for.
	Session(ctx context.Context, name string) (SessionInfo, error)
	// DeleteTopic removes a topic with its messages.
	DeleteTopic(ctx context.Context, name string) error
	// DeleteGroup removes a consumer group with what it has committed, if it has no members: KindConflict.
	DeleteGroup(ctx context.Context, name string) error
}

// Deleted is the answer of /_topics/delete and /_groups/delete.
type Deleted struct {
	Deleted bool `json:"deleted"`
}

// Page is a part of a list.
type Page struct {
	After string // names after this one
	Limit int    // at most so many; default DefaultPage, at most MaxPage
}

// Bounds of a Page.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Part says what of a list an answer holds.
type Part struct {
	More   bool     `json:"more,omitempty"`   // names follow: ask for those after the last one
	Unseen []string `json:"unseen,omitempty"` // shards that nobody could look into now: what lies there is not listed

	Problem string `json:"problem,omitempty"` // why there can be nothing
}

// ActorNames is the answer of /_actors/names: actors of a kind that have kept something, in memory or asleep, by name.
type ActorNames struct {
	Kind     string   `json:"kind"`
	Keyspace string   `json:"keyspace"`
	Names    []string `json:"names"`
	Part
}

// TopicList is the answer of /_topics.
type TopicList struct {
	Topics []TopicRow `json:"topics"`
	Part
}

// TopicRow is a topic as a whole.
type TopicRow struct {
	Topic        string   `json:"topic"`
	Partitions   int      `json:"partitions"`
	Messages     uint64   `json:"messages"`  // that are there
	Published    uint64   `json:"published"` // ever
	Newest       int64    `json:"newest,omitempty"`
	KeepMessages uint64   `json:"keep_messages,omitempty"` // in each partition; 0: no bound
	KeepMillis   int64    `json:"keep_ms,omitempty"`       // 0: for ever
	Groups       []string `json:"groups"`                  // that have members which consume it
	Problem      string   `json:"problem,omitempty"`       // why some of it is not known
}

// TopicInfo is the answer of /_topics/inspect. Its Groups have no members if they are not among those of the row, and say how far they
// had come.
type TopicInfo struct {
	TopicRow
	Parts []PartitionRow `json:"parts"`
	By    []TopicGroup   `json:"by_group"`
}

// PartitionRow is how a partition stands. Times are in Unix milliseconds.
type PartitionRow struct {
	Partition   int             `json:"partition"`
	Shard       string          `json:"shard,omitempty"`
	Node        string          `json:"node,omitempty"` // that leads the shard
	First       uint64          `json:"first"`          // the oldest offset that is there
	Next        uint64          `json:"next"`           // of the message that comes next
	Oldest      int64           `json:"oldest,omitempty"`
	Newest      int64           `json:"newest,omitempty"`
	Subscribers []SubscriberRow `json:"subscribers"`
	Problem     string          `json:"problem,omitempty"`
}

// SubscriberRow is how far a subscriber of a partition has come.
type SubscriberRow struct {
	Subscriber string `json:"subscriber"`
	Offset     uint64 `json:"offset"`
	Lag        uint64 `json:"lag"`          // messages that are there and before it
	To         string `json:"to,omitempty"` // the actor that messages are pushed to; absent: it polls
	Method     string `json:"method,omitempty"`
	Tries      int    `json:"tries,omitempty"` // how often the batch in flight was sent
}

// TopicGroup is how far a group has come in a topic.
type TopicGroup struct {
	Group   string     `json:"group"`
	Members int        `json:"members"` // that want the topic
	Lag     uint64     `json:"lag"`
	Shares  []ShareRow `json:"shares"`
}

// ShareRow is a partition in a group.
type ShareRow struct {
	Topic      string `json:"topic"`
	Partition  int    `json:"partition"`
	Owner      string `json:"owner,omitempty"`  // the member that works on it; absent: nobody does
	Target     string `json:"target,omitempty"` // the one that is to; it waits for Owner if that is another one
	Generation uint64 `json:"generation,omitempty"`
	Offset     uint64 `json:"offset"` // that the group has committed
	Next       uint64 `json:"next"`   // of the partition
	Lag        uint64 `json:"lag"`
	Problem    string `json:"problem,omitempty"` // why Next and Lag are not known
}

// GroupList is the answer of /_groups.
type GroupList struct {
	Groups []GroupRow `json:"groups"`
	Part
}

// GroupRow is a group as a whole.
type GroupRow struct {
	Group      string   `json:"group"`
	Generation uint64   `json:"generation"`
	Members    int      `json:"members"`
	Topics     []string `json:"topics"` // that members want, or in which it has committed something
	Partitions int      `json:"partitions"`
	Unowned    int      `json:"unowned"` // partitions that nobody works on
	Lag        uint64   `json:"lag"`
	Problem    string   `json:"problem,omitempty"`
}

// GroupInfo is the answer of /_groups/inspect.
type GroupInfo struct {
	GroupRow
	By     []MemberRow `json:"by_member"`
	Shares []ShareRow  `json:"shares"`
}

// MemberRow is a member of a group.
type MemberRow struct {
	Member  string   `json:"member"`
	Topics  []string `json:"topics"`
	Timeout int64    `json:"timeout_ms"`
	Until   int64    `json:"until"` // Unix ms: then it is dismissed, if it is not heard
	Holds   []string `json:"holds"` // TOPIC/PARTITION
	Lag     uint64   `json:"lag"`   // of those
}

// SessionList is the answer of /_sessions.
type SessionList struct {
	Sessions []SessionRow `json:"sessions"`
	Part
}

// SessionRow is a session as a whole.
type SessionRow struct {
	Session string `json:"session"`
	TTL     int64  `json:"ttl_ms"`
	Until   int64  `json:"until"` // Unix ms: then it ends, if it is not renewed
	Held    int    `json:"held"`  // things that are told when it ends
	Problem string `json:"problem,omitempty"`
}

// SessionInfo is the answer of /_sessions/inspect.
type SessionInfo struct {
	SessionRow
	Holds []HeldRow `json:"holds"`
}

// HeldRow is something that a session holds, or waits for.
type HeldRow struct {
	Actor   string `json:"actor"`
	Token   uint64 `json:"token,omitempty"` // of a lock or an election that it holds
	Ahead   int    `json:"ahead,omitempty"` // how many are before it, the one that holds it included
	Waits   bool   `json:"waits,omitempty"`
	Keys    int    `json:"keys,omitempty"` // in a registry
	Problem string `json:"problem,omitempty"`
}

func coordinationRoutes() (routes []route) {
	pages := []string{"after", "limit"}
	return []route{
		{pattern: "/_actors/names", methods: get((*Server).actorNames), params: append([]string{"kind"}, pages...)},
		{pattern: "/_actors/aside", methods: map[string]handler{http.MethodGet: (*Server).listAside, http.MethodPost: (*Server).mendAside}, params: append([]string{"from", "to", "bodies"}, pages...)},
		{pattern: "/_topics", methods: get(listed(Coordination.Topics)), params: pages},
		{pattern: "/_topics/inspect", methods: get(inspected("topic", Coordination.Topic)), params: []string{"topic"}},
		{pattern: "/_topics/delete", methods: map[string]handler{http.MethodPost: deleted("topic", Coordination.DeleteTopic)}, params: []string{"topic"}},
		{pattern: "/_groups/delete", methods: map[string]handler{http.MethodPost: deleted("group", Coordination.DeleteGroup)}, params: []string{"group"}},
		{pattern: "/_groups", methods: get(listed(Coordination.Groups)), params: pages},
		{pattern: "/_groups/inspect", methods: get(inspected("group", Coordination.Group)), params: []string{"group"}},
		{pattern: "/_sessions", methods: get(listed(Coordination.Sessions)), params: pages},
		{pattern: "/_sessions/inspect", methods: get(inspected("session", Coordination.Session)), params: []string{"session"}},
	}
}

func (s *Server) coordination() (Coordination, error) {
	if s.config.Coordination == nil {
		return nil, unavailable("this node has no actors")
	}
	return s.config.Coordination, nil
}

// page reads which part of a list is wanted.
func (q *query) page() Page {
	p := Page{After: q.values.Get("after"), Limit: q.count("limit")}
	switch {
	case p.Limit == 0:
		p.Limit = DefaultPage
	case p.Limit > MaxPage:
		q.fail("parameter \"limit\" is %d; at most %d: ask for more with after", p.Limit, MaxPage)
	}
	return p
}

// listed serves a list.
func listed[T any](read func(Coordination, context.Context, Page) (T, error)) handler {
	return func(s *Server, x *exchange, q *query) error {
		c, err := s.coordination()
		if err != nil {
			return err
		}
		p := q.page()
		if q.err != nil {
			return q.err
		}
		list, err := read(c, x.r.Context(), p)
		if err != nil {
			return err
		}
		x.json(http.StatusOK, list)
		return nil
	}
}

// inspected serves one thing that a parameter names.
func inspected[T any](param string, read func(Coordination, context.Context, string) (T, error)) handler {
	return func(s *Server, x *exchange, q *query) error {
		c, err := s.coordination()
		if err != nil {
			return err
		}
		name := q.values.Get(param)
		if name == "" {
			return invalid("say which one: ?%s=NAME", param)
		}
		info, err := read(c, x.r.Context(), name)
		if err != nil {
			return err
		}
		x.json(http.StatusOK, info)
		return nil
	}
}

// deleted removes one thing that a parameter names.
func deleted(param string, remove func(Coordination, context.Context, string) error) handler {
	return inspected(param, func(c Coordination, ctx context.Context, name string) (Deleted, error) {
		err := remove(c, ctx, name)
		return Deleted{err == nil}, err
	})
}

// actorNames lists the actors of a kind.
func (s *Server) actorNames(x *exchange, q *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	p, kind := q.page(), q.values.Get("kind")
	if q.err != nil {
		return q.err
	}
	if kind == "" {
		return invalid("say of which kind: ?kind=KIND; /_actors lists those that there are")
	}
	names, err := actors.Names(x.r.Context(), kind, p)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, names)
	return nil
}
