package virtual

import (
	"encoding/json"
	"fmt"
)

// Tell sends a message from outside, and waits for nothing: see Host.Tell. The error says that it was not taken.
func Tell[Req any](h *Host, to ID, method string, request Req) error {
	payload, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("virtual: a message to %s: %w", to, err)
	}
	return h.Tell(to, method, payload)
}
