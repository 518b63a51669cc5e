package main

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
)

func TestLease(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `anna leads with token 1
ben leads with token 2
ben writes: "ben's" <nil>
anna writes: "" actor stock/goods, method write: failed: token 1 is old: 2 has written
anna renews: actor lease/leader, method renew: failed: anna does not hold it with token 1 any more
`
	if out.String() != want {
		t.Errorf("it printed\n%snot\n%s", out.String(), want)
	}
}

// A lock: who holds the lease is alone, and tokens rise.
func TestLockExcludes(t *testing.T) {
	node, err := runtime.Start(t.Context(), runtime.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := node.Register(t.Context(), leases()); err != nil {
		t.Fatal(err)
	}
	var inside atomic.Int32
	var last atomic.Uint64
	var all sync.WaitGroup
	for _, who := range []string{"anna", "ben", "carla", "dora"} {
		all.Go(func() {
			for range 5 {
				l, err := campaign(t.Context(), node.Actors(), who, time.Hour) // nobody holds it for so long
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d are inside", n)
				}
				if before := last.Swap(l.Token); before >= l.Token {
					t.Errorf("token %d after %d", l.Token, before)
				}
				inside.Add(-1)
				if _, err := virtual.Call[claim, bool](t.Context(), node.Actors(), leader, "release", claim{Who: who, Token: l.Token}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
