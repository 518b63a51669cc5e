package directory

import (
	"cmp"
	"context"
	"slices"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// What is traced of a piece of work is each of its tries, and its execution where it arrives:
//
//	forward orders/17 @n3          a try, to another node          write orders/17 @n1         a try, here
//	└ write orders/17 @n1          there, by Serve                 └ …                         see package shard

// begin begins the span of a try inside of from.
func (d *Directory) begin(from tracing.Carrier, a *attempt, kind tracing.SpanKind, verb string) {
	a.span = d.config.Messages.BeginFrom(from, kind)
	if a.span == nil {
		return
	}
	state := d.config.State()
	name := state.ShardName(a.task.Shard)
	a.span.Name(verb+" "+name, tracing.Text("troupe.shard.id", name), tracing.Number("troupe.transactions", a.Len()))
	if a.tries++; a.tries > 1 {
		a.span.Set(tracing.Number("troupe.attempt", a.tries))
		struck(a.span, state, a.task.Shard)
	}
	if kind == tracing.Client {
		to, term := primaryOf(state, a.task.Shard)
		if a.task.Stale {
			to = a.to
		}
		a.span.Set(tracing.Text("troupe.shard.to", state.NodeName(to)), tracing.Number("troupe.shard.term", term))
	}
}

// struck names the failover that what a span is about had to wait for, as that one's own spans do: whoever searches for it finds both. A failover
// goes on until its shards have taken a write, or had a second to.
func struck(span *tracing.Active, state *cluster.State, id shards.ShardID) {
	for i := len(state.Failovers) - 1; i >= 0; i-- {
		entry := &state.Failovers[i]
		if _, led := slices.BinarySearch(entry.Deposed, id); entry.Open && led {
			f := tracing.Failover{Kind: tracing.KindFailover, Name: state.NodeName(entry.Node), Epoch: uint64(entry.Epoch)}
			span.Set(tracing.Text(tracing.AttributeFailover, f.ID()))
			return
		}
	}
}

// verb is what a work does to its shard.
func verb(w shard.Work) string {
	if reads(w) {
		return "read"
	}
	return "write"
}

// Trace makes attempt a shard.Traced.
func (a *attempt) Trace() tracing.Carrier { return a.span.Carrier() }

// endAll ends the spans of a round of tries.
func endAll(list []*attempt) {
	for _, a := range list {
		a.span.End(a.err)
		a.span = nil
	}
}

// begin begins the span of another node's work.
func (s *serving) begin(ctx context.Context, d *Directory) {
	if _, s.span = d.config.Messages.Begin(ctx, tracing.Server); s.span == nil {
		return
	}
	name := d.config.State().ShardName(s.shard)
	s.span.Name(verb(s)+" "+name, tracing.Text("troupe.shard.id", name), tracing.Number("troupe.transactions", s.Len()))
}

// Trace makes serving a shard.Traced.
func (s *serving) Trace() tracing.Carrier { return s.span.Carrier() }

// reading begins the span of a read that is no operation.
func (d *Directory) reading(ctx context.Context, kind tracing.SpanKind, q *query) (context.Context, *tracing.Active) {
	if q.view != 0 { // a later page: it knows no shard
		return ctx, nil
	}
	ctx, span := d.config.Messages.Join(ctx, kind) // a program may scan without having asked for anything before
	if span != nil {
		name := d.config.State().ShardName(q.shard)
		span.Name(q.op.verb()+" "+name, tracing.Text("troupe.shard.id", name))
	}
	return ctx, span
}

// verb is how a read is called in traces. It may have come from anybody.
func (o op) verb() string {
	if int(o) < len(opNames) {
		return cmp.Or(opNames[o], "read")
	}
	return "read"
}

// opNames are those that are called by what they do.
var opNames = [...]string{opScan: "scan", opCount: "count", opSlot: "scan", opRandom: "sample", opOpen: "scan"}

var _, _ shard.Traced = (*attempt)(nil), (*serving)(nil)
