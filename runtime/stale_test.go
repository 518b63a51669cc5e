package runtime

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// readsWhilePrimaryIsOut reads a counter of which the primary is cut off and has not been replaced yet, by way of each node.
// DESIGN.md section 4: "Reads at the primary under the node's lease are linearizable; read=replica is offered and says how stale it may be."
func readsWhilePrimaryIsOut(t *testing.T, c *troop, primary *Node, key string) {
	t.Helper()
	plausible := func(where string, value []byte, err error) {
		t.Helper()
		if count, _ := strconv.ParseInt(string(value), 10, 64); err != nil || count < 1 {
			t.Errorf("%s gives %q from a copy, %v; more than 100 were acknowledged", where, value, err)
		}
	}
	for _, n := range c.nodes {
		s := open(t, n, "default")
		for _, within := range []time.Duration{0, time.Hour} {
			value, err := s.Get(t.Context(), key, FromReplica(within))
			plausible(n.Name(), value.Bytes, err)
		}
		client := must[*admin.Client](t)(admin.New([]string{n.HTTPAddr()}, ""))
		value, err := client.GetFrom(t.Context(), "default", []byte(key), admin.Reading{Replica: true, Within: time.Hour})
		plausible("HTTP at "+n.Name(), value.Bytes, err)
		client.Close()
		if _, err := s.Get(t.Context(), key, FromReplica(-1)); kindOf(err) != shards.KindInvalid {
			t.Errorf("a bound below 0 gives %v", err)
		}
		if n == primary {
			continue
		}
		// The default path waits for the successor. Nobody can vouch for a bound of a nanosecond, with or without one.
		for name, option := range map[string]ReadOption{"the default path": nil, "a bound of a nanosecond": FromReplica(1)} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			value, err := s.Get(ctx, key, option)
			if cancel(); err == nil && option == nil && n.state().Member(primary.id.Node).Down {
				continue // so long did it take to come here
			}
			if kindOf(err) != shards.KindUnavailable || errors.Is(err, ErrTooOld) != (option != nil) {
				t.Errorf("%s gives %q, %v", name, value.Bytes, err)
			}
		}
	}
}

func kindOf(err error) shards.ErrorKind {
	var kinded interface{ ErrorKind() shards.ErrorKind }
	if errors.As(err, &kinded) {
		return kinded.ErrorKind()
	}
	return shards.KindUnknown
}
