package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Store is where a Writer writes. One goroutine at a time.
type Store interface {
	// Put makes one attempt, of bounded time. An error may mean anything: that it was done, too.
	Put(ctx context.Context, key, value string) error
	// Missing are those of the keys whose value is not the key itself, which is what a Writer writes.
	Missing(ctx context.Context, keys []string) ([]string, error)
	Close() error
}

// Follower is a client of a Redis cluster for keys of one slot: it goes where MOVED and ASK send it, and to the next address
// when one does not answer.
type Follower struct {
	addresses []string
	limit     time.Duration // of one attempt
	at        string        // where the slot was last served
	next      int           // in addresses
	conns     map[string]*Conn
}

// mostHops bounds the redirections of one command: two nodes may point at each other for a while.
const mostHops = 4

// Follow makes a client that knows these addresses. Each attempt on one of them takes limit at most.
func Follow(addresses []string, limit time.Duration) *Follower {
	return &Follower{addresses: addresses, limit: limit, at: addresses[0], conns: map[string]*Conn{}}
}

// Do sends one command, where the slot of its key is served as far as known. After an error another node is asked next time.
func (f *Follower) Do(ctx context.Context, args ...string) (any, error) {
	var err error
	asking := false
	for range mostHops {
		var v any
		v, err = f.attempt(ctx, asking, args)
		var reply ReplyError
		if err == nil {
			return v, nil
		}
		if !errors.As(err, &reply) {
			break
		}
		word, place := redirection(string(reply))
		asking = word == "ASK"
		if place == "" {
			break
		}
		f.at = place
	}
	f.turn()
	return nil, err
}

// attempt sends a command to one node.
func (f *Follower) attempt(ctx context.Context, asking bool, args []string) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	c, err := f.conn(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if asking {
		if _, err := c.Do("ASKING"); err != nil {
			return nil, f.drop(err)
		}
	}
	v, err := c.Do(args...)
	return v, f.drop(err)
}

func (f *Follower) conn(ctx context.Context) (*Conn, error) {
	if c := f.conns[f.at]; c != nil {
		return c, nil
	}
	c, err := Dial(ctx, f.at)
	if err == nil {
		f.conns[f.at] = c
	}
	return c, err
}

// drop closes the connection that an error other than a reply has spoilt.
func (f *Follower) drop(err error) error {
	var reply ReplyError
	if err != nil && !errors.As(err, &reply) {
		f.conns[f.at].Close()
		delete(f.conns, f.at)
	}
	return err
}

// turn goes to the next address.
func (f *Follower) turn() {
	f.next = (f.next + 1) % len(f.addresses)
	if f.addresses[f.next] == f.at {
		f.next = (f.next + 1) % len(f.addresses)
	}
	f.at = f.addresses[f.next]
}

// redirection is where a reply sends the client: MOVED or ASK, and the address.
func redirection(reply string) (word, address string) {
	fields := strings.Fields(reply)
	if len(fields) == 3 && (fields[0] == "MOVED" || fields[0] == "ASK") {
		return fields[0], fields[2]
	}
	return "", ""
}

// Put sets a key.
func (f *Follower) Put(ctx context.Context, key, value string) error {
	_, err := f.Do(ctx, "SET", key, value)
	return err
}

// pipeline is how many keys are read in one go.
const pipeline = 500

// Missing reads keys of one slot from the node that serves it.
func (f *Follower) Missing(ctx context.Context, keys []string) (missing []string, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	if _, err := f.Do(ctx, "GET", keys[0]); err != nil { // finds the node
		return nil, err
	}
	c := f.conns[f.at]
	c.SetDeadline(time.Time{})
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	for len(keys) > 0 {
		batch := keys[:min(pipeline, len(keys))]
		keys = keys[len(batch):]
		for _, k := range batch {
			c.Send("GET", k)
		}
		if err := c.Flush(); err != nil {
			return nil, err
		}
		for _, k := range batch {
			v, err := c.Receive()
			if err != nil {
				return nil, fmt.Errorf("GET %s: %w", k, err)
			}
			if v != k {
				missing = append(missing, k)
			}
		}
	}
	return missing, nil
}

// Close ends the connections.
func (f *Follower) Close() error {
	for _, c := range f.conns {
		c.Close()
	}
	clear(f.conns)
	return nil
}
