package main

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/tracing"
)

func TestJudge(t *testing.T) {
	const ms = int64(time.Millisecond)
	served := func(shard string, at int64) tracing.Shard {
		return tracing.Shard{Name: shard, Attempts: []tracing.Attempt{{Served: 5}, {Served: at}}}
	}
	elsewhere := 1
	for shardOf(elsewhere) == shardOf(0) {
		elsewhere++
	}
	f := &tracing.Failover{Shards: []tracing.Shard{served(shardOf(0), 100*ms)}}
	got := judge(f, 60*ms, []waited{
		{caller: 0, begin: 50 * ms, end: 110 * ms},               // in flight
		{caller: 0, begin: 70 * ms, end: 130 * ms, failed: true}, // later, and in vain
		{caller: 0, begin: 50 * ms, end: 61 * ms},                // the dead node had answered it
		{caller: 0, begin: 101 * ms, end: 500 * ms},              // after all was well
		{caller: elsewhere, begin: 50 * ms, end: 900 * ms},       // not of the dead node
	}, []stall{{90 * ms, 99 * ms}, {105 * ms, 112 * ms}, {140 * ms, 900 * ms}})
	all := &tally{}
	all.add(got)
	all.add(judge(f, 60*ms, []waited{{caller: 0, begin: 50 * ms, end: 151 * ms}}, nil))
	want := "2 calls in flight, 1 later: answered 30ms after the new primary took writes, p99 30ms, worst 51ms (a process stood still for 7ms); 1 with an error; 1 of 2 kills within 50ms; no writes for 40ms, worst 40ms"
	if all.String() != want {
		t.Errorf("%s\nwant %s", all, want)
	}
	if s := judge(f, 60*ms, nil, nil).String(); !strings.Contains(s, "no call waited") {
		t.Error(s)
	}
}
