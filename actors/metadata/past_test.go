package metadata

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A folder that is put back has missed a life of its node. As each start raises the epoch it comes with just the one that the cluster knows:
// that is no repetition. It is found out where the others run, and where all have been stopped meanwhile. So is one that was started before, alone, so
// that it comes with an epoch that nobody knows.
func TestFolderPutBackIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		all   bool
		alone int // starts
	}{{false, 0}, {true, 0}, {true, 1}, {true, 3}} {
		all := c.all
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, 3)
			names := []string{"n1", "n2", "n3"}
			n.houses["n1"].waitLeader(5 * time.Second)
			h := n.houses["n3"]
			h.kill()
			folder := h.fs.CrashClone(vfs.CrashCloneCfg{})
			h.start().waitJoined()
			h.set(5*time.Second, "after", "1")
			for _, name := range names {
				if h := n.houses[name]; all || name == "n3" {
					h.kill()
				}
			}
			h.fs, h.epoch = folder, h.epoch-1
			for range c.alone {
				h.start()
				<-time.After(30 * time.Second)
				h.kill()
				h.group = nil
			}
			for _, name := range names {
				if h := n.houses[name]; h.group == nil {
					h.start()
				}
			}
			select {
			case <-h.group.Done():
				if err := h.group.Err(); !errors.Is(err, ErrPast) {
					t.Errorf("%+v: it ends with %v", c, err)
				}
			case <-h.group.Joined():
				t.Errorf("%+v: an old folder is a member", c)
			case <-time.After(20 * time.Second):
				t.Errorf("%+v: it waits still", c)
			}
			n.houses["n1"].set(5*time.Second, "later", "1")
		})
	}
}

// Two voters are cut off from each other, and one of them, with the third, has agreed on something since. The third is put back on an older folder, which
// knows nothing of that: it does not elect the one who knows nothing of it either, as long as the other one can tell it what it has forgotten.
func TestFolderPutBackElectsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := village(t, 3, 3)
		leader := n.houses["n1"].waitLeader(5 * time.Second)
		others := n.others(leader)
		late, back := others[0], others[1]
		back.kill()
		folder := back.fs.CrashClone(vfs.CrashCloneCfg{})
		n.cut(leader, late, true)
		back.start().waitJoined()
		leader.set(5*time.Second, "after", "1")
		back.kill()
		leader.wait(5*time.Second, "no leader", func(_ *cluster.State, s Status) bool { return s.Leader == "" })
		back.fs, back.epoch, back.ignores = folder, back.epoch-1, leader.name
		back.start()
		select {
		case <-back.group.Done():
			if err := back.group.Err(); !errors.Is(err, ErrPast) {
				t.Errorf("it ends with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("it waits still")
		}
		if s := late.group.Status(); s.Won {
			t.Fatalf("who lacks what was agreed leads in term %d, by the vote of an old folder", s.Term)
		}
		n.cut(leader, late, false)
		leader.set(5*time.Second, "later", "1")
		if late.wait(5*time.Second, "what was agreed", func(s *cluster.State, _ Status) bool { return s.Setting("test.later") == "1" }); late.group.State().Setting("test.after") != "1" {
			t.Error("what was agreed is gone")
		}
	})
}

// A folder that is put back comes up at another address, where its node waits for nobody's word but calls on the others, after starts that reached nobody:
// so it comes with an epoch that nobody knows. Whom it asks first knows which life of it the cluster had last.
func TestMovedFolderPutBackIsFoundOut(t *testing.T) {
	for _, voters := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, voters)
			h := n.houses["n3"]
			h.kill()
			folder := h.fs.CrashClone(vfs.CrashCloneCfg{})
			h.start().waitJoined()
			h.set(5*time.Second, "after", "1")
			others := []*house{n.houses["n1"], n.houses["n2"]}
			h.kill()
			for _, other := range others {
				other.kill() // no leader knows what it has acknowledged
			}
			h.fs, h.epoch = folder, h.epoch-1
			h.start()
			<-time.After(10 * time.Second)
			h.kill()
			others[0].start()
			others[1].start().waitJoined()
			others[0].waitJoined()
			h.move("moved")
			select {
			case <-h.group.Done():
				if err := h.group.Err(); !errors.Is(err, ErrPast) {
					t.Errorf("%d voters: it ends with %v", voters, err)
				}
			case <-h.group.Joined():
				t.Fatalf("%d voters: an old folder is a member", voters)
			case <-time.After(20 * time.Second):
				t.Errorf("%d voters: it waits still", voters)
			}
			if m := n.houses["n1"].group.State().Member(idOf("n3")); m.Peer != "at-n3" {
				t.Errorf("%d voters: the cluster has it at %s", voters, m.Peer)
			}
		})
	}
}

// Releases before do not read what is asked, and take an answer of four fields only; theirs says nothing of lives.
func TestAnswersToOlderReleases(t *testing.T) {
	d := discovery{cluster: "c", list: "a,b", members: []transport.Address{{Node: "n1", Epoch: 3, Addr: "at-n1"}}, known: 7}
	older := wire.NewEncoder(nil)
	older.Array(2)
	older.Uint(bodyFormat)
	older.Str("a,b")
	for _, c := range []struct {
		question []byte
		known    shards.Epoch
		fields   int
	}{{encodeQuestion("a,b"), 7, 5}, {older.Buffer(), 0, 4}, {nil, 0, 4}} {
		body := d.encode(asksForKnown(c.question))
		r := wire.NewDecoder(body)
		got, err := decodeDiscovery(body)
		if fields := r.Array(); fields != c.fields || err != nil || got.known != c.known || got.list != d.list || !slices.Equal(got.members, d.members) {
			t.Errorf("%x is answered with %d fields, %+v, %v", c.question, fields, got, err)
		}
	}
}
