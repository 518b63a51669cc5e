package failover

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// A connection that broke and was made again says nothing of the death that follows later, such as that of a node which is paused: its connection
// stays.
func TestConnectionThatCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := watching(t, "id1")
		o.watch.Connection("id2", 1, errors.New("it was cut off for a moment"))
		o.watch.Connected("id2", 1)
		<-time.After(time.Minute)
		o.watch.Changed(3, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "no heartbeat"}})
		synctest.Wait()
		open := o.watch.Open()
		if len(open) != 1 {
			t.Fatalf("%d stories are open", len(open))
		}
		if x := open[0]; x.Lost != 0 || x.Declared-x.Gone() != int64(100*time.Millisecond) || len(x.Checks) != 1 {
			t.Errorf("it was heard 100ms ago, and the story says that it was gone for %v; checks %v", time.Duration(x.Declared-x.Gone()), x.Checks)
		}
	})
}

// Likewise when its leader dies: who is elected has not missed it since a connection broke that came back.
func TestLeaderThatCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, o := watching(t, "id2")
		o.watch.Connection("id2", 1, errors.New("it was cut off for a moment"))
		o.watch.Connected("id2", 1)
		<-time.After(time.Minute)
		p.elect("id1", 4)
		o.watch.Applied()
		o.watch.Changed(4, liveness.Change{Status: liveness.Status{Node: "id2", Name: "n2", Epoch: 1, State: liveness.Dead, Reason: "no heartbeat"}, Unheard: true})
		synctest.Wait()
		open := o.watch.Open()
		if len(open) != 1 || len(open[0].Elections) != 1 {
			t.Fatalf("open: %+v", open)
		}
		if e := open[0].Elections[0]; e.Won-e.Began > int64(time.Second) {
			t.Errorf("the election took %v", time.Duration(e.Won-e.Began))
		}
	})
}

// watching is a parliament of three nodes, of which one leads in term 3, and the watch of the first.
func watching(t *testing.T, leader shards.NodeID) (*parliament, *office) {
	t.Helper()
	p := &parliament{state: newStage(t, 3, 3).state, leader: leader, term: 3}
	o := p.open(t, "id1", "n1", func(shards.NodeID) *office { return nil })
	t.Cleanup(o.close)
	o.watch.Applied()
	synctest.Wait()
	return p, o
}
