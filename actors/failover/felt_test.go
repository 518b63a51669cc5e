package failover

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
)

// What clients felt on a node whose clock is off is part of the failover all the same, and does not make it longer; it says that the clock is off.
func TestWaitsByAnotherClock(t *testing.T) {
	for _, off := range []int64{0, 20e6, -20e6, 90e9, -90e9} {
		s := newStage(t, 4, 4)
		led := s.places("id2")
		s.detect("id2", liveness.Dead, "proof", true)
		s.planned()
		s.planned()
		s.serve(led...)
		s.pass(50)
		s.feel(s.state, &Felt{Shard: s.state.Shards[led[0]].ID, Node: "id4", Requests: 3, Began: s.now - 60e6 + off, Ended: s.now - 40e6 + off, Longest: 20e6, sent: s.now + off, received: s.now + 1e5})
		s.look()
		if len(s.ended) != 1 || len(s.ended[0].Clients) != 1 {
			t.Fatalf("clock off by %v: %d stories ended, clients %+v", time.Duration(off), len(s.ended), s.ended[0].Clients)
		}
		x := &s.ended[0].Failover
		again, err := tracing.DecodeFailover(x.Encode())
		if err != nil {
			t.Fatal(err)
		}
		root, wait := again.Spans()[0], again.Clients[0]
		if d := time.Duration(root.End - root.Start); d > time.Second {
			t.Errorf("clock off by %v: it took %v", time.Duration(off), d)
		}
		if large := max(off, -off) > 1e9; (wait.Ahead != 0) != large || large && max(wait.Ahead-off, off-wait.Ahead) > 2e5 {
			t.Errorf("clock off by %v: taken as %v ahead", time.Duration(off), time.Duration(wait.Ahead))
		}
		for _, span := range again.Spans() {
			if ahead, said := span.Attribute("troupe.clock.ahead_ms"); span.Name == "clients waited @n4" && (said != (wait.Ahead != 0) || ahead.Int != wait.Ahead/1e6) {
				t.Errorf("%s says that its clock is ahead: %v, by %d ms", span.Name, said, ahead.Int)
			}
		}
	}
}

// An old trouble of the shard that is told late is none of this failover.
func TestWaitsOfBefore(t *testing.T) {
	s := newStage(t, 3, 3)
	led := s.places("id2")
	s.pass(60_000)
	s.detect("id2", liveness.Dead, "proof", true)
	s.planned()
	s.feel(s.state, &Felt{Shard: s.state.Shards[led[0]].ID, Node: "id3", Requests: 1, Began: s.now - 40e9, Ended: s.now - 30e9, sent: s.now - 1e6, received: s.now})
	if x := s.find("id2", 1); len(x.Clients) != 0 {
		t.Errorf("of another trouble: %+v", x.Clients)
	}
}

// Likewise as it comes from the other node.
func TestWaitsAreToldWithTheirClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 3, 3)
		p := &parliament{state: s.state, leader: "id1", term: 3}
		o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
		defer o.close()
		shard := s.state.Shards[s.places("id2")[0]].ID
		p.play(s, o)
		ahead := int64(90 * time.Second)
		now := time.Now().UnixNano() + ahead
		m := message{Waits: []Felt{{Shard: shard, Requests: 2, Began: now, Ended: now, Longest: 1}}, Sent: now}
		body, _ := m.encode()
		if _, err := o.watch.Serve("id3", body); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if open := o.watch.Open(); len(open) != 1 || len(open[0].Clients) != 1 || open[0].Clients[0].Ahead != ahead || open[0].Clients[0].Ended != now-ahead {
			t.Errorf("open: %+v", open)
		}
	})
}
