package virtual

import (
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// A message has one turn, though its handler runs again on another state than it began with.
func TestTurnIsToldOnce(t *testing.T) {
	for _, options := range [][]Option{nil, {HoldWhileAsking()}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1")
			into := tracetest.NewCollector()
			messages, err := tracing.NewMessages("n1", "n1", 0, into.Take)
			if err != nil {
				t.Fatal(err)
			}
			w.hosts["n1"].c.Messages = messages
			runs := 0
			w.register(func() *Kind {
				k := NewKind[int]("one", options...)
				Handle(k, "add", func(c *Context[int], _ int) (int, error) {
					if runs++; runs == 1 { // somebody else is faster
						_, err = memory{w, "n1"}.Commit(c.Context(), "", []Op{{Key: c.Self().key("s", ""), Value: []byte("........7")}})
					}
					*c.State++
					return *c.State, err
				})
				return k.Kind
			})
			trace := tracing.TraceID{1}
			ctx := tracing.Carrier{Trace: trace, Span: tracing.SpanID{9}, Flags: 1}.Context(t.Context())
			if got, err := Call[int, int](ctx, w.hosts["n1"], ID{"one", "a"}, "add", 0); got != 8 || runs != 2 {
				t.Errorf("%d, %v after %d runs", got, err, runs)
			}
			for _, s := range into.Spans(trace) {
				if s.Name != "one/add @n1" {
					continue
				}
				if len(s.Events) != 1 || s.Events[0].Name != "its turn" {
					t.Errorf("it tells of %+v", s.Events)
				}
				return
			}
			t.Error("it is not traced")
		})
	}
}
