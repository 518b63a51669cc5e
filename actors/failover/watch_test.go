package failover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// parliament is a metadata group in memory: what is proposed in the reign is applied at once.
type parliament struct {
	mu     sync.Mutex
	state  *cluster.State
	leader shards.NodeID
	term   uint64
	refuse error
	denied []time.Time        // when something was refused
	mute   bool               // what begins or ends a story is ordered, and nobody hears of it
	late   []*cluster.Command // what was to do so, and is on its way
	detain bool               // such commands are on their way for long
}

func (p *parliament) State() *cluster.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *parliament) Leader() (shards.NodeID, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leader, p.term
}

func (p *parliament) ProposeIn(_ context.Context, term uint64, c *cluster.Command) (cluster.Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil || term != p.term {
		p.denied = append(p.denied, time.Now())
		return cluster.Outcome{}, errors.Join(p.refuse, fmt.Errorf("term %d", term))
	}
	ends := c.Failover != nil && c.Failover.Close || c.Drain != nil && c.Drain.Close || c.Moves != nil
	if ends && p.detain {
		p.late = append(p.late, c)
		return cluster.Outcome{}, context.DeadlineExceeded
	}
	after, o := p.state.Apply(c)
	p.state = after
	if ends && p.mute {
		return cluster.Outcome{}, context.DeadlineExceeded
	}
	return o, nil
}

// arrive has what is on its way ordered.
func (p *parliament) arrive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.late {
		p.state, _ = p.state.Apply(c)
	}
	p.late, p.detain = nil, false
}

// hush has what begins or ends stories be ordered without a word, or be on its way.
func (p *parliament) hush(mute, detain bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute, p.detain = mute, detain
}

// lose has what is on its way lost, and all else go on as usual.
func (p *parliament) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late, p.mute, p.detain = nil, false, false
}

// deny has every proposal fail with an error; nil: with none.
func (p *parliament) deny(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = err
}

func (p *parliament) elect(leader shards.NodeID, term uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leader, p.term = leader, term
}

// office is a node with its Watch and its Teller.
type office struct {
	log    bytes.Buffer // read when the Watch rests
	watch  *Watch
	teller *Teller
	mu     sync.Mutex
	told   []*tracing.Failover
}

func (p *parliament) open(t *testing.T, id shards.NodeID, name string, reach func(shards.NodeID) *office) *office {
	o := &office{}
	var err error
	o.watch, err = Start(Config{Self: id, Name: name, Group: p, Log: slog.New(slog.NewTextHandler(&o.log, nil)),
		Evidence: func() *member.Evidence {
			leader, term := p.Leader()
			return &member.Evidence{Leading: leader == id, Term: term, Nodes: []member.Node{{Status: liveness.Status{Node: "id2", Epoch: 1}, HeardAt: time.Now().Add(-100 * time.Millisecond)}}}
		},
		Told: func(f *tracing.Failover) { o.mu.Lock(); defer o.mu.Unlock(); o.told = append(o.told, f) }})
	if err != nil {
		t.Fatal(err)
	}
	o.teller, err = StartTeller(TellerConfig{Self: id, Leader: p.Leader, Here: o.watch.Took, Call: func(_ context.Context, to shards.NodeID, body []byte) ([]byte, error) {
		there := reach(to)
		if there == nil {
			return nil, errors.New("not reached")
		}
		return there.watch.Serve(id, body)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) close() {
	o.teller.Close()
	o.watch.Close()
}

func (o *office) list() []*tracing.Failover {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.told
}

// TestWatch plays a death across two leaders: what one began the other ends, with what the new primary tells both.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 4, 4)
		p := &parliament{state: s.state, leader: "id1", term: 3}
		offices := map[shards.NodeID]*office{}
		reach := func(id shards.NodeID) *office { return offices[id] }
		for i, id := range []shards.NodeID{"id1", "id3", "id4"} {
			offices[id] = p.open(t, id, []string{"n1", "n3", "n4"}[i], reach)
			defer offices[id].close()
		}
		first, second := offices["id1"].watch, offices["id3"].watch
		led := s.places("id2")
		first.Applied()
		synctest.Wait()
		first.Connection("id2", 1, errors.New("EOF"))
		first.Changed(3, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "proof", Proof: true}})
		s.alive["id2"] = liveness.Dead
		for range 2 {
			s.state = p.State()
			d := s.plan()
			p.mu.Lock()
			p.state = s.state
			p.mu.Unlock()
			first.Planned(placement.Planned{Term: 3, Plan: d.Plan, Outcome: d.Outcome, Took: time.Millisecond})
			first.Applied()
			synctest.Wait()
		}
		if open := first.Open(); len(open) != 1 || len(open[0].Shards) != len(led) || open[0].Shards[0].Plan < 0 {
			t.Fatalf("open: %+v", open)
		}
		if f := p.State().FindFailover("id2", 1); f == nil || !f.Open || len(f.Record) == 0 {
			t.Fatalf("the cluster has %+v of it", f)
		}

		p.elect("id3", 4) // and the first leader is out of reach from now on
		gone := offices["id1"]
		delete(offices, "id1")
		second.Connection("id1", 1, errors.New("EOF"))
		second.Applied()
		synctest.Wait()
		for _, i := range led {
			r := &p.State().Shards[i]
			c := r.PrimaryCopy()
			teller := gone.teller
			if o := offices[c.Node]; o != nil {
				teller = o.teller
			}
			now := time.Now().UnixNano()
			teller.Took(Takeover{Shard: r.ID, Term: r.Term, Heard: now, Served: now + 1000})
		}
		<-time.After(3 * time.Second) // of the bubble: nobody writes, and the story is told nevertheless
		synctest.Wait()
		told := offices["id3"].list()
		if len(told) != 1 || told[0].Outcome != tracing.OutcomeRecovered || !told[0].Back() || len(gone.list()) != 0 {
			t.Fatalf("the second leader told %v, the first %v", told, gone.list())
		}
		if told[0].Detector != "n1" || told[0].Reason != "proof" || told[0].Lost == 0 || len(told[0].Plans) == 0 || len(told[0].Elections) != 1 || !told[0].Elections[0].Resume {
			t.Errorf("what the first leader knew is gone: %+v", told[0])
		}
		if f := p.State().FindFailover("id2", 1); f.Open {
			t.Error("the cluster still has it open")
		}
		for who, log := range map[string]string{"the first leader": gone.log.String(), "the second": offices["id3"].log.String()} {
			for line := range strings.Lines(log) {
				if !strings.Contains(line, "trace_id="+told[0].Trace().String()) {
					t.Errorf("%s logs without the trace: %s", who, line)
				}
			}
			if log == "" {
				t.Errorf("%s logs nothing", who)
			}
		}
		second.Applied()
		synctest.Wait()
		past := *p.State()
		past.Version--
		past.Failovers = []cluster.Failover{{Node: "id2", Epoch: 1, Open: true, Deposed: []shards.ShardID{past.Shards[led[0]].ID}}}
		p.mu.Lock()
		newest := p.state
		p.state = &past
		p.mu.Unlock()
		second.Planned(placement.Planned{Term: 4, Plan: s.plan().Plan}) // it was made before the story was told
		synctest.Wait()
		p.mu.Lock()
		p.state = newest
		p.mu.Unlock()
		second.Applied()
		synctest.Wait()
		body, err := offices["id3"].watch.Serve("id4", AskStories())
		if err != nil {
			t.Fatal(err)
		}
		if list, err := DecodeStories(body); err != nil || len(list) != 0 {
			t.Errorf("open stories %v, %v", list, err)
		}
	})
}

// play has n2 die under a leader, and everything it led taken over and written to, so that the story is about to end.
func (p *parliament) play(s *stage, leader *office) {
	leader.watch.Applied()
	synctest.Wait()
	leader.watch.Changed(3, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "proof", Proof: true}})
	s.alive["id2"] = liveness.Dead
	led := s.places("id2")
	for range 2 {
		s.state = p.State()
		d := s.plan()
		p.mu.Lock()
		p.state = s.state
		p.mu.Unlock()
		leader.watch.Planned(placement.Planned{Term: 3, Plan: d.Plan, Outcome: d.Outcome, Took: time.Millisecond, Commit: time.Millisecond})
		synctest.Wait()
	}
	var list []Takeover
	for _, i := range led {
		r, now := &p.State().Shards[i], time.Now().UnixNano()
		list = append(list, Takeover{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: now, Served: now, Written: now})
	}
	if err := leader.watch.Took(list, nil, nil); err != nil {
		panic(err) // the leader has been in office since its first plan
	}
}

// Promised: "nothing duplicated", "leader killed in the middle": whatever becomes of the command that ends a story, and whoever leads when that is
// known, the story is told once.
func TestEndOfStoryInDoubt(t *testing.T) {
	for _, c := range []struct {
		what          string
		mute, detain  bool
		other         bool // leads before the command arrives
		first, second int  // how often they tell
	}{
		{"ordered, and the leader does not hear of it", true, false, false, 1, 0},
		{"on its way while the leader tries again", false, true, false, 1, 0},
		{"ordered, and another leads", true, false, true, 1, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 3, 3)
				p := &parliament{state: s.state, leader: "id1", term: 3, mute: c.mute, detain: c.detain}
				first := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
				second := p.open(t, "id3", "n3", func(shards.NodeID) *office { return nil })
				defer first.close()
				defer second.close()
				p.play(s, first)
				<-time.After(time.Duration(feltWait) + time.Millisecond)
				synctest.Wait()
				if open := first.watch.Open(); len(open) != 1 || len(first.list()) != 0 {
					t.Fatalf("nobody knows whether it was committed; open are %d, told %d", len(open), len(first.list()))
				}
				if c.other {
					p.elect("id3", 4)
				}
				p.arrive()
				first.watch.Applied()
				second.watch.Applied()
				<-time.After(10 * time.Second)
				synctest.Wait()
				if a, b := len(first.list()), len(second.list()); a != c.first || b != c.second {
					t.Fatalf("the first leader told %d times, the second %d", a, b)
				}
				if f := p.State().FindFailover("id2", 1); f.Open || len(f.Record) == 0 {
					t.Errorf("the cluster has %+v", f)
				}
				if told := first.list()[0]; told.Outcome != tracing.OutcomeRecovered || len(told.Words) == 0 {
					t.Errorf("it was told as %s", told.Summary())
				}
			})
		})
	}
}

// A command that is lost with its leader's office ends nothing: whoever leads next tells the story, and the leader before does not.
func TestEndOfStoryIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3, 3)
		p := &parliament{state: s.state, leader: "id1", term: 3, detain: true}
		var first *office
		second := p.open(t, "id3", "n3", func(shards.NodeID) *office { return nil })
		defer second.close()
		first = p.open(t, "id1", "n1", func(shards.NodeID) *office { return second })
		defer first.close()
		p.play(s, first)
		<-time.After(time.Duration(feltWait) + time.Millisecond)
		synctest.Wait()
		p.elect("id3", 4)
		p.mu.Lock()
		p.detain, p.late = false, nil
		p.mu.Unlock()
		first.watch.Applied()
		var again []Takeover
		for i := range p.State().Shards {
			r, now := &p.State().Shards[i], time.Now().UnixNano()
			again = append(again, Takeover{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: now, Served: now, Written: now})
		}
		if err := second.watch.Took(again, nil, nil); err == nil {
			t.Fatal("who has won, and does not know what goes on, took what would be lost")
		}
		second.watch.Applied()
		synctest.Wait()
		if err := second.watch.Took(again, nil, nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		first.watch.Applied()
		synctest.Wait()
		if a, b := len(first.list()), len(second.list()); a != 0 || b != 1 {
			t.Fatalf("the first leader told %d times, the second %d", a, b)
		}
	})
}

// TestUncommittedStory: who cannot commit a story does not tell it; whoever leads next does.
func TestUncommittedStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3, 3)
		p := &parliament{state: s.state, leader: "id1", term: 3}
		o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer o.close()
		o.watch.Applied()
		synctest.Wait()
		m := *s.state.Member("id2")
		m.Epoch = 2
		s.apply(&cluster.Command{Join: &cluster.Join{Member: m}})
		s.plan()
		s.plan()
		p.mu.Lock()
		p.state, p.refuse = s.state, errors.New("no quorum")
		p.mu.Unlock()
		o.watch.Applied()
		for i := range s.state.Shards {
			r := &s.state.Shards[i]
			if err := o.watch.Took([]Takeover{{Shard: r.ID, Term: r.Term, Node: r.PrimaryCopy().Node, Heard: 1, Served: time.Now().UnixNano(), Written: time.Now().UnixNano()}}, nil, nil); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if len(o.list()) != 0 {
			t.Errorf("told %v although it was not committed", o.list())
		}
	})
}

func TestServeRefusesWhatItCannotRead(t *testing.T) {
	p := &parliament{state: newStage(t, 1, 1).state, leader: "id9", term: 1}
	o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
	defer o.close()
	for _, c := range []struct {
		body []byte
		want string
	}{{[]byte{0xff}, "what node id4 tells"}, {nil, "what node id4 tells"}, {AskStories(), "does not lead"}} {
		if _, err := o.watch.Serve("id4", c.body); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%x: %v", c.body, err)
		}
	}
	if _, err := Start(Config{}); err == nil {
		t.Error("a Watch without a group")
	}
	if _, err := StartTeller(TellerConfig{}); err == nil {
		t.Error("a Teller without a leader")
	}
}

// Two elections one after the other, of which the first winner did nothing, are brought on by the death of who led before both.
func TestWinnerWhoDoesNothingIsNoFormerLeader(t *testing.T) {
	w := &Watch{}
	for _, step := range []struct {
		leader  shards.NodeID
		version uint64
		former  shards.NodeID
	}{{"a", 7, "a"}, {"b", 7, "a"}, {"c", 7, "a"}, {"c", 7, "a"}, {"c", 8, "c"}, {"b", 9, "c"}, {"c", 9, "c"}, {"b", 9, "c"}, {"b", 10, "b"}} {
		if w.reigned(step.leader, step.version); w.former != step.former {
			t.Fatalf("after %s in version %d it was %s, not %s", step.leader, step.version, w.former, step.former)
		}
	}
}

// A node that led is the former leader of whoever comes next, itself included.
func TestOwnReignIsAFormerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTwoOffices(t)
		defer x.close()
		if x.rest(); x.first.watch.former == "id1" {
			t.Fatal("it has led before it led")
		}
		x.p.elect("id3", 4)
		x.rest()
		x.p.elect("id1", 5)
		x.rest()
		if former := x.first.watch.former; former != "id1" {
			t.Errorf("before this reign, and the other in which nothing happened, %q led", former)
		}
	})
}
