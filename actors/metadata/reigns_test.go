package metadata

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// TestATaskThatRanIsNotClosed: the loop ends right after it has run a task. To a proposer ErrClosed would mean that the command is in
// nobody's log.
func TestATaskThatRanIsNotClosed(t *testing.T) {
	for range 200 {
		g := &Group{tasks: make(chan task), done: make(chan struct{})}
		go func() {
			t := <-g.tasks
			t.do(nil)
			close(t.done)
			close(g.done)
		}()
		ran := false
		if err := g.ask(context.Background(), func(*Core) { ran = true }); err != nil && ran {
			t.Fatalf("it ran, and ask says: %v", err)
		}
	}
}

// TestVoterKeeperForgetsEarlierReigns: a member that was away for a moment in an earlier reign of the same node, and is away again for
// a moment, keeps its vote for the grace period.
func TestVoterKeeperForgetsEarlierReigns(t *testing.T) {
	c, _ := solo(t, nil)
	state := &cluster.State{Cluster: "c", Voters: []uint64{1, 2, 3}}
	for i := range 4 {
		state.Members = append(state.Members, cluster.Member{ID: shards.NodeID(fmt.Sprint("n", i+1)), Raft: uint64(i + 1), Epoch: 1, Roles: cluster.DefaultRoles})
	}
	synctest.Test(t, func(t *testing.T) {
		dead := map[shards.NodeID]bool{}
		core := *c
		core.state = state
		ended, end := context.WithCancel(context.Background())
		end() // nobody takes the proposal
		alive := func(id shards.NodeID) bool { return !dead[id] }
		g := &Group{config: Config{Self: state.Members[0], Alive: alive, Logger: slog.New(slog.DiscardHandler)}, ctx: ended, tasks: make(chan task)}
		g.state.Store(state)
		l := &loop{group: g, core: &core}
		dead["n2"] = true
		l.voters.look(l)
		dead["n2"] = false
		<-time.After(time.Hour) // others lead, and nobody looks here
		core.lead.Term += 2
		dead["n2"] = true
		l.voters.look(l)
		proposed := l.voters.proposed
		g.running.Wait()
		if proposed {
			t.Error("n2 loses its vote at once")
		}
	})
}

// TestADeadVoterIsWaitedFor: one that was declared dead, as every node is that stops, keeps its vote for the grace period.
func TestADeadVoterIsWaitedFor(t *testing.T) {
	c, _ := solo(t, nil)
	state := &cluster.State{Cluster: "c", Voters: []uint64{1, 2, 3}}
	for i := range 4 {
		state.Members = append(state.Members, cluster.Member{ID: shards.NodeID(fmt.Sprint("n", i+1)), Raft: uint64(i + 1), Epoch: 1, Roles: cluster.DefaultRoles})
	}
	state.Members[1].Down = true
	synctest.Test(t, func(t *testing.T) {
		core := *c
		core.state = state
		ended, end := context.WithCancel(context.Background())
		end() // nobody takes the proposal
		alive := func(id shards.NodeID) bool { return id != "n2" }
		g := &Group{config: Config{Self: state.Members[0], Alive: alive, Logger: slog.New(slog.DiscardHandler)}, ctx: ended, tasks: make(chan task)}
		g.state.Store(state)
		l := &loop{group: g, core: &core}
		grace := state.Duration(cluster.SettingVoterGrace)
		for passed := time.Duration(0); passed <= grace; passed += voterPause {
			l.voters.look(l)
			if lost := l.voters.proposed; lost != (passed >= grace) {
				t.Fatalf("after %v: another is to vote in its place: %t", passed, lost)
			}
			<-time.After(voterPause)
		}
		g.running.Wait()
	})
}

// TestAWrongProofIsNotForGood: that the leader's life has ended was not true. Whoever was told so follows it again before long.
func TestAWrongProofIsNotForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(20 * time.Second)
		for _, h := range n.houses {
			if h == leader {
				continue
			}
			h.group.LeaderGone(idOf(leader.name), leader.epoch)
			wait(10 * time.Second)
			leader = n.houses["n1"].waitLeader(20 * time.Second)
			leader.set(5*time.Second, "x", h.name)
			wait(10 * time.Second)
			if got, want := h.group.Status().Applied, leader.group.Status().Applied; got < want {
				t.Errorf("%s follows no more: it has applied %d, the leader %d", h.name, got, want)
			}
			return
		}
	})
}
