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

// OnTheirWay counts, by receiver, the messages and questions that the actor has sent before this message and that are still kept: not handled yet, nor
// set aside. It reads all of them, however many there are, so it is for what is done seldom. Who sends something again until it is acknowledged need not while
// it is among them: it will come. Error: that of reading the shard, which a handler may return, or that the handler
// has returned.
func (t *Turn) OnTheirWay() (map[ID]int, error) {
	if err := t.used(); err != nil {
		return nil, err
	}
	count := map[ID]int{}
	for e, err := range t.host.c.Storage.Scan(t.ctx, t.kind.keyspace, Span{Prefix: t.self.key("o", "/")}) {
		if err != nil {
			return nil, t.told(err)
		}
		if k, err := keptOf(&e); err == nil { // what cannot be read is told by the scan of its shard
			count[k.To]++
		}
	}
	return count, nil
}
