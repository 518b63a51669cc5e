package failover

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// A leader that hangs was there until it answered no heartbeats any more, and not until another was elected; from then on it was missed.
func TestLeaderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := watching(t, "id2")
		o.watch.Answered()
		answered := time.Now().UnixNano()
		<-time.After(400 * time.Millisecond) // since 100 of which it was awaited, says the evidence
		p.elect("id1", 4)
		o.watch.Applied()
		synctest.Wait()
		o.watch.Changed(4, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "no heartbeat"}, Unheard: true})
		synctest.Wait()
		open := o.watch.Open()
		if len(open) != 1 || len(open[0].Elections) != 1 {
			t.Fatalf("open: %+v", open)
		}
		if x, e := open[0], open[0].Elections[0]; x.Gone() != answered || e.Began != answered || e.Won-e.Began != int64(400*time.Millisecond) {
			t.Errorf("gone %v after its last answer; the election took %v", time.Duration(x.Gone()-answered), time.Duration(e.Won-e.Began))
		}
	})
}

// Who handed over and dies later has brought on no election.
func TestLeaderThatHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := watching(t, "id2")
		o.watch.Answered()
		p.elect("id1", 4)
		o.watch.Applied()
		synctest.Wait()
		<-time.After(time.Minute)
		o.watch.Connection("id2", 1, errors.New("EOF"))
		o.watch.Changed(4, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "proof", Proof: true}})
		synctest.Wait()
		open := o.watch.Open()
		if len(open) != 1 || len(open[0].Elections) != 0 || open[0].Heard != open[0].Declared-int64(100*time.Millisecond) {
			t.Errorf("open: %+v", open)
		}
	})
}

// Who goes on with a story after the leader handed over leads to no failover of that one: there is none.
func TestResumedAfterHandover(t *testing.T) {
	for _, dies := range []bool{false, true} {
		s := newStage(t, 4, 4)
		led := s.places("id2")
		s.detect("id2", liveness.Dead, "proof", true)
		s.planned()
		x, _ := s.unsaved(s.now)
		s.apply(&cluster.Command{Failover: &cluster.FailoverChange{Node: "id2", Epoch: 1, Record: x.Encode()}})
		s.stories = stories{self: "id3", name: "n3"}
		s.lead(s.state, "id1", 4, s.now)
		if dies {
			s.detect("id1", liveness.Suspect, "no heartbeat", false)
		}
		s.planned()
		s.serve(led...)
		s.look()
		if len(s.ended) != 1 || len(s.ended[0].Elections) != 1 {
			t.Fatalf("%d stories ended", len(s.ended))
		}
		if e := s.ended[0].Elections[0]; !e.Resume || (e.Former != "") != dies {
			t.Errorf("the leader before dies %v: %+v", dies, e)
		}
	}
}

// A leader that finds the next life of a node which it has never heard does not know when the one before ended: a cluster has started again. By a connection
// that broke it does.
func TestLeaderThatNeverHeardOfIt(t *testing.T) {
	for _, connected := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, o := watching(t, "id1")
			if connected {
				o.watch.Connection("id2", 1, errors.New("EOF"))
			}
			o.watch.Changed(3, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "epoch 2 of it answers", Proof: true}, Unheard: true})
			synctest.Wait()
			if open := o.watch.Open(); len(open) != 1 || open[0].Seen() != connected || open[0].Declared == 0 {
				t.Errorf("connected %v: %+v", connected, open)
			}
		})
	}
}
