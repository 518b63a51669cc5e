package main

import (
	"context"
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// A zombie is a client that knows nothing of a failover: its connection to a node that stood still, or was cut off, has lived
// on, and what it has written is the first thing that the node finds when it wakes.
//
//	pause, cut ─── failover ─── zombie writes ─── resume, heal ─── +OK? then it must be there when all is over
type zombie struct{ conn *harness.Conn }

// raise connects to a node before it is paused; nil for a node that does not speak Redis' protocol.
func raise(ctx context.Context, addr string) (*zombie, error) {
	if addr == "" {
		return nil, nil
	}
	c, err := harness.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if _, err := c.Do("PING"); err != nil {
		c.Close()
		return nil, err
	}
	return &zombie{c}, nil
}

// zombieWrites is how many writes wait for the node to wake.
const zombieWrites = 100

// write queues writes at the node.
func (z *zombie) write(tag string) error {
	for i := range zombieWrites {
		key := zombieKey(tag, i)
		z.conn.Send("SET", key, key)
	}
	return z.conn.Flush()
}

func zombieKey(tag string, i int) string { return fmt.Sprintf("{%s}:zombie:%d", tag, i) }

// acknowledged are the keys of those writes that the node acknowledged once it was awake.
func (z *zombie) acknowledged(tag string) (keys []string) {
	defer z.conn.Close()
	z.conn.SetDeadline(time.Now().Add(10 * time.Second))
	for i := range zombieWrites {
		switch _, err := z.conn.Receive(); err.(type) {
		case nil:
			keys = append(keys, zombieKey(tag, i))
		case harness.ReplyError: // refused, as it should be
		default:
			return keys // it hung up
		}
	}
	return keys
}
