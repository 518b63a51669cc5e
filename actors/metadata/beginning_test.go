package metadata

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// TestFounderDiesBetweenItsTwoNotes: a founder dies when its log names the cluster, and its folder does not yet. Its next start draws
// another id, and goes on with the one that the log has.
func TestFounderDiesBetweenItsTwoNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		h := n.build("n1")
		h.epoch++
		h.wal = openWal(t, h.fs)
		log, err := OpenLog(h.wal, 0)
		if err != nil {
			t.Fatal(err)
		}
		h.number = log.Number()
		id := strings.Repeat("a", 40)
		if err := errors.Join(Found(log, h.number), log.SetCluster(id), h.wal.Close()); err != nil {
			t.Fatal(err)
		}
		h.start()
		wait(5 * time.Second)
		if err := h.group.Err(); err != nil {
			t.Fatalf("the node does not start: %v", err)
		}
		h.waitJoined()
		if got := h.group.State().Cluster; got != id {
			t.Errorf("it belongs to %s, and its log to %s", got, id)
		}
	})
}

// TestAMemberThatBeginsIsNotFree: a member that begins is asked by the first of the initial list, whose disk is empty, before it has
// come to say where it belongs. It must not be counted among those who could form a cluster.
func TestAMemberThatBeginsIsNotFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t)
		list := []string{"at-n1", "at-n2", "at-n3"}
		nodes := []*house{}
		for _, name := range []string{"n1", "n2", "n3"} {
			h := n.build(name)
			h.initial = list
			nodes = append(nodes, h.start())
		}
		n.oneCluster(nodes)
		for _, h := range nodes {
			h.stop()
		}
		h := nodes[1]
		h.epoch++
		h.wal = openWal(t, h.fs)
		log, err := OpenLog(h.wal, h.number)
		if err != nil {
			t.Fatal(err)
		}
		h.wire, err = n.network.Join(transport.Config{
			Self: transport.Hello{Format: 1, Cluster: log.Cluster(), Node: idOf(h.name), Epoch: h.epoch, Name: h.name}, Listen: h.address,
			Receive: func(transport.Hello, transport.Class, transport.Kind, []byte) {},
			Serve: func(ctx context.Context, peer transport.Hello, kind transport.Kind, body []byte) ([]byte, error) {
				if g := h.taken.Load(); g != nil {
					return g.Serve(ctx, peer, kind, body)
				}
				return nil, errors.New("it begins")
			},
			Changed: func(transport.Change) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		h.group, err = Start(Config{
			Self: h.member(), Log: log, Wire: h.wire, Initial: list, Bootstrap: cluster.Bootstrap{Cluster: fmt.Sprintf("%040x", h.number)},
			Adopt:   func(string) error { <-time.After(3 * time.Second); return nil }, // a slow disk
			Connect: func(list []transport.Address) { h.wire.SetPeers(list) }, Logger: n.logger,
		})
		if err != nil {
			t.Fatal(err)
		}
		h.taken.Store(h.group)
		again := n.build("n1-again")
		again.address, again.initial = "at-n1", list
		again.start()
		wait(20 * time.Second)
		if got := again.group.State().Cluster; got != "" && got != h.group.State().Cluster {
			t.Fatalf("two clusters: %s at n1, %s at n2", got, h.group.State().Cluster)
		}
	})
}
