package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How an idle node's heap is kept small. The collector lets a heap grow to twice of what is live, which a node that only sends
// heartbeats reaches within minutes and keeps: 12 MB that nobody has a use for. One collection takes some 20 ms of a processor.
const (
	idleHeapPeriod = 10 * time.Second
	idleHeapLive   = 64 << 20 // above it a collection costs more than it gives, and who has so much does not look at 12 MB
	idleHeapBusy   = 8 << 20  // allocated within a period: the node is not idle, and would only fault the pages in again
	idleHeapWorth  = 3 << 20  // of garbage: half a minute's
)

// heapFigures are what runtime/metrics tells of the heap, in bytes.
type heapFigures struct {
	live      uint64 // what the last collection has found
	held      uint64 // objects, dead ones included
	allocated uint64 // since the process began
}

func readHeap() heapFigures {
	list := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(list[:])
	return heapFigures{list[0].Value.Uint64(), list[1].Value.Uint64(), list[2].Value.Uint64()}
}

// idleGarbage says whether a process has been idle since an earlier look, and has garbage that is worth a collection.
func idleGarbage(was, now heapFigures) bool {
	return now.live < idleHeapLive && now.allocated-was.allocated < idleHeapBusy && now.held > now.live+idleHeapWorth
}

// keepIdleHeapSmall collects what an idle process has left behind and gives the room to the system, until ctx ends. It does nothing
// where the operator has set GOGC.
func keepIdleHeapSmall(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	pause := time.NewTicker(idleHeapPeriod)
	defer pause.Stop()
	was := readHeap()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		now := readHeap()
		if idleGarbage(was, now) {
			debug.FreeOSMemory()
		}
		was = now
	}
}
