package admin

import (
	"context"
	"net/http"
	"sync"

	"github.com/troupe-actors/troupe/shards"
)

// RoundTrip is how long another member took to answer a call that asks for nothing, over the connection that all else goes over.
type RoundTrip struct {
	To      shards.NodeID `json:"id"`
	Node    string        `json:"node"`              // name of To
	Micros  int64         `json:"micros,omitempty"`  // the shortest of a few, in microseconds, at least 1; 0: it did not answer
	Problem string        `json:"problem,omitempty"` // why there is no time
}

// RoundTrips are those of one member to all others that are up, sorted by name.
type RoundTrips struct {
	Node    string      `json:"node"`
	Problem string      `json:"problem,omitempty"` // why it says nothing
	To      []RoundTrip `json:"to"`
}

// roundTrips has every member that is up measure its way to each other one, now. Both ends are asked, since a network may be cut in one
// direction only.
func (s *Server) roundTrips(x *exchange, _ *query) error {
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	o := s.overview()
	up := o.nodes[:0:0]
	for i := range o.nodes {
		if m := state.Member(o.nodes[i].ID); m != nil && !m.Down {
			up = append(up, o.nodes[i])
		}
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), viewTimeout)
	defer cancel()
	rows := make([]RoundTrips, len(up))
	var asked sync.WaitGroup
	for i := range up {
		rows[i] = RoundTrips{Node: up[i].Name, To: []RoundTrip{}}
		asked.Go(func() {
			told, err := c.RoundTrips(ctx, up[i].ID)
			if err != nil {
				rows[i].Problem = err.Error()
				return
			}
			to := make(map[shards.NodeID]*RoundTrip, len(told))
			for j := range told {
				to[told[j].To] = &told[j]
			}
			for j := range up { // in the order of names; what is no member is left out
				if r := to[up[j].ID]; r != nil {
					r.Node = up[j].Name
					rows[i].To = append(rows[i].To, *r)
				}
			}
		})
	}
	asked.Wait()
	x.json(http.StatusOK, rows)
	return nil
}

// RoundTrips has the members measure how long they take to each other.
func (c *Client) RoundTrips(ctx context.Context) (rows []RoundTrips, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_nodes/roundtrips", repeatable: true, slow: viewTimeout}, &rows)
	return rows, err
}
