// Command lease shows locks and election on virtual actors. A lease is an actor: it has at most one holder, who must renew it, and each
// holder gets a token that is above all before. What the lease protects refuses lower tokens: that, and not the clock, keeps one who
// has slept through the end of its lease from doing harm.
//
//	free ──acquire──► held by A, token 7 ──release, or the reminder "expire"──► free ──acquire──► held by B, token 8
//	                     ▲ renew │
//	                     └───────┘
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
)

// lease is what the actor keeps, and what it answers.
type lease struct {
	Holder string
	Token  uint64 // of the holder, or of the last one; it only rises
}

type claim struct {
	Who   string
	Token uint64 // what acquire gave; not for acquire
	For   time.Duration
}

// grant makes who the holder until the reminder comes.
func grant(c *virtual.Context[lease], who string, d time.Duration) (lease, error) {
	if d <= 0 {
		return lease{}, errors.New("a lease is for a time above 0")
	}
	c.State.Holder = who
	return *c.State, c.Remind("expire", d, 0, "expire", c.State.Token)
}

func leases() *virtual.Kind {
	k := virtual.NewKind[lease]("lease")
	virtual.Handle(k, "acquire", func(c *virtual.Context[lease], r claim) (lease, error) {
		if c.State.Holder != "" {
			return *c.State, nil // the caller sees that it is somebody else
		}
		c.State.Token++
		return grant(c, r.Who, r.For)
	})
	virtual.Handle(k, "renew", func(c *virtual.Context[lease], r claim) (lease, error) {
		if c.State.Holder != r.Who || c.State.Token != r.Token {
			return lease{}, fmt.Errorf("%s does not hold it with token %d any more", r.Who, r.Token)
		}
		return grant(c, r.Who, r.For)
	})
	virtual.Handle(k, "release", func(c *virtual.Context[lease], r claim) (bool, error) {
		held := c.State.Holder == r.Who && c.State.Token == r.Token
		if held {
			c.State.Holder = ""
			c.Forget("expire")
		}
		return held, nil
	})
	virtual.Handle(k, "expire", func(c *virtual.Context[lease], token uint64) (bool, error) {
		if c.State.Token == token {
			c.State.Holder = ""
		}
		return true, nil
	})
	return k.Kind
}

// stock is what a lease protects: it remembers the highest token it has seen.
type stock struct {
	Token uint64
	Value string
}

func stocks() *virtual.Kind {
	k := virtual.NewKind[stock]("stock")
	virtual.Handle(k, "write", func(c *virtual.Context[stock], s stock) (string, error) {
		if s.Token < c.State.Token {
			return "", fmt.Errorf("token %d is old: %d has written", s.Token, c.State.Token)
		}
		*c.State = s
		return s.Value, nil
	})
	return k.Kind
}

var (
	leader = virtual.ID{Kind: "lease", Name: "leader"}
	goods  = virtual.ID{Kind: "stock", Name: "goods"}
)

// lookAgain is the pause between two tries to become leader.
const lookAgain = 20 * time.Millisecond

// campaign tries to become leader until it is, or ctx ends.
func campaign(ctx context.Context, actors *virtual.Host, who string, d time.Duration) (lease, error) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		l, err := virtual.Call[claim, lease](ctx, actors, leader, "acquire", claim{Who: who, For: d})
		if err != nil || l.Holder == who {
			return l, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return l, ctx.Err()
		}
	}
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	node, err := runtime.Start(ctx, runtime.Config{})
	if err != nil {
		return err
	}
	defer node.Close()
	if err := errors.Join(node.Register(ctx, leases()), node.Register(ctx, stocks())); err != nil {
		return err
	}
	actors := node.Actors()
	anna, err := campaign(ctx, actors, "anna", 400*time.Millisecond)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s leads with token %d\n", anna.Holder, anna.Token)
	ben, err := campaign(ctx, actors, "ben", time.Minute) // anna renews nothing: her lease runs out
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s leads with token %d\n", ben.Holder, ben.Token)
	for _, l := range []lease{ben, anna} { // anna believes that she leads still
		value, err := virtual.Call[stock, string](ctx, actors, goods, "write", stock{Token: l.Token, Value: l.Holder + "'s"})
		fmt.Fprintf(out, "%s writes: %q %v\n", l.Holder, value, err)
	}
	_, err = virtual.Call[claim, lease](ctx, actors, leader, "renew", claim{Who: "anna", Token: anna.Token, For: time.Minute})
	fmt.Fprintln(out, "anna renews:", err)
	return nil
}
