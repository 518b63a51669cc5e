package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/tracing"
)

// newMessages makes the spans of this node's messages, or is off: it is where nobody takes them.
func (n *Node) newMessages(e *tracing.Exporter) (*tracing.Messages, error) {
	if n.config.spans != nil {
		return tracing.NewMessages(string(n.id.Node), n.config.Name, n.config.TraceMessages, n.config.spans)
	}
	return e.Messages(string(n.id.Node), n.config.Name, n.config.TraceMessages)
}

// enter begins the span of what an embedding program asks of a keyspace; it is nil nearly always.
func (s *Store) enter(ctx context.Context, what string) (context.Context, *tracing.Active) {
	ctx, span := s.node.telling.messages.Enter(ctx, tracing.Internal)
	if span != nil {
		s.describe(span, what)
	}
	return ctx, span
}

func (s *Store) describe(span *tracing.Active, what string) {
	span.Name(what+" "+s.space.Name, tracing.Text("troupe.keyspace", s.space.Name))
}

// enter begins the span of the calls that Redis clients have sent together: those of one connection that had come.
func (r *redis) enter(ctx context.Context, k *keyspace, calls []*resp.Call) (context.Context, *tracing.Active) {
	ctx, span := r.node.telling.messages.Enter(ctx, tracing.Server)
	if span == nil {
		return ctx, nil
	}
	var names []string
	for _, c := range calls {
		if named, can := c.Sink.(interface{ Command() string }); can && !slices.Contains(names, named.Command()) {
			names = append(names, named.Command())
		}
	}
	name := strings.Join(names, " ")
	if len(calls) > 1 {
		name = fmt.Sprintf("%d calls: %s", len(calls), name)
	}
	span.Name(strings.TrimSpace(name+" "+k.Name), tracing.Text("troupe.keyspace", k.Name), tracing.Number("troupe.resp.calls", len(calls)))
	return ctx, span
}

func firstError(calls []*resp.Call) error {
	for _, c := range calls {
		if c.Err != nil {
			return c.Err
		}
	}
	return nil
}
