package failover

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// halfway is a failover of two shards under a leader, n1, that goes on for long: n2 has died, and n3, to which both went, as well.
type halfway struct {
	*testing.T
	*stage
	p             *parliament
	first, second *office
	led           []int // places
}

func newHalfway(t *testing.T) *halfway {
	x := &halfway{T: t, stage: newStage(t, 4, 8)}
	x.p = &parliament{state: x.state, leader: "id1", term: 3}
	x.first = x.p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
	x.second = x.p.open(t, "id4", "n4", func(shards.NodeID) *office { return nil })
	x.led = x.places("id2")
	x.first.watch.Applied()
	synctest.Wait()
	return x
}

func (x *halfway) close() {
	x.first.close()
	x.second.close()
}

// die has a node die under the first leader, who plans.
func (x *halfway) die(node shards.NodeID) {
	x.alive[node] = liveness.Dead
	x.first.watch.Changed(3, liveness.Change{Status: liveness.Status{Node: node, Name: x.p.State().NodeName(node), Epoch: 1, State: liveness.Dead, Reason: "proof", Proof: true}})
	for range 2 {
		var d *placement.Planned
		x.p.mu.Lock()
		x.state = x.p.state
		d = x.plan()
		x.p.state = x.state
		x.p.mu.Unlock()
		x.first.watch.Planned(*d)
		x.first.watch.Applied()
		synctest.Wait()
	}
}

// kept is what the cluster state has of the death of n2.
func (x *halfway) kept() *tracing.Failover {
	entry := x.p.State().FindFailover("id2", 1)
	if entry == nil || len(entry.Record) == 0 {
		return &tracing.Failover{}
	}
	f, err := tracing.DecodeFailover(entry.Record)
	if err != nil {
		x.T.Fatal(err)
	}
	return f
}

func (x *halfway) rest() {
	<-time.After(2 * time.Second) // of the bubble: a record is given to the cluster once a second at most
	synctest.Wait()
}

// Promised: records that the metadata group commits: began, plan, serving, done. What a leader knew of later plans, and of who served, is there when he is not.
func TestProgressIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHalfway(t)
		defer x.close()
		if x.die("id2"); len(x.kept().Plans) != 1 || len(x.led) != 2 {
			t.Fatalf("after the first plan for %d shards the cluster has %+v", len(x.led), x.kept())
		}
		target := x.p.State().Shards[x.led[0]].PrimaryCopy().Node
		if other := x.p.State().Shards[x.led[1]].PrimaryCopy().Node; target != "id3" || other != "id1" {
			t.Fatalf("they went to %s and %s", target, other)
		}
		r, now := &x.p.State().Shards[x.led[1]], time.Now().UnixNano()
		if err := x.first.watch.Took([]Takeover{{Shard: r.ID, Term: r.Term, Node: "id1", Heard: now, Served: now + 1000, Written: now + 2000}}, []Felt{{Shard: r.ID, Node: "id3", Requests: 7, Began: now, Ended: now + 3000, Longest: 3000}}, nil); err != nil {
			t.Fatal(err)
		}
		x.rest()
		served := x.kept().Shard(x.p.State().ShardName(r.ID)).Last()
		if served.Served != now+1000 || served.Written != now+2000 || len(x.kept().Clients) != 1 {
			t.Fatalf("of who serves, and of whose clients waited, the cluster has %+v, %+v", served, x.kept().Clients)
		}
		before := x.p.State().Version
		if x.rest(); x.p.State().Version != before {
			t.Error("a record with nothing new is given to the cluster again")
		}

		x.die(target)
		x.rest()
		if f := x.kept(); len(f.Plans) != 2 || len(f.Earlier) != 1 || f.Plans[f.Earlier[0].Plan] == f.Plans[f.Shard(x.p.State().ShardName(x.p.State().Shards[x.led[0]].ID)).Plan] {
			t.Fatalf("of two plans the cluster has %d, of two decisions %d", len(f.Plans), 1+len(f.Earlier))
		}

		x.p.elect("id4", 4)
		x.second.watch.Applied()
		synctest.Wait()
		r = &x.p.State().Shards[x.led[0]]
		now = time.Now().UnixNano()
		if err := x.second.watch.Took([]Takeover{{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: now, Served: now, Written: now}}, []Felt{{Shard: r.ID, Node: "id4", Requests: 2, Began: now, Ended: now + 10, Longest: 10}}, nil); err != nil {
			t.Fatal(err)
		}
		x.rest()
		f := x.kept()
		if f.Outcome != tracing.OutcomeRecovered || len(f.Plans) != 2 || len(f.Earlier) != 1 || len(f.Elections) != 1 || len(f.Clients) != 2 || f.Clients[0].Requests+f.Clients[1].Requests != 9 {
			t.Errorf("in the end the cluster has %s, %d plans, %d decisions before the newest, %d elections, clients %+v", f.Summary(), len(f.Plans), len(f.Earlier), len(f.Elections), f.Clients)
		}
	})
}

// What could not be committed is given again, though nothing else happens.
func TestProgressIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHalfway(t)
		defer x.close()
		x.p.deny(errors.New("no quorum"))
		x.die("id2")
		if f := x.kept(); len(f.Plans) != 0 {
			t.Fatalf("without a quorum the cluster has %+v", f)
		}
		x.p.deny(nil)
		x.rest()
		if f := x.kept(); len(f.Plans) != 1 {
			t.Errorf("the cluster has %+v", f)
		}
	})
}

// A proposal waits for as long as commitTimeout where there is no quorum: one that fails speaks for all stories, for a second.
func TestOneStoryIsTriedWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHalfway(t)
		defer x.close()
		x.p.deny(errors.New("no quorum"))
		x.die("id2")
		x.die("id3")
		x.rest()
		x.p.mu.Lock()
		x.p.denied = nil
		x.p.mu.Unlock()
		for range 3 {
			x.rest()
		}
		x.p.mu.Lock()
		tries := x.p.denied
		x.p.mu.Unlock()
		if len(tries) < 3 {
			t.Fatalf("in six seconds it was tried %d times", len(tries))
		}
		for i := range tries[1:] {
			if pause := tries[i+1].Sub(tries[i]); pause < time.Duration(keepPause) {
				t.Errorf("it was tried again after %v", pause)
			}
		}
		x.p.deny(nil)
		x.rest()
		x.rest()
		for _, id := range []shards.NodeID{"id2", "id3"} {
			if entry := x.p.State().FindFailover(id, 1); entry == nil || len(entry.Record) == 0 {
				t.Errorf("of the death of %s the cluster has nothing", id)
			}
		}
	})
}

// Where a problem goes as a promotion fails there is news.
func TestNewsThatComesAndGoes(t *testing.T) {
	x := &story{Failover: tracing.Failover{Shards: []tracing.Shard{{Attempts: []tracing.Attempt{{To: "n3"}}, Problem: "no copy is left"}}}}
	before := x.known()
	x.Shards[0].Problem, x.Shards[0].Attempts[0].Failed = "", "node n3 died"
	if x.known() == before {
		t.Error("a story that has changed is known by the same sum")
	}
}

// Promised: "kill the new leader after plan, and after commit": whoever leads next tells the story under the same trace, with what it decides itself, or
// with what it finds in the rows.
func TestLeaderDiesBeforeItTells(t *testing.T) {
	for _, committed := range []bool{false, true} {
		s := newStage(t, 4, 4)
		led := s.places("id2")
		s.detect("id2", liveness.Dead, "proof", true)
		trace, before := s.find("id2", 1).Trace(), s.state
		if s.plan(); !committed {
			s.state = before
		}
		s.pass(100)
		s.stories = stories{self: "id3", name: "n3"}
		s.lead(s.state, "id1", 4, s.now)
		s.detect("id2", liveness.Dead, "proof", true)
		s.planned()
		s.planned()
		s.serve(led...)
		s.look()
		if len(s.ended) != 1 || s.ended[0].Trace() != trace || s.ended[0].Outcome != tracing.OutcomeRecovered || s.ended[0].Detector != "n3" {
			t.Fatalf("committed: %v; %d stories ended: %+v", committed, len(s.ended), s.ended)
		}
		f := &s.ended[0].Failover
		if len(f.Shards) != 1 || len(f.Shards[0].Attempts) != 1 || (f.Shards[0].Plan < 0) != committed || len(f.Earlier) != 0 {
			t.Errorf("committed: %v; %+v", committed, f)
		}
		for _, span := range f.Spans() {
			if span.Node == "n1" || span.NodeID == "" {
				t.Errorf("committed: %v; %q is of %q, id %q", committed, span.Name, span.Node, span.NodeID)
			}
		}
		var why strings.Builder
		if err := f.Why(&why, f.Shards[0].Name); err != nil || strings.Contains(why.String(), "was gone before it could say why") != committed {
			t.Errorf("committed: %v; why: %v, %s", committed, err, why.String())
		}
	}
}

// A node whose heartbeats come, and say that it has no answers, serves nothing once its lease has ended: its failover begins with its last answer,
// and not with its last heartbeat.
func TestDeafNodeIsGoneSinceItsLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHalfway(t)
		defer x.close()
		const without = 3 * time.Second
		x.first.watch.Changed(3, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Suspect, Reason: "it has had no answer"}, Unanswered: without})
		began := time.Now().Add(-without).UnixNano()
		<-time.After(time.Second)
		x.die("id2")
		if f := x.kept(); f == nil || f.Heard != began {
			t.Errorf("its last answer came at %d: %+v", began, f)
		}
	})
}
