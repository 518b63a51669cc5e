package directory

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// Promised: "the same attribute troupe.failover.id on both sides": who searches for a failover finds the requests that were tried again for it.
func TestTriesOfAFailoverNameIt(t *testing.T) {
	w := newTown(t, "a", "b")
	into := tracetest.NewCollector()
	a := w.nodes["a"]
	var err error
	if a.config.Messages, err = tracing.NewMessages("a", "n1", 0, into.Take); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	w.spoil = func(shards.NodeID, transport.Kind, func() ([]byte, error)) ([]byte, error) {
		if calls.Add(1) == 1 { // b dies, and this node takes over
			w.lead("a", "a", "a", "a")
		}
		return nil, transport.ErrPeerGone
	}
	write := func() error {
		ask := &onlyAsk{txn: store.Txn{Ops: []store.Op{increment("n")}}}
		ctx, span := a.config.Messages.Enter(tracing.Carrier{Trace: tracing.TraceID{byte(len(into.Traces()) + 1)}, Span: tracing.SpanID{1}, Flags: 1}.Context(t.Context()), tracing.Server)
		a.Do(ctx, []Task{{Shard: shards.NewShardID(0, 1), Work: ask}}, shard.NewBatch())
		span.End(nil)
		return ask.err
	}
	count := func() error {
		ctx, span := a.config.Messages.Enter(tracing.Carrier{Trace: tracing.TraceID{byte(len(into.Traces()) + 1)}, Span: tracing.SpanID{1}, Flags: 1}.Context(t.Context()), tracing.Server)
		defer span.End(nil)
		_, err := a.Count(ctx, shards.NewShardID(0, 1), 0, shards.Slots-1)
		return err
	}
	open := func(at uint64, deposed ...int) cluster.Failover {
		f := cluster.Failover{Node: "b", Epoch: shards.Epoch(at), At: at, Open: true}
		for _, index := range deposed {
			f.Deposed = append(f.Deposed, shards.NewShardID(0, index))
		}
		return f
	}
	for _, c := range []struct {
		what   string
		fallen []cluster.Failover
		do     func() error
		first  string // the failover that the first span below the message names
		want   string // and those after it, of which the last was answered
	}{
		{"a write", []cluster.Failover{open(3, 0, 1), open(4, 2)}, write, "", "b@3"},
		{"a write for the newest of two", []cluster.Failover{open(3, 0, 1), open(4, 1)}, write, "", "b@4"},
		{"a write after the failover", []cluster.Failover{{Node: "b", Epoch: 3}}, write, "", ""},
		{"a count", []cluster.Failover{open(3, 1)}, count, "b@3", "b@3"},
		{"a count for no failover", nil, count, "", ""},
	} {
		calls.Store(0)
		w.fallen = nil
		w.lead("b", "b", "b", "b")
		w.fallen = c.fallen
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		traces := into.Traces()
		spans := into.Spans(traces[len(traces)-1])
		var named []string
		for i := range spans[:len(spans)-1] {
			id, _ := spans[i].Attribute(tracing.AttributeFailover)
			named = append(named, id.Text)
		}
		// A copy may need more than one try to know that it leads.
		if other := func(id string) bool { return id != c.want }; len(named) == 0 || named[0] != c.first || slices.ContainsFunc(named[1:], other) || named[len(named)-1] != c.want {
			t.Errorf("%s: they name %q, want %q and then %q\n%s", c.what, named, c.first, c.want, tracetest.Text(spans))
		}
	}
}
