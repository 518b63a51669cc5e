package virtual

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Tell sends a message from outside, and waits for nothing: see Host.Tell. A request that cannot be written as JSON is refused, too:
// KindInvalid.
func Tell[Req any](h *Host, to ID, method string, request Req) error {
	payload, err := writeJSON(request)
	if err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("virtual: a message to %s: %w", to, err)}
	}
	return h.Tell(to, method, payload)
}
