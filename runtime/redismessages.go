package runtime

import (
	"slices"

	"github.com/troupe-actors/troupe/actors/transport"
	codec "github.com/troupe-actors/troupe/shards/wire"
)

// A message that a client has published travels to every other node as one message of transport.KindPublish, in msgpack:
//
//	93 sharded channel message

// Publish sends a message to the other nodes. One that has no room for it, or is gone, misses it, as in Redis.
func (r *redis) Publish(sharded bool, channel, message []byte) {
	l := r.node.life.Load()
	if l == nil {
		return
	}
	state := r.node.state()
	if len(state.Members) < 2 {
		return
	}
	e := codec.NewEncoder(make([]byte, 0, 16+len(channel)+len(message)))
	e.Array(3)
	e.Bool(sharded)
	e.Bytes(channel)
	e.Bytes(message)
	body := e.Buffer()
	for i := range state.Members {
		if m := &state.Members[i]; m.ID != r.node.id.Node && !m.Down {
			if err := l.wire.Send(m.ID, transport.Bulk, transport.KindPublish, slices.Clone(body)); err != nil {
				r.node.config.Logger.Debug("a published message did not reach a node", "node", m.ID, "bytes", len(body), "error", err)
			}
		}
	}
}

// hear hands a message that was published on another node to the subscribers here.
func (n *Node) hear(body []byte) {
	s := n.speaker.Load()
	d := codec.NewDecoder(body)
	parts := d.Array()
	sharded, channel, message := d.Bool(), d.Bytes(), d.Bytes()
	switch err := d.Finish(); {
	case err != nil || parts != 3:
		n.config.Logger.Warn("a published message of another node cannot be read", "bytes", len(body), "error", err)
	case s != nil:
		s.Deliver(sharded, channel, message)
	}
}
