package metadata

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// older is a member of a release that reads the first format alone.
func older(number uint64) *cluster.Command {
	m := memberOf(number, 1)
	m.Format, m.Release = 1, "0.3.1"
	return &cluster.Command{Join: &cluster.Join{Member: m}}
}

func pushOf(text string) *cluster.Command {
	return &cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf([]byte(text)), Size: len(text), Bytes: []byte(text)}}
}

// formats are those of the commands in a log, in order.
func formats(t *testing.T, log Log) (list []uint32) {
	t.Helper()
	if log.Last() < log.First() {
		return nil
	}
	entries, err := log.Entries(log.First(), log.Last()+1, math.MaxUint64)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range entries {
		if raw.GetType() != raftpb.EntryNormal || len(raw.GetData()) == 0 {
			continue
		}
		e, err := decodeEntry(raw.GetData())
		if err != nil {
			t.Fatal(err)
		}
		command, err := cluster.DecodeCommand(e.bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, command.Format())
	}
	return list
}

func refusedAfter(t *testing.T, c *Core, command *cluster.Command) {
	t.Helper()
	p := Proposal{ID: ProposalID{Proposer: 1, Epoch: 9, Sequence: 1}, Command: command}
	if err := c.Propose(p); !errors.Is(err, ErrBusy) {
		t.Errorf("what a member that joins cannot read, proposed behind its join: %v", err)
	}
	settleCore(t, c)
	if err := c.Propose(p); err == nil || !strings.Contains(err.Error(), "upgrade it first") {
		t.Errorf("when it has joined: %v", err)
	}
	if list := formats(t, c.config.Log); list[len(list)-1] != 1 {
		t.Errorf("the log has commands of formats %v: the last would end the member", list)
	}
}

// Whom a command would end may be about to join: its join is in the log, and the state does not show it yet.
func TestAnOlderMemberIsAboutToJoin(t *testing.T) {
	c, _ := solo(t, nil)
	propose(t, c, 2, older(2))
	propose(t, c, 3, setting("a", "1"))
	refusedAfter(t, c, pushOf("x"))
	if c.State().Setting("test.a") != "1" {
		t.Error("what all read was not taken meanwhile")
	}
	c, _ = solo(t, nil)
	propose(t, c, 2, &cluster.Command{Join: &cluster.Join{Member: memberOf(2, 1)}})
	propose(t, c, 3, pushOf("x")) // nobody waits for one of the same release
}

// The join may be a former leader's, of which its successor knows nothing before its own reign has begun.
func TestAnOlderMemberIsAboutToJoinUnderAnotherLeader(t *testing.T) {
	c, log := solo(t, nil)
	propose(t, c, 2, older(2))
	c.Begin()
	if _, err := c.Finish(); err != nil { // written, and not committed yet: here the leader ends
		t.Fatal(err)
	}
	if c.State().Member("node2") != nil {
		t.Fatal("the test comes too late: the join is applied")
	}
	c, err := NewCore(CoreConfig{Number: 1, Epoch: 2, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	c.Campaign()
	for c.Lead().Number != 1 && c.Pending() {
		c.Begin()
		if _, err := c.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	if lead := c.Lead(); lead.Number != 1 || lead.Won || c.State().Member("node2") != nil {
		t.Fatalf("%+v: the test comes too early or too late", lead)
	}
	refusedAfter(t, c, pushOf("x"))
}

// Who is sent what a newer release has written ends with a sentence that says so: going on without it would make its state another one.
func TestAnEntryOfANewerRelease(t *testing.T) {
	c, log := solo(t, nil)
	future := setting("a", "1").Encode()
	future[1] = cluster.Format + 1
	m := &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(uint64(1))}
	parts := cut(ProposalID{Proposer: 1, Epoch: 1, Sequence: 2}, 0, future, MaxEntry)
	m.Entries = []*raftpb.Entry{{Data: parts[0].encode()}}
	if err := c.node.Step(m); err != nil {
		t.Fatal(err)
	}
	for life := range 2 { // it is in the log: nor does the next life of this release begin
		var failed error
		for failed == nil && c.Pending() {
			c.Begin()
			_, failed = c.Finish()
		}
		if failed == nil || !strings.Contains(failed.Error(), "written by a newer release, which this node must run to go on") || !strings.Contains(failed.Error(), fmt.Sprintf("this version knows 1 to %d", cluster.Format)) {
			t.Fatalf("life %d: %v", life, failed)
		}
		var err error
		if c, err = NewCore(CoreConfig{Number: 1, Epoch: 2, Log: log}); err != nil {
			t.Fatal(err)
		}
		c.Campaign()
	}
}

// What a node's last life wrote with interval it says when it comes back, unless an older member could not read that. A stranger has nothing to say.
func TestLooseIsSaidToThoseWhoReadIt(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newTown(t)
			h := n.build("n1")
			h.loose = []shards.KeyspaceID{0, 3}
			h.start()
			h.waitJoined()
			if mixed {
				if outcome, err := h.group.Propose(t.Context(), older(2)); err != nil || outcome.Err != nil {
					t.Fatal(err, outcome.Err)
				}
			}
			h.stop()
			h.start()
			h.waitJoined()
			h.silence()
			if said := slices.Contains(formats(t, h.group.config.Log), cluster.FormatLoose); said == mixed {
				t.Errorf("with an older member %v: it is said: %v", mixed, said)
			}
			h.close()
			h.start()
			h.waitJoined()
		})
	}
}
