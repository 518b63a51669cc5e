package metadata

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// move has a node that does not run begin its next life at another address, and nobody tells it where the others are.
func (h *house) move(to string) *house {
	h.town.mu.Lock() // others ask where it is
	h.address, h.join = to, nil
	h.town.mu.Unlock()
	return h.start()
}

// waitMoved waits until every node that runs knows where all are.
func (n *town) waitMoved() {
	n.t.Helper()
	for _, h := range n.houses {
		if h.group == nil {
			continue
		}
		h.waitJoined()
		h.wait(5*time.Second, "everybody's address", func(s *cluster.State, _ Status) bool {
			for i := range s.Members {
				if s.Members[i].Peer != n.addressOf(s.Members[i].ID) {
					return false
				}
			}
			return true
		})
		h.set(5*time.Second, "by "+h.name, "1")
	}
}

// DESIGN.md section 3: "A node keeps its identity, copies and cluster id in its data directory". So it needs nobody's address but those
// that it knows from there, wherever it has come up itself, and whether it votes or not.
func TestMovedMemberFindsTheOthers(t *testing.T) {
	for _, town := range []struct{ nodes, voters int }{{2, 1}, {3, 3}, {4, 3}} {
		for mover := 1; mover <= town.nodes; mover++ {
			t.Run(fmt.Sprintf("n%d of %d, %d of whom vote", mover, town.nodes, town.voters), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := village(t, town.nodes, town.voters)
					h := n.houses[fmt.Sprint("n", mover)]
					h.kill()
					h.move("moved")
					n.waitMoved()
				})
			})
		}
	}
}

// Two who have taken each other's address.
func TestMovedMembersSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 4, 1)
		one, two := n.houses["n3"], n.houses["n4"]
		one.kill()
		two.kill()
		one.move("at-n4")
		two.move("at-n3")
		n.waitMoved()
	})
}

// All who vote have moved: they find each other through a member that neither votes nor has moved.
func TestMovedVotersMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 4, 3)
		voters := []*house{n.houses["n1"], n.houses["n2"], n.houses["n3"]}
		for _, h := range voters {
			h.kill()
		}
		for _, h := range voters {
			h.move("moved-" + h.name)
		}
		n.waitMoved()
	})
}

// pad keeps what is logged.
type pad struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *pad) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *pad) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// All have moved: nobody can know where to. They say so, and what to do; the address of one that has been told one is enough.
func TestAllMovedSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		notes := &pad{}
		n.logger = slog.New(slog.NewTextHandler(notes, nil))
		for _, h := range n.houses {
			h.kill()
		}
		told := n.houses["n2"]
		for _, h := range n.houses {
			h.move("moved-" + h.name)
		}
		<-time.After(20 * time.Second)
		for _, h := range n.houses {
			select {
			case <-h.group.Joined():
				t.Errorf("node %s is back, and nobody can have told it where the others are", h.name)
			case <-h.group.Done():
				t.Errorf("node %s has given up: %v", h.name, h.group.Err())
			default:
			}
			said := 0
			for line := range strings.Lines(notes.String()) {
				if strings.Contains(line, "node="+h.name) && strings.Contains(line, "no other member answers where this node knows it") && strings.Contains(line, "--join") {
					said++
				}
			}
			if said == 0 || said > 5 {
				t.Errorf("node %s said %d times in 20 s that it finds nobody", h.name, said)
			}
		}
		told.stop()
		told.join = func() []string { return []string{"moved-n1", "moved-n3"} }
		told.start()
		n.waitMoved()
	})
}

// Where the others were there is another cluster now: it is not asked for anything, and neither is harmed.
func TestMovedMemberMeetsStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 1)
		mover := n.houses["n3"]
		for _, h := range n.houses {
			h.kill()
		}
		var strangers []*house
		for _, name := range []string{"x1", "x2"} {
			h := n.build(name)
			h.address = "at-n" + name[1:]
			if name != "x1" {
				h.join = func() []string { return []string{"at-n1"} }
			}
			strangers = append(strangers, h.start())
			h.waitJoined()
		}
		mover.move("moved")
		<-time.After(20 * time.Second)
		select {
		case <-mover.group.Joined():
			t.Error("it is a member of another cluster")
		case <-mover.group.Done():
			t.Errorf("it has given up: %v", mover.group.Err())
		default:
		}
		for _, h := range strangers {
			if s := h.group.State(); len(s.Members) != 2 {
				t.Errorf("the other cluster has %d members", len(s.Members))
			}
		}
		for _, h := range strangers {
			h.stop()
		}
		for _, name := range []string{"n1", "n2"} {
			n.houses[name].start()
		}
		n.mu.Lock()
		delete(n.houses, "x1")
		delete(n.houses, "x2")
		n.mu.Unlock()
		n.waitMoved()
	})
}

// A folder that was copied, and goes on at another address: whoever comes with the older epoch is refused, wherever it asks from.
func TestMovedMemberOfAPastLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 2, 1)
		h := n.houses["n2"]
		h.kill()
		copied, epoch := h.fs.CrashClone(vfs.CrashCloneCfg{}), h.epoch
		h.move("moved")
		h.waitJoined()
		h.kill()
		h.move("moved again")
		n.waitMoved()
		h.stop()
		h.fs, h.epoch = copied, epoch
		h.move("moved elsewhere")
		select {
		case <-h.group.Done():
			if err := h.group.Err(); err == nil || !strings.Contains(err.Error(), "life of this node that is past") {
				t.Errorf("it ends with %v", err)
			}
		case <-h.group.Joined():
			t.Error("a past life is a member")
		case <-time.After(20 * time.Second):
			t.Error("it waits still")
		}
	})
}

// What a folder knows is what its log says, and not the older snapshot before it: where its node was last, and all else. So a copy is found out also if
// the node founded the cluster, or moved, since the last snapshot.
func TestALifeBeginsWithAllThatItsLogKnows(t *testing.T) {
	for _, name := range []string{"n1", "n3"} {
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, 3)
			own := n.houses[name]
			own.kill()
			own.move("moved").waitJoined()
			own.set(20*time.Second, "known", "1")
			own.stop() // after a loss of power it would have to learn again what of its log is committed
			twin := &house{town: n, name: own.name, number: own.number, epoch: own.epoch, fs: own.fs.CrashClone(vfs.CrashCloneCfg{}), address: "at-copy"}
			own.start()
			if got := own.group.State().Setting("test.known"); got != "1" {
				t.Errorf("%s begins with the state of its snapshot", name)
			}
			own.waitJoined()
			if err := twin.begin(); err == nil || !strings.Contains(err.Error(), "its node runs at moved") {
				t.Fatalf("the copy of %s begins with %v", name, err)
			}
			twin.wire.Close()
			twin.wal.Close()
		})
	}
}
