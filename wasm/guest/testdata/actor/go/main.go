// Command counter is the kind that all SDKs are held equal by, in Go; see manifest.json.
package main

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/wasm/guest/go/actor"
)

//go:embed manifest.json
var manifest string

func main() {}

type answer struct {
	From     string `json:"from"`
	Answered bool   `json:"answered"`
	Said     any    `json:"said"`
}

func init() {
	actor.Use(manifest)
	count()
	send()
	actor.Migrate(moved)
	actor.Handle("dice", func(c *actor.Context, r struct{ Count, Below uint64 }) ([]uint64, error) {
		all := make([]uint64, r.Count)
		for i := range all {
			all[i] = c.Below(r.Below)
		}
		return all, nil
	})
	actor.Handle("about", func(c *actor.Context, _ any) (about, error) {
		return about{c.Self(), c.Name(), c.Sender(), c.Event(), c.Now().UnixMilli()}, nil
	})
}

// count is what changes and shows the actor's own data.
func count() {
	actor.Handle("add", change)
	actor.Handle("value", func(c *actor.Context, _ any) (count int64, err error) {
		c.Get("count", &count)
		return count, nil
	})
	actor.Handle("note", func(c *actor.Context, texts map[string]*string) (count int, err error) {
		for name, text := range texts {
			if text != nil {
				c.Put("note/"+name, *text)
			} else {
				c.Delete("note/" + name)
			}
		}
		for range c.Scan("note/") {
			count++
		}
		return count, nil
	})
	actor.Handle("notes", func(c *actor.Context, _ any) (map[string]string, error) {
		all := map[string]string{}
		for key := range c.Scan("note/") {
			text := ""
			c.Get(key, &text)
			all[strings.TrimPrefix(key, "note/")] = text
		}
		return all, nil
	})
}

// send is what reaches others, and the actor itself later.
func send() {
	actor.Handle("pay", func(c *actor.Context, p struct {
		To     string `json:"to"`
		Amount int64  `json:"amount"`
	}) (int64, error) {
		if p.Amount <= 0 {
			return 0, actor.RefuseFor("bad-amount", 8, "an amount of %d", p.Amount)
		}
		c.Tell(c.Peer(p.To), "add", p.Amount)
		return change(c, -p.Amount)
	})
	actor.Handle("compare", func(c *actor.Context, with string) (any, error) {
		asked := c.Ask(with, "value", nil)
		c.Put(fmt.Sprint("asked/", asked), with)
		return nil, nil
	})
	actor.Replied(func(c *actor.Context, count float64, refusal string) error { // as other languages do, it takes a number however it is written
		c.Delete(fmt.Sprint("asked/", c.Token()))
		a := answer{From: c.Sender(), Answered: c.Answered(), Said: count}
		if !a.Answered {
			a.Said = refusal
		}
		c.Put(fmt.Sprint("heard/", c.Token()), a)
		return nil
	})
	actor.Handle("later", func(c *actor.Context, r struct{ After, Every, Amount int64 }) (int64, error) {
		c.Remind("tick", time.Duration(r.After)*time.Millisecond, time.Duration(r.Every)*time.Millisecond, "add", r.Amount)
		return c.Now().UnixMilli() + r.After, nil
	})
	actor.Handle("forget", func(c *actor.Context, _ any) (any, error) {
		c.Forget("tick")
		return nil, nil
	})
}

type about struct {
	Self   string      `json:"self"`
	Name   string      `json:"name"`
	Sender string      `json:"sender"`
	Event  actor.Event `json:"event"`
	Now    int64       `json:"now"`
}

func change(c *actor.Context, by int64) (int64, error) {
	count := int64(0)
	c.Get("count", &count)
	if count += by; count < 0 {
		return 0, actor.Refuse(7, "%s would be below zero, at %d", c.Self(), count)
	}
	c.Put("count", count)
	return count, nil
}

// moved reads layout 1, which had the sum under "n", and took any.
func moved(c *actor.Context, from int) error {
	n := int64(0)
	if c.Get("n", &n); n < 0 {
		return actor.Refuse(9, "%s has %d in layout %d", c.Self(), n, from)
	}
	c.Delete("n")
	c.Put("count", n)
	return nil
}
