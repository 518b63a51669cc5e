package shard

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wal"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// follower is copy 2 of a shard in memory, on node b, whose primary is on a in term 5. What it sends lies in its mail.
type follower struct {
	*testing.T
	*pair
	shard *Shard
	into  *tracetest.Collector
	trace tracing.Carrier
	from  shards.CopyID // who sends what comes
}

func newFollower(t *testing.T) *follower {
	k := shards.Keyspace{Name: "test", Shards: 1, Durability: shards.DurabilityMemory}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	f := &follower{T: t, pair: &pair{at: map[shards.NodeID]int{"a": 0, "b": 1}}, into: tracetest.NewCollector(), from: 1,
		trace: tracing.Carrier{Trace: tracing.TraceID{1}, Span: tracing.SpanID{2}, Flags: 1}}
	f.mail[0] = make(chan []byte, 100)
	messages, err := tracing.NewMessages("b", "n2", 0, f.into.Take)
	if err != nil {
		t.Fatal(err)
	}
	e := end{f.pair, 1}
	if f.links[1], err = NewLink(LinkConfig{Node: "b", Sender: e, Lease: e, Events: e, Messages: messages}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.links[1].Close)
	f.shard = New(Config{ID: shards.NewShardID(0, 0), Space: NewSpace(k), Seed: 1, Link: f.links[1]})
	files, err := wal.OpenSnapshots("data", vfs.NewMem())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.shard.Recover(files, nil); err != nil {
		t.Fatal(err)
	}
	f.configure(5, 1)
	return f
}

func (f *follower) configure(term shards.Term, primary shards.CopyID) {
	f.shard.Configure(&cluster.Shard{Term: term, Primary: primary, Version: uint64(term), Copies: []cluster.Copy{
		{ID: 1, Node: "a", InSync: true, Started: true, Fresh: true}, {ID: 2, Node: "b", InSync: true, Started: true, Fresh: true},
	}}, 1)
}

// append delivers an append of one transaction, which is traced. One that leaves a gap is neither acknowledged nor refused.
func (f *follower) append(term shards.Term, prev, first shards.SeqNo) {
	e := replica.Entry{Term: term, First: first, Last: first}
	m := &replica.Message{Kind: replica.KindAppend, From: f.from, To: 2, Term: term, Prev: replica.Position{Seq: prev}, Last: e.End(), Entries: []replica.Entry{e}}
	body := replica.Append(nil, m)
	if err := f.links[1].DeliverTraced("a", body, func(shards.ShardID) *Shard { return f.shard }, f.trace); err != nil {
		f.Fatal(err)
	}
}

// ended are the errors of the spans that have ended, oldest first, and how many go on.
func (f *follower) ended() (errs []string, open int) {
	for _, s := range f.into.Spans(f.trace.Trace) {
		errs = append(errs, s.Error)
	}
	return errs, len(f.shard.part.appends)
}

// An append that nobody acknowledges any more is not followed any more.
func TestTraceOfAnAppendEndsWithItsReign(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(f *follower)
		errs []error
		open int
	}{
		{"the row changes in the same reign", func(f *follower) { f.configure(5, 1) }, nil, 1},
		{"this copy leads", func(f *follower) { f.configure(6, 2) }, []error{errUnheard}, 0},
		{"another reign, by the row", func(f *follower) { f.configure(6, 1) }, []error{errUnheard}, 0},
		{"another reign, by an append", func(f *follower) { f.append(6, 0, 2) }, []error{errUnheard}, 1},
		{"an append of a reign that is over", func(f *follower) { f.from = 3; f.append(4, 0, 2) }, []error{errRefused}, 1},
		{"the shard fails", func(f *follower) { f.shard.Fail(ErrClosed) }, []error{errUnheard}, 0},
		{"the shard has failed", func(f *follower) { f.shard.Fail(ErrClosed); f.append(5, 0, 2) }, []error{errUnheard, errRefused}, 0},
		{"the copy is deleted", func(f *follower) {
			if err := f.shard.Destroy(); err != nil {
				f.Error(err)
			}
		}, []error{errUnheard}, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := newFollower(t)
			f.append(5, 0, 2)
			if errs, open := f.ended(); len(errs) != 0 || open != 1 {
				t.Fatalf("of an append with a gap %d spans ended, %d go on", len(errs), open)
			}
			c.do(f)
			errs, open := f.ended()
			if len(errs) != len(c.errs) || open != c.open {
				t.Fatalf("%q ended, %d go on", errs, open)
			}
			for i, err := range c.errs {
				if errs[i] != err.Error() {
					t.Errorf("ended with %q, want %q", errs[i], err)
				}
			}
		})
	}
}

// One that is taken ends well, though its answer leaves in the same turn.
func TestTraceOfAnAppendThatIsTaken(t *testing.T) {
	f := newFollower(t)
	f.append(5, 0, 1)
	if errs, open := f.ended(); len(errs) != 1 || errs[0] != "" || open != 0 {
		t.Errorf("%q ended, %d go on", errs, open)
	}
}
