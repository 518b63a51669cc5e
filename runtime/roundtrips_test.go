package runtime

import (
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// Every node measures its way to every other one, and says of one that does not hear it that it does not answer.
func TestRoundTripsBothWays(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	c.whole()
	for _, from := range c.nodes {
		for _, asked := range c.nodes {
			eventually(t, from.Name()+" asked by "+asked.Name()+" has measured its way to every other one", func() bool {
				told, err := clusterAPI{asked}.RoundTrips(t.Context(), from.ID())
				if slices.ContainsFunc(told, func(r admin.RoundTrip) bool { return r.To == from.ID() || (r.Micros < 1) != (r.Problem != "") }) {
					t.Fatalf("%s says %+v", from.ID(), told)
				}
				busy := slices.ContainsFunc(told, func(r admin.RoundTrip) bool { return r.Problem != "" }) // somebody does not answer in time
				return err == nil && len(told) == 2 && !busy
			})
		}
	}
	deaf := c.nodes[1]
	deaf.life.Load().transport.Isolate([]shards.NodeID{c.nodes[0].ID()}, false)
	told := c.nodes[0].roundTrips(t.Context())
	deaf.life.Load().transport.Isolate(nil, false)
	at := slices.IndexFunc(told, func(r admin.RoundTrip) bool { return r.To == deaf.ID() })
	if at < 0 || told[at].Micros != 0 || told[at].Problem != "no answer within 1s" {
		t.Errorf("of a node that does not hear it, it says %+v", told)
	}
}
