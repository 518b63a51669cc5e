package runtime

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// tracedTroop is a troop whose messages are traced when their senders say so.
func tracedTroop(t *testing.T, folders bool, spaces ...shards.Keyspace) (*troop, *tracetest.Collector) {
	t.Helper()
	into := tracetest.NewCollector()
	c := newTroopOf(t, folders, func(c *Config) { c.spans, c.HTTP = into.Take, "127.0.0.1:0" }, spaces...)
	return c, into
}

// caller is the span of a client that traces what it does.
func caller(trace byte) tracing.Carrier {
	return tracing.Carrier{Trace: tracing.TraceID{trace}, Span: tracing.SpanID{9}, Flags: 1}
}

// roles says who leads a shard, and which other node can be asked.
func (c *troop) roles(key, keyspace string) (gateway, primary *Node) {
	c.t.Helper()
	k, err := c.nodes[0].named(keyspace)
	if err != nil {
		c.t.Fatal(err)
	}
	row := c.nodes[0].state().Shard(k.id(k.ShardOf(shards.SlotOf([]byte(key)))))
	for _, n := range c.nodes {
		if n.id.Node == row.PrimaryCopy().Node {
			primary = n
		} else {
			gateway = n
		}
	}
	return gateway, primary
}

// shape prints a trace with roles in place of names, as soon as it is whole, or as it is after a minute. On a busy machine a primary sends
// again what a copy has not acknowledged yet: that is shown once.
func shape(t *testing.T, into *tracetest.Collector, trace tracing.TraceID, gateway, primary *Node, whole func(text string) bool) (text string) {
	t.Helper()
	roles := strings.NewReplacer("@"+gateway.Name(), "@gateway", "@"+primary.Name(), "@primary")
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); ; <-again.C {
		spans := into.Spans(trace)
		for i := range spans {
			spans[i].Name = roles.Replace(spans[i].Name)
			for _, other := range []string{"n1", "n2", "n3"} {
				spans[i].Name = strings.Replace(spans[i].Name, "@"+other, "@replica", 1)
			}
			if spans[i].End < spans[i].Start {
				t.Errorf("%s ends before it begins", spans[i].Name)
			}
		}
		lines := slices.CompactFunc(strings.SplitAfter(tracetest.Shape(spans), "\n"), func(x, y string) bool {
			return x == y && strings.HasPrefix(strings.TrimSpace(x), "append ")
		})
		if text = strings.Join(lines, ""); whole(text) || time.Now().After(end) {
			return text
		}
	}
}

// Promised: "Spans of one message hang together across nodes": a write goes from the node that was asked to the primary, and from there
// to each replica.
func TestOneWriteIsOneTrace(t *testing.T) {
	for name, folders := range map[string]bool{"memory": false, "fsync": true} {
		t.Run(name, func(t *testing.T) {
			space := shards.Keyspace{Name: "orders", Shards: 1, Replicas: 2, MinInSync: 3}
			if !folders {
				space.Durability = shards.DurabilityMemory
			}
			c, into := tracedTroop(t, folders, space)
			gateway, primary := c.roles("k", "orders")
			s, err := gateway.Store("orders")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(t.Context(), "k", []byte("untraced")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(caller(1).Context(t.Context()), "k", []byte("v")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(caller(2).Context(t.Context()), "k"); err != nil {
				t.Fatal(err)
			}
			want := `put orders @gateway
  forward orders/0 @gateway
    write orders/0 @primary
      replicate orders/0 @primary
        append orders/0 @gateway
        append orders/0 @replica
`
			if got := shape(t, into, caller(1).Trace, gateway, primary, func(text string) bool { return text == want }); got != want {
				t.Errorf("a write is\n%swant\n%s", got, want)
			}
			want = "get orders @gateway\n  forward orders/0 @gateway\n    read orders/0 @primary\n"
			if got := shape(t, into, caller(2).Trace, gateway, primary, func(text string) bool { return text == want }); got != want {
				t.Errorf("a read is\n%swant\n%s", got, want)
			}
			for _, span := range into.Spans(caller(1).Trace) {
				if strings.HasPrefix(span.Name, "replicate") && (noted(span, "sent") < 2 || noted(span, "acknowledged") != 2 || noted(span, "in the log") != map[bool]int{true: 1}[folders]) {
					t.Errorf("the round tells %+v", span.Events)
				}
			}
			if traces := into.Traces(); len(traces) != 2 {
				t.Errorf("there are traces %v, of two that were asked for", traces)
			}
		})
	}
}

// noted is how many events of a name a span has.
func noted(s tracing.Span, name string) (n int) {
	for _, e := range s.Events {
		if e.Name == name {
			n++
		}
	}
	return n
}

// A call to an actor, by HTTP with the header of W3C Trace Context, and the message that the actor sends.
func TestOneCallIsOneTrace(t *testing.T) {
	c, into := tracedTroop(t, false, shards.Keyspace{Name: "actors", Shards: 1, Replicas: 1, Durability: shards.DurabilityMemory})
	for _, n := range c.nodes {
		if err := n.Register(t.Context(), accounts()); err != nil {
			t.Fatal(err)
		}
	}
	gateway, primary := c.roles("x", "actors")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+gateway.HTTPAddr()+"/actors/account/ann/transfer", strings.NewReader(`{"To": "bob", "Amount": 0}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("traceparent", caller(3).TraceParent())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if back, ok := tracing.ParseTraceParent(response.Header.Get("traceresponse")); !ok || back.Trace != caller(3).Trace || response.StatusCode != http.StatusOK {
		t.Errorf("the answer has status %d, and traceresponse %q", response.StatusCode, response.Header.Get("traceresponse"))
	}
	lines := []string{
		"POST /actors/{kind}/{name...}/{method} @gateway\n  call account/transfer @gateway\n    account/transfer @primary\n",
		"      write actors/0 @primary\n        replicate actors/0 @primary\n          append actors/0 @",
		"      send account/deposit @primary\n        process account/deposit @primary\n",
	}
	lacks := func(text string) int {
		return slices.IndexFunc(lines, func(line string) bool { return !strings.Contains(text, line) })
	}
	if got := shape(t, into, caller(3).Trace, gateway, primary, func(text string) bool { return lacks(text) < 0 }); lacks(got) >= 0 {
		t.Errorf("there is no\n%sin\n%s", lines[lacks(got)], got)
	}
	_, err = virtual.Call[deposit, int](caller(4).Context(t.Context()), primary.Actors(), virtual.ID{Kind: "account", Name: "ann"}, "nothing", deposit{})
	if virtual.CodeOf(err) != virtual.CodeUnknown {
		t.Error(err)
	}
	failed := func(text string) bool { return strings.Contains(text, "call account/nothing @primary ✗") }
	if got := shape(t, into, caller(4).Trace, gateway, primary, failed); !failed(got) {
		t.Errorf("a call that fails is\n%s", got)
	}
}
