package runtime

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/shards"
)

// Writes are refused a little above the reserve, and a disk at the border does not change with each of them.
func TestReserveIsToldWithSlack(t *testing.T) {
	const reserve = 256 << 20
	for _, c := range []struct {
		free, reserve int64
		was, low      bool
	}{
		{reserve, reserve, false, true},
		{reserve + 1<<20, reserve, false, true},
		{reserve + 20<<20, reserve, false, false},
		{reserve + 20<<20, reserve, true, true},
		{reserve + 33<<20, reserve, true, false},
		{0, 0, false, false},
	} {
		if why := reserveText("n1", c.free, c.reserve, c.was); (why != "") != c.low || c.low && !strings.Contains(why, "node n1 has") {
			t.Errorf("%+v: %q", c, why)
		}
	}
}

func TestFullNodesAreKnownBothWays(t *testing.T) {
	var r rooms
	if r.full() != nil || !r.tell("a", "low") || r.tell("a", "lower") || !r.judged([]member.Flood{{Node: "b", Full: member.Full{Why: "flood"}}}) {
		t.Error("what is news is not told so")
	}
	if len(r.short()) != 0 {
		t.Error("a full disk is taken for short memory")
	}
	if r.judged([]member.Flood{{Node: "b", Full: member.Full{Memory: true, Why: "flood"}}}); !r.short()["b"] || len(r.short()) != 1 {
		t.Errorf("short of memory are %v", r.short())
	}
	if all := r.full(); len(all) != 2 || all["a"] != "lower" || all["b"] != "flood" {
		t.Errorf("full are %v", all)
	}
	if r.tell("b", "its disk"); r.full()["b"] != "flood" {
		t.Errorf("memory comes before the disk: %v", r.full())
	}
	r.tell("b", "")
	if !r.tell("a", "") || r.tell("a", "") || !r.judged(nil) || len(r.full()) != 0 {
		t.Error("room again is not noticed")
	}
	r.low = map[shards.NodeID]shortness{"c": {why: "long ago"}}
	if len(r.full()) != 0 {
		t.Error("one that has not been heard for long counts as full")
	}
	if !r.forget() || r.forget() {
		t.Error("nobody learns, once, that one has not been heard for long")
	}
	if r.tell("d", "low"); r.forget() || len(r.full()) != 1 {
		t.Error("one that was heard just now is forgotten")
	}
}

// A start that waits for room looks twice a second, and ends with its context.
func TestAStartThatWaitsForRoomEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{config: Config{Data: "data", Logger: slog.New(slog.DiscardHandler)}}
		ctx, stop := context.WithTimeout(t.Context(), roomPause+time.Millisecond)
		defer stop()
		if err := n.waitForRoom(ctx, syscall.ENOSPC); err != nil {
			t.Errorf("the first time: %v", err)
		}
		if err := n.waitForRoom(ctx, syscall.ENOSPC); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("when its time is over: %v", err)
		}
	})
}

// Who is full is who says so, whatever its message says.
func TestWhoIsFullIsWhoSaysSo(t *testing.T) {
	n := start(t, Config{})
	news := n.news.wait()
	if _, err := n.answer(t.Context(), "b", []byte(`{"low":{"node":"c","why":"it is full"}}`)); err != nil {
		t.Fatal(err)
	}
	if full := n.room.full(); len(full) != 1 || full["b"] != "it is full" {
		t.Errorf("full are %v", full)
	}
	<-news
}
