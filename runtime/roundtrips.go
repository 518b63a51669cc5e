package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

const (
	pings     = 4               // the first may have to dial; of the others the shortest says how far it is
	pingLimit = 1 * time.Second // for all of them
	pinged    = 32              // members at a time
)

// RoundTrips has a member measure how long the others take to answer it.
func (c clusterAPI) RoundTrips(ctx context.Context, node shards.NodeID) (list []admin.RoundTrip, err error) {
	if node == c.node.id.Node {
		return c.node.roundTrips(ctx), nil
	}
	return list, c.node.ask(ctx, node, inquiry{RoundTrips: true}, &list)
}

// roundTrips pings every member that is up, so many at a time.
func (n *Node) roundTrips(ctx context.Context) (list []admin.RoundTrip) {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	state := n.state()
	for i := range state.Members {
		if m := &state.Members[i]; !m.Down && m.ID != n.id.Node {
			list = append(list, admin.RoundTrip{To: m.ID})
		}
	}
	each(len(list), pinged, func(i int) {
		took, err := n.ping(ctx, list[i].To)
		switch {
		case err == nil:
			list[i].Micros = max(1, took.Microseconds())
		case errors.Is(err, context.DeadlineExceeded):
			list[i].Problem = fmt.Sprintf("no answer within %v", pingLimit)
		default:
			list[i].Problem = err.Error()
		}
	})
	return list
}

// ping is the shortest time of a few in which a node answered. Some answers are enough.
func (n *Node) ping(ctx context.Context, to shards.NodeID) (shortest time.Duration, err error) {
	for range pings {
		var answer bool
		began := time.Now()
		if err = n.ask(ctx, to, inquiry{Ping: true}, &answer); err != nil {
			break
		}
		if took := time.Since(began); shortest == 0 || took < shortest {
			shortest = took
		}
	}
	if shortest > 0 {
		return shortest, nil
	}
	return 0, err
}
