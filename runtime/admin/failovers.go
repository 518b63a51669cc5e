package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/troupe-actors/troupe/tracing"
)

// Stories tells of failovers, and of drains and switches of policies: those that are remembered, the oldest first, and those that go on. With an error the list
// is what can be known without what the error says is missing.
type Stories func(ctx context.Context) ([]*tracing.Failover, error)

// FailoverList is the answer of /_cluster/failovers, the newest first.
type FailoverList struct {
	Failovers []FailoverSummary `json:"failovers"`
	Missing   string            `json:"missing,omitempty"` // what the list lacks, and why
}

// FailoverSummary is one failover in a list. Times are Unix milliseconds.
type FailoverSummary struct {
	ID          string  `json:"id"` // as in n2@7, or drain-n2@41
	Trace       string  `json:"trace"`
	Kind        string  `json:"kind"`
	Node        string  `json:"node"`
	At          int64   `json:"at"`
	Outcome     string  `json:"outcome"`
	Shards      int     `json:"shards"`
	Unavailable float64 `json:"unavailable_ms"`   // from the node's end to the last shard that takes writes again; 0 where not all do, as long as it is open, or red or given up
	Unseen      bool    `json:"unseen,omitempty"` // nobody saw the node's end: unavailable_ms is 0, and means nothing
	Took        float64 `json:"took_ms"`          // from the first sign to the end; 0 while it goes on
	Summary     string  `json:"summary"`
}

func summaryOf(f *tracing.Failover) FailoverSummary {
	unavailable := int64(0)
	if f.Back() {
		unavailable = f.Unavailable()
	}
	return FailoverSummary{
		ID: f.ID(), Trace: f.Trace().String(), Kind: f.Kind.String(), Node: f.Name, At: f.Gone() / 1e6, Outcome: f.Outcome.String(),
		Shards: len(f.Shards) + f.Omitted, Unavailable: float64(unavailable) / 1e6, Unseen: !f.Seen(), Took: float64(f.Took()) / 1e6, Summary: f.Summary(),
	}
}

// failoverRoutes are the paths about failovers.
func failoverRoutes() []route {
	return []route{
		{pattern: "/_cluster/failovers", methods: get((*Server).failovers)},
		{pattern: "/_cluster/failovers/{id}", methods: get((*Server).failover), params: []string{"format"}},
	}
}

func (s *Server) stories(ctx context.Context) ([]*tracing.Failover, error, error) {
	if s.config.Stories == nil {
		return nil, nil, unavailable("this node keeps no history of failovers")
	}
	list, missing := s.config.Stories(ctx)
	return list, missing, nil
}

func (s *Server) failovers(x *exchange, _ *query) error {
	list, missing, err := s.stories(x.r.Context())
	if err != nil {
		return err
	}
	answer := FailoverList{Failovers: []FailoverSummary{}}
	if missing != nil {
		answer.Missing = missing.Error()
	}
	for i := range list {
		answer.Failovers = append(answer.Failovers, summaryOf(list[len(list)-1-i]))
	}
	x.json(http.StatusOK, answer)
	return nil
}

// failover answers one record: as it is, or as a file that other programs open.
func (s *Server) failover(x *exchange, q *query) error {
	id, format := x.r.PathValue("id"), q.values.Get("format")
	if q.err != nil {
		return q.err
	}
	list, missing, err := s.stories(x.r.Context())
	if err != nil {
		return err
	}
	f, err := findStory(list, id, missing)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	switch format {
	case "":
		x.json(http.StatusOK, tracing.NewAnswer(f))
		return nil
	case "otlp":
		err = tracing.WriteOTLP(&file, s.origin(), f.Spans())
	case "jaeger":
		err = tracing.WriteJaeger(&file, s.origin(), f.Spans())
	default:
		return invalid("format is %q; it is one of otlp, jaeger, or left out for the record itself", format)
	}
	if err != nil {
		return err
	}
	x.Header().Set("Content-Type", mimeJSON)
	_, err = x.Write(file.Bytes())
	return err
}

// origin is what files say; exporters take theirs from the environment, which is that of a node and not of who reads a file.
func (s *Server) origin() tracing.Origin {
	return tracing.Origin{Service: "troupe", Namespace: s.backend.Node().Cluster}
}

// findStory finds a failover by its id or its trace, the newest of a node by that one's name, or else by the life that it is about, or by
// how its trace begins: if nothing else is called so.
func findStory(list []*tracing.Failover, id string, missing error) (*tracing.Failover, error) {
	var called [3][]*tracing.Failover
	for i := range list {
		f := list[len(list)-1-i]
		if id == f.Name && f.Kind != tracing.KindCopies { // of a node its death is looked for, before what followed
			return f, nil
		}
		how := f.Called(id)
		called[how] = append(called[how], f)
	}
	found := called[2]
	if len(found) == 0 {
		found = called[1]
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		text := ""
		for _, f := range found {
			text += fmt.Sprintf("\n  %s  %s  %s of %s", f.Trace(), time.Unix(0, f.Gone()).UTC().Format(time.DateTime), f.Kind, f.Summary())
		}
		return nil, conflict("%q names several; name one by its trace:%s", id, text)
	case missing != nil:
		return nil, notFound("no failover is called %q (%v): those that are remembered are listed by troupe trace, and by GET /_cluster/failovers", id, missing)
	}
	return nil, notFound("no failover is called %q: those that are remembered are listed by troupe trace, and by GET /_cluster/failovers", id)
}

// Failovers asks for the failovers that are remembered, the newest first.
func (c *Client) Failovers(ctx context.Context) (l FailoverList, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/failovers", repeatable: true}, &l)
	return l, err
}

// Failover asks for one: by id, as in n2@7, by trace id, or for the newest of a node by its name. The error is NotFound if
// nothing is known of it, and a Conflict that lists them if several are called so.
func (c *Client) Failover(ctx context.Context, id string) (*tracing.Failover, error) {
	f := &tracing.Failover{}
	err := c.json(ctx, call{method: http.MethodGet, path: "/_cluster/failovers/" + url.PathEscape(id), repeatable: true}, f)
	return f, err
}
